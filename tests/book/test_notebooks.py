"""The book's notebooks: stored without outputs, and each able to run alone, from an empty folder."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
if not NOTEBOOKS:
    pytest.skip("the book is not part of this distribution", allow_module_level=True)
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@EACH
def test_stored_without_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    assert notebook["nbformat_minor"] >= 5  # the first with cell ids
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], cell["id"]
            assert cell["execution_count"] is None, cell["id"]
        assert not {"execution", "collapsed", "ExecuteTime"} & set(cell["metadata"]), cell["id"]
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info", "mystnb"}


def install_cell(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "".join(next(cell for cell in cells if cell["cell_type"] == "code")["source"])


@EACH
def test_the_first_code_cell_installs_what_is_missing(path):
    """All notebooks that need the same extras have the same cell; it does nothing where the package is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = install_cell(path)
    assert 'find_spec("tagging") is None' in source
    requirement = re.search(r'"([a-z-]+)(?:\[([a-z,-]+)\])? @ git\+(.*?)"', source)
    assert (requirement[1], requirement[3]) == (project["name"], project["urls"]["Repository"])
    assert set((requirement[2] or "").split(",")) - {""} <= set(project["optional-dependencies"])
    assert source in {install_cell(other) for other in NOTEBOOKS if other != path}, "no other notebook has this cell"
    body = ast.parse(source).body
    assert all(isinstance(node, (ast.Import, ast.If)) for node in body), "more than the installation"
