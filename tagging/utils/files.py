"""Where downloaded and built files live, and how they get there whole or not at all."""

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
    """The folder for this package's files, created if needed.

    ``TAGGING_CACHE`` if that is set, else the user's cache directory of the platform.

    Raises:
        TaggingError: the folder cannot be created or written to.
    """
    root = os.environ.get("TAGGING_CACHE")
    if not root:
        # imported here: a machine that sets TAGGING_CACHE need not have platformdirs
        import platformdirs

        root = platformdirs.user_cache_dir("music-tagging-at-scale", appauthor=False)
    folder = Path(root).expanduser().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # a read-only folder shows only when written to: permission bits say nothing about mounts or quotas
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
    """Hold a lock beside ``path``, so that one process makes a file or folder while others wait for it, or go away.

    Raises:
        TaggingError: the lock cannot be taken, for example because it belongs to another user; or without ``wait``,
            because another process has it.
    """
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=-1 if wait else 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise TaggingError(
            f"another process is at work on {path}; wait until it is done, or choose another place"
        ) from error
    except OSError as error:
        raise TaggingError(
            f"cannot lock {lock.lock_file}: {error.strerror or error}; remove it, or choose another folder "
            "(that of the cache is set by TAGGING_CACHE)"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, made if needed; it becomes ``path`` if and only if the block succeeds.

    Raises:
        TaggingError: the file cannot be written, for example because the disk is full.
    """
    # not mkstemp, whose files nobody else may read: a finished file has the permissions of any other new one
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
    """SHA-256 of a file, as lower-case hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
