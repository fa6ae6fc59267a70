"""What every corpus offers, whether its audio lies in files or is made on the fly."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ConfigError, unknown_name
from ..tags import Vocabulary
from ..utils.registry import Registry

CORPORA = Registry("corpus")


@dataclass(frozen=True)
class Segment:
    """A stretch of one track, as training takes it.

    Attributes:
        audio: int16 [samples], mono, at the corpus's sample rate.
        labels: float32 [tags]: what is true of this stretch; nan where unknown.
        draws: float32 [draws]: what the corpus's degradations need to finish this stretch on the training device;
            empty where the audio is finished already.
    """

    audio: np.ndarray
    labels: np.ndarray
    draws: np.ndarray


class Track(abc.ABC):
    """One song or clip of a corpus.

    Attributes:
        id: names the track within its corpus.
        group: what may not cross a split, and what intervals resample: tune family, artist, album.
        seconds: its duration.
    """

    id: str
    group: str
    seconds: float

    @property
    @abc.abstractmethod
    def labels(self) -> np.ndarray:
        """float32 [tags]: 0 or 1 for bi-modal tags, a number in [0, 1] for uniform ones, nan where unknown."""

    @abc.abstractmethod
    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        """The sound: int16 [samples], mono, at the corpus's sample rate.

        Args:
            start: where to begin, in seconds.
            seconds: how much; by default up to the end.

        Raises:
            ConfigError: the stretch does not lie within the track.
        """


class Corpus(Sequence[Track], abc.ABC):
    """A sequence of tracks with one vocabulary and one sample rate.

    Opening one prints nothing and downloads nothing. Book: ``book/million_clips``.

    Attributes:
        split: which part of the corpus this is.
        sample_rate: in Hz.
        vocabulary: the tags, in the order of ``Track.labels``.
    """

    splits: ClassVar[tuple[str, ...]]
    split: str
    sample_rate: int
    vocabulary: Vocabulary

    @classmethod
    @abc.abstractmethod
    def prepare(cls, *, progress: bool = True) -> None:
        """Download or build what opening needs, and check it; does nothing where all is there."""

    @property
    @abc.abstractmethod
    def version(self) -> str:
        """What a run record names: equal versions give equal tracks."""

    @abc.abstractmethod
    def segment(self, index: int, start: float, seconds: float) -> Segment:
        """A stretch of track ``index``, with the labels of this stretch. The fast way, for training.

        A track shorter than the stretch is filled up with silence.

        Raises:
            TaggingError: this track cannot be read; others can.
        """

    def durations(self, indices: np.ndarray) -> np.ndarray:
        """float64: how long these tracks are, in seconds."""
        return np.array([self[int(index)].seconds for index in indices])

    def groups(self) -> np.ndarray:
        """int [tracks]: the group of every track, as a number; what intervals resample."""
        return np.unique([track.group for track in self], return_inverse=True)[1]

    def labels_of(self, indices: np.ndarray) -> np.ndarray:
        """float32 [indices, tags]: the labels of whole tracks."""
        return np.array([self[int(index)].labels for index in indices], np.float32)

    def finish(self) -> Callable[[Any, Any], Any]:
        """What makes of int16 segments and their draws, both tensors on one device, what a model hears.

        By default that is float32 in [-1, 1].
        """
        return lambda audio, draws: audio.float() / 32768

    @abc.abstractmethod
    def __getitem__(self, index: int) -> Track: ...

    @abc.abstractmethod
    def summary(self) -> list[str]:
        """Lines for ``tagging corpus info``: how large it is, under which licences."""

    @abc.abstractmethod
    def tag_counts(self, split: str) -> dict[str, int]:
        """How many songs or compositions of a split have each tag; tags that only a rendered clip has are left out."""

    def _check_index(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"track {index} of a corpus of {len(self)}")
        return int(index) % len(self)

    def _check_split(self, split: str) -> str:
        if split not in self.splits:
            raise unknown_name("split", split, self.splits)
        return split


def check_stretch(start: float, seconds: float | None, whole: float) -> tuple[float, float]:
    """``(start, seconds)`` with the default filled in.

    Raises:
        ConfigError: it does not lie within ``whole`` seconds.
    """
    length = whole - start if seconds is None else seconds
    if not (start >= 0 and length > 0 and start + length <= whole + 1e-6):
        raise ConfigError(f"start={start}, seconds={seconds}: not within the track, which lasts {whole:g} s")
    return start, length


def open_corpus(name: str, **options: Any) -> Corpus:
    """Open a corpus: a sequence of tracks with audio and labels.

    Args:
        name: one of :func:`list_corpora`.
        options: ``split`` and what else the corpus takes.

    Raises:
        ConfigError: unknown corpus, split or option.
        CorpusError: the corpus is not prepared; the message says the command.

    >>> corpus = open_corpus("sheet-music", split="train")  # doctest: +SKIP
    >>> corpus[7].read(start=3.0, seconds=3.0)  # doctest: +SKIP

    Book: ``book/million_clips``.
    """
    return CORPORA.build(name, **options)


def list_corpora() -> list[str]:
    """Names that :func:`open_corpus` takes. Book: ``book/million_clips``."""
    return CORPORA.names()


def prepare_corpus(name: str, *, progress: bool = True) -> None:
    """Download or build a corpus, and check it. What is there already is kept.

    Raises:
        ConfigError: unknown corpus.
        CorpusError: it cannot be made here; the message says what is missing.
    """
    CORPORA.get(name).prepare(progress=progress)
