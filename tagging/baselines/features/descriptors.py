"""Hand-made features of a sound, as music information retrieval described music before networks learnt to.

Some nine hundred numbers in five blocks: timbre, loudness, texture, rhythm and harmony. They feed the gradient-boosted trees
that the poster sets against both networks (its row "GBT + features"). Book: ``book/baseline``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from .harmony import harmony
from .rhythm import rhythm
from .spectra import RATE, SHORTEST_SECONDS, Spectra, Table, spectra_of
from .timbre import loudness, texture, timbre

# Part of the name of cached features: count up whenever a number changes.
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

    Apart from the level, none depends on how loud the sound is; the features of harmony do not depend on the key.

    Args:
        waveform: float in [-1, 1] or signed integers, [samples] or [channels, samples]; a sound shorter than a second
            is filled up with silence.
        sample_rate: of the waveform, Hz; it is resampled to 16 kHz.

    Returns:
        float32 [features].

    Raises:
        AudioError: a shape, type or value that is not a sound, or no samples.
        ConfigError: an impossible sample rate.

    Source: the poster's "GBT + features"; each block names its own. Book: ``book/baseline``.
    """
    sound = spectra_of(waveform, sample_rate)
    values = [np.ravel(part) for block in BLOCKS.values() for part in block(sound).values()]
    return np.concatenate(values).astype(np.float32)


@functools.cache
def feature_names() -> tuple[str, ...]:
    """A name for every feature: block, descriptor and statistic, and a number within a vector, such as ``timbre.mfcc.mean.3``.

    Book: ``book/baseline``.
    """
    silence = spectra_of(np.zeros(round(SHORTEST_SECONDS * RATE), np.float32))
    names: list[str] = []
    for block, function in BLOCKS.items():
        for name, part in function(silence).items():
            ending = [""] if np.ndim(part) == 0 else [f".{place}" for place in range(len(part))]
            names += [f"{block}.{name}{end}" for end in ending]
    return tuple(names)
