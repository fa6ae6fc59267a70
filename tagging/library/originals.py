"""What fields of files held before they were written: ``<table>.originals.jsonl``, to which a line is added before each change.

Book: ``book/tag_library``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..utils.files import atomic_write
from .fields import FIELDS


class Entry(NamedTuple):
    """One change.

    Attributes:
        path: below the folder of the library, as in the table.
        field: that was changed.
        before, after: its values.
        had_tags: whether the file had metadata before.
    """

    path: str
    field: str
    before: list[str]
    after: list[str]
    had_tags: bool


def originals_of(table: Path) -> Path:
    """Path of the originals of a table."""
    return table.with_name(table.name + ".originals.jsonl")


def add_original(originals: Path, entry: Entry) -> None:
    """Add a line; once this returns it survives a loss of power."""
    with open(originals, "ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":  # a line that was cut off must not swallow this one
                file.write(b"\n")
        file.write(_line(entry).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def read_originals(originals: Path) -> list[list[Entry]]:
    """The changes of each field of each file that can be undone, one after another. Lines that are no entries are left out.

    A change that starts from other values than those before it have left was made after somebody else had changed the field:
    what was before is no longer there to be restored, and the changes that can be undone begin with this one.
    """
    chains: dict[tuple[str, str], list[Entry]] = {}
    for line in originals.read_text(encoding="ascii", errors="replace").splitlines():
        if (entry := _parsed(line)) is not None:
            chain = chains.setdefault((entry.path, entry.field), [])
            if entry.before not in states(chain):
                chain.clear()
            chain.append(entry)
    return list(chains.values())


def states(chain: list[Entry]) -> list[list[str]]:
    """The values that a field has had. The last may never have been there: the line is written before the file is."""
    return [entry.before for entry in chain[:1]] + [entry.after for entry in chain]


def write_originals(originals: Path, chains: Iterable[list[Entry]]) -> None:
    """Replace the file by one with these changes only; remove it if there are none."""
    lines = [_line(entry) for chain in chains for entry in chain]
    if not lines:
        originals.unlink()
        return
    with atomic_write(originals) as part:
        part.write_text("".join(lines), encoding="ascii")


def _line(entry: Entry) -> str:
    return json.dumps(entry._asdict()) + "\n"


def _parsed(line: str) -> Entry | None:
    try:
        facts: Any = json.loads(line)
        entry = Entry(**facts)
    except (ValueError, TypeError, RecursionError):
        return None
    lists = (entry.before, entry.after)
    is_right = (
        isinstance(entry.path, str)
        and entry.field in list(FIELDS)
        and all(isinstance(values, list) and all(isinstance(text, str) for text in values) for values in lists)
        and isinstance(entry.had_tags, bool)
    )
    return entry if is_right else None
