"""Million Song Dataset: lists of three repositories, pickled by Python 2 or as text, for two splits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from loopback import serving

import tagging
from tagging.data import prepare_corpus
from tagging.data.msd import COUNTS, TAGS
from tagging.errors import CorpusError

SONGS = {
    "train": ["TRAAAAK128F9318786", "TRAAAAW128F429D538"],
    "valid": ["TRYLROL128F931C1A7"],
    "test": ["TRAADIN128F931D672"],
}


def labels(index: int) -> np.ndarray:
    return np.arange(len(TAGS)) % 3 == index % 3


def choi(folder: Path) -> None:
    """Text lists with an array of labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, songs in SONGS.items():
        (folder / f"{part}_x_msd_id.txt").write_text("\n".join(songs))
        (folder / f"{part}_x_filename.txt").write_text("\n".join(f"5/{i}/5{i}04670.npy" for i in range(len(songs))))
        np.save(folder / f"{part}_y.npy", np.array([labels(i) for i in range(len(songs))]))


def lee(folder: Path) -> None:
    """Lists that Python 2 has pickled; the training list has the validation songs at its end."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, songs in (("train", SONGS["train"][:1]), ("test", SONGS["test"])):
        text = "(lp1\n" + "".join(f"S'{song}'\np{number}\na" for number, song in enumerate(songs, 2)) + "."
        (folder / f"filtered_list_{name}.cP").write_text(text)


def corpus(root: Path, split: str, **options):
    return tagging.open_corpus("msd", root=root, split=split, strict=False, **options)


@pytest.mark.parametrize(("one", "other"), [("", ""), ("MSD_split", "MSD_split_for_tagging")])
def test_lists_of_choi_and_lee(tmp_path: Path, one, other):
    choi(tmp_path / other)
    lee(tmp_path / one)
    data = corpus(tmp_path, "choi/train")
    assert sorted(data.ids) == SONGS["train"]
    assert data.vocabulary.names == TAGS
    index = data.ids.index(SONGS["train"][1])
    np.testing.assert_array_equal(data.labels_of(np.array([index]))[0], labels(1))
    assert data.paths[index] == tmp_path / "audio/5/1/5104670.clip.mp3"
    assert corpus(tmp_path, "train").ids == (SONGS["train"][0],)
    assert corpus(tmp_path, "lee/test").ids == (SONGS["test"][0],)
    assert corpus(tmp_path, "choi/val").ids == (SONGS["valid"][0],)
    with pytest.raises(CorpusError, match="2 songs of choi/train, where 201,680 are published"):
        tagging.open_corpus("msd", root=tmp_path, split="choi/train")


def test_text_lists_need_no_pickles(tmp_path: Path):
    (tmp_path / "train_gt_msd.tsv").write_text(f"{SONGS['train'][1]}\t{labels(2).astype(int).tolist()}\n")
    data = corpus(tmp_path, "lee/train")
    np.testing.assert_array_equal(data.labels_of(np.array([0]))[0], labels(2))
    assert data.paths[0] == tmp_path / "audio/A/A/A/TRAAAAW128F429D538.mp3"
    assert any("artists are shared" in note for note in data.notes)


def test_damaged_lists(tmp_path: Path):
    choi(tmp_path)
    lee(tmp_path)
    with pytest.raises(CorpusError, match=r"it has no .*train_gt_msd|no such folder"):
        corpus(tmp_path / "other", "lee/train")
    np.save(tmp_path / "test_y.npy", np.zeros((2, 50)))
    with pytest.raises(CorpusError, match=r"an array of \(2, 50\) for 1 songs"):
        corpus(tmp_path, "lee/test")
    np.save(tmp_path / "test_y.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(CorpusError, match="no array of numbers"):
        corpus(tmp_path, "choi/test")
    (tmp_path / "train_x_msd_id.txt").write_text("TRB\nTRC")
    with pytest.raises(CorpusError, match="1 songs of Lee's list are not in Choi's, TRAAAAK"):
        corpus(tmp_path, "lee/train")
    (tmp_path / "filtered_list_train.cP").write_bytes(b"cos\nsystem\n(S'ls'\ntR.")
    with pytest.raises(CorpusError, match="at byte 0 it asks for GLOBAL"):
        corpus(tmp_path, "lee/train")
    (tmp_path / "val_gt_msd.tsv").write_text("TRA\t[0, 1]\n")
    with pytest.raises(CorpusError, match="not every song has 50 labels"):
        corpus(tmp_path, "lee/validation")


def test_lists_are_downloaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    choi(tmp_path / "a")
    lee(tmp_path / "b")
    with serving() as server:
        for folder, address in (("a", "keunwoochoi/MSD_split_for_tagging"), ("b", "jongpillee/music_dataset_split")):
            base = f"/{address}/master/" + ("MSD_split/" if folder == "b" else "")
            server.files |= {f"{base}{path.name}": path.read_bytes() for path in (tmp_path / folder).iterdir()}
        prepare_corpus("msd", root=tmp_path / "msd", mirror=server.url)
    assert "the owners publish no sound" in capsys.readouterr().err
    assert len(corpus(tmp_path / "msd", "choi/train")) == 2
    assert len(corpus(tmp_path / "msd", "lee/test")) == 1


@pytest.mark.slow
@pytest.mark.skipif(
    "TAGGING_DATASETS" not in os.environ, reason="set TAGGING_DATASETS to a folder with real annotations"
)
@pytest.mark.parametrize("split", [f"{protocol}/{part}" for protocol, counts in COUNTS.items() for part in counts])
def test_real_annotations(split):
    """Clones of the repositories of the lists in ``$TAGGING_DATASETS/msd``."""
    try:
        data = tagging.open_corpus("msd", root=Path(os.environ["TAGGING_DATASETS"], "msd"), split=split)
    except CorpusError as error:
        if "it has no" not in str(error):
            raise
        pytest.skip(str(error))
    protocol, part = split.split("/")
    assert len(data) == COUNTS[protocol][part]
    assert (data.labels_of(np.arange(len(data))).sum(axis=1) > 0).all()
