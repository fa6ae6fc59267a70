"""Write the inventories in ``book/_inv``: where the documentation of other projects explains the names we use.

    python book/_tools/make_inventories.py

The book is built without network and with every unresolved name counted as an error. If the build says that a
reference target was not found, add the name to the table below and run this again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

INVENTORIES = Path(__file__).parents[1] / "_inv"


def python_page(name: str) -> str:
    if name in BUILTIN_PAGES:
        return BUILTIN_PAGES[name]
    module = name.rpartition(".")[0]
    return f"library/{module}.html#{name}"


def numpy_page(name: str) -> str:
    return NUMPY_PAGES.get(name) or f"reference/generated/{name}.html#{name}"


def torch_page(name: str) -> str:
    return TORCH_PAGES.get(name) or f"generated/{name}.html#{name}"


def matplotlib_page(name: str) -> str:
    module, _, leaf = name.rpartition(".")
    page = {"matplotlib.figure": "figure_api", "matplotlib.axes": "axes/axes"}.get(module, module)
    return f"api/_as_gen/{name}.html#{name}" if leaf == "Axes" else f"api/{page}.html#{name}"


BUILTIN_PAGES = {
    "bool": "library/functions.html#bool",
    "bytes": "library/stdtypes.html#bytes",
    "dict": "library/stdtypes.html#dict",
    "float": "library/functions.html#float",
    "int": "library/functions.html#int",
    "list": "library/stdtypes.html#list",
    "None": "library/constants.html#None",
    "object": "library/functions.html#object",
    "set": "library/stdtypes.html#set",
    "str": "library/stdtypes.html#str",
    "tuple": "library/stdtypes.html#tuple",
    "type": "library/functions.html#type",
    "Exception": "library/exceptions.html#Exception",
    "ValueError": "library/exceptions.html#ValueError",
}
NUMPY_PAGES = {"numpy.floating": "reference/arrays.scalars.html#numpy.floating"}
TORCH_PAGES = {
    "torch.Tensor": "tensors.html#torch.Tensor",
    "torch.device": "tensor_attributes.html#torch.device",
    "torch.nn.modules.module.Module": "generated/torch.nn.Module.html#torch.nn.Module",
    "torch.nn.modules.conv.Conv2d": "generated/torch.nn.Conv2d.html#torch.nn.Conv2d",
}

Rule = Callable[[str], str]
# project -> (rule for the page of a name, the names with their roles)
NAMES: dict[str, tuple[Rule, dict[str, str]]] = {
    "python": (
        python_page,
        {
            **{name: "py:class" for name in BUILTIN_PAGES if name not in ("None", "Exception", "ValueError")},
            "None": "py:obj",
            "Exception": "py:exception",
            "ValueError": "py:exception",
            "pathlib.Path": "py:class",
            "os.PathLike": "py:class",
            "types.ModuleType": "py:class",
            "typing.Any": "py:data",
            "collections.abc.Callable": "py:class",
            "collections.abc.Iterable": "py:class",
            "collections.abc.Iterator": "py:class",
            "collections.abc.Mapping": "py:class",
            "collections.abc.Sequence": "py:class",
        },
    ),
    "numpy": (numpy_page, {"numpy.ndarray": "py:class", "numpy.floating": "py:class"}),
    "torch": (
        torch_page,
        {
            "torch.Tensor": "py:class",
            "torch.device": "py:class",
            "torch.nn.Module": "py:class",
            "torch.nn.modules.module.Module": "py:class",
            "torch.nn.modules.conv.Conv2d": "py:class",
        },
    ),
    "matplotlib": (matplotlib_page, {"matplotlib.figure.Figure": "py:class", "matplotlib.axes.Axes": "py:class"}),
}


def write(project: str, rule: Rule, names: dict[str, str]) -> None:
    """One inventory in Sphinx's format, version 2."""
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    body = "".join(f"{name} {role} 1 {rule(name)} -\n" for name, role in sorted(names.items()))
    (INVENTORIES / f"{project}.inv").write_bytes(head.encode() + zlib.compress(body.encode(), 9))


if __name__ == "__main__":
    for project, (rule, names) in NAMES.items():
        write(project, rule, names)
