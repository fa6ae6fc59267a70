"""Read lists and dictionaries of text and numbers from pickles of any age, without unpickling.

A pickle is a program. Of its instructions this reader knows those that build plain data, and refuses a file with any other:
nothing is imported, called or constructed.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from ..errors import CorpusError

_VALUES = {
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "INT", "LONG", "LONG1", "BININT",
    "BININT1", "BININT2", "FLOAT", "BINFLOAT",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_IGNORED = {"PROTO", "FRAME", "STOP"}


def read_plain(path: Path) -> Any:
    """The list or dictionary in a pickle file.

    Raises:
        CorpusError: the file holds anything but lists, dictionaries, text and numbers, or is damaged.
    """
    mark = object()
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = len(stack) - 1 - stack[::-1].index(mark)
        items = stack[start + 1 :]
        del stack[start:]
        return items

    try:
        with open(path, "rb") as file:
            for opcode, argument, position in pickletools.genops(file):
                name = opcode.name
                if name in _VALUES:
                    stack.append(argument)
                elif name in _CONSTANTS:
                    stack.append(_CONSTANTS[name])
                elif name in _EMPTY:
                    stack.append(_EMPTY[name]())
                elif name == "MARK":
                    stack.append(mark)
                elif name == "LIST":
                    stack.append(since_mark())
                elif name == "DICT":
                    stack.append(_pairs(since_mark()))
                elif name in ("APPEND", "APPENDS"):
                    items = [stack.pop()] if name == "APPEND" else since_mark()
                    _top(stack, list).extend(items)
                elif name in ("SETITEM", "SETITEMS"):
                    items = [stack.pop() for _ in range(2)][::-1] if name == "SETITEM" else since_mark()
                    _top(stack, dict).update(_pairs(items))
                elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                    memo[argument] = stack[-1]  # type: ignore[index]
                elif name in ("GET", "BINGET", "LONG_BINGET"):
                    stack.append(memo[argument])  # type: ignore[index]
                elif name == "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                elif name not in _IGNORED:
                    raise CorpusError(
                        f"{path}: at byte {position} it asks for {name}, which plain lists and dictionaries do not need; pickles "
                        "that run code are not read. Use the text lists of the same repository, or convert the file yourself"
                    )
        (result,) = stack
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise CorpusError(f"{path}: no whole pickle of a list or dictionary ({error}); fetch it again") from error
    return result


def _top(stack: list[Any], kind: type) -> Any:
    if not isinstance(stack[-1], kind):
        raise TypeError(f"an item for a {kind.__name__} that is none")
    return stack[-1]


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))
