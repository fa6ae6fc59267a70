"""Types are visible from outside: a user's program passes a type checker, and each planted mistake is reported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import tagging

pytest.importorskip("mypy")
FOLDER = Path(__file__).parent
ROOT = Path(tagging.__file__).parents[1]


def test_a_user_is_warned_of_mistakes_and_of_nothing_else(tmp_path):
    files = [FOLDER / "user_code.py", FOLDER / "mistakes.py"]
    options = ["--config-file", FOLDER / "mypy.ini", "--cache-dir", tmp_path, "--no-error-summary", "--no-pretty"]
    command = [sys.executable, "-m", "mypy", *options, *files]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    reported = set(re.findall(r"^\S*?(\w+\.py):(\d+): error", result.stdout, re.MULTILINE))
    lines = (FOLDER / "mistakes.py").read_text(encoding="utf-8").splitlines()
    planted = {("mistakes.py", str(number)) for number, line in enumerate(lines, 1) if line.endswith("# mistake")}
    assert len(planted) == 14
    assert reported == planted, result.stdout + result.stderr


def test_the_package_says_that_it_is_typed():
    assert Path(tagging.__file__).with_name("py.typed").exists()
