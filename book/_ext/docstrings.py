"""Turns the package's docstrings into the API page.

The docstrings are written to be read in an editor. Four habits of theirs need help here: one entry for several names, pages
named by their file, names without their module, and names that exist but have no entry of their own on the page.
"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.ext.intersphinx import resolve_reference_any_inventory

SECTION = re.compile(r"\s*(Args|Attributes|Raises|Returns|Yields|Source|Book|Example|Note):?\s*")
SEVERAL = re.compile(r"(\s+)(\w+(?:, \w+)+): (.*)")

NUMBERS = {"float32", "float64", "int16", "int64"}
TYPE_FIRST = re.compile(r"(?:bool|int|float|str|list|dict|tuple)\d*\b[^:]*: ")
PAGE = re.compile(r"``(book/\w+)``")

STUB = Path(__file__).parents[2] / "tagging" / "__init__.pyi"
# public name -> module that defines it
PUBLIC = {
    alias.name: node.module
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
# libraries whose names are not links
UNLISTED = ("accelerate.", "pandas.", "pydantic.")
# short or internal names -> the ones their documentation uses
ALIASES = {
    "Axes": "matplotlib.axes.Axes",
    "Figure": "matplotlib.figure.Figure",
    "matplotlib.axes._axes.Axes": "matplotlib.axes.Axes",
    "Module": "torch.nn.Module",
    "nn.Module": "torch.nn.Module",
    "Tensor": "torch.Tensor",
    "np.ndarray": "numpy.ndarray",
    "pathlib._local.Path": "pathlib.Path",
}


def one_entry_each(_app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Turn ``low, high: edges`` into an entry for ``low`` and one for ``high``; Sphinx would read ``low,`` as a type."""
    out: list[str] = []
    section, index = "", 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if heading := SECTION.fullmatch(line):
            section = heading[1]
        entry = SEVERAL.fullmatch(line) if section in ("Args", "Attributes") else None
        if not entry:
            out.append(line)
            continue
        indent, names, text = entry.groups()
        more = []
        while index < len(lines) and re.match(rf"{indent}\s+\S", lines[index]):
            more.append(lines[index])
            index += 1
        for name in names.split(", "):
            out += [f"{indent}{name}: {text}", *more]
    lines[:] = out


def no_type_from_prose(_app: Sphinx, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Keep napoleon from reading the words before a colon as the type of an attribute, unless they are one."""
    if what in ("attribute", "property") and lines and not TYPE_FIRST.match(lines[0]):
        lines[0] = f": {lines[0]}"


def link_pages(app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Make a link of ``book/page``, as docstrings name the page that explains them."""

    def link(match: re.Match[str]) -> str:
        return f":doc:`/{match[1]}`" if match[1] in app.env.found_docs else match[0]

    lines[:] = [PAGE.sub(link, line) for line in lines]


def resolve(app: Sphinx, env: Any, node: pending_xref, content: nodes.TextElement) -> nodes.Node | None:
    """The target of a name that Sphinx does not know; a name that does not exist stays unresolved and fails the build."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    if target in ALIASES:
        node["reftarget"] = ALIASES[target]
        return resolve_reference_any_inventory(env, False, node, content)
    module, _, name = target.rpartition(".")
    if module == "tagging" and name in PUBLIC:
        full = f"tagging.{PUBLIC[name]}.{name}"
        domain = env.get_domain("py")
        # a constant has no entry of its own: its name is not a link
        return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], full, node, content) or content
    module, cls = node.get("py:module") or "tagging", node.get("py:class")
    if any(_exists(name) for name in (target, f"{module}.{target}", f"{module}.{cls}.{target}", f"tagging.{target}")):
        return content
    # text that napoleon took for a type: the shape or the dtype of an array
    return content if " " in target or target in NUMBERS or target.startswith(UNLISTED) else None


def _exists(name: str) -> bool:
    """Whether a dotted name below ``tagging`` is a module, or something in one."""
    if not name.startswith("tagging."):
        return False
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for part in parts[split:]:
            if part in getattr(value, "__annotations__", {}):
                return True
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def plain_options(_app: Sphinx, obj: Any, _bound: bool) -> None:
    """Show options of corpora as their types; the tests that they carry are of no use to a reader."""
    from tagging.data import options

    for name, hint in getattr(obj, "__annotations__", {}).items():
        declared = vars(options).get(hint) if isinstance(hint, str) else None
        if get_origin(declared) is Annotated:
            obj.__annotations__[name] = get_args(declared)[0]


def setup(app: Sphinx) -> dict[str, object]:
    # before napoleon, which has the default priority of 500
    app.connect("autodoc-before-process-signature", plain_options)
    app.connect("autodoc-process-docstring", one_entry_each, priority=400)
    app.connect("autodoc-process-docstring", no_type_from_prose, priority=400)
    app.connect("autodoc-process-docstring", link_pages, priority=401)
    app.connect("missing-reference", resolve, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
