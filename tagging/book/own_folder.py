"""A folder of sound files with a table, to try out what reads one's own recordings. Book: ``book/your_own_folder``."""

from __future__ import annotations

import csv
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data import open_corpus
from ..data.sheet_music.corpus import VOCABULARY
from ..utils.files import atomic_write
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas

# A tag that fewer songs have is no column of the table: a test of it would say little.
_MIN_POSITIVES = 20
_SECONDS = 8.0
# What stands in files that were never sound, or are none any more: nothing, a page of a server, zeros after a full disk.
_BROKEN = (b"", b"<html><title>404 Not Found</title></html>", bytes(20_000))


def write_folder(folder: str | Path, songs: int = 200, broken: int = 3) -> Path:
    """Write rendered clips as wav files, some of them broken, and a table of their tags.

    The clips are those of the corpus ``sheet-music``, 8 s each. The table has a column of paths, one of the tunes that the clips
    are made from, and one column of 0 and 1 for each tag that at least 20 songs have.

    Args:
        folder: where ``sounds`` and ``tags.csv`` are written.
        songs: rows of the table.
        broken: files in it that cannot be read, spread over the folder.

    Returns:
        The table.

    >>> table = write_folder("music")  # doctest: +SKIP

    Book: ``book/your_own_folder``.
    """
    import soundfile

    corpus = open_corpus("sheet-music", split="train", clips=songs, build=True)
    labels = corpus.labels_of(np.arange(songs))
    common = (corpus.vocabulary.classification) & (np.nansum(labels, axis=0) >= _MIN_POSITIVES)
    tags = np.flatnonzero(common)
    folder = Path(folder)
    (folder / "sounds").mkdir(parents=True, exist_ok=True)
    damaged = dict(zip(np.linspace(0, songs - 1, broken + 2).astype(int)[1:-1].tolist(), cycle(_BROKEN)))
    rows = []
    for index in range(songs):
        track, path = corpus[index], f"sounds/{index:03d}.wav"
        if index in damaged:
            (folder / path).write_bytes(damaged[index])
        else:
            soundfile.write(folder / path, track.read(0, _SECONDS), corpus.sample_rate)
        rows.append([path, track.group, *("" if np.isnan(value) else int(value) for value in labels[index, tags])])
    with atomic_write(folder / "tags.csv") as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "group", *(corpus.vocabulary.names[tag] for tag in tags)])
        writer.writerows(rows)
    return folder / "tags.csv"


def songs_per_tag_table() -> pandas.DataFrame:
    """ROC-AUC of probes over clips to fit on, from ``benchmarks/songs_per_tag.py``: means over tags and seeds.

    One row a number of clips: how many of them have a tag, the score of msd-musicnn's vectors for all 40
    tags over all songs, and within sources for the other tags and for instruments.

    Book: ``book/your_own_folder``.
    """
    import pandas

    record = bundled_record("songs-per-tag")
    instruments = np.array([VOCABULARY[VOCABULARY.position(name)].source == "arranger" for name in record["tags"]])
    rows = {}
    for clips, seeds in record["embedders"]["msd-musicnn"].items():
        positives = np.array([seed["positives"] for seed in seeds])
        # float [seeds, tags], nan where the test has no such clip
        over_all, within = (
            np.array([seed[where] for seed in seeds], float) for where in ("over_all_songs", "within_sources")
        )
        rows[int(clips)] = {
            "of them with a tag: median": int(np.median(positives)),
            "fewest": int(positives.min()),
            "msd-musicnn, 40 tags, over all songs": float(np.nanmean(over_all)),
            "msd-musicnn, 28 other tags, within sources": float(np.nanmean(within[:, ~instruments])),
            "msd-musicnn, 12 instruments, within sources": float(np.nanmean(within[:, instruments])),
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("clips")
