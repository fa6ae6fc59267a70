"""Temporary files and folders. What a killed process leaves behind is removed by the next one that writes there.

Each is locked for as long as its process lives; the kernel frees the lock however the process ends. So what is locked is in use,
on this machine or on another one that shares the folder, and what is free has been abandoned.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows has no such locks: what a killed process leaves there stays
    fcntl = None

# Not the name of the file that is written: with anything added to it, a long one would be too long.
PREFIX, SUFFIX = ".tagging-", ".part"
_CLEARED: set[Path] = set()


@contextlib.contextmanager
def temporary(folder: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Yield the path of a new file or folder, which is removed at the end unless it has been moved elsewhere.

    Args:
        folder: where it is made; must exist. What killed processes have left in it is removed.
        is_folder: make a folder.

    Raises:
        OSError: it cannot be made.
    """
    # once: listing a folder of 100,000 files for each new one would take longer than writing it
    if folder not in _CLEARED:
        _CLEARED.add(folder)
        remove_abandoned(folder)
    path, descriptor = _random_path(folder), None
    try:
        while (descriptor := _create(path, is_folder)) is None:
            path = _random_path(folder)
        yield path
    finally:
        try:
            _remove(path)
        except BaseException:  # a signal, which must not leave half of it
            _remove(path)
            raise
        finally:
            if descriptor:
                os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files and folders of processes that have ended; those of running ones stay. Never fails."""
    with contextlib.suppress(OSError):
        for path in [path for path in folder.iterdir() if path.name.startswith(PREFIX) and path.suffix == SUFFIX]:
            remove_if_free(path)


def remove_if_free(path: Path) -> None:
    """Remove a file or folder unless some process has locked it, or it cannot be told. Never fails."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                _remove(path)
        finally:
            os.close(descriptor)


def _random_path(folder: Path) -> Path:
    return folder / f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"


def _create(path: Path, is_folder: bool) -> int | None:
    """Make and lock it. Returns its descriptor, 0 without locks; None if it was taken for abandoned before it was locked."""
    if is_folder:
        path.mkdir()
    else:
        # not mkstemp, which makes files that other users cannot read
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    if fcntl is None:
        return 0
    try:
        descriptor = _open(path)
    except FileNotFoundError:
        return None
    with contextlib.suppress(OSError):  # a file system without locks, where nothing is taken for abandoned
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _open(path: Path) -> int:
    # network file systems lock only what is open for writing; folders cannot be
    is_folder = stat.S_ISDIR(path.lstat().st_mode)
    return os.open(path, (os.O_RDONLY if is_folder else os.O_RDWR) | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        for _ in range(20):
            shutil.rmtree(path, ignore_errors=True)
            if not path.exists():
                return
            time.sleep(0.05)  # a program that was started here and is just being ended still writes
