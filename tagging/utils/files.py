"""Files: the cache folder, locks, atomic writes, and reading that ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import TaggingError
from .temporary import remove_abandoned, remove_if_free, temporary


class DamagedError(TaggingError):
    """A file that cannot be read, or holds something else than was written.

    Attributes:
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"{path}: damaged ({reason})")
        self.reason = reason


def cache_dir(*parts: str) -> Path:
    """The folder for downloaded and built files.

    ``TAGGING_CACHE`` if that is set, else the platform's cache folder of the user. It is made where that is possible; a cache
    that is complete is only read, so it may be read-only. For a cache that a group writes to, give its folder the group and
    the mode 2775: what is made in it can then be written to by the whole group.

    Args:
        parts: names of subfolders.

    Raises:
        TaggingError: the user has no home folder, or there is no such user.
    """
    folder = _cache_root().joinpath(*parts)
    with contextlib.suppress(OSError):  # a later write there raises an error that says so
        _make_folder(folder)
    return folder


def _cache_root() -> Path:
    root = os.environ.get("TAGGING_CACHE")
    try:
        if not root:
            # imported here: not needed on a machine that sets TAGGING_CACHE
            import platformdirs

            root = platformdirs.user_cache_dir("music-tagging-at-scale", appauthor=False)
        return Path(root).expanduser()
    except RuntimeError as error:
        raise TaggingError(
            f"the cache folder {root or 'of this user'} cannot be found: {str(error).rstrip('.')}; "
            "set the environment variable TAGGING_CACHE to a folder you can write to"
        ) from error


def check_writable(folder: Path) -> None:
    """Check that a folder can be written to, before work that would be lost.

    Raises:
        TaggingError: it cannot.
    """
    try:
        _make_folder(folder)
        # only a write shows a read-only folder: permission bits know neither mounts nor quotas
        with temporary(folder):
            pass
    except OSError as error:
        raise _cannot_write(folder / "file", error, f"to {folder}") from error


def _make_folder(folder: Path) -> None:
    """Create a folder and those above it; in a folder that is shared by a group, for that group."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    mode = folder.parent.stat().st_mode
    if mode & stat.S_ISGID:
        with contextlib.suppress(OSError):  # made by another process just now
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | mode & stat.S_IRWXG)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock on a file or folder, so that one process at a time makes it.

    The lock is the file ``<path>.lock``; every user who may write to the folder may lock it. It is removed when the lock is
    released, with any folders that were made for it and are still empty.

    Args:
        path: what is made; need not exist.
        wait: wait for another process that holds the lock.

    Raises:
        TaggingError: the lock file cannot be written, or another process holds the lock and ``wait`` is False.
    """
    try:
        new_folders = [folder for folder in path.parents if not folder.exists()]
        lock = _acquired(path, wait)
        while not _is_in_place(lock):
            lock.release()
            lock = _acquired(path, wait)
    except Timeout as error:
        raise TaggingError(
            f"another process is at work in {path.parent} (it holds {_lock_of(path).name}): wait until it has finished, or "
            "choose another path"
        ) from error
    except OSError as error:
        raise TaggingError(
            f"cannot lock {_lock_of(path)}: {error.strerror or error}; {path.parent} must be a folder that may be written to "
            "(the environment variable TAGGING_CACHE sets the one of the cache)"
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()
        for folder in new_folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _acquired(path: Path, wait: bool) -> FileLock:
    _make_folder(path.parent)
    mode = 0o600 | path.parent.stat().st_mode & 0o666
    lock = FileLock(_lock_of(path), timeout=-1 if wait else 0, mode=mode)
    lock.acquire()
    return lock


def _is_in_place(lock: FileLock) -> bool:
    """Whether the locked file still has its name: the process that held the lock before may just have removed it."""
    descriptor = lock._context.lock_file_fd
    assert descriptor is not None
    try:
        return os.path.samestat(os.fstat(descriptor), Path(lock.lock_file).stat())
    except FileNotFoundError:
        return False


def clear_remains(path: Path) -> None:
    """Remove what killed processes have left where they made ``path``: temporary files and its lock. Never fails."""
    remove_abandoned(path.parent)
    remove_if_free(_lock_of(path))


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` if and only if the block succeeds.

    Args:
        path: the file to write; its folder is created if needed. A symbolic link stays, and the file it names is written.

    Raises:
        TaggingError: the file cannot be written, for example because the disk is full.
    """
    try:
        target = _target(path)
        with temporary(target.parent) as part:
            yield part
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, target)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _target(path: Path) -> Path:
    """The file that is written: at the end of symbolic links, in a folder that exists."""
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    else:
        _make_folder(path.parent)
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(None, "Is a directory")
        if not stat.S_ISREG(mode):  # it would be replaced by a file
            raise OSError(None, "it is not a regular file")
    return path


def _cannot_write(path: Path, error: OSError, what: str = "") -> TaggingError:
    advice = f"check that {path.parent} may be written to and has space left"
    with contextlib.suppress(TaggingError):
        if path.is_relative_to(_cache_root()):
            advice += ", or set the environment variable TAGGING_CACHE to a folder you can write to"
    return TaggingError(f"cannot write {what or path}: {error.strerror or error}; {advice}")


def read_file(path: Path) -> bytes:
    """The contents of a file.

    Raises:
        DamagedError: it is missing, cannot be read, or is something whose reading might never end, such as a pipe.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DamagedError(path, "it is a folder" if path.is_dir() else "it is not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise DamagedError(path, error.strerror or error) from error


def read_json(path: Path) -> Any:
    """The contents of a JSON file.

    Raises:
        DamagedError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"not JSON: {error}") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, in lower-case hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
