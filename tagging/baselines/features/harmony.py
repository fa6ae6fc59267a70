"""Features of harmony and melody: pitch classes, key, intervals and register; the first three do not depend on the key.

Pitch classes from interpolated spectral peaks (the harmonic pitch class profile of Gómez 2006), keys from the profiles of
Krumhansl and Kessler 1982, the tonal centroid of Harte et al. 2006, and sums of harmonics for register and melody.
"""

from __future__ import annotations

import functools

import numpy as np

from .spectra import FRAMES_PER_SECOND, RATE, WINDOW, Spectra, Table, entropy, full_summary

LOWEST_HZ, HIGHEST_HZ = 60.0, 2500.0
# Peaks this far below the strongest of their frame, in dB, are ignored.
PEAK_DB = -35.0
BASS_HZ = 200.0
# Fit of each pitch class to a key, from the tonic upwards (Krumhansl and Kessler 1982).
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
# Range of the melody, C2 to C7 (MIDI numbers).
PITCHES = np.arange(36, 97)
HARMONICS, FADING = 8, 0.8
# The top line weighs a pitch 2 % more for each semitone. On training clips of the sheet-music corpus, its median has a rank
# correlation of 0.61 with the register of the tune; the median of the strongest line has 0.42.
TOP_FAVOUR = 0.02
# Frames between two chroma vectors that are compared: 0.24 s and 1 s.
NEAR, FAR = round(0.24 * FRAMES_PER_SECOND), round(1.0 * FRAMES_PER_SECOND)


def harmony(sound: Spectra) -> Table:
    """Tuning, pitch classes relative to the tonic, keys, intervals, tonal centroid, and the speed of their changes."""
    pitch, weight, frame = _peaks(sound.magnitude)
    tuning, steadiness = _tuning(pitch, weight)
    count = sound.magnitude.shape[1]
    classes = np.round(pitch - tuning).astype(int) % 12
    chroma = _normalised(np.bincount(frame * 12 + classes, weight, count * 12).reshape(count, 12).T)  # [12, frames]
    low = pitch < _midi(BASS_HZ)
    bass = np.bincount(classes[low], weight[low], 12)
    mean = chroma.mean(axis=1)
    keys = key_correlations(mean)  # [2, 12]: major and minor, by tonic
    tonic = int(np.argmax(keys)) % 12
    ordered = np.sort(keys, axis=None)
    movement = np.linalg.norm(np.diff(chroma, axis=1), axis=0)
    table: Table = {
        "tuning": np.array([tuning, steadiness]),
        "chroma": np.roll(mean, -tonic),
        "chroma.std": np.roll(chroma.std(axis=1), -tonic),
        "chroma.bass": np.roll(_normalised(bass), -tonic),
        "chroma.end": np.roll(_normalised(chroma[:, -2 * FAR :].mean(axis=1)), -tonic),
        "key": np.roll(keys, -tonic, axis=1).ravel(),
        "key.clarity": np.array([ordered[-1], ordered[-1] - ordered[-2], keys[0].max() - keys[1].max()]),
        "intervals": _rotations(mean, mean)[1:7],
        "intervals.together": _rotations(chroma, chroma)[1:7],
        "intervals.next": _rotations(chroma[:, :-NEAR], chroma[:, NEAR:]),
        "intervals.later": _rotations(chroma[:, :-FAR], chroma[:, FAR:]),
        "peaks": np.array([len(frame) / count, weight.sum() / count]),
        **full_summary("chroma.entropy", entropy(chroma)),
        **full_summary("chroma.movement", movement),
    }
    return table | _tonal_centroid(chroma) | _melody(sound.magnitude, tuning)


def _midi(hertz: np.ndarray | float) -> np.ndarray:
    return 69 + 12 * np.log2(np.asarray(hertz) / 440)


def _peaks(magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pitch in semitones (MIDI numbers), weight and frame of every spectral peak."""
    first, last = int(LOWEST_HZ * WINDOW / RATE), int(HIGHEST_HZ * WINDOW / RATE)
    rows = magnitude.T[:, first - 1 : last + 2]  # [frames, bins]
    left, middle, right = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
    threshold = np.maximum(middle.max(axis=1, keepdims=True) * 10 ** (PEAK_DB / 20), 1e-9)
    frame, column = np.nonzero((middle > left) & (middle >= right) & (middle > threshold))
    a, b, c = (np.log(np.maximum(part[frame, column], 1e-12)) for part in (left, middle, right))
    # maximum of a parabola through three log magnitudes: exact to a few cents for a Hann window
    offset = 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-6)
    hertz = (first + column + offset) * RATE / WINDOW
    return _midi(hertz), np.sqrt(middle[frame, column]), frame


def _tuning(pitch: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Mean deviation of peaks from equal temperament at 440 Hz, in semitones from -0.5 to 0.5, and its consistency (0 to 1)."""
    mean = np.sum(weight * np.exp(2j * np.pi * pitch)) / max(weight.sum(), 1e-9)
    return float(np.angle(mean) / (2 * np.pi)), float(np.abs(mean))


def _normalised(chroma: np.ndarray) -> np.ndarray:
    """Pitch classes [12, ...] divided by their sum; equal shares where the sum is 0."""
    total = chroma.sum(axis=0, keepdims=True)
    return np.where(total > 0, chroma / np.maximum(total, 1e-9), 1 / 12)


def key_correlations(chroma: np.ndarray) -> np.ndarray:
    """Correlation of a pitch class profile with the profiles of all keys.

    Args:
        chroma: float [12].

    Returns:
        float [2, 12]: major and minor keys, by tonic.
    """
    table = np.stack([[np.roll(profile, tonic) for tonic in range(12)] for profile in (MAJOR, MINOR)])
    table = table - table.mean(axis=2, keepdims=True)
    table /= np.linalg.norm(table, axis=2, keepdims=True)
    centred = chroma - chroma.mean()
    return table @ (centred / max(np.linalg.norm(centred), 1e-9))


def _rotations(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Strength of each interval (in semitones upwards) from one profile to another: [12], from profiles [12, ...]."""
    spectrum = np.conj(np.fft.rfft(before, axis=0)) * np.fft.rfft(after, axis=0)
    rotations = np.fft.irfft(spectrum, 12, axis=0)
    return rotations if rotations.ndim == 1 else rotations.mean(axis=1)


def _tonal_centroid(chroma: np.ndarray) -> Table:
    """Radius and speed of the tonal centroid in its three circles: fifths, minor and major thirds."""
    import librosa

    circles = librosa.feature.tonnetz(chroma=chroma).reshape(3, 2, -1)
    radius = np.linalg.norm(circles, axis=1)  # [3, frames]; without the angle, which depends on the key
    speed = np.linalg.norm(np.diff(circles, axis=2), axis=1)
    centre = np.linalg.norm(circles.mean(axis=2), axis=1)
    return {
        "centroid": radius.mean(axis=1),
        "centroid.std": radius.std(axis=1),
        "centroid.speed": speed.mean(axis=1),
        "centroid.whole": centre,
    }


def _melody(magnitude: np.ndarray, tuning: float) -> Table:
    """Register, range and steps of two lines (the strongest and the top pitch of each frame), and number of salient pitches."""
    from scipy.ndimage import median_filter

    salience = _comb(round(tuning, 1)) @ np.sqrt(magnitude)  # [pitches, frames]
    table: Table = {}
    for name, favour in (("strongest", 0.0), ("top", TOP_FAVOUR)):
        best = (salience * (1 + favour * (PITCHES - PITCHES[0]))[:, None]).argmax(axis=0)
        # pitches of fewer than three frames are errors
        line = median_filter(PITCHES[best], 5, mode="nearest").astype(np.float64)
        table |= _line(name, line)
    profile = salience.mean(axis=1)
    share = profile / max(profile.sum(), 1e-9)
    centre = (share * PITCHES).sum()
    peak = np.maximum(salience.max(axis=0), 1e-9)
    return {
        **table,
        "register": np.array([centre, np.sqrt((share * (PITCHES - centre) ** 2).sum())]),
        "register.share": share[:60].reshape(10, 6).sum(axis=1),
        **full_summary("salience", (salience > 0.7 * peak).sum(axis=0).astype(np.float64)),
    }


def _line(name: str, line: np.ndarray) -> Table:
    """Register and intervals of a line of pitches, [frames] in semitones."""
    moves = np.diff(line)
    moves = moves[moves != 0]
    steps = np.histogram(np.minimum(np.abs(moves), 12), np.arange(0.5, 13))[0] / max(len(moves), 1)
    percentiles = np.percentile(line, [5, 10, 25, 50, 75, 90, 95])
    return {
        name: np.array([line.mean(), line.std(), *percentiles]),
        f"{name}.range": np.array([percentiles[-1] - percentiles[0], percentiles[-2] - percentiles[1]]),
        f"{name}.steps": steps,
        f"{name}.moves": np.array([len(moves) / len(line), np.mean(moves > 0) if len(moves) else 0.5]),
    }


@functools.lru_cache(maxsize=16)
def _comb(tuning: float) -> np.ndarray:
    """float32 [pitches, bins]: weights of the harmonics of every pitch, each 0.8 times the one before."""
    comb = np.zeros((len(PITCHES), WINDOW // 2 + 1))
    for harmonic in range(1, HARMONICS + 1):
        position = harmonic * 440 * 2 ** ((PITCHES + tuning - 69) / 12) * WINDOW / RATE
        inside = position < WINDOW // 2
        rows, below = np.flatnonzero(inside), position[inside].astype(int)
        part = position[inside] - below
        comb[rows, below] += (1 - part) * FADING ** (harmonic - 1)
        comb[rows, below + 1] += part * FADING ** (harmonic - 1)
    return comb.astype(np.float32)
