"""What all features of a sound start from: one spectrogram, its mel bands, and how a row of frames becomes a few numbers.

Book: ``book/baseline``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...audio.files import as_waveform, resample
from ...audio.mel import MelSpec, mel_bank

RATE = 16000
# 128 ms tell the semitones apart from about 260 Hz upwards; a frame every 20 ms follows the notes.
WINDOW, HOP = 2048, 320
FRAMES_PER_SECOND = RATE / HOP
MEL_BANDS = 40
# Decibels below the loudest place of a spectrogram at which it is cut off.
FLOOR_DB = 80.0
# Digital silence has this level; the least that 16 bits can hold has -90 dB.
SILENCE_DB = -100.0
# Shorter sounds are filled up with silence, so that every statistic over time exists.
SHORTEST_SECONDS = 1.0

# Name of a feature within its block -> its values, a scalar or a vector.
Table = dict[str, np.ndarray]


@dataclass(frozen=True)
class Spectra:
    """One sound, prepared for all blocks of features. Made by :func:`spectra_of`.

    Attributes:
        waveform: float32 [samples] at 16 kHz, scaled to a root mean square of 1; all zeros for digital silence.
        level: root mean square before the scaling, in dB below full scale, at least -100.
        magnitude: float32 [bins, frames]: absolute values of the short-time Fourier transform.
    """

    waveform: np.ndarray
    level: float
    magnitude: np.ndarray

    @cached_property
    def power(self) -> np.ndarray:
        """float32 [bins, frames]."""
        return self.magnitude**2

    @cached_property
    def log_mel(self) -> np.ndarray:
        """float32 [bands, frames]: mel power in dB, cut off 80 dB below its maximum."""
        return decibels(_mel_bank() @ self.power)


def spectra_of(waveform: np.ndarray, sample_rate: int = RATE) -> Spectra:
    """Prepare a sound.

    Args:
        waveform: float in [-1, 1] or signed integers, [samples] or [channels, samples].
        sample_rate: of the waveform, Hz; it is resampled to 16 kHz.

    Raises:
        AudioError: a shape, type or value that is not a sound, or no samples.
        ConfigError: an impossible sample rate.
    """
    sound = resample(as_waveform(waveform), sample_rate, RATE)
    if (missing := round(SHORTEST_SECONDS * RATE) - len(sound)) > 0:
        sound = np.pad(sound, (0, missing))
    strength = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))
    level = max(20 * np.log10(max(strength, 1e-30)), SILENCE_DB)
    # one level for all sounds: how loud something was recorded must not look like a change of its timbre
    sound = (sound / strength if level > SILENCE_DB else np.zeros_like(sound)).astype(np.float32)
    padded = np.pad(sound, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # [frames, window], a view
    # scipy's transform stays in float32, which takes half the time of NumPy's
    from scipy.fft import rfft

    spectrum = rfft(frames * _window(), axis=1)
    return Spectra(sound, level, np.abs(spectrum).T)


@functools.cache
def _window() -> np.ndarray:
    """A periodic Hann window, scaled so that a full-scale sine has a magnitude of 1/2."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    return (window / window.sum()).astype(np.float32)


@functools.cache
def _mel_bank() -> np.ndarray:
    spec = MelSpec(sample_rate=RATE, n_fft=WINDOW, hop_length=HOP, n_mels=MEL_BANDS, f_min=30.0)
    return mel_bank(spec).astype(np.float32)


def decibels(power: np.ndarray) -> np.ndarray:
    """10 log10 of a power, cut off 80 dB below its maximum; all zeros give a constant."""
    floor = max(float(power.max()) * 10 ** (-FLOOR_DB / 10), 1e-20)
    return 10 * np.log10(np.maximum(power, floor))


def frequencies() -> np.ndarray:
    """float32 [bins]: the centre of every bin, in Hz."""
    return np.arange(WINDOW // 2 + 1, dtype=np.float32) * (RATE / WINDOW)


def summary(name: str, rows: np.ndarray) -> Table:
    """A few rows over time in three numbers each: mean, deviation, and mean change from frame to frame.

    Args:
        name: what the rows are.
        rows: [rows, frames].
    """
    return {
        f"{name}.mean": rows.mean(axis=1),
        f"{name}.std": rows.std(axis=1),
        f"{name}.change": np.abs(np.diff(rows, axis=1)).mean(axis=1),
    }


def full_summary(name: str, row: np.ndarray) -> Table:
    """One row over time, [frames], in eight numbers: its distribution, and that of its changes."""
    changes = np.diff(row)
    low, middle, high = np.percentile(row, [10, 50, 90])
    return {
        f"{name}.mean": row.mean(),
        f"{name}.std": row.std(),
        f"{name}.skew": skewness(row),
        f"{name}.low": low,
        f"{name}.median": middle,
        f"{name}.high": high,
        f"{name}.change": np.abs(changes).mean(),
        f"{name}.change_std": changes.std(),
    }


def skewness(row: np.ndarray) -> float:
    """Third standardised moment of [frames]; 0 for a row that hardly varies."""
    centred = row.astype(np.float64) - row.mean(dtype=np.float64)
    spread = np.sqrt(np.mean(centred**2))
    # below rounding there is nothing but noise to standardise
    return float(np.mean(centred**3) / spread**3) if spread > 1e-6 * (1 + np.abs(row).max()) else 0.0


def entropy(weights: np.ndarray, axis: int = 0) -> np.ndarray:
    """Of weights >= 0 along an axis, divided by its maximum: 0 is one peak, 1 is flat (and so is a sum of 0)."""
    count = weights.shape[axis]
    total = weights.sum(axis=axis, keepdims=True)
    share = np.where(total > 0, weights / np.maximum(total, 1e-30), 1 / count)
    return -(share * np.log(np.maximum(share, 1e-30))).sum(axis=axis) / np.log(count)
