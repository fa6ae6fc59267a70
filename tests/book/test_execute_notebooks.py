"""Notebooks are executed once, each in an empty folder, and one that fails does not keep the others from it."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_notebook

SCRIPT = Path(__file__).parents[2] / "book" / "_tools" / "execute_notebooks.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the scripts of the book are not part of this distribution")
CELLS = {
    "good": "from pathlib import Path\nprint(len(list(Path().iterdir())), 'files here')",
    "bad": "1 / 0",
    "dead": "import os\nos._exit(1)",
    "untidy": "from pathlib import Path\nPath('left.txt').touch()",
}


def write(path, code):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(code)], metadata=kernel), path)


def test_good_ones_are_kept_and_the_others_named(tmp_path):
    notebooks = {name: tmp_path / f"{name}.ipynb" for name in CELLS}
    for name, path in notebooks.items():
        write(path, CELLS[name])

    def run():
        command = [sys.executable, SCRIPT, tmp_path / "cache", *notebooks.values()]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = run()
    assert first.returncode == 1
    assert "ZeroDivisionError" in first.stderr
    assert "dead.ipynb\nKernel died" in first.stderr
    assert "it leaves files behind: left.txt" in first.stderr
    assert "good.ipynb" not in first.stderr
    _, there = get_cache(tmp_path / "cache").merge_match_into_file(notebooks["good"])
    assert there.cells[0].outputs[0].text == "0 files here\n"

    for name in ("bad", "dead", "untidy"):
        write(notebooks[name], "print('mended')")
    second = run()
    assert (second.returncode, second.stderr) == (0, "")
    assert "good.ipynb" not in second.stdout  # it was executed before
    assert "3/3" in second.stdout
