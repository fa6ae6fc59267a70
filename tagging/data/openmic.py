"""OpenMIC-2018: 20,000 clips of 10 s in which listeners were asked for some of 20 instruments; the others are unknown.

Humphrey, Durand, McFee, *OpenMIC-2018: an open dataset for multiple instrument recognition*, ISMIR 2018.
Book: ``book/million_clips``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..errors import ConfigError, CorpusError
from ..tags import Tag, Vocabulary
from .base import CORPORA
from .download import RemoteFile
from .options import FilePath, Fraction, SampleRate, Share, Switch, Text
from .published import Published, parsed_once, rows_of
from .recordings import SAMPLE_RATE

INSTRUMENTS = (
    "accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar", "mallet_percussion", "mandolin",
    "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet", "ukulele", "violin", "voice",
)  # fmt: skip
COUNTS = {"train": 14_915, "test": 5_085}
SECONDS = 10.0
ARCHIVE = RemoteFile(
    "https://zenodo.org/record/1432913/files/openmic-2018-v1.0.0.tgz",
    "openmic-2018-v1.0.0.tgz",
    digest="md5:e4ccf187e2bb5ab2e115416e8aafe7f4",
    unpack=True,
)


@parsed_once
def read_labels(path: Path) -> dict[str, dict[str, float]]:
    """Clip -> instrument -> relevance in [0, 1], for the instruments that listeners were asked for."""
    labels: dict[str, dict[str, float]] = {}
    with rows_of(path) as rows:
        header = next(rows)
        key, instrument, relevance = (header.index(name) for name in ("sample_key", "instrument", "relevance"))
        for row in rows:
            value = float(row[relevance])
            if row[instrument] not in INSTRUMENTS or not 0 <= value <= 1:
                raise ValueError(f"{row[instrument]} of {row[key]} has the relevance {value}")
            labels.setdefault(row[key], {})[row[instrument]] = value
    return labels


@parsed_once
def read_keys(path: Path) -> list[str]:
    """The clips of a part: one a line, without a header."""
    with rows_of(path) as rows:
        return [row[0] for row in rows if row and row[0] != "sample_key"]


@parsed_once
def read_artists(path: Path) -> dict[str, str]:
    """Clip -> number of its artist."""
    with rows_of(path) as rows:
        header = next(rows)
        key, artist = header.index("sample_key"), header.index("artist_id")
        return {row[key]: row[artist] for row in rows}


@CORPORA.register("openmic")
class OpenMIC(Published):
    """OpenMIC-2018, as published: the folder ``openmic-2018``, or its contents.

    A label is 1 where the relevance is at least ``threshold``, else 0, and unknown (nan) where nobody was asked. No artist is
    in both parts.

    Args:
        root: folder of the dataset.
        split: ``"01/train"`` or ``"01/test"``. ``"validation"`` needs ``validation_share``.
        threshold: of relevance.
        validation_share: of the artists of the training part that make up the validation split, chosen by hash; the training
            split then lacks them. The owners publish no validation part.
        sample_rate: at which files are read, Hz.
        strict: raise where a count differs from the published one.

    Raises:
        ConfigError: the validation split without a share.
        CorpusError: files are missing or not as published.

    >>> data = tagging.open_corpus("openmic", root="openmic", split="01/train")  # doctest: +SKIP
    """

    splits: ClassVar[tuple[str, ...]] = ("01/train", "01/test")
    licence = "CC BY 4.0"
    citation = "Humphrey, Durand, McFee: OpenMIC-2018: An Open Dataset for Multiple Instrument Recognition. ISMIR 2018"
    homepage = "https://zenodo.org/record/1432913"
    description = "10-second clips of OpenMIC-2018"

    def __init__(
        self,
        *,
        root: FilePath,
        split: Text = "01/train",
        threshold: Fraction = 0.5,
        validation_share: Share = 0.0,
        sample_rate: SampleRate = SAMPLE_RATE,
        strict: Switch = True,
    ) -> None:
        if validation_share:
            self.splits = ("01/train", "01/validation", "01/test")  # type: ignore[misc]
        split, folder = self.split_name(split, ("01/train", "01/validation", "01/test")), Path(root).expanduser()
        part = split.rpartition("/")[2]
        if not 0 <= validation_share < 1 or (part == "validation" and not validation_share):
            raise ConfigError(
                f"split={split!r}, validation_share={validation_share}: no validation part is published; give a share of the "
                "training artists, in both splits, e.g. validation_share=0.1"
            )
        published = "test" if part == "test" else "train"
        keys = read_keys(self._find(folder, f"partitions/split01_{published}.csv", f"partitions/{published}01.txt"))
        what = f"clips of 01/{published}"
        notes = self.check_count(what, len(keys), COUNTS[published], strict=strict)
        labels = self._find(folder, "openmic-2018-aggregated-labels.csv")
        folder, relevance = labels.parent, read_labels(labels)
        if silent := [key for key in keys if key not in relevance]:
            raise CorpusError(
                f"{folder}: {len(silent)} of the {what} have no label, {silent[0]} for example; fetch it again"
            )
        artists = self._artists(folder, keys)
        if part != "test" and validation_share:
            keys = [key for key in keys if _drawn(artists[key], validation_share) == (part == "validation")]
            notes.append(
                f"{validation_share:.0%} of the training artists are the validation split; no such part is published"
            )
        unknown = np.full((len(keys), len(INSTRUMENTS)), np.nan, np.float32)
        for row, key in zip(unknown, keys, strict=True):
            for instrument, value in relevance[key].items():
                row[INSTRUMENTS.index(instrument)] = value >= threshold
        super().__init__(
            split,
            Vocabulary(Tag(name, source="listeners") for name in INSTRUMENTS),
            keys,
            [folder / "audio" / key[:3] / f"{key}.ogg" for key in keys],
            [artists[key] for key in keys],
            unknown,
            durations=np.full(len(keys), SECONDS),
            sample_rate=sample_rate,
            notes=notes,
        )

    @classmethod
    def _find(cls, root: Path, *names: str) -> Path:
        return cls.find(root, *(f"openmic-2018/{name}" for name in names), *names)

    def _artists(self, folder: Path, keys: list[str]) -> dict[str, str]:
        path = folder / "openmic-2018-metadata.csv"
        if not path.exists():
            self.artists_known = False  # type: ignore[misc]
            # clips are cut from tracks of the Free Music Archive, whose number begins the key
            return {key: f"track {key.partition('_')[0]}" for key in keys}
        known = read_artists(path)
        return {key: f"artist {known[key]}" if known.get(key) else f"track {key.partition('_')[0]}" for key in keys}

    @classmethod
    def annotation_files(cls) -> list[RemoteFile]:
        return [ARCHIVE]  # annotations and sound in one


def _drawn(group: str, share: float) -> bool:
    return int.from_bytes(hashlib.sha1(group.encode()).digest()[:4], "big") < share * 2**32
