"""Write tags of a table into the metadata of the files, and undo it; sound and other metadata stay as they are.

Book: ``book/tag_library``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from ..errors import ConfigError, TaggingError, unknown_name
from ..utils.extras import missing_package
from ..utils.files import check_writable, locked, sha256
from ..utils.temporary import remove_abandoned
from .exports import chosen_tag
from .fields import FIELDS, read_field, replace_field
from .journal import copy_results
from .originals import Entry, add_original, originals_of, read_originals, states, write_originals
from .table import LibraryTable, path_of

_GONE = "no such file: it was moved or deleted since the table was written; run `tagging tag-library` again"
_GONE_SINCE = (
    "no such file: it was moved or deleted since its tags were written; move it back and undo again, or edit the field where "
    "the file is now"
)


class Change(NamedTuple):
    """What is changed in a file, or why it is not.

    Attributes:
        path: below the folder of the library.
        before, after: values of the field.
        error: why it was not changed; empty if it was, or would be.
    """

    path: str
    before: list[str]
    after: list[str]
    error: str = ""


def write_tags(
    table: str | os.PathLike[str], tags: Sequence[str], *, field: str = "grouping", write: bool = False
) -> Iterator[Change]:
    """Add tags to a field of the files' metadata where the table has scores that are high enough.

    Nothing is written unless ``write`` is True. A file is replaced by a changed copy, whole or not at all, after two checks of
    the copy: its encoded sound is equal, packet by packet, and so is all other metadata. What the field held before is kept in
    ``<table>.originals.jsonl``, from which :func:`undo_tags` restores it. Each file is changed when the iterator comes to it.

    Args:
        table: of :func:`tagging.tag_library`. The files must lie where they were.
        tags: each as ``TAG``, where the model comes with thresholds, or ``TAG=SCORE``.
        field: ``"grouping"`` or ``"genre"``.
        write: change the files.

    Yields:
        The files that are, or would be, changed, and those that cannot be.

    Raises:
        ConfigError: no tag, an unknown one, or an unknown field.
        MissingPackageError: mutagen is not installed.
        TaggingError: the table cannot be read, its folder not be written to, or another process is at work on it.

    Book: ``book/tag_library``.
    """
    try:  # said before the work
        import mutagen  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from None
    opened = LibraryTable(table)
    if field not in FIELDS:
        raise unknown_name("field", field, FIELDS)
    if isinstance(tags, str) or not tags:
        raise ConfigError(f"tags={tags!r}: give a list of tags, such as ['piano=0.5']")
    chosen = [chosen_tag(text, opened.description) for text in tags]
    return _write_all(opened, chosen, field, write)


def _write_all(table: LibraryTable, chosen: list[tuple[str, float]], field: str, write: bool) -> Iterator[Change]:
    names = [table.description.columns[column][1] for column, _ in chosen]
    with _library(table, write) as files:
        for block in table.blocks(["path", *(column for column, _ in chosen)]):
            for path, *scores in zip(*block.values(), strict=True):
                pairs = zip(names, scores, chosen, strict=True)
                wanted = [name for name, score, (_, low) in pairs if score is not None and score >= low]
                if wanted and (change := _change(files, path, field, wanted)):
                    yield change


def _change(files: _Files, path: str, field: str, wanted: list[str]) -> Change | None:
    before: list[str] = []
    try:
        file = files.locate(path, _GONE)
        values, shown, had_tags = read_field(file, field)
        before = values or shown
        after = before + [tag for tag in wanted if tag not in before and tag not in shown]
        if after == before:
            return None
        files.replace(file, Entry(path, field, values, after, had_tags))
        return Change(path, before, after)
    except Exception as error:  # whatever a file does to a library, the files after it are written
        return Change(path, before, before, _reason(error))


def undo_tags(table: str | os.PathLike[str], *, write: bool = False) -> Iterator[Change]:
    """Restore what :func:`write_tags` has changed.

    Where somebody has changed the field between two calls of :func:`write_tags`, what they wrote is restored.

    Args:
        table: the same.
        write: change the files; else only say what would be.

    Yields:
        The files that are, or would be, restored, and those that cannot be: because another program has changed the field since.

    Raises:
        ConfigError: nothing has been written.
        TaggingError: as :func:`write_tags`.

    Book: ``book/tag_library``.
    """
    opened = LibraryTable(table)
    originals = originals_of(opened.path)
    if not originals.exists():
        raise ConfigError(f"{originals}: no such file; nothing was written for this table, or all of it was undone")
    return _undo_all(opened, originals, write)


def _undo_all(table: LibraryTable, originals: Path, write: bool) -> Iterator[Change]:
    left = []
    with _library(table, write) as files:
        for chain in read_originals(originals):
            if (change := _undo(files, chain)) is not None:
                if change.error:
                    left.append(chain)
                yield change
        if write:
            write_originals(originals, left)


def _undo(files: _Files, chain: list[Entry]) -> Change | None:
    path, field, before, _, had_tags = chain[0]
    now: list[str] = []
    try:
        file = files.locate(path, _GONE_SINCE)
        now = read_field(file, field).values
        if now == before:
            return None
        if now not in states(chain):
            raise TaggingError(f"the field {field} was changed since, to {', '.join(now) or 'nothing'}; it stays so")
        files.restore(file, field, before, keep_tags=had_tags)
        return Change(path, now, before)
    except Exception as error:
        return Change(path, now, now, _reason(error))


@contextlib.contextmanager
def _library(table: LibraryTable, write: bool) -> Iterator[_Files]:
    """The files of a table; if they are to be changed, nobody else changes them, or the table, in the meantime."""
    with contextlib.ExitStack() as stack:
        if write:
            check_writable(table.path.parent)
            for path in (table.path, originals_of(table.path)):
                stack.enter_context(locked(path, wait=False))
        yield _Files(table, write)


class _Files:
    """The files of a table, which are changed if ``write`` is True."""

    def __init__(self, table: LibraryTable, write: bool) -> None:
        self.table, self.write = table.path, write
        self.root = Path(os.path.realpath(table.description.root))
        self._cleared: set[Path] = set()

    def locate(self, path: str, gone: str) -> Path:
        """Where a file of the table is, at the end of links.

        Raises:
            TaggingError: nowhere, for the reason ``gone``; outside the folder of the library; or under several names.
        """
        if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
            raise TaggingError(
                f"it is not below the folder of the library, {self.root}: the table was changed; tag it again"
            )
        candidates = [file for name in path_of(path) if os.path.lexists(file := self.root / name)]
        if not candidates:
            raise TaggingError(gone)
        if len(candidates) > 1:
            raise TaggingError(
                "two files have this name in the table: rename the one whose name is not UTF-8, then run `tagging tag-library` "
                "again"
            )
        file = Path(os.path.realpath(candidates[0]))
        if not file.is_relative_to(self.root):
            raise TaggingError(
                f"a link leads out of the library, to {file}: tag the folder in which it is as a library of its own"
            )
        if not file.exists():
            raise TaggingError(f"a link to nowhere: {gone}")
        if not file.is_file():
            raise TaggingError("it is not a regular file")
        if (links := file.stat().st_nlink) > 1:
            raise TaggingError(
                f"it has {links} names (hard links), of which the others would keep the old file: replace it by a copy of its "
                "own first"
            )
        if self.write and file.parent not in self._cleared:
            self._cleared.add(file.parent)
            remove_abandoned(file.parent)
        return file

    def replace(self, file: Path, entry: Entry) -> None:
        """Write the values of an entry, once it is among the originals."""
        if self.write:
            before = sha256(file)
            originals = originals_of(self.table)
            replace_field(file, entry.field, entry.after, before_replacing=lambda: add_original(originals, entry))
            self._keep_results(before, file)

    def restore(self, file: Path, field: str, values: list[str], *, keep_tags: bool) -> None:
        """Write values that were there before."""
        if self.write:
            before = sha256(file)
            replace_field(file, field, values, keep_tags=keep_tags)
            self._keep_results(before, file)

    def _keep_results(self, before: str, file: Path) -> None:
        copy_results(self.table, before, sha256(file))  # the sound is the same, so the results are


def _reason(error: Exception) -> str:
    if isinstance(error, TaggingError):
        return str(error)
    system = (
        error if isinstance(error, OSError) else next((each for each in error.args if isinstance(each, OSError)), None)
    )
    if system is not None and system.strerror:  # mutagen wraps those of the system
        return f"it cannot be read or written: {system.strerror}; check who may, and that the disk has space left"
    text = " ".join(f"{type(error).__name__} {error}".split())
    return (
        f"its metadata cannot be read, or not be written ({text}): check whether a player opens it, and repair it or replace it "
        "by a good copy"
    )
