"""Numbers and lists as short text."""

from __future__ import annotations

from collections.abc import Sequence


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
