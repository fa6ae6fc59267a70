"""Features of timbre, loudness and texture.

The descriptors of Tzanetakis and Cook 2002 and of the MPEG-7 and Essentia sets: cepstral coefficients, mel bands, moments
of the spectrum, octave contrast (Jiang et al. 2002), zero crossings, level over time.
"""

from __future__ import annotations

import numpy as np

from .spectra import HOP, RATE, WINDOW, Spectra, Table, decibels, entropy, frequencies, full_summary, summary

COEFFICIENTS = 20
# Frames this far below the mean level of the clip are pauses.
PAUSE_DB = -30.0
# A median over 0.36 s keeps sustained sound, one over a fifth of the bands sudden and broad sound; on every second frame.
EVERY, LASTING_FRAMES, BROAD_BANDS = 2, 9, 9
# Decay is measured over 0.1 s in eight broad bands.
DECAY_FRAMES, DECAY_BANDS = 5, 8


def timbre(sound: Spectra) -> Table:
    """Cepstral coefficients and their deltas, mel bands, and the shape of the spectrum."""
    import librosa

    mfcc = librosa.feature.mfcc(S=sound.log_mel, n_mfcc=COEFFICIENTS)  # [coefficients, frames]
    table: Table = {"mfcc.mean": mfcc.mean(axis=1), "mfcc.std": mfcc.std(axis=1)}
    for order in (1, 2):
        table[f"mfcc.delta{order}"] = librosa.feature.delta(mfcc, order=order).std(axis=1)
    # relative to the band with the highest mean: a band limit then changes the upper bands only
    mel = sound.log_mel - sound.log_mel.mean(axis=1).max()
    table |= summary("mel", mel)
    table["mel.high"] = np.percentile(mel, 90, axis=1)
    table |= _shape(sound)
    contrast = librosa.feature.spectral_contrast(S=sound.magnitude, sr=RATE, n_fft=WINDOW, fmin=200, n_bands=5)
    return table | summary("contrast", contrast)


def _shape(sound: Spectra) -> Table:
    """Centroid, bandwidth, roll-off, flatness, entropy and flux of each frame's spectrum, and its zero crossings.

    With librosa's centroid, bandwidth and roll-off (equal to 2e-6) all features of a clip take 88 ms instead of 50 ms.
    """
    magnitude = sound.magnitude
    scale = frequencies() / (RATE / 2)
    # three sums over the bins in one product: [3, bins] @ [bins, frames]
    total, first, second = np.stack([np.ones_like(scale), scale, scale**2]) @ magnitude
    total = np.maximum(total, 1e-9)
    centroid = first / total
    bandwidth = np.sqrt(np.maximum(second / total - centroid**2, 0))
    # shares of the mel bands, so that flatness, entropy and flux do not depend on the level
    mel = 10 ** (sound.log_mel / 10)
    share = mel / mel.sum(axis=0)
    flatness = sound.log_mel.mean(axis=0) - 10 * np.log10(mel.mean(axis=0))  # geometric over arithmetic mean, dB
    crossings = np.signbit(sound.waveform[1:]) != np.signbit(sound.waveform[:-1])
    crossings = np.add.reduceat(crossings, np.arange(0, len(crossings), HOP)) / HOP
    table: Table = {}
    for name, row in {
        "centroid": centroid * (RATE / 2),
        "bandwidth": bandwidth * (RATE / 2),
        "flatness": flatness,
        "entropy": entropy(share),
        "flux": np.abs(np.diff(share, axis=1)).sum(axis=0),
        "crossings": crossings,
        **_rolloffs(sound.power),
    }.items():
        table |= full_summary(name, row)
    return table


def _rolloffs(power: np.ndarray) -> dict[str, np.ndarray]:
    """The frequencies below which 25, 50 and 85 % of the power of each frame lie, Hz [frames]."""
    below = np.cumsum(power, axis=0)
    hertz = RATE / WINDOW
    return {
        f"rolloff{round(100 * share)}": hertz * (below < share * below[-1]).sum(axis=0) for share in (0.25, 0.5, 0.85)
    }


def loudness(sound: Spectra) -> Table:
    """Level of the clip, and distribution and changes of the level of its frames."""
    frames = decibels(2 * sound.power.sum(axis=0))  # in dB, up to a constant
    frames = frames - 10 * np.log10(np.mean(10 ** (frames / 10)))  # relative to the mean power of the clip
    percentiles = np.percentile(frames, [2, 5, 25, 75, 95, 98])
    quarters = [part.mean() for part in np.array_split(frames, 4)]
    peak = float(np.abs(sound.waveform).max())
    return {
        "level": np.array(sound.level),
        "crest": np.array(20 * np.log10(max(peak, 1e-3))),
        **full_summary("frames", frames),
        "percentile": percentiles,
        "range": percentiles[-2] - percentiles[1],
        "pauses": np.mean(frames < PAUSE_DB),
        "quiet": np.mean(frames < 0),
        "quarter": np.array(quarters),
        "slope": np.polyfit(np.linspace(-0.5, 0.5, len(frames)), frames, 1)[0],
    }


def texture(sound: Spectra) -> Table:
    """Sustained against sudden sound, by the median filters of Fitzgerald 2010, and speed and depth of the decay of bands."""
    from scipy.ndimage import median_filter

    # on mel bands: on all bins these filters would take many times as long as all other features
    mel = sound.log_mel
    thinned = mel[:, ::EVERY]
    lasting = median_filter(thinned, (1, LASTING_FRAMES), mode="nearest")
    broad = median_filter(thinned, (BROAD_BANDS, 1), mode="nearest")
    # level of sustained above sudden sound, in dB
    excess = lasting - broad
    power = 10 ** (thinned / 10)
    bands = mel.reshape(DECAY_BANDS, -1, mel.shape[1]).mean(axis=1)
    # with reverb and long notes levels fall slowly and pauses are filled
    falls = bands[:, DECAY_FRAMES:] - bands[:, :-DECAY_FRAMES]
    depths = bands - bands.max(axis=1, keepdims=True)
    return {
        **full_summary("excess", excess.mean(axis=0)),
        "excess.bands": excess.reshape(5, -1).mean(axis=1),
        # share of the power in sustained sound
        "lasting": power[excess > 0].sum() / power.sum(),
        "falls": np.percentile(falls, [2, 10, 30], axis=1).ravel(),
        "depths": np.percentile(depths, [1, 5, 20], axis=1).ravel(),
    }
