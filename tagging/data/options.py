"""What options of corpora may be: checked before a corpus is built, so that a slip is refused with the option's name.

A parameter of a corpus says what it takes by its annotation: ``sample_rate: SampleRate``. Those with other annotations are left
to the corpus itself.
"""

from __future__ import annotations

import contextlib
import math
import numbers
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Annotated, Any

from ..errors import ConfigError


@dataclass(frozen=True)
class Allowed:
    """What an option may be: as text for a message, and as a test."""

    text: str
    test: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_real and value == value and abs(value) != math.inf  # math.isfinite cannot take huge integers


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, PathLike)) and bool(str(value)) and "\0" not in str(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)) and all(map(_is_text, value))


def _are_shares(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) == 3
        and all(_is_number(share) and 0 < share <= 100 for share in value)
    )


def _or_none(allowed: Allowed) -> Allowed:
    return Allowed(f"{allowed.text}, or none", lambda value: value is None or allowed.test(value))


_TEXT = Allowed("text", _is_text)
_PATH = Allowed("the path of a file or folder", _is_path)
_LIST = Allowed("text, or a list of texts", _is_list)
_COUNT = Allowed("a whole number from 1 to 1,000,000,000", lambda value: _is_whole(value) and 1 <= value <= 10**9)

SampleRate = Annotated[
    int,
    Allowed(
        "a whole number of Hz from 1,000 to 768,000, e.g. 16000",
        lambda value: _is_whole(value) and 1_000 <= value <= 768_000,
    ),
]
Seed = Annotated[
    int, Allowed("a whole number from 0 to 2**63 - 1", lambda value: _is_whole(value) and 0 <= value < 2**63)
]
Count = Annotated[int | None, _or_none(_COUNT)]
Shares = Annotated[
    Sequence[float],
    Allowed("three positive numbers up to 100, of train, validation and test, e.g. [0.7, 0.15, 0.15]", _are_shares),
]
Fraction = Annotated[float, Allowed("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)]
Share = Annotated[float, Allowed("a number from 0 to less than 1", lambda value: _is_number(value) and 0 <= value < 1)]
Switch = Annotated[bool, Allowed("true or false", lambda value: isinstance(value, bool))]
Text = Annotated[str, _TEXT]
TextOrNone = Annotated[str | None, _or_none(_TEXT)]
Texts = Annotated[Sequence[str], _LIST]
TextsOrNone = Annotated[str | Sequence[str] | None, _or_none(_LIST)]
FilePath = Annotated[str | PathLike[str], _PATH]
FilePathOrNone = Annotated[str | PathLike[str] | None, _or_none(_PATH)]
StoreOption = Annotated[
    str | PathLike[str] | bool | None,
    Allowed("a folder, false, or none", lambda value: value is None or value is False or _is_path(value)),
]


def check_options(name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise ConfigError for the first option that its annotation does not allow.

    Args:
        name: of the corpus, for the message.
        factory: a class or function that builds it.
        options: by name; those that it does not take are left alone.
    """
    hints: dict[str, Any] = {}
    with contextlib.suppress(NameError, TypeError, AttributeError):  # annotations of others may not resolve
        function = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
        hints = typing.get_type_hints(function, include_extras=True)
    for option, value in options.items():
        check_option(name, option, value, hints.get(option))


def check_option(name: str, option: str, value: Any, hint: Any) -> None:
    """Raise ConfigError where a value is not what an annotation allows."""
    for allowed in getattr(hint, "__metadata__", ()):
        if isinstance(allowed, Allowed) and not allowed.test(value):
            raise ConfigError(f"corpus {name!r}: {option}={_shown(value)}: give {allowed.text}")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "..."
    return text if len(text) <= 60 else f"{text[:57]}..."
