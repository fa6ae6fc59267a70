"""A dataset of the package `datasets` as a corpus: made on the spot, with sounds in it or beside it."""

from __future__ import annotations

import numpy as np
import pytest
from songs import make_songs

from tagging import ConfigError, open_corpus

datasets = pytest.importorskip("datasets")
datasets.disable_progress_bars()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    make_songs(tmp_path, 12, seconds=0.3)
    return tmp_path


def dataset_of(folder, *, embedded: bool):
    paths = sorted((folder / "music").iterdir())
    sounds = [
        {"bytes": path.read_bytes() if embedded else None, "path": path.name if embedded else str(path)}
        for path in paths
    ]
    columns = {
        "audio": sounds,
        "label": [number % 3 for number in range(12)],
        "artist": [f"a{number // 2}" for number in range(12)],
    }
    dataset = datasets.Dataset.from_dict(columns).cast_column("audio", datasets.Audio(decode=False))
    return dataset.cast_column("label", datasets.ClassLabel(names=["folk", "jazz", "rock"])), paths


@pytest.mark.parametrize("embedded", [True, False])
def test_classes_become_tags_and_sounds_are_those_of_the_files(folder, embedded):
    dataset, paths = dataset_of(folder, embedded=embedded)
    corpora = [open_corpus("huggingface", dataset=dataset, split=split) for split in ("train", "validation", "test")]
    assert corpora[0].vocabulary.names == ("folk", "jazz", "rock")
    assert sum(map(len, corpora)) == 12
    files = open_corpus("folder", root=str(folder / "music"), labels=str(folder / "tags.csv"))
    for corpus in corpora:
        for track in corpus:
            row = int(track.id)
            assert track.labels.tolist() == [row % 3 == tag for tag in range(3)]
            assert track.group == f"a{row // 2}"
            if paths[row].name in files.ids:
                np.testing.assert_array_equal(track.read(), files[files.ids.index(paths[row].name)].read())


def test_a_saved_dataset_keeps_its_splits(folder):
    dataset, _ = dataset_of(folder, embedded=True)
    rows = {"train": range(6), "validation": range(6, 9), "test": range(9, 12)}
    saved = datasets.DatasetDict({name: dataset.select(part) for name, part in rows.items()})
    saved.save_to_disk(str(folder / "saved"))
    for name, part in rows.items():
        corpus = open_corpus("huggingface", dataset=str(folder / "saved"), split=name)
        assert sorted(track.id for track in corpus) == [f"{name}/{row:06d}" for row in part]


def test_mistakes_say_what_to_do(folder):
    dataset, _ = dataset_of(folder, embedded=True)
    for wrong, options, message in (
        (3, {}, "dataset of type int: give a Dataset"),
        (dataset, {"audio": "sound"}, "unknown column 'sound'"),
        (dataset.remove_columns("audio"), {}, "0 columns of sounds; name one of"),
        (dataset.remove_columns(["label", "artist"]), {}, "no tags"),
        (datasets.DatasetDict({"other": dataset}), {}, "unknown split 'other'"),
    ):
        with pytest.raises(ConfigError, match=message):
            open_corpus("huggingface", dataset=wrong, **options)
