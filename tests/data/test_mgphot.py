"""MGPHot: attributes, tags by the published thresholds, or both; from the two forms of its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones

import tagging
from tagging.data.mgphot import ATTRIBUTES, TONALITY, labels_of, vocabulary_of
from tagging.errors import ConfigError, CorpusError

SPLITS = ("train", "val", "test", "train")
TITLES = ("Waltz, in C", "Song", "Song", "Fourth\tpart")


def values(index: int) -> list[float]:
    return [round((index + row) % 11 / 10, 1) for row in range(len(ATTRIBUTES))]


def index(*, genes: bool) -> dict[str, dict]:
    songs = {}
    for number, (split, title) in enumerate(zip(SPLITS, TITLES, strict=True)):
        songs[str(number + 1)] = {
            "artist": f"Artist {number} feat. B", "title": title, "youtube_url": "", "youtube_id": f"-abc_{number}XYZ",
            "is_official": True, "year": 1958, "period": "1958", "main_artist": f"artist {number}", "split": split,
        }  # fmt: skip
        if genes:
            songs[str(number + 1)]["gene_values"] = values(number)
    return songs


def table(count: int = 3) -> str:
    rows = ["artist\ttitle\tgene_values"]
    rows += [f"Artist {number} feat. B\t{TITLES[number]}\t{values(number)}" for number in range(count)]
    return "\n".join(rows)


@pytest.fixture(params=[True, False], ids=["rebuilt", "as published"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    name = "genome_index_split.json" if request.param else "genome_index_split_without_gene.json"
    (tmp_path / name).write_text(json.dumps(index(genes=request.param), indent=2))
    if not request.param:
        (tmp_path / "mgphot_gene_values.tsv").write_text(table())
    return tmp_path


def corpus(root: Path, split: str = "test", **options):
    return tagging.open_corpus("mgphot", root=root, split=split, strict=False, **options)


def test_attributes(root: Path):
    data = corpus(root)
    assert data.vocabulary.names == ATTRIBUTES
    assert data.vocabulary.regression.all()
    np.testing.assert_allclose(data.labels_of(np.arange(1)), [values(2)])
    assert (data[0].id, data[0].group) == ("3", "artist 2")
    assert [len(corpus(root, split)) for split in ("train", "validation", "val", "test")] == [2, 1, 1, 1]


def test_tags_by_thresholds():
    genes = np.full((6, 58), 0.5, np.float32)
    tonality, tempo = ATTRIBUTES.index(TONALITY), ATTRIBUTES.index("Tempo")
    genes[:, tonality] = [0.0, 0.19, 0.2, 0.8, 0.81, np.nan]
    genes[:, tempo] = [0.0, 0.8, 0.81, 0.9, 1.0, np.nan]
    vocabulary = vocabulary_of("tags")
    tags = dict(zip(vocabulary.names, labels_of(genes, "tags").T.tolist(), strict=True))
    assert len(vocabulary) == 59
    assert TONALITY not in vocabulary.names
    assert tags["Tempo"][:5] == [0, 0, 1, 1, 1]
    assert tags["Major"][:5] == [0, 0, 0, 0, 1]
    assert tags["Minor"][:5] == [1, 1, 0, 0, 0]
    assert np.isnan([tags[name][5] for name in ("Tempo", "Major", "Minor")]).all()
    assert not np.any(tags["Piano"])


def test_both_as_on_the_poster(root: Path):
    data = corpus(root, labels="both")
    assert (data.vocabulary.regression.sum(), data.vocabulary.classification.sum()) == (58, 59)
    assert {"Tempo (0 to 1)", "Tempo", "Major"} <= set(data.vocabulary.names)
    assert data.labels_of(np.arange(1)).shape == (1, 117)
    with pytest.raises(ConfigError, match="choice of labels"):
        corpus(root, labels="genes")


def test_a_song_that_the_table_lacks_is_unknown(tmp_path: Path):
    (tmp_path / "genome_index_split_without_gene.json").write_text(json.dumps(index(genes=False)))
    (tmp_path / "mgphot_gene_values.tsv").write_text(table())
    data = corpus(tmp_path, "train", labels="both")
    unknown = np.isnan(data.labels_of(np.arange(2))).all(axis=1)
    assert [data.ids[row] for row in np.flatnonzero(unknown)] == ["4"]
    assert any("1 songs of the index are not in the table" in note for note in data.notes)


def test_counts_are_those_published(root: Path):
    with pytest.raises(CorpusError, match="4 songs in the index, where 21,320 are published"):
        tagging.open_corpus("mgphot", root=root, split="train")


@pytest.mark.parametrize("name", ["-ab/-abc_2XYZ.mp3", "-abc_2XYZ.ogg", "deep/er/3.wav"])
def test_sound_is_found_by_its_name(root: Path, name):
    assert corpus(root).paths[0] == root / "audio/-ab/-abc_2XYZ.mp3"
    path = root / "audio" / name
    path.parent.mkdir(parents=True)
    soundfile.write(path, tones(1.0, 44100), 44100)
    assert corpus(root).paths[0] == path
    assert len(corpus(root)[0].read(0.0, 0.5)) == 8000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table().replace("gene_values", "genes"), "line 1"),
        (table().replace("[0.2, ", "["), "57 values, where 58"),
        (table().replace("[0.2, ", "[1.2, "), "where 58 in"),
        (table().replace("[0.2, ", "[__import__('os'), "), "not as published"),
    ],
)
def test_damaged_values(tmp_path: Path, text, message):
    (tmp_path / "genome_index_split_without_gene.json").write_text(json.dumps(index(genes=False)))
    (tmp_path / "mgphot_gene_values.tsv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        corpus(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '{"1": {"artist": "a"}}'])
def test_a_damaged_index(tmp_path: Path, text):
    (tmp_path / "genome_index_split.json").write_text(text)
    with pytest.raises(CorpusError, match="no index of songs as published|has no songs"):
        corpus(tmp_path)
