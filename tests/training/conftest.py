"""Runs of seconds on a corpus of tones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tones import small

from tagging.training import Settings


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sound files of the tones lie."""
    return tmp_path_factory.mktemp("tones")


@pytest.fixture
def tones(sounds: Path) -> Callable[..., Settings]:
    """``tones(models=[...], ...)``: settings of a small run."""
    return lambda **changes: Settings().override(small(sounds, **changes))
