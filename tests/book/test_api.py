"""The API pages: every public name and its module stand on them, and their examples run and give what they say."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import tagging

BOOK = Path(__file__).parents[2] / "book"
if not BOOK.exists():
    pytest.skip("the book is not part of this distribution", allow_module_level=True)
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("api*.md"))}
EXAMPLES = {
    name: example for name, text in TEXTS.items() for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
}


def test_the_table_lists_every_public_name_and_the_pages_its_module():
    listed = re.findall(r"`(\w+) <tagging\.\1>`", TEXTS["api"])
    assert sorted(listed) == sorted(tagging.__all__)
    documented = re.findall(r"^\.\. automodule:: (.*)$", "".join(TEXTS.values()), re.MULTILINE)
    assert [name for name in documented if importlib.util.find_spec(name) is None] == []
    assert len(set(documented)) == len(documented)
    stub = ast.parse(Path(tagging.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    modules = {f"tagging.{node.module}" for node in stub.body if isinstance(node, ast.ImportFrom)}
    assert modules - set(documented) == set()


def test_every_page_is_linked():
    assert {*re.findall(r"\((api_\w+)\.md\)", TEXTS["api"]), "api"} == set(TEXTS)


def test_every_room_has_an_example():
    assert set(TEXTS) - set(EXAMPLES) == {"api_book"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run_and_give_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines, names = EXAMPLES[name].splitlines(), {}
    for statement in ast.parse(EXAMPLES[name]).body:
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), name, "eval"), names)
            _, _, expected = lines[statement.end_lineno - 1].partition("  # ")
            assert expected in ("", repr(value))
        else:
            exec(compile(ast.Module([statement], []), name, "exec"), names)
