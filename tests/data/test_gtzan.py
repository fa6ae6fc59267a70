"""GTZAN: the filtered lists, .wav and .au, and the file that most copies have damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones

import tagging
from tagging.data.gtzan import COUNTS, GENRES, UNREADABLE
from tagging.errors import ConfigError, CorpusError


def corpus(root: Path, split: str = "filtered/train", **options):
    return tagging.open_corpus("gtzan", root=root, split=split, **options)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Short lists, as published, with the line ends of either system."""
    folder = tmp_path / "GTZAN_split"
    folder.mkdir()
    (folder / "train_filtered.txt").write_text("blues/blues.00029.wav\njazz/jazz.00054.wav\n")
    (folder / "valid_filtered.txt").write_bytes(b"rock/rock.00001.wav\r\n")
    (folder / "test_filtered.txt").write_text("hiphop/hiphop.00012.wav\n")
    return tmp_path


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_counts_of_the_lists_in_torchaudio(tmp_path: Path, part):
    pytest.importorskip("torchaudio")
    data = corpus(tmp_path, f"filtered/{part}")
    assert len(data) == COUNTS[part]
    assert data.vocabulary.names == GENRES
    assert (data.labels_of(np.arange(len(data))).sum(axis=1) == 1).all()
    assert (UNREADABLE in data.ids) == (part == "train")


def test_the_filtered_parts_share_nothing(tmp_path: Path):
    pytest.importorskip("torchaudio")
    ids = [set(corpus(tmp_path, f"filtered/{part}").ids) for part in ("train", "validation", "test")]
    assert len(set.union(*ids)) == 930
    assert len(corpus(tmp_path, "all")) == 1_000


def test_lists_in_the_folder_are_read(listed: Path):
    assert set(corpus(listed, strict=False).ids) == {"blues.00029", UNREADABLE}
    assert corpus(listed, "filtered/valid", strict=False)[0].path == listed / "genres/rock/rock.00001.wav"
    with pytest.raises(CorpusError, match="2 names in the list of filtered/train, where 443 are published"):
        corpus(listed)
    (listed / "GTZAN_split/test_filtered.txt").write_text("polka/polka.00012.wav\n")
    with pytest.raises(CorpusError, match="other genres"):
        corpus(listed, "test", strict=False)


@pytest.mark.parametrize("folder", ["genres", "genres_original", ""])
@pytest.mark.parametrize("ending", [".wav", ".au"])
def test_sound_of_both_kinds(listed: Path, folder, ending):
    path = listed / folder / "blues" / f"blues.00029{ending}"
    path.parent.mkdir(parents=True)
    soundfile.write(path, tones(1.0, 22050), 22050, format=ending[1:].upper())
    data = corpus(listed, strict=False)
    track = data[data.ids.index("blues.00029")]
    assert track.path == path
    assert len(track.read(0.0, 0.5)) == 8000


@pytest.mark.parametrize(
    ("damaged", "count", "note"), [(True, 1, "left out"), (False, 2, ""), (None, 2, "in most copies")]
)
def test_the_damaged_file(listed: Path, damaged, count, note):
    path = listed / "genres/jazz/jazz.00054.wav"
    path.parent.mkdir(parents=True)
    if damaged:
        path.write_bytes(b"\0" * 5000)
    elif damaged is False:
        soundfile.write(path, tones(0.1, 22050), 22050)
    data = corpus(listed, strict=False)
    assert len(data) == count
    assert any(note and note in text for text in data.notes) == bool(note)


def test_what_is_not_there(tmp_path: Path):
    with pytest.raises(CorpusError, match="no such folder"):
        corpus(tmp_path / "other")
    with pytest.raises(ConfigError, match="'filtered/train'"):
        corpus(tmp_path, "filtred/train")
    assert (
        "artists are not in these annotations: every track is a group of its own" in corpus(tmp_path, "all").summary()
    )
