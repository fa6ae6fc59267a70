"""Unpack published archives: nothing outside the folder, no links, file by file, continued after a break.

Book: ``book/million_clips``.
"""

from __future__ import annotations

import bisect
import contextlib
import io
import lzma
import os
import secrets
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import numpy as np

from ..errors import CorpusError, DownloadError
from .download import check_space


class Member(NamedTuple):
    """A file in an archive: its name, its size in bytes, and a function that opens it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


class JoinedFiles(io.RawIOBase):
    """Several files read as if they stood in one: an archive that was cut into parts needs no second copy on the disk."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [open(path, "rb") for path in paths]  # noqa: SIM115 - closed by close()
        self._starts = np.cumsum([0, *(path.stat().st_size for path in paths)]).tolist()
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}[whence])
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        number = bisect.bisect_right(self._starts, self._at) - 1
        if number >= len(self._files):
            return 0
        view = memoryview(buffer).cast("B")[: self._starts[number + 1] - self._at]
        self._files[number].seek(self._at - self._starts[number])
        count = self._files[number].readinto(view)
        self._at += count
        return count

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


def unpack(archives: Sequence[Path], folder: Path, *, progress: bool = True) -> list[str]:
    """Unpack a zip or tar archive.

    A file gets its name only when it is whole; one that is there with the right size is kept. A damaged member does not stop
    the others.

    Args:
        archives: one archive, or the parts of one zip file in order.
        folder: to unpack into.
        progress: show a progress bar on standard error.

    Returns:
        Names of members that are damaged, with the reason; usually empty.

    Raises:
        CorpusError: no archive, one that ends early, or a member that would land outside the folder.
        DownloadError: the disk is full.
    """
    from tqdm import tqdm

    name = archives[0].name
    damaged: list[str] = []
    try:
        with _members(archives, folder) as members, tqdm(desc=name, unit=" files", disable=not progress) as bar:
            for member in members:
                target = folder / _checked(member.name, name)
                if not (target.is_file() and target.stat().st_size == member.size):
                    check_space(folder, member.size, f"{name}, {member.name}")
                    try:
                        _extract(member, target)
                    # OSError: what bz2 and gzip say of bytes they cannot read; failed writes are DownloadErrors
                    except (
                        zipfile.BadZipFile,
                        zlib.error,
                        lzma.LZMAError,
                        EOFError,
                        OSError,
                        NotImplementedError,
                    ) as error:
                        damaged.append(f"{member.name}: {error}")
                bar.update()
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CorpusError(
            f"{archives[0]}: damaged, or not whole ({error}); files that were unpacked before are kept. Delete the archive and "
            "fetch it again"
        ) from error
    return damaged


def _checked(name: str, archive: str) -> PurePosixPath:
    """The name of a member as a path that stays inside the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or not path.parts or ".." in path.parts or ":" in path.parts[0]:
        raise CorpusError(f"{archive}: its member {name!r} would land outside the folder; nothing of it is unpacked")
    return path


@contextlib.contextmanager
def _members(archives: Sequence[Path], folder: Path) -> Iterator[Iterator[Member]]:
    with contextlib.ExitStack() as stack:
        joined = stack.enter_context(io.BufferedReader(JoinedFiles(archives), 2**18))
        if zipfile.is_zipfile(joined):
            yield _zip_members(stack.enter_context(zipfile.ZipFile(joined)), archives[0].name, folder)
        elif len(archives) == 1:
            yield _tar_members(stack.enter_context(tarfile.open(archives[0])), folder)
        else:
            raise CorpusError(f"{archives[0]}: this and the {len(archives) - 1} parts after it make no zip file")


def _zip_members(archive: zipfile.ZipFile, name: str, folder: Path) -> Iterator[Member]:
    files = [info for info in archive.infolist() if not info.is_dir()]
    for info in files:
        _checked(info.filename, name)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise CorpusError(f"{name}: its member {info.filename!r} is a link; nothing of it is unpacked")
    missing = [info.file_size for info in files if not (folder / info.filename).exists()]
    check_space(folder, sum(missing), f"unpacking {name}")
    for info in files:
        yield Member(info.filename, info.file_size, lambda info=info: archive.open(info))  # type: ignore[misc]


def _tar_members(archive: tarfile.TarFile, folder: Path) -> Iterator[Member]:
    for info in archive:
        if info.isdir():
            continue
        try:
            if not info.isreg():
                raise CorpusError(f"a {'link' if info.issym() or info.islnk() else 'device'}")
            tarfile.data_filter(info, str(folder))
        except (tarfile.FilterError, CorpusError) as error:
            raise CorpusError(f"{archive.name!s}: its member {info.name!r} is refused ({error})") from error
        yield Member(info.name, info.size, lambda info=info: archive.extractfile(info))  # type: ignore[misc,arg-type]


def _extract(member: Member, target: Path) -> None:
    part = target.with_name(f".{target.name}-{secrets.token_hex(4)}.part")
    try:
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            out = open(part, "wb")  # noqa: SIM115 - closed below
        with out, member.open() as source:
            while chunk := source.read(2**20):
                with _writing(target):
                    out.write(chunk)
            with _writing(target):
                out.flush()
        if part.stat().st_size != member.size:
            raise EOFError(f"{part.stat().st_size:,} of {member.size:,} bytes")
        part.replace(target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"cannot write {target}: {error.strerror or error}; make room, then run the same command again to go on"
        ) from error
