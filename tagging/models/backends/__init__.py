"""Back-ends: a feature map over time -> one feature vector for the whole segment.

[batch, channels, frames] -> [batch, features]. Book: ``book/backends``.
"""

from __future__ import annotations

from ...errors import ConfigError
from ..base import BACKENDS, Backend
from . import attention, dense, fully_convolutional, recurrent, temporal_pooling  # noqa: F401  (they register themselves)


def list_backends() -> list[str]:
    """Names that :func:`build_backend` and :func:`tagging.build_tagger` take.

    >>> list_backends()[0]
    'attention'
    """
    return sorted(BACKENDS.names())


def build_backend(name: str, channels: int, frames: int, **options) -> Backend:
    """Build a back-end by name.

    Args:
        name: one of :func:`list_backends`.
        channels: channels of the feature map it will see.
        frames: frames of the feature map; fixed-length back-ends refuse any other number later.
        options: of the back-end, see its class; all take ``width`` and ``dropout``.

    Raises:
        ConfigError: unknown name or option, or a value out of range.

    Book: ``book/backends``.
    """
    if channels < 1 or frames < 1:
        raise ConfigError(f"back-end {name!r} for {channels} channels and {frames} frames: both must be at least 1")
    return BACKENDS.build(name, channels, frames, **options)
