"""Free Music Archive: three header lines, nested subsets, genres that are unknown, and files without sound."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones
from loopback import serving

import tagging
from tagging.data import prepare_corpus
from tagging.data.fma import COUNTS, SHORT, SILENT
from tagging.errors import ConfigError, CorpusError, DownloadError

# columns of the real file, of which some are read; a biography with a line break and a comma
HEADER = [
    ",album,artist,artist,set,set,track,track,track,track",
    ",comments,bio,id,split,subset,duration,genre_top,genres,genres_all",
    "track_id,,,,,,,,,",
]
ROWS = [
    '2,0,"<p>A biography,\nof ""two"" lines</p>",1,training,small,168,Hip-Hop,[21],[21]',
    "5,0,,1,training,small,206,Rock,[12],[12]",
    "10,0,,6,validation,medium,161,Pop,[10],[10]",
    '20,0,,4,training,large,311,,"[76, 103]","[17, 10, 76, 103]"',
    "30,0,,4,training,large,311,,[],[]",
    '99134,0,,9,training,small,0,Rock,[25],"[25, 12]"',
    "98565,0,,9,training,small,1,Rock,[12],[12]",
]
GENRES = "genre_id,#tracks,parent,title,top_level\n" + "\n".join(
    f"{number},1,0,{title},{number}"
    for number, title in (
        (10, "Pop"),
        (12, "Rock"),
        (17, "Folk"),
        (21, "Hip-Hop"),
        (25, "Punk"),
        (76, "Folk"),
        (103, "Singer"),
    )
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata/tracks.csv").write_text("\n".join([*HEADER, *ROWS, ""]))
    (tmp_path / "fma_metadata/genres.csv").write_text(GENRES)
    return tmp_path


def corpus(root: Path, **options):
    return tagging.open_corpus("fma", root=root, strict=False, **options)


@pytest.mark.parametrize(
    ("subset", "split", "tracks"),
    [
        ("small", "training", {"2", "5", "98565"}),
        ("small", "train", {"2", "5", "98565"}),
        ("medium", "validation", {"10"}),
        ("large", "training", {"2", "5", "20", "30", "98565"}),
        ("full", "training", {"2", "5", "20", "30", "98565"}),
        ("small", "validation", set()),
    ],
)
def test_a_subset_has_the_smaller_ones_in_it(root: Path, subset, split, tracks):
    data = corpus(root, subset=subset, split=split)
    assert set(data.ids) == tracks
    assert data.split == {"train": "training"}.get(split, split)
    for track in data:
        assert track.path == root / f"fma_{subset}" / f"{int(track.id) // 1000:03d}" / f"{int(track.id):06d}.mp3"


def test_silent_and_short_files_are_said(root: Path):
    assert "1 tracks are left out, whose files have no sound in them: 99134" in (notes := corpus(root).notes)
    assert "files known to be shorter than they should be: 98565" in notes
    assert len(SILENT) + len(SHORT) == 21


def test_one_genre_or_all(root: Path):
    small = corpus(root)
    assert small.vocabulary.names == ("Hip-Hop", "Rock")
    assert {tag.exclusive_group for tag in small.vocabulary} == {"genre"}
    ambiguous = corpus(root, subset="large", genres="top")
    assert np.isnan(ambiguous.labels_of(np.array([ambiguous.ids.index("20")]))).all()
    large = corpus(root, subset="large")
    # two genres are called Folk
    assert large.vocabulary.names == ("Pop", "Rock", "Folk (17)", "Hip-Hop", "Punk", "Folk (76)", "Singer")
    labels = dict(zip(large.ids, large.labels_of(np.arange(len(large))), strict=True))
    assert labels["20"].tolist() == [1, 0, 1, 0, 0, 1, 1]
    assert np.isnan(labels["30"]).all(), "nobody chose a genre: unknown, not absent"


@pytest.mark.parametrize(
    "subset", ["small", *(pytest.param(name, marks=pytest.mark.slow) for name in list(COUNTS)[1:])]
)
def test_counts_are_those_published(root: Path, subset):
    # numbers of tracks are above the real ones, so that none is left out
    rows = [
        f"{number + 200_000},0,,{number},{split},{level},1,{genre},[],[]"
        for number, (split, level, genre) in enumerate(whole())
    ]
    path = root / "fma_metadata/tracks.csv"
    path.write_text("\n".join([*HEADER, *rows]))
    *counts, genres = COUNTS[subset]
    for split, count in zip(("training", "validation", "test"), counts, strict=True):
        data = tagging.open_corpus("fma", root=root, subset=subset, split=split, genres="top")
        assert (len(data), len(data.vocabulary), data.notes) == (count, genres, ())
    path.write_text("\n".join([*HEADER, *rows[:10]]))
    with pytest.raises(CorpusError, match="10 tracks in tracks.csv, where 106,574 are published"):
        tagging.open_corpus("fma", root=root, subset=subset)


def whole():
    """(split, subset, genre) of as many tracks as are published."""
    before = (0, 0, 0)
    for subset, number in (("small", 8), ("medium", 16), ("large", 16)):
        counts = COUNTS[subset][:3]
        for split, count, smaller in zip(("training", "validation", "test"), counts, before, strict=True):
            yield from ((split, subset, f"genre {index % number}") for index in range(count - smaller))
        before = counts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n".join([HEADER[1], *ROWS]), "three header lines"),
        ("\n".join([*HEADER[:2], *ROWS]), "the third is another"),
        (
            "\n".join([HEADER[0], HEADER[1].replace("genre_top", "genre"), HEADER[2]]),
            "columns missing: track genre_top",
        ),
        ("\n".join([*HEADER, "2,0"]), "line 4"),
        ("\n".join([*HEADER, ROWS[1].replace("[12]", "__import__('os')")]), "line 4"),
        ("", "not as published"),
    ],
)
def test_a_damaged_table(root: Path, text, message):
    (root / "fma_metadata/tracks.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        corpus(root)


def test_wrong_choices(root: Path):
    with pytest.raises(ConfigError, match="unknown subset 'tiny'"):
        corpus(root, subset="tiny")
    with pytest.raises(ConfigError, match="choice of genres"):
        corpus(root, genres="some")


def test_another_archive_than_the_published_one_is_refused(tmp_path: Path):
    with serving() as server:
        server.files = {"/fma/fma_metadata.zip": b"another"}
        with pytest.raises(DownloadError, match="f0df49ffe5f2a6008d7dc83c6915b31835dfe733 is published"):
            prepare_corpus("fma", root=tmp_path, mirror=server.url, annotations_only=True, progress=False)


def test_sound_is_read(root: Path):
    path = root / "fma_small/000/000002.mp3"
    path.parent.mkdir(parents=True)
    soundfile.write(path, tones(1.0, 44100, channels=2), 44100, format="MP3")
    data = corpus(root)
    track = data[data.ids.index("2")]
    assert len(track.read(0, 0.5)) == 8000
    assert data.segment(data.ids.index("2"), 0.0, 0.5).audio.any()


@pytest.mark.slow
@pytest.mark.skipif(
    "TAGGING_DATASETS" not in os.environ, reason="set TAGGING_DATASETS to a folder with real annotations"
)
@pytest.mark.parametrize("subset", COUNTS)
def test_real_annotations(subset):
    """The unpacked ``fma_metadata.zip`` in ``$TAGGING_DATASETS/fma``."""
    root = Path(os.environ["TAGGING_DATASETS"], "fma")
    if not (root / "fma_metadata/genres.csv").exists():
        pytest.skip(f"no fma_metadata in {root}")
    for split, count in zip(("training", "validation", "test"), COUNTS[subset], strict=False):
        data = tagging.open_corpus("fma", root=root, subset=subset, split=split)
        assert count - len(data) == (3 if split == "training" else 0)
