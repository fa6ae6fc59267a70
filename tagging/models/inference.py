"""One song of any length -> scores over time, in bounded memory, with any callable model.

Blocks of sound come in, segments are cut from them as soon as they are whole, and only scores are kept. Where the blocks
were cut and how many segments share a batch does not change the scores. Book: ``book/tag_a_song``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from ..errors import AudioError, ConfigError


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
    """A time of at least one sample, in samples.

    Args:
        name: of the option it comes from, for the error.
        seconds: the time.
        sample_rate: Hz.

    Raises:
        ConfigError: it is no positive, finite number.
    """
    if not 0 < seconds * sample_rate < float("inf"):
        raise ConfigError(
            f"{name}={seconds} at a sample rate of {sample_rate} Hz: both must be positive, finite numbers"
        )
    return max(1, round(seconds * sample_rate))


def cut_segments(
    blocks: Iterable[np.ndarray], length: int, hop: int, edge: int = 0
) -> Iterator[tuple[np.ndarray, int]]:
    """Cut a stream of sound into segments.

    Args:
        blocks: float32 [samples] arrays of any lengths, in order.
        length: samples of a segment.
        hop: samples from the start of one segment to the next.
        edge: zeros before the first and after the last sample of the song.

    Yields:
        ``(segment, padded)``: float32 [length], and how many zeros had to be added to fill it. Only a song
        shorter than one segment is filled up; the incomplete end of a longer one is left out, as musicnn does.

    Raises:
        ConfigError: a length or hop below one sample.
        AudioError: a stream without samples.
    """
    if length < 1 or hop < 1:
        raise ConfigError(f"segments of {length} samples every {hop}: both must be at least 1")
    silence = np.zeros(edge, dtype=np.float32)
    held, skip, heard, cut = np.zeros(0, dtype=np.float32), 0, 0, 0
    for block in chain([silence], blocks, [silence]):
        heard += len(block)
        held = np.concatenate([held, block])
        # with a hop longer than a segment, part of the sound falls between segments
        drop = min(skip, len(held))
        held, skip = held[drop:], skip - drop
        while not skip and len(held) >= length:
            yield held[:length], 0
            cut += 1
            skip = max(0, hop - len(held))
            held = held[hop:]
    if heard == 2 * edge:
        raise AudioError("the sound holds no samples; nothing can be heard in it")
    if not cut:
        yield np.pad(held, (0, length - len(held))), length - len(held)


def taggram(
    model: Callable[[np.ndarray], np.ndarray],
    blocks: Iterable[np.ndarray],
    length: int,
    hop: int,
    edge: int = 0,
    batch_size: int = 1,
) -> Taggram:
    """Score every segment of one song.

    Args:
        model: float32 [batch, length] -> scores float32 [batch, tags].
        blocks, length, hop, edge: see :func:`cut_segments`.
        batch_size: segments given to the model at once. One is fastest on a CPU, where a larger batch only
            leaves the cache; 32 or more suits a GPU.

    Raises:
        ConfigError: a batch size, length or hop below one.
        AudioError: a stream without samples.

    Source: Pons et al. 2018, section 3 (song-level scores). Book: ``book/tag_a_song``.
    """
    if batch_size < 1:
        raise ConfigError(f"a batch of {batch_size} segments: it must hold at least 1")
    scores, padded = [], 0
    segments = cut_segments(blocks, length, hop, edge)
    while batch := list(islice(segments, batch_size)):
        padded = batch[0][1]
        scores.append(model(np.stack([segment for segment, _ in batch])))
    rows = np.concatenate(scores).astype(np.float32, copy=False)
    return Taggram(np.arange(len(rows)) * hop, rows, padded)
