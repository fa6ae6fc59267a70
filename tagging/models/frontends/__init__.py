"""Front-ends: a waveform -> a feature map over time.

float32 [batch, samples] -> [batch, channels, frames]. Book: ``book/waveform_frontends``, ``book/spectrogram_frontends``.
"""

from __future__ import annotations

from typing import Any

from ..base import FRONTENDS, Frontend
from . import frame_level, musically_motivated, sample_level, vgg  # noqa: F401  (they register themselves)


def list_frontends() -> list[str]:
    """Names that :func:`build_frontend` and :func:`tagging.build_tagger` take.

    >>> list_frontends()[0]
    'spectrogram-musically-motivated'
    """
    return sorted(FRONTENDS.names())


def build_frontend(name: str, **options: Any) -> Frontend:
    """Build a front-end by name.

    Args:
        name: one of :func:`list_frontends`, or ``"waveform"`` or ``"spectrogram"`` for the poster's pair.
        options: keyword arguments of the front-end's class; all take ``width`` and ``sample_rate``.

    Raises:
        ConfigError: an unknown name or option, or a value out of range.

    Book: ``book/waveform_frontends``, ``book/spectrogram_frontends``.
    """
    return FRONTENDS.build(name, **options)
