"""The script that a GPU machine runs: the whole way at toy size, in sittings, without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "poster_edition.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPT.exists(), reason="a source distribution has no benchmarks"),
]


def sitting(folder: Path, minutes: float) -> str:
    command = [sys.executable, str(SCRIPT), "--toy", "--clips", "100000", "--minutes", str(minutes)]
    command += ["--output", str(folder / "runs"), "--records", str(folder / "records")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
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
    assert "poster edition: synthesized clips of scores" in out
    assert "spectrogram minus waveform, paired" in out
    records = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    assert sorted(record["model"] for record in records) == ["spectrogram", "waveform"]
    assert len({record["test"]["fingerprint"] for record in records}) == 1
    assert len(list((tmp_path / "records").glob("*.safetensors"))) == 2
