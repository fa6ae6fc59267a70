"""Text for people: short numbers, and names that may hold anything."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Sequence
from typing import Any

from ..errors import ConfigError

# Categories of characters that a terminal obeys, or that reorder or hide others: control, format, surrogate, separators of
# lines and paragraphs. Two format characters, the zero-width joiners, are part of ordinary words and emoji.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")


def printable(text: str) -> str:
    r"""A text as one line that a terminal shows and does not obey; everything else stays as it is.

    Names of files, tags and columns come from others. Escaped are control characters (ESC, newline, carriage return),
    marks that change the direction of writing, invisible ones, and bytes of file names that are no text.

    >>> print(printable("new\nline\x1b[31m\u202e.wav"))
    new\nline\x1b[31m\u202e.wav
    >>> print(printable("b\u00e9b\u00e9 \udcff.wav"))  # a byte that is not UTF-8, as Python represents it in a file name
    bébé \xff.wav
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    if unicodedata.category(char) not in _ESCAPED_CATEGORIES or char in _JOINERS:
        return char
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def shortened(text: str, length: int) -> str:
    """A text of at most ``length`` characters; where some are left out, an ellipsis says so."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def parse_assignment(text: str) -> tuple[str, Any]:
    """A setting from the command line, ``NAME=VALUE``: values as in TOML, bare words as strings, ``none`` as None.

    >>> parse_assignment("data.num_clips=10_000"), parse_assignment("root=my music"), parse_assignment("seed=none")
    (('data.num_clips', 10000), ('root', 'my music'), ('seed', None))

    Raises:
        ConfigError: no ``=``, or no name before it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"{text!r}: write it as NAME=VALUE, without spaces around =")
    return name.strip(), _parse_value(value)


def _parse_value(text: str) -> Any:
    if "\n" in text:  # for TOML the next line would be another setting
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML, an integer of thousands of digits, or lists nested as deeply
        return None if text == "none" else text


def duration(seconds: float) -> str:
    """A length of time in seconds, minutes or hours, such as ``12 s`` or ``1.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def short_count(count: int) -> str:
    """A round count such as ``1k``, ``500k`` or ``1M``; other numbers as they are."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= size and count % (size // 10) == 0:
            return f"{count / size:g}{letter}"
    return str(count)


def some(names: Sequence[str], count: int = 5) -> str:
    """The first names, and how many more there are: ``a, b, c and 12 more``."""
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" and {rest:,} more" if rest > 0 else "")
