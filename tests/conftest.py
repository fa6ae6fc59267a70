"""What all tests share: one thread unless OMP_NUM_THREADS says otherwise, fixed seeds, no display, and small real sound files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# before torch and matplotlib are imported: both read these once
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings

# The same examples every time, so that a failure is a change of the code; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=25, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

pytest_plugins = ["sheet_music_fixtures"]
REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture
def sound_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sound file and returns its path: ``sound_file("a.ogg", samples, rate, subtype="OPUS")``."""

    def write(name: str, samples: np.ndarray, rate: int = 16000, subtype: str | None = None) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict[str, np.ndarray]]:
    """Numbers stored in ``tests/reference``; its README says what they are."""
    return lambda name: dict(np.load(REFERENCE / f"{name}.npz", allow_pickle=False))
