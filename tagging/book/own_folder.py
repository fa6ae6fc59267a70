"""A folder of sound files with a table, to try out what reads one's own recordings. Book: ``book/your_own_folder``."""

from __future__ import annotations

import csv
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data import open_corpus
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


# Songs with a tag: from, and below.
_POSITIVES = (5, 10, 20, 40, 80, 160)


def songs_per_tag_table() -> pandas.DataFrame:
    """What a probe loses with few songs of a tag, against the same tag with all 1,600 clips.

    One row a range of songs with the tag, from ``benchmarks/songs_per_tag.py``. Means over tags, numbers of clips and seeds of
    ROC-AUC over all songs.

    Book: ``book/your_own_folder``.
    """
    import pandas

    ranges = list(pairwise(_POSITIVES))
    columns = {}
    for name, sizes in bundled_record("songs-per-tag")["embedders"].items():
        seeds = [seed for size in sizes.values() for seed in size]
        positives = np.array([seed["positives"] for seed in seeds])  # [sizes x seeds, tags]
        scores = np.array([seed["over_all_songs"] for seed in seeds], float)
        change = scores - scores[-1]  # of all clips
        inside = [(positives >= low) & (positives < high) for low, high in ranges]
        columns["tags measured"] = [int(rows.sum()) for rows in inside]
        columns[f"{name}, ROC-AUC"] = [float(np.nanmean(scores[rows])) for rows in inside]
        columns[f"{name}, against all clips"] = [float(np.nanmean(change[rows])) for rows in inside]
    names = [f"{low} to {high - 1}" for low, high in ranges]
    return pandas.DataFrame(columns, index=pandas.Index(names, name="songs with the tag"))
