"""Samples in memory: arrays of any kind to float32 mono waveforms, their level, and another sample rate.

soxr resamples (HQ). Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import AudioError, ConfigError

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1000, 768_000
# Full scale is 1. Decoded music goes beyond it by a few dB; integers that were converted to float but not scaled, by 40 to 190.
MAX_PEAK = 32.0
LOUD_PEAK = 4.0  # +12 dB: beyond what a decoder or a limiter leaves
QUIET_PEAK = 1e-3  # -60 dB: music that is played is louder somewhere
CANCELLED = 0.01  # of the power of the channels is left in their mean: -20 dB; unrelated channels leave -3 dB
MAX_CHANNELS = 8  # of an array: 7.1 surround; a batch of songs is a likely mistake beyond


class LevelMeter:
    """What the samples of a song say about it: refuses what cannot be sound, and notes what makes scores doubtful.

    Args:
        name: of the file or array, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.samples = 0
        self.peak = 0.0
        self.power = self.channel_power = 0.0

    def mono(self, channels: np.ndarray, time: str = "") -> np.ndarray:
        """Average channels and look at the result.

        Args:
            channels: float32 [channels, samples].
            time: where in the song they are, for messages.

        Returns:
            float32 [samples].

        Raises:
            AudioError: NaN or infinite samples, or samples far outside [-1, 1].
        """
        # channel by channel: on some processors the rounding of a matrix product depends on the size of the block
        mono = np.asarray(sum(channels) / np.float32(len(channels)), dtype=np.float32)
        # of NaN the maximum is NaN
        high, low = float(channels.max(initial=0.0)), float(channels.min(initial=0.0))
        if not np.isfinite(high - low):
            raise AudioError(f"{self.name}: NaN or infinite samples{time}; export it again, or check how it was made")
        self.samples += mono.size
        self.peak = max(self.peak, float(mono.max(initial=0.0)), -float(mono.min(initial=0.0)))
        if (loudest := max(high, -low)) > MAX_PEAK:
            raise AudioError(
                f"{self.name}: samples as large as {loudest:.3g}{time}, where full scale is 1; "
                "divide integers by their largest value, e.g. by 32768 if they have 16 bits"
            )
        if len(channels) > 1:
            self.power += float(np.dot(mono, mono))
            self.channel_power += float(np.vdot(channels, channels)) / len(channels)
        return mono

    def notes(self) -> list[str]:
        """Sentences about the level of what was read so far; none for ordinary sound."""
        if not self.samples:
            return []
        if self.channel_power and self.power < CANCELLED * self.channel_power:
            lost = f"loses {10 * np.log10(self.channel_power / self.power):.0f} dB" if self.power else "is silent"
            return [
                f"the channels cancel each other, their mean {lost}: the scores describe what is left, not the music; "
                "tag one channel by itself"
            ]
        if self.peak == 0.0:
            return ["silent: the scores describe the model, not music"]
        if self.peak < QUIET_PEAK:
            level = -20 * np.log10(self.peak)
            return [f"nearly silent, its peak is {level:.0f} dB below full scale: the scores may describe noise"]
        if self.peak > LOUD_PEAK:
            return [f"samples reach {self.peak:.1f}, where full scale is 1: the scores are of a sound far too loud"]
        return []


def read_array(array: Any, name: str = "waveform") -> tuple[np.ndarray, list[str]]:
    """Check an array and convert it to a mono waveform.

    Args:
        array: floats with full scale 1, or int16, int32 or int8 with their own full scale; [samples], or [channels, samples]
            with at most 8 channels, which are averaged. NumPy, a tensor, or a list.
        name: of the array, for messages.

    Returns:
        The waveform, float32 [samples], and notes about its level.

    Raises:
        AudioError: a wrong shape or type, too many channels, no samples, NaN or infinite samples, or values that are
            not at the scale of their type: unscaled integers in floats, 16-bit values in int32.
    """
    if hasattr(array, "detach"):  # a tensor, which may require gradients, be on a GPU, or have a type that NumPy lacks
        try:
            array = array.detach().cpu()
            array = array.float() if array.is_floating_point() else array
        except (RuntimeError, NotImplementedError) as error:
            raise AudioError(f"{name}: a tensor without samples ({error})") from error
    # NumPy imports its module of masked arrays at first use: before that there is no such array
    if "numpy.ma" in sys.modules and np.ma.isMaskedArray(array) and np.ma.getmaskarray(array).any():
        raise AudioError(f"{name} has masked samples; fill them first, e.g. with array.filled(0)")
    try:
        array = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{name} is no array of numbers ({error}); give float32 [samples]") from error
    if array.size == 0:
        raise AudioError(f"{name} has no samples")
    if array.ndim == 2 and array.shape[0] > array.shape[1]:
        raise AudioError(f"{name} of shape {array.shape}: channels come first, [channels, samples]; transpose it")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name} of shape {array.shape}: expected [samples] or [channels, samples]")
    if array.ndim == 2 and array.shape[0] > MAX_CHANNELS:
        raise AudioError(
            f"{name} of shape {array.shape}: {array.shape[0]} channels, where a song has at most {MAX_CHANNELS}; "
            "if the rows are songs, tag them one by one"
        )
    meter = LevelMeter(name)
    return meter.mono(_scaled(np.atleast_2d(array), name)), meter.notes()


def as_waveform(array: Any, name: str = "waveform") -> np.ndarray:
    """Check an array and convert it to a mono float32 [samples] waveform: :func:`read_array` without its notes."""
    return read_array(array, name)[0]


def _scaled(array: np.ndarray, name: str) -> np.ndarray:
    """Samples as float32 with full scale 1."""
    if np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which is refused
            return array.astype(np.float32, copy=False)
    if array.dtype.kind != "i" or array.dtype.itemsize > 4:
        raise AudioError(
            f"{name} of type {array.dtype}: its full scale is unknown; give floats in [-1, 1], or int16 or int32, "
            "e.g. array.astype('int16') if the values have 16 bits"
        )
    peak = int(np.abs(array.astype(np.int64)).max())
    bits = 8 * array.dtype.itemsize
    if bits == 32 and 0 < peak < 2**23:
        raise AudioError(
            f"{name} of type int32 with no value beyond {peak}: these seem to be samples of {16 if peak < 2**15 else 24} bits; "
            "divide them by their full scale, e.g. array / 2**23"
        )
    return array.astype(np.float32) / np.float32(2 ** (bits - 1))


def resample_blocks(blocks: Iterator[np.ndarray], from_rate: float, to_rate: float) -> Iterator[np.ndarray]:
    """Resample a stream; the output does not depend on the lengths of the blocks."""
    import soxr

    resampler = soxr.ResampleStream(from_rate, to_rate, num_channels=1, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = resampler.resample_chunk(block)
        if len(resampled):
            yield resampled
    yield resampler.resample_chunk(np.empty(0, dtype=np.float32), last=True)


def resample(waveform: np.ndarray, from_rate: float, to_rate: float) -> np.ndarray:
    """Resample float32 [samples] with soxr's HQ filter: flat to 0.91 of the new Nyquist frequency.

    The resampler changes the scores of a model, so this package uses one only. Book: ``book/what_goes_in``.

    Raises:
        ConfigError: a sample rate outside 1,000 to 768,000 Hz.
    """
    for rate in (from_rate, to_rate):
        check_sample_rate(rate)
    if from_rate == to_rate:
        return waveform
    return np.concatenate(list(resample_blocks(iter([waveform]), from_rate, to_rate)))


def check_sample_rate(rate: float) -> None:
    """Raise ConfigError for a sample rate that no sound has (NaN is one)."""
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise ConfigError(
            f"a sample rate of {rate} Hz: it must be between {MIN_SAMPLE_RATE} and {MAX_SAMPLE_RATE}, e.g. 16000"
        )
