"""Files: the cache folder, locks, atomic writes and hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import TaggingError


def cache_dir(*parts: str) -> Path:
    """The folder for downloaded and built files, created if needed.

    ``TAGGING_CACHE`` if that is set, else the platform's cache folder of the user.

    Args:
        parts: names of subfolders.

    Raises:
        TaggingError: the folder cannot be created or written to.
    """
    root = os.environ.get("TAGGING_CACHE")
    if not root:
        # imported here: not needed on a machine that sets TAGGING_CACHE
        import platformdirs

        root = platformdirs.user_cache_dir("music-tagging-at-scale", appauthor=False)
    folder = Path(root).expanduser().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # only a write shows a read-only folder: permission bits know neither mounts nor quotas
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            pass
    except OSError as error:
        raise TaggingError(
            f"cannot write to the cache folder {folder}: {error.strerror or error}; "
            "set the environment variable TAGGING_CACHE to a folder you can write to"
        ) from error
    return folder


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock on a file or folder, so that one process at a time makes it.

    The lock is the file ``<path>.lock``. It is removed when the lock is released, with any folders that were made for it
    and are still empty.

    Args:
        path: what is made; need not exist.
        wait: wait for another process that holds the lock.

    Raises:
        TaggingError: the lock file cannot be written, or another process holds the lock and ``wait`` is False.
    """
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=-1 if wait else 0)
    new_folders = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        while not _is_in_place(lock):
            lock.release()
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout as error:
        raise TaggingError(
            f"another process is at work on {path}: wait until it has finished, or choose another path"
        ) from error
    except OSError as error:
        raise TaggingError(
            f"cannot lock {lock.lock_file}: {error.strerror or error}; {path.parent} must be a folder that may be written to "
            "(TAGGING_CACHE sets the one of the cache)"
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


def _is_in_place(lock: FileLock) -> bool:
    """Whether the locked file still has its name: the process that held the lock before may just have removed it."""
    descriptor = lock._context.lock_file_fd
    assert descriptor is not None
    try:
        return os.path.samestat(os.fstat(descriptor), Path(lock.lock_file).stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` if and only if the block succeeds.

    Args:
        path: the file to write; its folder is created if needed.

    Raises:
        TaggingError: the file cannot be written, for example because the disk is full.
    """
    # not mkstemp, which makes files that other users cannot read
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise TaggingError(
            f"cannot write {path}: {error.strerror or error}; check that {path.parent} may be written to and has space left"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in lower-case hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
