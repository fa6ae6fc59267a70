"""Checks of what the file of an exported tagger says beside its graph, because it may come from a stranger.

Book: ``book/putting_together``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ...errors import ConfigError
from ..config import MAX_DESCRIPTION, MAX_HOP, MAX_OVERLAP, MAX_SEGMENT, MAX_TAGS, SampleRate, config_error
from .description import FORMAT, OnnxDescription

_STRICT = ConfigDict(strict=True, extra="forbid")
Samples = Annotated[int, Field(ge=1, le=MAX_SEGMENT)]


@dataclass(frozen=True, config=_STRICT)
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
    if len(text) > MAX_DESCRIPTION:
        raise ConfigError(f"a description of {len(text):,} characters, more than {MAX_DESCRIPTION:,}")
    try:
        description = _DESCRIPTION.validate_json(text)
    except ValidationError as error:
        raise config_error(error) from error
    if description.format != FORMAT:
        raise ConfigError(f"format {description.format!r}, this version reads {FORMAT!r}; update the package")
    if description.hop_samples * MAX_OVERLAP < description.segment_samples:
        raise ConfigError(
            f"segments of {description.segment_samples} samples every {description.hop_samples}: "
            f"at most {MAX_OVERLAP} may overlap"
        )
    return description
