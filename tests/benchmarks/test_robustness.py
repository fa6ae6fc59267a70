"""What the changes of benchmarks/robustness.py do to a sound."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.exists(), reason="a source distribution has no benchmarks")


@pytest.fixture(scope="module")
def robustness():
    sys.path.insert(0, str(BENCHMARKS))
    import robustness

    return robustness


def peak_hz(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound[: 2 * rate] * np.hanning(2 * rate)))
    return float(spectrum.argmax() / 2)


def test_each_change_does_what_its_name_says(robustness):
    rate, random = robustness.RATE, np.random.default_rng(0)
    time = np.arange(3 * rate) / rate
    tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    for name, change in robustness.CONDITIONS.items():
        sound = change(tone, random)
        assert np.isfinite(sound).all(), name
        seconds = 3 / float(name.split()[-1]) if name.startswith("tempo") else 3
        assert len(sound) / rate == pytest.approx(seconds, abs=0.05), name
        semitones = int(name.split()[1]) if name.startswith("pitch") else 0
        assert peak_hz(sound, rate) == pytest.approx(440 * 2 ** (semitones / 12), abs=1), name
        if name.startswith("white noise"):
            ratio = 10 * np.log10(np.square(tone).mean() / np.square(sound - tone).mean())
            assert ratio == pytest.approx(float(name.split()[2]), abs=0.3)
    high = np.sin(2 * np.pi * 5000 * time).astype(np.float32)
    for name in ("below 4 kHz", "below 2 kHz", "300 to 3,400 Hz"):
        assert np.abs(robustness.CONDITIONS[name](high, random)[rate : 2 * rate]).max() < 0.03


def test_segments_are_spread_from_the_start_to_the_end(robustness):
    assert robustness.starts(100, 20, 1).tolist() == [40]
    assert robustness.starts(100, 20, 5).tolist() == [0, 20, 40, 60, 80]
    assert robustness.segments(np.arange(5, dtype=np.float32), 8, 3).tolist() == [[0, 1, 2, 3, 4, 0, 0, 0]] * 3
