"""Tags of one song of any length, in bounded memory, with any model that scores segments.

Blocks of sound come in, segments are cut from them as soon as they are complete, and only scores are kept. The scores do not
depend on the length of the blocks or on how many segments share a batch. Nothing here needs PyTorch.
Book: ``book/tag_a_song``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from ..audio.files import AudioFile, AudioSource
from ..audio.waveform import as_waveform, check_sample_rate, read_array, resample
from ..errors import AudioError, ConfigError, TaggingError
from ..tags import TrackTags, Vocabulary


class Taggram(NamedTuple):
    """Scores of one song over time.

    Attributes:
        starts: int64 [segments]: first sample of each segment.
        scores: float32 [segments, tags].
        padded: zeros added because the song is shorter than one segment, in samples.
    """

    starts: np.ndarray
    scores: np.ndarray
    padded: int


def in_samples(name: str, seconds: float, sample_rate: int) -> int:
    """Convert seconds to whole samples.

    Args:
        name: of the option, for the error message.
        seconds: duration.
        sample_rate: Hz.

    Raises:
        ConfigError: the duration or the rate is not a positive, finite number, or the duration rounds to no sample.
    """
    if not isinstance(seconds, Real) or not isinstance(sample_rate, Real):
        raise ConfigError(f"{name}={seconds!r} at a sample rate of {sample_rate!r}: give numbers")
    if not 0 < seconds * sample_rate < float("inf"):
        raise ConfigError(
            f"{name}={seconds} at a sample rate of {sample_rate} Hz: both must be positive, finite numbers"
        )
    if round(seconds * sample_rate) == 0:
        raise ConfigError(f"{name}={seconds} s is less than one sample at {sample_rate} Hz")
    return round(seconds * sample_rate)


def cut_segments(
    blocks: Iterable[np.ndarray], length: int, hop_length: int, padding: int = 0
) -> Iterator[tuple[np.ndarray, int]]:
    """Cut a stream of sound into segments.

    Args:
        blocks: float32 [samples] arrays of any lengths, in order.
        length: samples of a segment.
        hop_length: samples from the start of one segment to the next.
        padding: zeros before the first and after the last sample of the song.

    Yields:
        ``(segment, padded)``: float32 [length], and the number of zeros added to fill it. Only a song shorter than one
        segment is filled up; the incomplete end of a longer one is left out, as musicnn does.

    Raises:
        ConfigError: a length or hop below one sample.
        AudioError: a stream without samples.
    """
    if length < 1 or hop_length < 1:
        raise ConfigError(f"segments of {length} samples every {hop_length}: both must be at least 1")
    silence = np.zeros(padding, dtype=np.float32)
    buffer, skip, received, count = np.zeros(0, dtype=np.float32), 0, 0, 0
    for block in chain([silence], blocks, [silence]):
        received += len(block)
        buffer = np.concatenate([buffer, block])
        # with a hop longer than a segment, part of the sound falls between segments
        drop = min(skip, len(buffer))
        buffer, skip = buffer[drop:], skip - drop
        while not skip and len(buffer) >= length:
            yield buffer[:length], 0
            count += 1
            skip = max(0, hop_length - len(buffer))
            buffer = buffer[hop_length:]
    if received == 2 * padding:
        raise AudioError("the sound has no samples")
    if not count:
        yield np.pad(buffer, (0, length - len(buffer))), length - len(buffer)


def taggram(
    model: Callable[[np.ndarray], np.ndarray],
    blocks: Iterable[np.ndarray],
    length: int,
    hop_length: int,
    padding: int = 0,
    batch_size: int = 1,
) -> Taggram:
    """Score every segment of one song.

    Args:
        model: float32 [batch, length] -> scores float32 [batch, tags].
        blocks, length, hop_length, padding: see :func:`cut_segments`.
        batch_size: segments given to the model at once.

    Raises:
        ConfigError: a batch size, length or hop below 1.
        AudioError: a stream without samples.

    Source: Pons et al. 2018, section 3 (song-level scores).
    """
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ConfigError(f"a batch of {batch_size} segments: it must hold at least 1, and a whole number of them")
    scores, padded = [], 0
    segments = cut_segments(blocks, length, hop_length, padding)
    while batch := list(islice(segments, batch_size)):
        padded = batch[0][1]
        scores.append(model(np.stack([segment for segment, _ in batch])))
    rows = np.concatenate(scores).astype(np.float32, copy=False)
    return Taggram(np.arange(len(rows)) * hop_length, rows, padded)


class SongTagger(ABC):
    """Tags of whole songs, for any engine that scores segments.

    A subclass sets the attributes and defines :meth:`scores` and :meth:`embeddings`.

    Attributes:
        vocabulary: the tags, in the order of the scores.
        sample_rate: of the waveforms that the model takes, Hz.
        segment_samples: length of a segment.
        hop_samples: from the start of one segment of a song to the next.
        song_padding: zeros added at each end of a song, in samples.
    """

    vocabulary: Vocabulary
    sample_rate: int
    segment_samples: int
    hop_samples: int
    song_padding: int = 0

    @abstractmethod
    def scores(self, segments: np.ndarray) -> np.ndarray:
        """Scores of a batch of segments: float32 [batch, samples] -> float32 [batch, tags] in [0, 1]."""

    def embeddings(self, segments: np.ndarray) -> np.ndarray:
        """Feature vectors of a batch of segments: float32 [batch, samples] -> float32 [batch, features], what the head gets.

        Raises:
            TaggingError: this engine computes scores only.
        """
        raise TaggingError(
            f"a {type(self).__name__} computes scores only; load the tagger itself (.safetensors) for embeddings"
        )

    @property
    def thresholds(self) -> dict[str, float]:
        """Tag -> the score from which on it counts as present, where the tagger comes with them; else empty."""
        card = getattr(self, "card", {})  # a fused tagger has none
        return {str(tag): float(value) for tag, value in (card.get("thresholds") or {}).items()}

    @property
    def default_batch_size(self) -> int:
        """Segments of a song that are scored at once."""
        return 1

    @property
    def segment_seconds(self) -> float:
        """Length of a segment in seconds."""
        return self.segment_samples / self.sample_rate

    def tag(self, source: AudioSource, **options: Any) -> TrackTags:
        """Tag a sound file, read in blocks: a song of any length needs the memory of a few seconds.

        PyTorch computes with a thread a core, which mostly wait for each other here; ``torch.set_num_threads(1)`` costs less
        (``benchmarks/threads.py``), and the command ``tagging tag`` does so. For all cores, tag songs in several processes.

        Args:
            source: the path of a file, or its content as bytes or an open binary file; see :func:`tagging.load_audio` for what
                can be read.
            options: see :meth:`tag_blocks`.

        Raises:
            AudioError: the file is missing, empty, undecodable, without samples, or contains NaN.

        Book: ``book/tag_a_song``.
        """
        with AudioFile(source) as file:
            result = self.tag_blocks(file.blocks(self.sample_rate), **options)
            return replace(result, notes=(*file.notes, *result.notes))

    def tag_waveform(self, waveform: np.ndarray, sample_rate: int, **options: Any) -> TrackTags:
        """Tag a waveform in memory.

        Args:
            waveform: one song: float in [-1, 1] or signed integers, [samples] or [channels, samples] with at most 8
                channels, which are averaged.
            sample_rate: of the waveform, Hz, from 1 to 768 kHz; it is resampled if the tagger was trained at another.
            options: see :meth:`tag_blocks`.

        Raises:
            AudioError: a shape, type or value that is not a sound.
            ConfigError: a sample rate out of range, and see :meth:`tag_blocks`.
        """
        mono, notes = self._mono(waveform, sample_rate)
        result = self.tag_blocks([mono], **options)
        result = replace(result, notes=(*notes, *result.notes))
        channels = len(waveform) if np.ndim(waveform) == 2 else 1
        if channels > 2:
            note = f"the {channels} channels were averaged; if they are {channels} songs, tag them one by one"
            result = replace(result, notes=(note, *result.notes))
        return result

    def tag_blocks(
        self,
        blocks: Iterable[np.ndarray],
        *,
        hop_seconds: float | None = None,
        batch_size: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> TrackTags:
        """Tag a stream of sound.

        Args:
            blocks: [samples] arrays at :attr:`sample_rate`, in order: floats in [-1, 1], or signed integers, which are
                scaled by their range.
            hop_seconds: from the start of one segment to the next; None is the tagger's default, usually no overlap.
            batch_size: segments scored at once; it changes speed, not scores. None is 1 on a CPU and 32 on a GPU.
            progress: called after each block with its duration in seconds.

        Raises:
            AudioError: no samples, or a block of a shape, type or value that is not a sound.
            ConfigError: a hop or batch size that is not a positive number.
            TaggingError: the scores are not finite.
        """
        song = self._song(self.scores, blocks, hop_seconds, batch_size, progress)
        if not np.isfinite(song.scores).all():
            raise TaggingError("the scores are NaN or infinite: the tagger's weights or running statistics are damaged")
        padded_seconds = song.padded / self.sample_rate
        note = f"shorter than one segment of {self.segment_seconds:.1f} s: {padded_seconds:.1f} s of silence were added"
        return TrackTags(
            vocabulary=self.vocabulary,
            scores=song.scores.mean(axis=0, dtype=np.float64).astype(np.float32),
            times=(song.starts / self.sample_rate).astype(np.float32),
            taggram=song.scores,
            segment_seconds=self.segment_seconds,
            padded_seconds=padded_seconds,
            notes=(note,) if song.padded else (),
        )

    def embed(self, source: AudioSource, **options: Any) -> np.ndarray:
        """One vector for a sound file: the mean over its segments of the features from which the tags are computed.

        Args:
            source: as for :meth:`tag`.
            options: see :meth:`embed_blocks`.

        Returns:
            float32 [features], or [segments, features] with ``per_segment=True``; segments start where those of :meth:`tag` do.

        Raises:
            AudioError: the file is missing, empty, undecodable, without samples, or contains NaN.
            TaggingError: this engine computes scores only, or the features are not finite.

        >>> tagging.load_tagger("msd-musicnn").embed("song.mp3").shape  # doctest: +SKIP
        (200,)

        Book: ``book/tag_a_song``.
        """
        with AudioFile(source) as file:
            return self.embed_blocks(file.blocks(self.sample_rate), **options)

    def embed_waveform(self, waveform: np.ndarray, sample_rate: int, **options: Any) -> np.ndarray:
        """The vector of a waveform in memory; see :meth:`tag_waveform` for the arguments and :meth:`embed` for the result."""
        return self.embed_blocks([self._mono(waveform, sample_rate)[0]], **options)

    def embed_blocks(
        self,
        blocks: Iterable[np.ndarray],
        *,
        per_segment: bool = False,
        hop_seconds: float | None = None,
        batch_size: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> np.ndarray:
        """The vector of a stream of sound.

        Args:
            per_segment: return one vector a segment instead of their mean.
            blocks, hop_seconds, batch_size, progress: see :meth:`tag_blocks`.

        Returns:
            float32 [features], or [segments, features] with ``per_segment``.

        Raises:
            AudioError, ConfigError, TaggingError: see :meth:`tag_blocks`.
        """
        vectors = self._song(self.embeddings, blocks, hop_seconds, batch_size, progress).scores
        if not np.isfinite(vectors).all():
            raise TaggingError("the features are NaN or infinite: weights or running statistics are damaged")
        return vectors if per_segment else vectors.mean(axis=0, dtype=np.float64).astype(np.float32)

    def _mono(self, waveform: np.ndarray, sample_rate: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """A waveform in memory as float32 [samples] at the tagger's rate, with notes on it."""
        if not isinstance(sample_rate, Real):
            raise ConfigError(f"a sample rate of {sample_rate!r} Hz: give a number, e.g. 16000")
        check_sample_rate(float(sample_rate))  # before anything is computed
        mono, notes = read_array(waveform)
        return resample(mono, sample_rate, self.sample_rate), tuple(notes)

    def _song(
        self,
        model: Callable[[np.ndarray], np.ndarray],
        blocks: Iterable[np.ndarray],
        hop_seconds: float | None,
        batch_size: int | None,
        progress: Callable[[float], None] | None,
    ) -> Taggram:
        """What a model computes of the segments of a stream of sound; see :meth:`tag_blocks`."""
        hop_samples = self.hop_samples
        if hop_seconds is not None:
            hop_samples = in_samples("hop_seconds", hop_seconds, self.sample_rate)

        def reported() -> Iterator[np.ndarray]:
            for number, array in enumerate(blocks, start=1):
                # an empty block is no mistake, a song without samples is
                block = as_waveform(array, f"block {number}") if np.size(array) else np.zeros(0, np.float32)
                yield block
                if progress:
                    progress(len(block) / self.sample_rate)

        return taggram(
            model,
            reported(),
            self.segment_samples,
            hop_samples,
            self.song_padding,
            self.default_batch_size if batch_size is None else batch_size,
        )
