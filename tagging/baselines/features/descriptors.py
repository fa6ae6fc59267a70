"""Hand-made features of a sound: some 900 numbers in five blocks (timbre, loudness, texture, rhythm, harmony).

Input of the gradient-boosted trees, the row "GBT + features" of the poster. Book: ``book/baseline``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from .harmony import harmony
from .rhythm import rhythm
from .spectra import RATE, SHORTEST_SECONDS, Spectra, Table, spectra_of
from .timbre import loudness, texture, timbre

# Part of the name of cached features; to be raised when any value changes.
VERSION = 1

BLOCKS: dict[str, Callable[[Spectra], Table]] = {
    "timbre": timbre,
    "loudness": loudness,
    "texture": texture,
    "rhythm": rhythm,
    "harmony": harmony,
}


def describe(waveform: np.ndarray, sample_rate: int = RATE) -> np.ndarray:
    """All features of a sound, each finite, in the order of :func:`feature_names`.

    Only ``loudness.level`` depends on the level of the sound; pitch classes, keys and intervals do not depend on the key.

    Args:
        waveform: float in [-1, 1] or signed integers, [samples] or [channels, samples]; a sound shorter than 1 s
            is padded with silence.
        sample_rate: of the waveform, in Hz; it is resampled to 16 kHz.

    Returns:
        float32 [features].

    Raises:
        AudioError: a wrong shape or type, NaN or infinite values, or no samples.
        ConfigError: an impossible sample rate.

    Source: the poster's "GBT + features"; sources of the features are in the modules of the blocks. Book: ``book/baseline``.
    """
    sound = spectra_of(waveform, sample_rate)
    values = [np.ravel(part) for block in BLOCKS.values() for part in block(sound).values()]
    return np.concatenate(values).astype(np.float32)


@functools.cache
def feature_names() -> tuple[str, ...]:
    """Names of all features: block, descriptor, statistic and index, such as ``timbre.mfcc.mean.3``.

    Book: ``book/baseline``.
    """
    silence = spectra_of(np.zeros(round(SHORTEST_SECONDS * RATE), np.float32))
    names: list[str] = []
    for block, function in BLOCKS.items():
        for name, part in function(silence).items():
            endings = [""] if np.ndim(part) == 0 else [f".{index}" for index in range(len(part))]
            names += [f"{block}.{name}{ending}" for ending in endings]
    return tuple(names)
