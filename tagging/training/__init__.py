"""Training at every scale: one loop from a laptop to many machines. Book: ``book/recipe``."""

from __future__ import annotations

from typing import Any

from .settings import EDITIONS, Settings, edition

__all__ = ["EDITIONS", "Settings", "TrainingError", "edition", "train"]


def __getattr__(name: str) -> Any:
    # the command line reads the settings of every edition, and should not load torch for it
    if name in ("TrainingError", "train"):
        from . import loop

        return getattr(loop, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
