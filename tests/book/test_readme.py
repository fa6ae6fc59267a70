"""The README: its numbers are those of cards and records, and its links lead somewhere."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tagging.book.choosing import readme_table
from tagging.book.claims import readme_claims

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


@pytest.mark.skipif(not (ROOT / "book").exists(), reason="the book is not part of this distribution")
@pytest.mark.parametrize("table", [readme_table, readme_claims])
def test_tables_are_those_of_the_records(table):
    assert table() in README.read_text(encoding="utf-8")


@pytest.mark.skipif(not (ROOT / "book").exists(), reason="the book is not part of this distribution")
def test_the_picture_of_the_results_is_that_of_the_records():
    script = runpy.run_path(str(ROOT / "book" / "_tools" / "readme_results.py"))
    assert script["picture"]() == script["PATH"].read_text(encoding="utf-8"), "run book/_tools/readme_results.py"


@pytest.mark.skipif(not (ROOT / "book").exists(), reason="the book is not part of this distribution")
def test_links_lead_somewhere():
    text = README.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall("^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)", text):
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        assert path or anchor in headings, target


def test_commands_print_what_the_readme_shows():
    commands = re.findall(r"^\$ (tagging .*)\n((?:(?!```|\$).*\n)*)", README.read_text(encoding="utf-8"), re.M)
    assert commands
    for command, shown in commands:
        arguments = [sys.executable, "-m", "tagging.cli", *shlex.split(command)[1:]]
        run = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=True)
        assert run.stdout == shown
