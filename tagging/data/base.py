"""The contract of a corpus: a sequence of tracks with audio and labels.

An own corpus defines five members: ``__len__``, ``__getitem__``, ``vocabulary``, ``sample_rate`` and ``split``. All others
have defaults. Book: ``book/million_clips``.
"""

from __future__ import annotations

import abc
import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ..audio.waveform import as_waveform
from ..errors import ConfigError, unknown_name
from ..tags import Vocabulary
from ..utils.registry import Registry
from .options import StoreOption, check_option, check_options

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

CORPORA = Registry("corpus")
# Of a larger corpus the default version hashes so many tracks, evenly spaced.
_HASHED_TRACKS = 1000


@dataclass(frozen=True)
class Segment:
    """A stretch of one track, as training takes it.

    Attributes:
        audio: int16 [samples], mono, at the corpus's sample rate.
        labels: float32 [tags]: the labels of this stretch; nan where unknown.
        augmentation_params: float32 [params]: what ``Corpus.augment`` needs for this segment; often of length 0.
    """

    audio: np.ndarray
    labels: np.ndarray
    augmentation_params: np.ndarray


class Track(Protocol):
    """One song or clip of a corpus. Any object with these five members will do, for example a dataclass.

    Attributes:
        id: names the track within its corpus.
        group: tracks of one group stay in one split and are resampled together: tune family, artist, album.
        seconds: duration.
        labels: float32 [tags]: 0 or 1 for classification tags, a number in [0, 1] for regression tags, nan where unknown.
    """

    id: str
    group: str
    seconds: float
    labels: np.ndarray

    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        """Read the audio.

        Args:
            start: where to begin, in seconds.
            seconds: how much to read; by default up to the end.

        Returns:
            int16 [samples], or float32 [samples] in [-1, 1]; mono, at the corpus's sample rate.

        Raises:
            TaggingError: the track cannot be read; training goes on without it.
        """
        ...


class Corpus(Sequence[Track], abc.ABC):
    """A sequence of tracks with one vocabulary and one sample rate.

    Opening a corpus prints nothing and downloads nothing. Register a class with ``CORPORA.register(name)`` to open it by
    name. Book: ``book/million_clips``.

    Attributes:
        split: which part of the corpus this is.
        sample_rate: Hz.
        vocabulary: the tags, in the order of ``Track.labels``.
        splits: names of all splits; None accepts any.
        licence: of weights trained on this corpus, for model cards.
    """

    splits: ClassVar[tuple[str, ...] | None] = None
    licence: str = "not stated by those who trained it"
    split: str
    sample_rate: int
    vocabulary: Vocabulary

    @abc.abstractmethod
    def __getitem__(self, index: int) -> Track: ...  # type: ignore[override]

    @property
    def name(self) -> str:
        """The registered name, or that of the class."""
        return getattr(type(self), "registered_name", type(self).__name__)

    @property
    def description(self) -> str:
        """What the tracks are, in the plural, for model cards."""
        return f"tracks of {self.name}"

    @classmethod
    def prepare(cls, *, progress: bool = True) -> None:
        """Download or build what opening needs, and check it. By default there is nothing to do."""

    @cached_property
    def version(self) -> str:
        """What a run record names: equal versions have equal tracks.

        By default a hash of the vocabulary, the number of tracks, and the ids and labels of up to 1,000 of them.
        """
        digest = hashlib.sha256(f"{self.vocabulary.to_list()} {len(self)}".encode())
        for index in np.unique(np.linspace(0, len(self) - 1, min(len(self), _HASHED_TRACKS)).astype(int)).tolist():
            track = self[index]
            digest.update(f"{track.id}\n".encode() + np.asarray(track.labels, "<f4").tobytes())
        return digest.hexdigest()[:12]

    @property
    def cache_name(self) -> str:
        """What cached features of the tracks are filed under: one name for tracks that sound alike."""
        return f"{self.name}-{self.version}"

    def segment(self, index: int, start: float, seconds: float) -> Segment:
        """A stretch of track ``index`` with the labels of this stretch, for training.

        By default the audio is read with ``Track.read`` and has the labels of the track. A shorter track is padded with
        silence.

        Args:
            index: which track.
            start: in seconds.
            seconds: length of the segment.

        Raises:
            ConfigError: ``start`` lies outside the track.
            TaggingError: this track cannot be read.
        """
        track = self[index]
        _, available = check_stretch(start, None, track.seconds)
        if seconds <= 0:
            raise ConfigError(f"segments of {seconds:g} s: give a positive length")
        samples = round(seconds * self.sample_rate)
        audio = np.zeros(samples, np.int16)
        sound = as_int16(track.read(start, min(seconds, available)), track.id)[:samples]
        audio[: len(sound)] = sound
        return Segment(audio, np.asarray(track.labels, np.float32), np.zeros(0, np.float32))

    def durations(self, indices: np.ndarray) -> np.ndarray:
        """float64 [indices]: durations of these tracks, in seconds."""
        return np.array([self[int(index)].seconds for index in indices], np.float64)

    def groups(self) -> np.ndarray:
        """int [tracks]: the group of every track, as a number."""
        return np.unique([self[index].group for index in range(len(self))], return_inverse=True)[1]

    def labels_of(self, indices: np.ndarray) -> np.ndarray:
        """float32 [indices, tags]: the labels of whole tracks."""
        labels = [np.asarray(self[int(index)].labels, np.float32) for index in indices]
        return np.array(labels, np.float32).reshape(-1, len(self.vocabulary))

    def augment(self) -> Callable[[Any, Any], Any]:
        """Return the function that makes model input of segments, on the training device.

        It takes two tensors, audio int16 [batch, samples] and augmentation parameters float32 [batch, params], and returns
        float32 [batch, samples]. It may be a ``torch.nn.Module``. By default it scales the audio to [-1, 1].
        """
        return lambda audio, augmentation_params: audio.float() / 32768

    def as_dataset(
        self, seconds: float, *, start: float | None = None, seed: int | None = None
    ) -> Dataset[tuple[Tensor, Tensor]]:
        """The corpus as a ``torch.utils.data.Dataset``, for a ``DataLoader`` and a loop of your own.

        Item ``i`` is one segment of track ``i``: its waveform, float32 [samples] in [-1, 1], and its labels, float32 [tags] in
        [0, 1], nan where unknown; :func:`tagging.tag_loss` takes them as they are. A shorter track is padded with silence. One
        that cannot be read is silence with unknown labels, and a warning.

        Args:
            seconds: length of a segment.
            start: where segments begin, in seconds, or as late as the track allows; None draws a start at random each time, from
                PyTorch's generator, so that ``torch.manual_seed`` repeats an epoch.
            seed: draw starts from this seed instead: they are then the same for any number of workers. Other ones in each pass
                are drawn after ``dataset.set_epoch(number)``.

        >>> loader = torch.utils.data.DataLoader(corpus.as_dataset(3.0), batch_size=16, shuffle=True)  # doctest: +SKIP
        >>> waveforms, labels = next(iter(loader))   # [16, 48000] and [16, tags]  # doctest: +SKIP
        """
        from .torch_dataset import SegmentDataset

        return SegmentDataset(self, seconds, start=start, seed=seed)

    def parts(self) -> dict[str, np.ndarray]:
        """Parts of the vocabulary that an evaluation reports on their own: name -> bool [tags]. By default none.

        Parts may overlap. One called ``"collection"`` holds the tags that the source of a track decides (see
        :meth:`strata`): they are measured over all tracks, and in no mean within sources.
        """
        return {}

    def strata(self, indices: np.ndarray) -> np.ndarray | None:
        """str [indices]: the source of these tracks, such as the collection they stand in. By default None: there is one.

        An evaluation compares tracks within a source, so that to know the source is of no use.
        """
        return None

    def annotated(self, indices: np.ndarray) -> np.ndarray | None:
        """bool [indices, tags]: whether the source of a track annotates a tag at all. By default None: wherever there is a label.

        Where it does not, a label of 0 says that nobody looked. Evaluation within sources takes it as unknown, and so does
        training with ``data.mask_unannotated``.
        """
        return None

    def provenance(self) -> dict[str, str]:
        """What a run record names besides the version. By default nothing."""
        return {}

    def check_readable(self, max_unreadable: float) -> None:
        """Raise CorpusError if more than this share of the tracks of all splits is known to be unreadable. By default none is."""

    def remarks(self) -> list[str]:
        """Lines that a run prints before it trains: what a user should know about these tracks. By default none."""
        return []

    def summary(self) -> list[str]:
        """Lines for ``tagging corpus info``, which adds the sizes of the other splits."""
        return [f"{size_in_words(self)}, {self.sample_rate} Hz, {len(self.vocabulary)} tags"]

    def tag_counts(self) -> dict[str, int]:
        """Number of tracks of this split with each classification tag."""
        counts = (self.labels_of(np.arange(len(self))) == 1).sum(axis=0)
        return {
            tag.name: int(counts[row]) for row, tag in enumerate(self.vocabulary) if self.vocabulary.classification[row]
        }

    def _check_index(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"track {index} of a corpus of {len(self)}")
        return int(index) % len(self)

    def _check_split(self, split: str) -> str:
        if self.splits is not None and split not in self.splits:
            raise unknown_name("split", split, self.splits)
        return split


def size_in_words(corpus: Corpus) -> str:
    """``"split train: 26 tracks in 9 groups"``."""
    groups = len(np.unique(corpus.groups())) if len(corpus) else 0
    return f"split {corpus.split}: {len(corpus):,} tracks in {groups:,} groups"


def as_int16(audio: np.ndarray, name: str) -> np.ndarray:
    """int16 [samples] of what ``Track.read`` returns."""
    if audio.dtype == np.int16:
        return audio
    if audio.size == 0:
        return np.zeros(0, np.int16)
    return np.clip(np.rint(as_waveform(audio, name) * 32768), -32768, 32767).astype(np.int16)


def check_stretch(start: float, seconds: float | None, duration: float) -> tuple[float, float]:
    """``(start, seconds)`` with the default filled in.

    Args:
        start: in seconds.
        seconds: length; None is up to the end.
        duration: of the track, in seconds.

    Raises:
        ConfigError: the stretch does not lie within the track.
    """
    length = duration - start if seconds is None else seconds
    if not (start >= 0 and length > 0 and start + length <= duration + 1e-6):
        raise ConfigError(f"start={start}, seconds={seconds}: not within the track, which lasts {duration:g} s")
    return start, length


def open_corpus(name: str, **options: Any) -> Corpus:
    """Open a corpus: a sequence of tracks with audio and labels.

    Args:
        name: one of :func:`list_corpora`.
        options: ``split``, and others that the corpus takes; for recordings also ``store``, see
            :class:`tagging.data.recordings.Recordings`.

    Raises:
        ConfigError: unknown corpus, split or option.
        CorpusError: the corpus is not prepared; the message names the command.

    >>> corpus = open_corpus("sheet-music", split="train")  # doctest: +SKIP
    >>> corpus[7].read(start=3.0, seconds=3.0)  # doctest: +SKIP

    Book: ``book/million_clips``.
    """
    if options.get("root") == "":  # the path of no name is that of the current folder
        raise ConfigError("root='': give the folder of the sound files; the current one is .")
    check_options(name, factory := CORPORA.get(name), options)
    if not hasattr(factory, "use_store"):
        return CORPORA.build(name, **options)
    store = options.pop("store", None)
    check_option(name, "store", store, StoreOption)
    corpus = CORPORA.build(name, **options)
    corpus.use_store(store, options.get("root"))
    return corpus


def list_corpora() -> list[str]:
    """Names that :func:`open_corpus` takes. Book: ``book/million_clips``."""
    return CORPORA.names()


def prepare_corpus(name: str, *, progress: bool = True, **options: Any) -> None:
    """Download or build a corpus, and check it. Existing files are kept.

    Args:
        name: one of :func:`list_corpora`.
        progress: show a progress bar on standard error.
        options: that the corpus takes; for published datasets ``root``, the folder they are downloaded to, and for example
            ``subset``.

    Raises:
        ConfigError: unknown corpus or option.
        CorpusError: the corpus cannot be prepared here; the message says what is missing.
        DownloadError: no connection, no room, or a file that differs from the published one.
    """
    prepare = CORPORA.get(name).prepare
    for factory in (CORPORA.get(name), prepare):
        check_options(name, factory, {option: value for option, value in options.items() if value != ""})
    try:
        inspect.signature(prepare).bind(progress=progress, **options)
    except TypeError as error:
        raise ConfigError(f"corpus {name!r} cannot be prepared with {', '.join(options)}: {error}") from error
    prepare(progress=progress, **options)
