"""What all corpora of recordings share: sound files of any length with labels, read where and when they are asked for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..audio.files import AudioFile, load_audio
from ..errors import AudioError, ConfigError
from ..tags import Vocabulary
from .base import Corpus, Segment, Track, as_int16

if TYPE_CHECKING:
    from .store import Store

SAMPLE_RATE = 16000
# Around a stretch that is resampled, in samples at the corpus's rate: more than the resampler's filter is long.
_MARGIN = 1024


@dataclass(frozen=True, eq=False)
class Recording(Track):
    """One sound file of a corpus. The file may be missing until it is read.

    Attributes:
        id, group, labels: see :class:`~tagging.data.base.Track`.
        path: of the file.
        sample_rate: at which it is read, Hz; files of other rates are resampled.
        store: from which it is read if it is in there, and its file has not changed since.
    """

    id: str
    group: str
    labels: np.ndarray
    path: Path
    sample_rate: int
    store: Store | None = None

    @cached_property
    def seconds(self) -> float:  # type: ignore[override]
        """The duration that the header of the file declares, or else of the sound itself.

        Raises:
            AudioError: the file cannot be read.
        """
        if self.store is not None and (stored := self.store.seconds(self.path)) is not None:
            return stored
        with AudioFile(self.path) as file:
            return duration_of(file)

    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        """The samples that the whole track has there, mono; fewer than asked for where the file ends before.

        Returns:
            float32 [samples]; int16 from a store.

        Raises:
            AudioError: the file cannot be read, or ends before ``start``.
            DamagedError: the store is damaged here.
        """
        if self.store is not None and (sound := self.store.read(self.path, start, seconds)) is not None:
            return sound
        is_whole = start == 0 and seconds is None
        if is_whole or not (0 <= start < math.inf and (seconds is None or seconds > 0)):
            return load_audio(self.path, self.sample_rate, start, seconds)[0]
        with AudioFile(self.path) as file:
            if file.sample_rate == self.sample_rate:
                return np.concatenate(list(file.blocks(self.sample_rate, start, seconds)))
            return self._resampled(file, start, seconds)

    def _resampled(self, file: AudioFile, start: float, seconds: float | None) -> np.ndarray:
        """A stretch of the resampled track: begun where both rates have a sample, and early enough for the filter."""
        unit = math.gcd(file.sample_rate, self.sample_rate)
        begin = max(0, math.floor((start - _MARGIN / self.sample_rate) * unit))
        first = round(start * self.sample_rate) - begin * (self.sample_rate // unit)
        count = None if seconds is None else round(seconds * self.sample_rate)
        length = None if count is None else (first + count + _MARGIN) / self.sample_rate
        sound = np.concatenate(list(file.blocks(self.sample_rate, begin / unit, length)))
        if first >= len(sound):
            end = begin / unit + len(sound) / self.sample_rate
            raise AudioError(f"{self.path}: cannot start at {start:g} s, the file is {end:.3f} s long")
        return sound[first : None if count is None else first + count]


def duration_of(file: AudioFile) -> float:
    """The duration that the header of a file declares, in seconds; a file without one is decoded to its end."""
    if file.seconds is not None:
        return file.seconds
    return sum(map(len, file.blocks())) / file.sample_rate


class Recordings(Corpus):
    """A corpus of sound files. A subclass reads its annotations and calls ``super().__init__`` with them.

    Annotations alone are enough to open it, to count tags and to list tracks: no sound file is touched before its duration or
    its sound is asked for.

    Args:
        split: which part of the corpus this is.
        vocabulary: the tags.
        ids: of the tracks of this split.
        paths: of their files.
        groups: of the tracks: artist or album; tracks of one group are resampled together.
        labels: float [tracks, tags], nan where unknown.
        durations: float [tracks] in seconds, where the annotations have them; nan where not. None: read from the headers.
        sample_rate: at which files are read, Hz.
        notes: what was left out, or differs from what is published; one sentence each.

    Attributes:
        store: from which tracks are read; None: from their files. :func:`tagging.open_corpus` takes ``store=FOLDER``, finds the
            one that ``tagging prepare`` wrote to the cache, and opens none for ``store=False``.
    """

    store: Store | None = None
    # Whether tracks are put into a fixed shuffled order, so that the first N are a fair sample of the split.
    _shuffles: ClassVar[bool] = False

    def __init__(
        self,
        split: str,
        vocabulary: Vocabulary,
        ids: Sequence[str],
        paths: Sequence[Path],
        groups: Sequence[str],
        labels: np.ndarray,
        *,
        durations: np.ndarray | None = None,
        sample_rate: int = SAMPLE_RATE,
        notes: Sequence[str] = (),
    ) -> None:
        if not len(ids) == len(paths) == len(groups) == len(labels):
            raise ConfigError(
                f"{len(ids)} ids, {len(paths)} paths, {len(groups)} groups and {len(labels)} rows of labels"
            )
        order = list(range(len(ids)))
        if self._shuffles:
            order.sort(key=lambda index: hashlib.sha1(ids[index].encode()).digest())
        self.split, self.vocabulary, self.sample_rate, self.notes = split, vocabulary, sample_rate, tuple(notes)
        self.ids = tuple(ids[index] for index in order)
        self.paths = tuple(paths[index] for index in order)
        self._groups = tuple(groups[index] for index in order)
        self._labels = np.asarray(labels, np.float32).reshape(len(ids), len(vocabulary))[order]
        self._labels.flags.writeable = False
        known = np.full(len(ids), np.nan) if durations is None else np.asarray(durations, np.float64)
        self._durations = known[order]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Recording:  # type: ignore[override]
        index = self._check_index(index)
        facts = self.ids[index], self._groups[index], self._labels[index], self.paths[index], self.sample_rate
        return Recording(*facts, self.store)

    @classmethod
    def prepare(cls, *, progress: bool = True, store: str | None = None, **options: Any) -> None:
        """Write the sound of all splits to a store.

        Args:
            progress: show a bar, and say what was done, on standard error.
            store: its folder; by default in the cache.
            options: that the corpus is opened with.
        """
        from .store_writer import write_store

        write_store(getattr(cls, "registered_name", cls.__name__), store, progress=progress, **options)

    def use_store(self, folder: str | Path | bool | None, root: str | Path | None) -> None:
        """Read tracks from a store.

        Args:
            folder: of the store; None is the one in the cache, if there is one; False reads from the files.
            root: of the corpus.

        Raises:
            ConfigError: it has another sample rate.
            CorpusError: there is no store in this folder.
            DamagedError: a file of the store is damaged.
        """
        from .store import Store, default_folder, list_shards

        if folder is None:
            default = default_folder(self.name, root, self.sample_rate)
            folder = default if list_shards(default) else False
        self.store = None if folder is False else Store(str(folder), root)
        if self.store is not None and self.store.sample_rate != self.sample_rate:
            raise ConfigError(
                f"{folder}: a store of {self.store.sample_rate} Hz, and the corpus is read at {self.sample_rate} Hz; open it "
                f"with sample_rate={self.store.sample_rate}, or choose another store"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split}: {len(self)} tracks, {len(self.vocabulary)} tags)"

    @property
    def cache_name(self) -> str:
        # equal annotations may stand beside other files in another folder
        folder = str(self.paths[0].parent.resolve()) if self.paths else ""
        # "16": features of earlier versions were of sound that was not rounded to 16 bits
        return f"{super().cache_name}-{hashlib.sha256(folder.encode()).hexdigest()[:6]}-16"

    def durations(self, indices: np.ndarray) -> np.ndarray:
        """float64 [indices], in seconds; 0 for files that cannot be read, which is said when they are."""
        for index in np.unique(indices):
            if np.isnan(self._durations[index]):
                try:
                    self._durations[index] = self[int(index)].seconds
                except AudioError:
                    self._durations[index] = 0.0
        return self._durations[np.asarray(indices, np.int64)]

    def groups(self) -> np.ndarray:
        return np.unique(self._groups, return_inverse=True)[1]

    def labels_of(self, indices: np.ndarray) -> np.ndarray:
        return self._labels[np.asarray(indices, np.int64)]

    def segment(self, index: int, start: float, seconds: float) -> Segment:
        """A stretch of track ``index`` with the labels of the track; silence fills up what a shorter track lacks.

        Where the file ends before ``start`` though its header says otherwise, its last seconds are taken.
        """
        if not (start >= 0 and seconds > 0):
            raise ConfigError(f"start={start}, seconds={seconds}: give a start of at least 0 and a positive length")
        track, samples = self[index], round(seconds * self.sample_rate)
        try:
            sound = track.read(start, seconds)[:samples]
        except AudioError:
            if start == 0:
                raise
            sound = track.read()[-samples:]
        audio = np.zeros(samples, np.int16)
        audio[: len(sound)] = as_int16(sound, track.id)
        return Segment(audio, track.labels, np.zeros(0, np.float32))
