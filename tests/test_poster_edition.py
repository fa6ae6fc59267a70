"""The script that a GPU machine runs: the whole way at toy size, in sittings, without a GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "poster_edition.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPT.exists(), reason="a source distribution has no benchmarks"),
]


def sitting(
    folder: Path,
    minutes: float,
    *more: str,
    scales: Sequence[str] = ("100000",),
    environment: Mapping[str, str] = os.environ,
) -> str:
    command = [sys.executable, str(SCRIPT), "--toy", "--clips", *scales, "--minutes", str(minutes)]
    command += ["--output", str(folder / "runs"), "--records", str(folder / "records"), *more]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**environment, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_goes_on_until_all_is_done_and_brings_home_records_and_weights(tmp_path):
    first = sitting(tmp_path, 0.0)
    assert "left off after update" in first
    assert "not done yet: give the same command again" in first
    out = sitting(tmp_path, 5.0)
    assert "goes on after update" in out
    assert "all is done" in out
    assert "poster edition, scores: " in out
    assert "spectrogram minus waveform, paired" in out
    records = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    assert sorted(record["model"] for record in records) == ["spectrogram", "waveform"]
    assert len({record["test"]["fingerprint"] for record in records}) == 1
    assert len(list((tmp_path / "records").glob("*.safetensors"))) == 2

    # then the next scale, whose first sitting shows the table so far
    out = sitting(tmp_path, 0.0, scales=["100000", "1000000", "500000"])
    assert "left off after update" in out
    assert "not done yet: give the same command again" in out
    for model in ("waveform", "spectrogram"):
        (line,) = (line for line in out.splitlines() if re.match(rf"{model} +64 +256 +1 ", line))
        assert line.count("[") == 3
    assert sorted(path.name for path in (tmp_path / "runs").glob("*0/")) == ["100000", "1000000"]


# Of the environment of these tests a machine with torch, NumPy, safetensors and accelerate alone would have none.
MISSING = [
    "tinysoundfont", "numba", "llvmlite", "filelock", "tqdm", "librosa", "soundfile", "soxr", "music21", "symusic", "verovio",
    "sklearn", "scipy", "matplotlib", "IPython", "pretty_midi", "platformdirs",
]  # fmt: skip
BARE = f"""
import sys, sysconfig

HERE = tuple(sysconfig.get_path(place) for place in ("purelib", "platlib"))

class Bare:  # a finder that does not find what is installed here and not there; what is carried along, it does
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name in {MISSING!r}:
            path = [place for place in sys.path if not place.startswith(HERE)]
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
"""


def test_a_bare_machine_trains_with_what_was_packed(tmp_path):
    """Without the libraries that the corpus is made with, without the user's cache, without network."""
    here = "{}.{}".format(*sys.version_info)
    packing = [sys.executable, str(SCRIPT), "--pack", str(tmp_path / "carry"), "--python", here]
    packed = subprocess.run(packing, capture_output=True, text=True, timeout=600, check=False)
    assert packed.returncode == 0, packed.stderr[-3000:]
    assert sum(path.stat().st_size for path in (tmp_path / "carry").rglob("*")) < 64e6
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BARE)
    away = {
        "PYTHONPATH": str(tmp_path / "bare"), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1",
        **{f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")},
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAGGING_")}
    for module in ("librosa", "tinysoundfont"):
        missing = subprocess.run([sys.executable, "-c", f"import {module}"], env={**kept, **away}, capture_output=True)
        assert b"ModuleNotFoundError" in missing.stderr
    out = sitting(tmp_path, 5.0, "--carry", str(tmp_path / "carry"), environment={**kept, **away})
    assert "all is done" in out
    assert len(list((tmp_path / "records").glob("*.json"))) == 2
