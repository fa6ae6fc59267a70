"""The sound files of a folder, one after another, in bounded memory. Book: ``book/tag_library``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..data.scan import AUDIO_SUFFIXES
from ..errors import ConfigError


class FoundFile(NamedTuple):
    """A sound file, or a folder that cannot be opened.

    Attributes:
        path: below the walked folder, with ``/`` between folders.
        size: bytes.
        modified: time of the last change, ns.
        error: why it cannot be read; empty if it can.
        is_folder: whether it is a folder, whose files are then unknown.
    """

    path: str
    size: int
    modified: int
    error: str = ""
    is_folder: bool = False


def walk(root: Path) -> Iterator[FoundFile]:
    """Yield the sound files below a folder, in an order that depends on their names only.

    Hidden files and folders are left out. A link to a folder is followed where it leads out of ``root``, once, so links that
    form a loop end; files behind a link inside ``root`` are found where they are.

    Raises:
        ConfigError: no such folder, or one that cannot be opened.
    """
    if not root.is_dir():
        raise ConfigError(f"{root}: {'a file' if root.exists() else 'no such folder'}; give the folder of your music")
    try:
        os.scandir(root).close()
    except OSError as error:
        raise ConfigError(f"{root}: cannot be opened ({error.strerror}); check who may read it") from error
    inside = os.path.realpath(root)
    # those above the root too: a link to one of them would lead to the root again, and to all else on the disk
    visited = {_identity(path) for path in (Path(inside), *Path(inside).parents)}
    stack: list[Iterator[tuple[str, os.DirEntry[str]] | FoundFile]] = [_entries(str(root), "")]
    while stack:  # not by recursion: folders may be nested deeper than Python's functions
        if (item := next(stack[-1], None)) is None:
            stack.pop()
        elif isinstance(item, FoundFile):
            yield item
        else:
            path, entry = item
            if _is_new(entry, inside, visited):
                stack.append(_entries(entry.path, path + "/"))


def _entries(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]] | FoundFile]:
    """The sound files of a folder, and its folders with their paths, by name."""
    try:
        with os.scandir(folder) as entries:
            # bytes, not the locale, decide the order
            ordered = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_name_bytes)
    except OSError as error:
        yield FoundFile(prefix.rstrip("/"), 0, 0, f"the folder cannot be opened ({error.strerror})", is_folder=True)
        return
    for entry in ordered:
        try:
            is_folder = entry.is_dir()
        except OSError:  # links that lead to each other
            is_folder = False
        if is_folder:
            yield prefix + entry.name, entry
        elif os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES:  # noqa: PTH122
            yield _file(entry, prefix + entry.name)


def _name_bytes(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name)


def _is_new(entry: os.DirEntry[str], inside: str, visited: set[tuple[int, int]]) -> bool:
    if entry.is_symlink() and os.path.realpath(entry.path).startswith(inside + os.sep):
        return False
    try:
        identity = _identity(Path(entry.path))
    except OSError:
        return True  # said when it is opened
    if identity in visited:
        return False
    visited.add(identity)
    return True


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _file(entry: os.DirEntry[str], path: str) -> FoundFile:
    try:
        status = entry.stat()
    except OSError as error:
        reason = "a link to nowhere" if entry.is_symlink() else f"cannot be opened ({error.strerror})"
        return FoundFile(path, 0, 0, reason)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        return FoundFile(path, 0, 0, "a pipe or device, not a sound file")
    return FoundFile(path, status.st_size, status.st_mtime_ns)
