"""Features of rhythm: onsets, tempo, pulse and metre.

From two onset curves, one that weighs all onsets alike and one that weighs accents more: tempo as in Ellis 2007, pulse
clarity after Lartillot et al. 2008, and the autocorrelation at musical multiples of the beat, which separates metres.
"""

from __future__ import annotations

import numpy as np

from .spectra import FRAMES_PER_SECOND, MEL_BANDS, Spectra, Table, full_summary

# Periods of notes, beats and bars, in seconds.
SHORTEST, LONGEST = 0.125, 4.0
PERIODS = np.geomspace(SHORTEST, LONGEST, 41)
BANDS = 4
BAND_PERIODS = np.geomspace(SHORTEST, LONGEST, 11)
# Sound this far below the maximum of the spectrogram, in dB, has no onsets.
AUDIBLE_DB = 30.0
# Periods of the beat in seconds: 40 to 240 beats per minute, in steps of 2 %.
BEATS = np.geomspace(0.25, 1.5, 91)
# Ellis 2007: people tap near 120 beats per minute, within about an octave.
USUAL_BEAT, OCTAVES = 0.5, 1.0
# Divisions and groups of the beat: 1/3 and 3 indicate triple and compound metres, 1/2, 2 and 4 duple ones.
MULTIPLES = np.array([1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 3 / 2, 2, 3, 4])
# Bins of the ratio of successive inter-onset intervals, in octaves.
RATIO_EDGES = np.array([-2.5, -1.75, -1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 1.75, 2.5])


def rhythm(sound: Spectra) -> Table:
    """Onsets, inter-onset intervals, tempo, pulse and metre, of two onset curves."""
    table: Table = {}
    for name, bands in onset_curves(sound).items():  # [4, frames]
        curve = bands.mean(axis=0)  # [frames]
        correlation = autocorrelation(np.concatenate([curve[None], bands]))  # [5, lags]
        part = full_summary("onset", curve) | {
            "onset.bands": bands.mean(axis=1),
            "periodicity": at_periods(correlation[0], PERIODS),
            "periodicity.bands": np.concatenate([at_periods(row, BAND_PERIODS) for row in correlation[1:]]),
            **_tempo(correlation[0]),
            **_times_between(curve),
        }
        table |= {f"{name}.{key}": values for key, values in part.items()}
    return table


def onset_curves(sound: Spectra) -> dict[str, np.ndarray]:
    """Two onset curves of four bands, float [4, frames]: rises from frame to frame in dB, and in amplitude.

    On 2,000 training clips of the ``sheet-music`` corpus both together predict metres, dances and note density better on
    average than either alone.
    """
    log_mel = sound.log_mel
    # quieter sound is decay, reverb or noise
    decibels = np.maximum(log_mel, log_mel.max() - AUDIBLE_DB)
    amplitude = 10 ** (log_mel / 20)
    curves = {"even": decibels, "accented": amplitude / amplitude.mean()}
    rises = {name: np.maximum(np.diff(rows, axis=1, prepend=rows[:, :1]), 0) for name, rows in curves.items()}
    return {name: rows.reshape(BANDS, MEL_BANDS // BANDS, -1).mean(axis=1) for name, rows in rises.items()}


def autocorrelation(rows: np.ndarray) -> np.ndarray:
    """Autocorrelation of centred rows from lag 0, where it is 1; zeros for a constant row.

    Each lag is divided by its share of the frames, at least 0.5.

    Args:
        rows: float [rows, frames].

    Returns:
        float [rows, lags].
    """
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = rows.shape[1]
    spectrum = np.fft.rfft(rows, 2 * length)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[:, :length]
    correlation /= np.maximum(1 - np.arange(length) / length, 0.5)
    # below this, only rounding is left of a constant row
    strength = correlation[:, :1]
    return np.where(strength > 1e-6 * length, correlation / np.maximum(strength, 1e-9), 0.0)


def at_periods(correlation: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Interpolate an autocorrelation; 0 beyond its end.

    Args:
        correlation: float [lags].
        periods: float [periods], in seconds.
    """
    return np.interp(periods * FRAMES_PER_SECOND, np.arange(len(correlation)), correlation, right=0.0)


def _tempo(correlation: np.ndarray) -> Table:
    """Beat and second candidate, their clarity, and divisions and groups of the beat."""
    strength = at_periods(correlation, BEATS)
    likely = np.exp(-0.5 * (np.log2(BEATS / USUAL_BEAT) / OCTAVES) ** 2)
    score = np.maximum(strength, 0) * likely
    best = int(np.argmax(score))
    other = np.where(np.abs(np.log2(BEATS / BEATS[best])) > 0.15, score, 0)
    second = int(np.argmax(other))
    inside = correlation[round(SHORTEST * FRAMES_PER_SECOND) : round(LONGEST * FRAMES_PER_SECOND) + 1]
    return {
        "tempo": np.array([60 / BEATS[best], 60 / BEATS[second], np.log2(BEATS[second] / BEATS[best])]),
        "tempo.clarity": np.array([strength[best], strength[second], score[best] - score[second]]),
        "tempo.free": np.array([60 / BEATS[int(np.argmax(strength))], strength.max()]),
        "pulse": np.array([inside.max(), inside.min(), inside.std()]),
        "metre": at_periods(correlation, BEATS[best] * MULTIPLES),
    }


def _times_between(curve: np.ndarray) -> Table:
    """Rate and strength of onsets, inter-onset intervals, and ratios of successive intervals."""
    import librosa

    # an onset is a peak a third of the curve's standard deviation above the mean of its second
    onsets = librosa.util.peak_pick(
        curve, pre_max=2, post_max=2, pre_avg=25, post_avg=25, delta=curve.std() / 3 + 1e-6, wait=3
    )
    between = np.diff(onsets) / FRAMES_PER_SECOND
    octaves = np.log2(np.maximum(between, 1e-3))
    ratios = np.histogram(np.diff(octaves), RATIO_EDGES)[0] / max(len(between) - 1, 1)
    # classes of half an octave from 1/16 s to 4 s, so that inexact timing does not count as rhythm
    classes = np.histogram(np.clip(octaves, -4, 1.99), np.arange(-4, 2.01, 0.5))[0] / max(len(between), 1)
    some = len(between) > 0
    return {
        "onsets.rate": np.array(len(onsets) * FRAMES_PER_SECOND / len(curve)),
        "onsets.strength": np.array([curve[onsets].mean(), curve[onsets].std()] if len(onsets) else [0.0, 0.0]),
        "between": np.array(
            [between.mean(), between.std(), between.std() / between.mean(), *np.percentile(between, [10, 50, 90])]
            if some
            else np.zeros(6)
        ),
        "between.classes": classes,
        "between.variety": np.array(-(classes * np.log(np.maximum(classes, 1e-9))).sum()),
        "between.ratios": ratios,
    }
