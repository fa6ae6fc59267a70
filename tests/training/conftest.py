"""Runs of seconds on a corpus of tones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_limits
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


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For tests that fork: a forked process has none of the threads that OpenMP keeps, and would wait for them for ever."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)
