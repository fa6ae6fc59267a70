"""Back-ends: a feature map over time -> one feature vector for the whole segment.

[batch, channels, frames] -> [batch, features]. Book: ``book/backends``.
"""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError
from ..base import BACKENDS, Backend
from . import attention, dense, fully_convolutional, recurrent, temporal_pooling  # noqa: F401  (they register themselves)


def list_backends() -> list[str]:
    """Names that :func:`build_backend` and :func:`tagging.build_tagger` take.

    >>> list_backends()[0]
    'attention'
    """
    return sorted(BACKENDS.names())


def build_backend(name: str, in_channels: int, num_frames: int, **options: Any) -> Backend:
    """Build a back-end by name.

    Args:
        name: one of :func:`list_backends`.
        in_channels: channels of the feature map.
        num_frames: frames of the feature map; back-ends of fixed length later refuse any other number.
        options: keyword arguments of the back-end's class; all take ``width`` and ``dropout``.

    Raises:
        ConfigError: an unknown name or option, or a value out of range.

    Book: ``book/backends``.
    """
    if in_channels < 1 or num_frames < 1:
        raise ConfigError(
            f"back-end {name!r} for {in_channels} channels and {num_frames} frames: both must be at least 1"
        )
    return BACKENDS.build(name, in_channels, num_frames, **options)
