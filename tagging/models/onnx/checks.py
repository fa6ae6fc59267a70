"""Checks of what the file of an exported tagger says beside its graph, because it may come from a stranger.

Book: ``book/putting_together``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from ...errors import ConfigError
from ..config import MAX_HOP, MAX_SEGMENT, MAX_TAGS, STRICT, SampleRate, check_overlap, parse_json
from .description import FORMAT, OnnxDescription

Samples = Annotated[int, Field(ge=1, le=MAX_SEGMENT)]


@dataclass(frozen=True, config=STRICT)
class CheckedDescription(OnnxDescription):
    """The same with kinds and ranges of its values."""

    format: str
    sample_rate: SampleRate
    segment_samples: Samples
    hop_samples: Annotated[int, Field(ge=1, le=MAX_HOP)]
    tags: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_TAGS)]
    card: dict[str, Any]
    song_padding: Annotated[int, Field(ge=0, le=MAX_SEGMENT)] = 0
    config: dict[str, Any] = Field(default_factory=dict)


_DESCRIPTION = TypeAdapter(CheckedDescription)


def parse_onnx_description(text: str) -> OnnxDescription:
    """Read the JSON in the metadata of a model.

    Raises:
        ConfigError: what is wrong with it.
    """
    description = parse_json(_DESCRIPTION, text)
    if description.format != FORMAT:
        raise ConfigError(f"format {description.format!r}, this version reads {FORMAT!r}; update the package")
    check_overlap(description.segment_samples, description.hop_samples)
    return description
