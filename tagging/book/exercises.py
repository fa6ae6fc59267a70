"""Exercises whose answers are checked by running a cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def check(answer: Any, correct: Any | Callable[[], Any], *, tolerance: float = 0.0, hint: str = "") -> None:
    """Print whether an answer is right.

    Args:
        answer: the reader's; ``...`` means that there is none yet.
        correct: the right answer, or a function that computes it, so that the cell does not show it. Numbers and arrays are
            compared as numbers, everything else with ``==``.
        tolerance: largest allowed difference of numbers.
        hint: printed after a wrong answer.

    Book: ``book/how_to_use``.
    """
    if answer is ...:
        print("No answer yet: replace the three dots above and run this cell again.")
        return
    if callable(correct):
        correct = correct()
    if _same(answer, correct, tolerance):
        print("Right.")
    else:
        print("Not right yet." + (f" {hint}" if hint else ""))


def _same(answer: Any, correct: Any, tolerance: float) -> bool:
    if isinstance(correct, (bool, str)) or not np.issubdtype(np.asarray(correct).dtype, np.number):
        return bool(answer == correct)
    try:
        given, wanted = np.asarray(answer, dtype=float), np.asarray(correct, dtype=float)
    except (TypeError, ValueError):
        return False
    return given.shape == wanted.shape and bool(np.all(np.abs(given - wanted) <= tolerance))
