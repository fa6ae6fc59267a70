"""Right answers of exercises, computed: a page checks against them and does not show them.

Each function takes nothing and returns one answer; it is called when a reader has answered. Book: ``book/how_to_use``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

PARTS = ("task", "architectures", "data", "training", "results", "bias")  # of the book


def __getattr__(name: str) -> Callable[[], Any]:
    """The answer of this name. The parts are imported when they are asked for: a page needs one of them."""
    for part in PARTS if not name.startswith("_") else ():
        if answer := vars(import_module(f"{__name__}.{part}")).get(name):
            return answer  # type: ignore[no-any-return]
    raise AttributeError(f"no exercise has the answer {name!r}")
