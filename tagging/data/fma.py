"""Free Music Archive: 106,574 tracks with 161 genres, in subsets of 8,000, 25,000 and all, as 30 s clips or whole.

Defferrard et al., *FMA: a dataset for music analysis*, ISMIR 2017. Counts are those of the owners' executed notebooks.
Book: ``book/million_clips``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import CorpusError, unknown_name
from ..tags import Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, SampleRate, Switch, Text, TextOrNone
from .published import Published, multi_hot, parsed_once, rows_of
from .recordings import SAMPLE_RATE

NUM_TRACKS, NUM_GENRES, NUM_ROOTS = 106_574, 161, 16
# A subset has all tracks of the smaller ones: "medium" is "small" and "medium" in the column of the table.
LEVELS = ("small", "medium", "large")
# subset -> (tracks in training, validation and test; genres)
COUNTS = {
    "small": (6_400, 800, 800, 8),
    "medium": (19_922, 2_505, 2_573, 16),
    "large": (84_353, 10_958, 11_263, 16),
    "full": (84_353, 10_958, 11_263, 16),
}
# No sound in these at all, says the maintainer; all three are training tracks of `small`.
SILENT = ("99134", "108925", "133297")
# Durations are wrong: most are shorter than the 30 s they should have, three in `small` have 0.5 to 1.6 s.
SHORT = (
    "1486", "5574", "65753", "80391", "98558", "98559", "98560", "98565", "98566", "98567", "98568", "98569", "98571",
    "105247", "108924", "126981", "127336", "143992",
)  # fmt: skip
# Of clips, nominal, so that no header is read for it; a segment that would end later is taken from the end of the file.
SECONDS = 29.9
SOURCE = "https://os.unil.cloud.switch.ch/fma/"
# archive -> (bytes, SHA-1)
ARCHIVES = {
    "fma_metadata.zip": (342 * 2**20, "f0df49ffe5f2a6008d7dc83c6915b31835dfe733"),
    "fma_small.zip": (int(7.2 * 2**30), "ade154f733639d52e35e32f5593efe5be76c6d70"),
    "fma_medium.zip": (22 * 2**30, "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
    "fma_large.zip": (93 * 2**30, "497109f4dd721066b5ce5e5f250ec604dc78939e"),
    "fma_full.zip": (879 * 2**30, "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab"),
}
_COLUMNS = (("set", "subset"), ("set", "split"), ("artist", "id"), ("track", "genre_top"), ("track", "genres_all"))


class Row(NamedTuple):
    """One track of ``tracks.csv``. ``top`` is empty where the genre is ambiguous."""

    id: str
    subset: str
    split: str
    artist: str
    top: str
    genres: tuple[int, ...]


@parsed_once
def read_tracks(path: Path) -> list[Row]:
    """Read ``tracks.csv``, which has three header lines: two levels of column names, then the name of the index."""
    with rows_of(path) as rows:
        columns = list(zip(next(rows), next(rows), strict=True))
        missing = [" ".join(column) for column in _COLUMNS if column not in columns]
        if next(rows)[0] != "track_id" or missing:
            raise CorpusError(
                f"{path}: three header lines are published, two of column names and one that begins with track_id; "
                f"{'columns missing: ' + ', '.join(missing) if missing else 'the third is another'}. Fetch it again"
            )
        where = [columns.index(column) for column in _COLUMNS]
        tracks = []
        for row in rows:
            subset, split, artist, top, genres = (row[column] for column in where)
            tracks.append(Row(str(int(row[0])), subset, split, artist, top, tuple(json.loads(genres or "[]"))))
        return tracks


@parsed_once
def read_genres(path: Path) -> dict[int, str]:
    """Genre number -> title, from ``genres.csv``. A title that stands twice gets its number."""
    with rows_of(path) as rows:
        header = next(rows)
        number, title = header.index("genre_id"), header.index("title")
        titles = {int(row[number]): row[title] for row in rows}
    names = list(titles.values())
    return {key: name if names.count(name) == 1 else f"{name} ({key})" for key, name in titles.items()}


@CORPORA.register("fma")
class FMA(Published):
    """Free Music Archive, as published: ``fma_metadata/tracks.csv`` and ``fma_small/000/000002.mp3``.

    ``small`` and ``medium`` have one genre a track; in ``large`` and ``full`` a track has all genres its artist chose, and
    one without any is unknown in all of them. Tracks without sound are left out of the split, which is noted.

    Args:
        root: folder of the dataset.
        split: ``"training"``, ``"validation"`` or ``"test"``.
        subset: ``"small"``, ``"medium"``, ``"large"`` (30 s clips) or ``"full"`` (whole tracks).
        genres: ``"top"``, the single genre (8 in ``small``, else 16; unknown where ambiguous), or ``"all"`` 161. By default
            ``"top"`` for ``small`` and ``medium``.
        sample_rate: at which files are read, Hz.
        strict: raise where a count differs from the published one.

    Raises:
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("fma", root="fma", subset="small", split="training")  # doctest: +SKIP
    """

    splits = ("training", "validation", "test")
    licence = "metadata CC BY 4.0; sound under the licence that each artist chose, see tracks.csv"
    citation = "Defferrard, Benzi, Vandergheynst, Bresson: FMA: A Dataset for Music Analysis. ISMIR 2017"
    homepage = "https://github.com/mdeff/fma"
    description = "recordings of the Free Music Archive"

    def __init__(
        self,
        *,
        root: FilePath,
        split: Text = "training",
        subset: Text = "small",
        genres: TextOrNone = None,
        sample_rate: SampleRate = SAMPLE_RATE,
        strict: Switch = True,
    ) -> None:
        if subset not in COUNTS:
            raise unknown_name("subset", subset, COUNTS)
        genres = genres or ("top" if subset in ("small", "medium") else "all")
        if genres not in ("top", "all"):
            raise unknown_name("choice of genres", genres, ("top", "all"))
        split, folder = self.split_name(split), Path(root).expanduser()
        table = read_tracks(self.find(folder, "fma_metadata/tracks.csv", "tracks.csv"))
        notes = self.check_count("tracks in tracks.csv", len(table), NUM_TRACKS, strict=strict)
        levels = LEVELS if subset == "full" else LEVELS[: LEVELS.index(subset) + 1]
        rows = [row for row in table if row.subset in levels]
        inside = [row for row in rows if row.split == split]
        published = COUNTS[subset][self.splits.index(split)]
        notes += self.check_count(f"tracks of {subset}, split {split}", len(inside), published, strict=strict)
        if silent := [row.id for row in inside if row.id in SILENT]:
            notes.append(f"{len(silent)} tracks are left out, whose files have no sound in them: {', '.join(silent)}")
        if short := [row.id for row in inside if row.id in SHORT]:
            notes.append(f"files known to be shorter than they should be: {', '.join(short)}")
        inside = [row for row in inside if row.id not in SILENT]
        if genres == "top":
            names = sorted({row.top for row in rows if row.top})
            notes += self.check_count(f"genres of {subset}", len(names), COUNTS[subset][3], strict=strict)
            chosen = [[row.top] if row.top else [] for row in inside]
        else:
            titles = read_genres(self.find(folder, "fma_metadata/genres.csv", "genres.csv"))
            used = sorted({genre for row in table for genre in row.genres})
            notes += self.check_count("genres", len(used), NUM_GENRES, strict=strict)
            names = [titles[genre] for genre in used]
            chosen = [[titles[genre] for genre in row.genres] for row in inside]
        group = "genre" if genres == "top" else None
        super().__init__(
            split,
            Vocabulary(Tag(name, exclusive_group=group, source="artist") for name in names),
            [row.id for row in inside],
            [folder / f"fma_{subset}" / name[:3] / f"{name}.mp3" for name in (row.id.zfill(6) for row in inside)],
            [f"artist {row.artist}" for row in inside],
            multi_hot(chosen, names),
            durations=np.array([np.nan if subset == "full" or row.id in SHORT else SECONDS for row in inside]),
            sample_rate=sample_rate,
            notes=notes,
        )

    @classmethod
    def annotation_files(cls, subset: str = "small") -> list[RemoteFile]:
        return [_archive("fma_metadata.zip")]

    @classmethod
    def audio_files(cls, root: Path, subset: str = "small") -> list[RemoteFile]:
        if subset not in COUNTS:
            raise unknown_name("subset", subset, COUNTS)
        return [_archive(f"fma_{subset}.zip")]


def _archive(name: str) -> RemoteFile:
    size, digest = ARCHIVES[name]
    return RemoteFile(SOURCE + name, name, size, f"sha1:{digest}", unpack=True)
