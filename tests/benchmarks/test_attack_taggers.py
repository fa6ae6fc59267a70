"""A short run of the attack on saved taggers: nothing is silent, raw, a crash or a hang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "attack_taggers.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="a source distribution has no benchmarks")


def test_damaged_and_hostile_taggers_are_refused_or_right():
    command = [sys.executable, str(SCRIPT), "--bases", "1", "--mutants", "100"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert not done.returncode, done.stderr
    *_, names, counts = (
        line.split() for line in done.stdout.splitlines() if line.startswith((" " * 13, " " * 10 + "all"))
    )
    result = dict(zip(names, map(int, counts[1:]), strict=True))
    assert sum(result.values()) > 150
    assert {
        name: count for name, count in result.items() if count and name not in ("right", "another", "refused")
    } == {}, done.stdout
