"""MTG-Jamendo: 55,609 full tracks with tags of genre, instrument, mood and theme, given by those who uploaded them.

Bogdanov et al., *The MTG-Jamendo dataset for automatic music tagging*, ML4MD workshop at ICML 2019. Counts are those of the
lists in the owners' repository, all 25 of which were counted. Book: ``book/million_clips``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import CorpusError, unknown_name
from ..tags import Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, SampleRate, Switch, Text
from .published import Published, multi_hot, parsed_once, rows_of
from .recordings import SAMPLE_RATE

PARTS = ("train", "validation", "test")
# subset -> (part of the file name, tags, tracks in train, validation and test of splits 0 to 4)
SUBSETS: dict[str, tuple[str, int, tuple[tuple[int, int, int], ...]]] = {
    "top50tags": ("_top50tags", 50, (
        (32136, 10888, 11356), (32395, 10619, 11366), (32010, 11961, 10409), (33173, 10468, 10739), (30868, 11593, 11919))),
    "genre": ("_genre", 87, (
        (32572, 11043, 11479), (32746, 10833, 11515), (32360, 12185, 10549), (33515, 10656, 10923), (31305, 11804, 11985))),
    "instrument": ("_instrument", 40, (
        (14395, 5466, 5115), (14943, 4960, 5073), (14702, 5066, 5208), (14875, 5068, 5033), (14829, 5159, 4988))),
    "moodtheme": ("_moodtheme", 56, (
        (9949, 3802, 4231), (10190, 3594, 4198), (10484, 4085, 3413), (10920, 3500, 3562), (10241, 3706, 4035))),
    "all": ("", 183, (
        (32859, 11101, 11565), (33007, 10937, 11581), (32616, 12246, 10663), (33747, 10757, 11021), (31509, 11893, 12123))),
}  # fmt: skip
HEADER = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
# data -> (data set of the owners, GB of all archives)
AUDIO = {"audio": 508e9, "audio-low": 156e9}
MOODTHEME_AUDIO = {"audio": 152e9, "audio-low": 46e9}
ANNOTATIONS = "https://raw.githubusercontent.com/MTG/mtg-jamendo-dataset/master/"
ARCHIVES = "https://cdn.freesound.org/mtg-jamendo/"


class Row(NamedTuple):
    """One line of a list."""

    id: str
    artist: str
    path: str
    seconds: float
    tags: tuple[str, ...]


@parsed_once
def read_list(path: Path) -> list[Row]:
    """Read a list of tracks. Its rows are ragged: the sixth field and all that follow are tags."""
    with rows_of(path, "\t") as rows:
        if (header := next(rows)) != HEADER:
            raise CorpusError(f"{path}: its columns are {', '.join(header)}, where {', '.join(HEADER)} are published")
        return [Row(row[0], row[1], row[3], float(row[4]), _tags(row)) for row in rows if row]


def _tags(row: list[str]) -> tuple[str, ...]:
    tags = tuple(tag for tag in row[5:] if tag)
    if not tags or not all("---" in tag for tag in tags):
        raise ValueError(f"the tags of {row[0]} are {tags}, where category---tag is published")
    return tags


@CORPORA.register("mtg-jamendo")
class Jamendo(Published):
    """MTG-Jamendo, in the layout of the owners' repository: ``data/splits/split-0/autotagging_genre-train.tsv``.

    Sound lies in ``audio/00/1009600.mp3`` or ``audio-low/00/1009600.low.mp3``, as the archives unpack. No artist is in two
    parts of a split. Tags come from uploaders: that a tag is absent does not say that it would be wrong, but, as in all
    published results, it counts as 0.

    Args:
        root: folder of the dataset.
        split: ``"0/train"`` to ``"4/test"``; ``"train"`` alone is that of split 0.
        subset: ``"top50tags"``, ``"genre"``, ``"instrument"``, ``"moodtheme"`` or ``"all"``.
        audio: ``"audio"`` (320 kbps) or ``"audio-low"`` (mono, variable rate).
        sample_rate: at which files are read, Hz.
        strict: raise where a count differs from the published one.

    Raises:
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("mtg-jamendo", root="jamendo", subset="top50tags", split="0/train")  # doctest: +SKIP
    """

    splits = tuple(f"{number}/{part}" for number in range(5) for part in PARTS)
    licence = "tags CC BY-NC-SA 4.0; sound under a Creative Commons licence of each artist, see audio_licenses.txt"
    citation = (
        "Bogdanov, Won, Tovstogan, Porter, Serra: The MTG-Jamendo Dataset for Automatic Music Tagging. ML4MD, ICML 2019"
    )
    homepage = "https://github.com/MTG/mtg-jamendo-dataset"
    description = "full-length recordings of MTG-Jamendo"

    def __init__(
        self,
        *,
        root: FilePath,
        split: Text = "0/train",
        subset: Text = "top50tags",
        audio: Text = "audio",
        sample_rate: SampleRate = SAMPLE_RATE,
        strict: Switch = True,
    ) -> None:
        name, num_tags, counts = _subset(subset)
        folder = _audio_folder(Path(root).expanduser(), audio)
        split = self.split_name(split)
        number, part = split.split("/")
        file = f"splits/split-{number}/autotagging{name}-{part}.tsv"
        rows = read_list(self.find(Path(root).expanduser(), f"data/{file}", file))
        # sorted: the order of data/tags/top50.txt, and the same in all three parts of every split
        tags = sorted({tag for row in rows for tag in row.tags})
        notes = self.check_count(f"tags of {subset}", len(tags), num_tags, strict=strict)
        published = counts[int(number)][PARTS.index(part)]
        notes += self.check_count(f"tracks of {subset}, split {split}", len(rows), published, strict=strict)
        super().__init__(
            split,
            Vocabulary(Tag(tag, source="uploader") for tag in tags),
            [row.id for row in rows],
            # in the archives of low quality, and only there, names have a second ending
            [folder / (row.path.replace(".mp3", ".low.mp3") if audio == "audio-low" else row.path) for row in rows],
            [row.artist for row in rows],
            multi_hot([row.tags for row in rows], tags),
            durations=np.array([row.seconds for row in rows]),
            sample_rate=sample_rate,
            notes=notes,
        )

    @classmethod
    def annotation_files(cls, subset: str = "top50tags", audio: str = "audio") -> list[RemoteFile]:
        name, _, _ = _subset(subset)
        paths = [f"data/splits/split-{k}/autotagging{name}-{part}.tsv" for k in range(5) for part in PARTS]
        dataset, _ = _archives(subset, audio)
        paths += [f"data/download/{dataset}_{audio}_sha256_tars.txt", "audio_licenses.txt"]
        return [RemoteFile(ANNOTATIONS + path, path) for path in paths]

    @classmethod
    def audio_files(cls, root: Path, subset: str = "top50tags", audio: str = "audio") -> list[RemoteFile]:
        dataset, size = _archives(subset, audio)
        # without the owners' list of hashes this tells how much room is needed; the list is fetched before any archive
        archives = [(f"{dataset}_{audio}-{number:02d}.tar", "") for number in range(100)]
        if (hashes := root / f"data/download/{dataset}_{audio}_sha256_tars.txt").exists():
            with rows_of(hashes, " ") as rows:
                archives = [(row[1], f"sha256:{row[0]}") for row in rows if row]
        return [
            RemoteFile(
                f"{ARCHIVES}{dataset}/{audio}/{name}", name, int(size / len(archives)), digest,
                unpack=True, into=audio,
            )
            for name, digest in archives
        ]  # fmt: skip


def _subset(subset: str) -> tuple[str, int, Any]:
    if subset not in SUBSETS:
        raise unknown_name("subset", subset, SUBSETS)
    return SUBSETS[subset]


def _archives(subset: str, audio: str) -> tuple[str, float]:
    """Which archives hold the sound of a subset, and their size in bytes. The owners pack mood and theme separately."""
    sizes = MOODTHEME_AUDIO if subset == "moodtheme" else AUDIO
    if audio not in sizes:
        raise unknown_name("kind of audio", audio, sizes)
    return ("autotagging_moodtheme" if subset == "moodtheme" else "raw_30s"), sizes[audio]


def _audio_folder(root: Path, audio: str) -> Path:
    """Where the archives were unpacked: into ``audio`` or ``audio-low``, or into the root itself."""
    if audio not in AUDIO:
        raise unknown_name("kind of audio", audio, AUDIO)
    return root if not (root / audio).is_dir() and (root / "00").is_dir() else root / audio
