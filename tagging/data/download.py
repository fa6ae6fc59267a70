"""Fetch files that the owners of a dataset publish: continued after a break, checked by size and hash, never half used."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import DownloadError
from ..utils.files import atomic_write, locked

_CHUNK = 2**18
_RECEIPTS = ".downloads.json"


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        url: http or https.
        path: where it goes, relative to the root of the dataset.
        size: in bytes, as published and perhaps rounded; for the question whether the disk has room. 0: not published.
        digest: ``"<algorithm>:<hexadecimal>"`` as published, such as ``"sha1:ade1..."``; empty where none is.
        unpack: an archive, or a part of one (see :mod:`tagging.data.archives`).
        into: folder under the root into which it is unpacked.
    """

    url: str
    path: str
    size: int = 0
    digest: str = ""
    unpack: bool = False
    into: str = ""

    def from_mirror(self, mirror: str | None) -> RemoteFile:
        """The same file on another server: its path under ``mirror``, such as ``"https://mirror.example/music"``."""
        return self if not mirror else replace(self, url=mirror.rstrip("/") + urlsplit(self.url).path)


class Receipts:
    """What a folder holds whole and checked: path -> what is known about the file, in one JSON file that outlives archives."""

    def __init__(self, root: Path) -> None:
        self._path = root / _RECEIPTS
        try:
            self._known: dict[str, dict[str, Any]] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def __getitem__(self, path: str) -> dict[str, Any]:
        return self._known.get(path, {})

    def note(self, path: str, **facts: Any) -> None:
        """Add facts about a file, and write them down."""
        self._known[path] = {**self[path], **facts}
        with atomic_write(self._path) as part:
            part.write_text(json.dumps(self._known, indent=1), encoding="utf-8")


def check_space(root: Path, needed: int, what: str) -> None:
    """Raise DownloadError unless the disk of ``root`` has ``needed`` bytes left."""
    existing = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DownloadError(
            f"{what} needs {needed / 1e9:,.1f} GB, and the disk of {root} has {free / 1e9:,.1f} GB left: make room, or choose "
            "another folder; what is already there is kept"
        )


def fetch(
    file: RemoteFile, root: Path, *, progress: bool = True, timeout: float = 60.0, attempts: int = 6, pause: float = 2.0
) -> Path:
    """Fetch one file; a part that is there already is continued.

    The file gets its name only once it is whole and its hash is the published one. Every attempt that brings new bytes
    resets the count, so that a poor connection still ends with the file.

    Args:
        file: what to fetch.
        root: of the dataset.
        progress: show a progress bar on standard error.
        timeout: seconds of silence after which a connection is given up and opened again.
        attempts: how many in a row may bring nothing new.
        pause: seconds before the next attempt; doubled each time, up to a minute.

    Raises:
        DownloadError: no connection, a full disk, or a file that differs from the published one; the message says what to do.
    """
    target = root / file.path
    with locked(target):
        receipts = Receipts(root)
        if target.exists() and receipts[file.path].get("bytes") == target.stat().st_size:
            return target
        part = part_of(target)
        if target.exists():
            target.rename(part)  # put there by hand, not yet checked
            return _accept(file, part, target, receipts)
        if urlsplit(file.url).scheme not in ("http", "https"):
            raise DownloadError(f"{file.url}: not an http or https address")
        failures, most = 0, size_of(part)
        while True:
            try:
                _receive(file, part, timeout, progress)
                return _accept(file, part, target, receipts)
            except _WriteError as error:
                raise DownloadError(
                    f"cannot write {part}: {error}; {size_of(part):,} bytes are kept: make room, then run the same command again"
                ) from error
            except _BrokenError as error:
                failures = 0 if size_of(part) > most else failures + 1
                most = max(most, size_of(part))
                if failures >= attempts or error.final:
                    remainder = f"{size_of(part):,} bytes are kept in {part}; " if size_of(part) else ""
                    raise DownloadError(
                        f"{file.url}: {error}. {remainder}run the same command again to go on, or fetch the file by other means "
                        f"to {target}"
                    ) from error
                if progress:
                    print(f"{file.path}: {error}; trying again", file=sys.stderr)
                time.sleep(min(pause * 2 ** max(0, failures - 1), 60.0))


def part_of(target: Path) -> Path:
    """Where a file is kept until it is whole and checked."""
    return target.with_name(target.name + ".part")


class _BrokenError(Exception):
    """A connection that ended before the file did; ``final`` where trying again is useless."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def _receive(file: RemoteFile, part: Path, timeout: float, progress: bool) -> None:
    """Continue ``part`` over one connection, to the end of the file."""
    have, state = size_of(part), _State(part)
    headers = {"User-Agent": "music-tagging-at-scale", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if state.validator:
            headers["If-Range"] = state.validator  # a file that has changed is then sent from its start
    try:
        with urllib.request.urlopen(urllib.request.Request(file.url, headers=headers), timeout=timeout) as response:
            first, total = _range(response)
            if first not in (0, have) or (first and state.total not in (None, total)):
                part.unlink(missing_ok=True)
                raise _BrokenError("the server has another file than before, or sent another part of it than asked for")
            if total is None and not response.chunked and not file.digest:
                raise _BrokenError("the server does not say how long the file is, and no hash is published", final=True)
            state.note(total, response.headers)
            check_space(part.parent, max(0, (total or 0) - first), file.path)
            _copy(response, part, first, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:
            if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                return  # it was whole
            part.unlink()
            raise _BrokenError(
                "the server's file is shorter than the part that was here; it is fetched again"
            ) from error
        final = 400 <= error.code < 500 and error.code not in (408, 425, 429)
        raise _BrokenError(f"the server answered {error.code} {error.reason}", final=final) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"no connection, or a broken one ({getattr(error, 'reason', None) or error!r})") from error
    if total is not None and size_of(part) != total:
        raise _BrokenError(f"the connection ended after {size_of(part):,} of {total:,} bytes")


class _WriteError(Exception):
    """A write that failed, told apart from a read of the network, which raises the same class."""


def _copy(response: Any, part: Path, first: int, total: int | None, progress: bool) -> None:
    from tqdm import tqdm

    try:
        out = open(part, "ab" if first else "wb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise _WriteError(error.strerror or str(error)) from error
    with out, tqdm(total=total, initial=first, unit="B", unit_scale=True, desc=part.stem, disable=not progress) as bar:
        while chunk := response.read1(_CHUNK):
            try:
                out.write(chunk)
                out.flush()
            except OSError as error:
                raise _WriteError(error.strerror or str(error)) from error
            bar.update(len(chunk))


def _range(response: Any) -> tuple[int, int | None]:
    """First byte that is sent, and the length of the whole file."""
    length = response.headers.get("Content-Length")
    if response.status != 206:
        return 0, int(length) if length and length.isdecimal() else None
    unit, _, given = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = given.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or not start.isdecimal() or not total.isdecimal():
        raise _BrokenError("the server sent a part of the file without saying which", final=True)
    return int(start), int(total)


class _State:
    """What the server said of the file that ``part`` is a part of: its length, and its version for ``If-Range``."""

    def __init__(self, part: Path) -> None:
        self._path = part.with_name(part.name + ".json")
        self.validator: str | None = None
        self.total: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            known = json.loads(self._path.read_text(encoding="utf-8"))
            self.validator, self.total = known.get("validator"), known.get("total")

    def note(self, total: int | None, headers: Any) -> None:
        tag = headers.get("ETag") or ""
        # a weak tag promises the same meaning, not the same bytes
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
        with atomic_write(self._path) as file:
            file.write_text(json.dumps({"validator": validator, "total": total}), encoding="utf-8")

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _accept(file: RemoteFile, part: Path, target: Path, receipts: Receipts) -> Path:
    """Give the whole file its name, if its hash is the published one."""
    if file.digest:
        algorithm, _, published = file.digest.partition(":")
        with open(part, "rb") as data:
            actual = hashlib.file_digest(data, algorithm).hexdigest()
        if actual != published:
            wrong = target.with_name(target.name + ".wrong")
            part.replace(wrong)
            _State(part).forget()
            raise DownloadError(
                f"{file.url}: {algorithm} {actual}, where {published} is published: damaged on the way, or another file. It is "
                f"kept as {wrong}; delete it and run the same command again to fetch it from the start"
            )
    part.replace(target)
    _State(part).forget()
    receipts.note(file.path, bytes=target.stat().st_size, digest=file.digest)
    return target
