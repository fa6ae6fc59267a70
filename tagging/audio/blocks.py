"""Decoded frames, joined to blocks of some seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from av import AudioFifo, AudioFrame

# The overhead of a call is negligible at this length, and so is the memory.
BLOCK_SECONDS = 3.0


class Frame(NamedTuple):
    """Some decoded sound, up to some seconds of it.

    Attributes:
        sample_rate: in Hz.
        samples: [channels, samples], float32; full scale is 1.
    """

    sample_rate: int
    samples: np.ndarray


class Block:
    """Frames of some milliseconds, joined to some seconds: a Python call per frame would cost more than decoding it.

    Args:
        is_pcm: whether the samples are stored as such.
    """

    def __init__(self, is_pcm: bool) -> None:
        self.is_pcm = is_pcm
        self.fifo: AudioFifo | None = None
        self.key: tuple[int, str, str] | None = None
        self.limit = 0.0  # the first frame by itself: it tells a caller the sample rate

    def is_complete(self, frame: AudioFrame) -> bool:
        """Whether the block must be taken before a frame is added: it is long enough, or the frame is of another format."""
        if self.fifo is None:
            return False
        return self.fifo.samples > self.limit * frame.sample_rate or self.key != _key(frame)

    def add(self, frame: AudioFrame) -> None:
        """Append a frame."""
        import av

        if self.fifo is None:
            self.fifo, self.key = av.AudioFifo(), _key(frame)
        frame.pts = None  # gaps are counted elsewhere
        self.fifo.write(frame)

    def take(self) -> Frame | None:
        """Return and forget what was added, float32 [channels, samples]; None if that is nothing."""
        joined = self.fifo.read() if self.fifo is not None else None
        self.fifo, self.limit = None, BLOCK_SECONDS
        if joined is None:
            return None
        array = joined.to_ndarray()
        if not joined.format.is_planar:
            array = array.reshape(-1, joined.layout.nb_channels).T
        if array.dtype == np.uint8:
            array = (array.astype(np.float32) - 128) / 128
        elif np.issubdtype(array.dtype, np.integer):
            # a division by a power of 2: exact for 16 and 24 bits
            array = array.astype(np.float32) / np.float32(2 ** (8 * array.itemsize - 1))
        return Frame(joined.sample_rate, array.astype(np.float32, copy=False))


def _key(frame: AudioFrame) -> tuple[int, str, str]:
    return frame.sample_rate, frame.layout.name, frame.format.name
