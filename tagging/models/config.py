"""What a tagger is built from, and what its file says: checked, because a file may come from a stranger.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ..audio.waveform import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from ..errors import ConfigError

# Far beyond any model, and small enough that nothing which is computed from them exhausts a computer.
MAX_SEGMENT, MAX_HOP = 2**25, 2**28  # samples
MAX_OVERLAP = 256  # segments that share a moment of a song
MAX_TAGS = 100_000
MAX_DESCRIPTION = 2**24  # characters
MAX_OPTION_VALUES, MAX_OPTION_DEPTH, MAX_OPTION_SIZE = 1000, 8, 2**24

STRICT = ConfigDict(strict=True, extra="forbid")
T = TypeVar("T")
SampleRate = Annotated[int, Field(ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE)]


@dataclass(frozen=True, config=STRICT)
class TaggerConfig:
    """Everything but the weights that rebuilds a tagger; see :func:`tagging.build_tagger` for the meaning of each."""

    frontend: str
    backend: str
    segment_samples: Annotated[int, Field(ge=1, le=MAX_SEGMENT)]
    hop_samples: Annotated[int, Field(ge=1, le=MAX_HOP)]
    sample_rate: SampleRate = 16000
    width: Annotated[float, Field(gt=0, le=100)] = 1.0
    head: str = "linear"
    frontend_options: dict[str, Any] = Field(default_factory=dict)
    backend_options: dict[str, Any] = Field(default_factory=dict)
    head_options: dict[str, Any] = Field(default_factory=dict)
    norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1

    @classmethod
    def checked(cls, **values: Any) -> TaggerConfig:
        """Build one from values of any origin.

        Raises:
            ConfigError: an unknown field, or a value of another kind or out of range; the message names the field.
        """
        try:
            config = cls(**values)
            json.dumps(asdict(config))
        except ValidationError as error:
            raise config_error(error) from error
        except TypeError as error:
            raise ConfigError(
                f"an option cannot be written to a file ({error}): give plain numbers, strings, lists, not NumPy's or PyTorch's"
            ) from error
        check_overlap(config.segment_samples, config.hop_samples)
        for field in ("frontend_options", "backend_options", "head_options"):
            _check_sizes(field, getattr(config, field))
        return config


@dataclass(frozen=True, config=STRICT)
class Description:
    """What the file of a tagger says beside its weights.

    Attributes:
        format: of the file.
        config: the values of a :class:`TaggerConfig`, perhaps under names of earlier versions.
        tags: of the vocabulary; see :meth:`tagging.tags.Vocabulary.from_list`.
        card: what a user should know.
        sha256: digest of the file; files of earlier versions have none.
    """

    format: str
    config: dict[str, Any]
    tags: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_TAGS)]
    card: dict[str, Any]
    sha256: str | None = None


_DESCRIPTION = TypeAdapter(Description)


def parse_description(text: str) -> Description:
    """Read the JSON of a tagger's file; nesting, long numbers and kinds are bounded.

    Raises:
        ConfigError: what is wrong with it.
    """
    return parse_json(_DESCRIPTION, text)


def parse_json(kind: TypeAdapter[T], text: str) -> T:
    """Read a JSON text of bounded length as an object of a checked class.

    Raises:
        ConfigError: what is wrong with it.
    """
    if len(text) > MAX_DESCRIPTION:
        raise ConfigError(f"a description of {len(text):,} characters, more than {MAX_DESCRIPTION:,}")
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        raise config_error(error) from error


def check_overlap(segment_samples: int, hop_samples: int) -> None:
    """Raise ConfigError for a hop so short that a song has far more segments than any model needs."""
    if hop_samples * MAX_OVERLAP < segment_samples:
        raise ConfigError(
            f"segments of {segment_samples} samples every {hop_samples}: at most {MAX_OVERLAP} may overlap"
        )


def config_error(error: ValidationError) -> ConfigError:
    """The first thing that pydantic found, as one line for a user."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].replace("Input should be", "it should be")
    if first["type"] in ("missing", "json_invalid", "unexpected_keyword_argument"):
        return ConfigError(f"{name}: {reason}" if name else reason)
    return ConfigError(f"{name}={_shortened(first['input'])}: {reason}")


def _shortened(value: object, length: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def _check_sizes(name: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigError for options that are nested deeply, many, or hold numbers that no layer has."""
    level: list[tuple[str, Any]] = [(name, options)]
    count = 0
    for _ in range(MAX_OPTION_DEPTH):
        inner: list[tuple[str, Any]] = []
        for location, value in level:
            size = abs(value) if isinstance(value, int | float) else len(value) if isinstance(value, str) else 0
            if not size <= MAX_OPTION_SIZE or not math.isfinite(size):
                raise ConfigError(f"{location}={_shortened(value)} is out of range: at most {MAX_OPTION_SIZE:,}")
            is_list = isinstance(value, list | tuple)
            entries: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if is_list else ()
            inner += [(f"{location}.{key}", entry) for key, entry in entries]
        level, count = inner, count + len(inner)
        if count > MAX_OPTION_VALUES:
            raise ConfigError(f"{name}: more than {MAX_OPTION_VALUES} values")
        if not level:
            return
    raise ConfigError(f"{name}: nested more than {MAX_OPTION_DEPTH} deep")
