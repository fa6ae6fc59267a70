"""Build a tagger from the names of its parts. Book: ``book/putting_together``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError
from ..tags import Tag, Vocabulary
from .backends import BACKENDS
from .config import TaggerConfig
from .frontends import FRONTENDS
from .heads import HEADS
from .inference import in_samples
from .tagger import Tagger


def build_tagger(
    frontend: str,
    backend: str,
    tags: Vocabulary | Iterable[Tag | str],
    segment_seconds: float = 15.0,
    *,
    hop_seconds: float | None = None,
    width: float = 1.0,
    sample_rate: int = 16000,
    head: str = "linear",
    frontend_options: Mapping[str, Any] | None = None,
    backend_options: Mapping[str, Any] | None = None,
    head_options: Mapping[str, Any] | None = None,
    dropout: float | None = None,
    norm_momentum: float = 0.1,
) -> Tagger:
    """Build an untrained tagger from any front-end and any back-end, in training mode.

    The paper's models are ``"waveform"`` or ``"spectrogram"`` with ``"temporal-pooling"`` at width 1 and 15 s. Call
    ``.eval()`` before computing scores; training mode needs batches of at least 2 waveforms.

    >>> tagger = build_tagger("waveform", "temporal-pooling", ["piano", "drums"], segment_seconds=3.0, width=0.25).eval()
    >>> tagger.segment_seconds
    3.0

    Args:
        frontend: one of :func:`tagging.list_frontends`, or ``"waveform"`` or ``"spectrogram"``.
        backend: one of :func:`tagging.list_backends`.
        tags: a :class:`~tagging.tags.Vocabulary`, or names.
        segment_seconds: length of the segments that the model takes.
        hop_seconds: from the start of one segment of a song to the next; None is no overlap.
        width: factor on filters and units everywhere, e.g. 0.25.
        sample_rate: Hz, from 1 to 768 kHz.
        head: ``"linear"``, ``"per-tag"``, ``"per-group"`` or ``"exclusive"``, see :mod:`tagging.models.heads`.
        frontend_options, backend_options, head_options: further options of the parts, see their classes.
        dropout: before the dense layers of back-end and head; None is the paper's 0.5.
        norm_momentum: of the running statistics of batch normalisation, in (0, 1]. The paper's is 0.01, which needs a
            thousand training steps before scores in evaluation mode mean anything; see :func:`tagging.renormalise`.

    Raises:
        ConfigError: an unknown name or option, a value of another kind or out of range, or segments too short for the
            front-end.

    Book: ``book/putting_together``.
    """
    vocabulary = tags if isinstance(tags, Vocabulary) else Vocabulary(tags)
    shared = {} if dropout is None else {"dropout": dropout}
    config = TaggerConfig.checked(
        frontend=FRONTENDS.resolve(frontend),
        backend=BACKENDS.resolve(backend),
        segment_samples=in_samples("segment_seconds", segment_seconds, sample_rate),
        hop_samples=in_samples("hop_seconds", segment_seconds if hop_seconds is None else hop_seconds, sample_rate),
        sample_rate=sample_rate,
        width=width,
        head=HEADS.resolve(head),
        frontend_options=_options("frontend_options", frontend_options, {}),
        backend_options=_options("backend_options", backend_options, shared),
        head_options=_options("head_options", head_options, shared),
        norm_momentum=norm_momentum,
    )
    return Tagger(config, vocabulary)


def _options(name: str, options: Mapping[str, Any] | None, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one part after those that several parts share."""
    if not isinstance(options, Mapping | None):
        raise ConfigError(f"{name}={options!r}: give a mapping of names to values, e.g. {{'filters': 32}}")
    return {**shared, **(options or {})}
