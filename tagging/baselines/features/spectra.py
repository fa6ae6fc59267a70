"""Spectrogram and mel bands that all features start from, and summaries of rows of frames."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...audio.mel_spec import MelSpec, mel_bank
from ...audio.waveform import as_waveform, resample

RATE = 16000
# A window of 128 ms separates semitones from about 260 Hz upwards; a frame every 20 ms.
WINDOW, HOP = 2048, 320
FRAMES_PER_SECOND = RATE / HOP
MEL_BANDS = 40
# A spectrogram is cut off this many dB below its maximum.
FLOOR_DB = 80.0
# Level of digital silence, in dB; the smallest sound of 16 bits has -90 dB.
SILENCE_DB = -100.0
# Shorter sounds are padded with silence, so that every statistic over time is defined.
SHORTEST_SECONDS = 1.0

# Name of a feature within its block -> its values, a scalar or a vector.
Table = dict[str, np.ndarray]


@dataclass(frozen=True)
class Spectra:
    """One sound with its spectrogram. Made by :func:`spectra_of`.

    Attributes:
        waveform: float32 [samples] at 16 kHz, scaled to a root mean square of 1; all zeros for digital silence.
        level: root mean square before the scaling, in dB below full scale, at least -100.
        magnitude: float32 [bins, frames]: magnitude of the short-time Fourier transform.
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
    """Scale a sound and compute its spectrogram.

    Args:
        waveform: float in [-1, 1] or signed integers, [samples] or [channels, samples].
        sample_rate: of the waveform, in Hz; it is resampled to 16 kHz.

    Raises:
        AudioError: a wrong shape or type, NaN or infinite values, or no samples.
        ConfigError: an impossible sample rate.
    """
    sound = resample(as_waveform(waveform), sample_rate, RATE)
    if (missing := round(SHORTEST_SECONDS * RATE) - len(sound)) > 0:
        sound = np.pad(sound, (0, missing))
    strength = float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))
    level = max(20 * np.log10(max(strength, 1e-30)), SILENCE_DB)
    # the same level for all sounds: the level of a recording must not change its timbre
    sound = (sound / strength if level > SILENCE_DB else np.zeros_like(sound)).astype(np.float32)
    padded = np.pad(sound, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # [frames, window], a view
    # scipy's transform stays in float32 and takes half the time of NumPy's
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
    """Power in dB, cut off 80 dB below its maximum; a constant if all values are 0.

    Args:
        power: float, any shape.
    """
    floor = max(float(power.max()) * 10 ** (-FLOOR_DB / 10), 1e-20)
    return 10 * np.log10(np.maximum(power, floor))


def frequencies() -> np.ndarray:
    """float32 [bins]: the centre frequency of every bin, in Hz."""
    return np.arange(WINDOW // 2 + 1, dtype=np.float32) * (RATE / WINDOW)


def summary(name: str, rows: np.ndarray) -> Table:
    """Three statistics of each row: mean, standard deviation, and mean absolute change from frame to frame.

    Args:
        name: prefix of the feature names.
        rows: float [rows, frames].
    """
    return {
        f"{name}.mean": rows.mean(axis=1),
        f"{name}.std": rows.std(axis=1),
        f"{name}.change": np.abs(np.diff(rows, axis=1)).mean(axis=1),
    }


def full_summary(name: str, row: np.ndarray) -> Table:
    """Eight statistics of one row: its distribution, and that of its changes.

    Args:
        name: prefix of the feature names.
        row: float [frames].
    """
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
    """Third standardized moment; 0 for a nearly constant row.

    Args:
        row: float [frames].
    """
    centred = row.astype(np.float64) - row.mean(dtype=np.float64)
    deviation = np.sqrt(np.mean(centred**2))
    # smaller deviations are rounding
    return float(np.mean(centred**3) / deviation**3) if deviation > 1e-6 * (1 + np.abs(row).max()) else 0.0


def entropy(weights: np.ndarray, axis: int = 0) -> np.ndarray:
    """Entropy of weights along an axis, divided by its maximum: 0 for a single peak, 1 for equal weights and for all zeros.

    Args:
        weights: float, at least 0.
        axis: to sum over.
    """
    count = weights.shape[axis]
    total = weights.sum(axis=axis, keepdims=True)
    share = np.where(total > 0, weights / np.maximum(total, 1e-30), 1 / count)
    return -(share * np.log(np.maximum(share, 1e-30))).sum(axis=axis) / np.log(count)
