"""The book's extension: no stored output outlives the code that made it, and no failure is forgotten."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "book").exists(), reason="the book is not part of this distribution"),
]


@pytest.fixture
def small_book(tmp_path):
    """The frame of the book with two pages of one cell each."""
    for name in ("_ext", "_static", "_inv", "references.bib"):
        source, target = ROOT / "book" / name, tmp_path / "book" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    for name in ("_config.yml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tagging", tmp_path / "tagging", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/first\nchapters:\n  - file: book/second\n")
    write(tmp_path, "first", "print(1)")
    write(tmp_path, "second", "1 / 0")
    return tmp_path


def write(folder, name, code):
    cells = [
        {"cell_type": "markdown", "id": "title", "metadata": {}, "source": [f"# {name}\n"]},
        {"cell_type": "code", "id": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": [code]},
    ]
    about = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    (folder / "book" / f"{name}.ipynb").write_text(json.dumps(notebook))


def build(folder, *options):
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n", "--keep-going", *options]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    return result.returncode, set(re.findall(r"(\w+)\.ipynb: Executed notebook", output)), output


def test_builds_after_changes(small_book):
    # a page that fails fails the build, and goes on failing it although nothing has changed
    assert build(small_book, "--all")[:2] == (1, {"first"})
    assert build(small_book)[0] == 1
    write(small_book, "second", "print(2)")
    assert build(small_book)[:2] == (0, {"second"})
    # nothing changed: nothing runs, even if all pages are made again
    assert build(small_book, "--all")[:2] == (0, set())
    # the package changed: everything runs, asked for or not
    with open(small_book / "tagging" / "errors.py", "a") as file:
        file.write("# changed\n")
    status, executed, output = build(small_book)
    assert (status, executed) == (0, {"first", "second"}), output
    # a page leaves the book
    (small_book / "_toc.yml").write_text("format: jb-book\nroot: book/first\n")
    assert build(small_book, "--all")[0] == 0
    pages = {path.stem for path in (small_book / "_build" / "html" / "book").glob("*.html")}
    assert pages == {"first"}
