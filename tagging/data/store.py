"""A store: the sound of a corpus as int16 in a few large files, so that any stretch of it is read without decoding.

Each file, a *shard*, holds whole tracks, one after another, a SHA-256 for every second of sound, and an index that is sealed by
a SHA-256 of its own. A block of sound is checked when a process first reads it. The name of a track decides in which shard it
is: a new track changes one shard. Book: ``book/recipe``.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import mmap
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import AudioError, CorpusError
from ..utils.files import DamagedError, cache_dir

# Samples under one SHA-256: a segment of 3 s reads and checks one more block than it needs.
BLOCK = 2**14
# Every shard that is read keeps a file open, of which many systems allow 1,024.
MAX_SHARDS = 512
_SHARD = re.compile(r"\d{4}-of-\d{4}\.tracks")
FOOTER = struct.Struct("<16sQQ32s")  # mark; numbers of samples and of hashes; SHA-256 of all that follows the sound
MARK = b"tagging store 1\n"
HASH = hashlib.sha256().digest_size
Status = tuple[int, int]  # size of a file, time of its last change in ns
_MISSING: Status = (-1, -1)


class Entry(NamedTuple):
    """A track in a shard: its file as it was, the duration its header declares, and where its samples and hashes begin."""

    status: Status
    seconds: float
    first: int
    samples: int
    first_hash: int


class Shard:
    """One file of a store.

    Raises:
        DamagedError: it is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            mark, samples, hashes, digest = FOOTER.unpack(self._memory[size - FOOTER.size :])
            end = size - HASH
            if mark != MARK or hashlib.sha256(memoryview(self._memory)[2 * samples : end]).digest() != digest:
                raise ValueError("its index does not match its checksum")
            start = 2 * samples + HASH * hashes
            index = json.loads(self._memory[start : size - FOOTER.size])
        except (OSError, ValueError, struct.error) as error:
            raise DamagedError(path, f"{error}; `tagging prepare` makes it again") from error
        self.sample_rate: int = index["sample_rate"]
        self.tracks = {name: Entry(tuple(entry[0]), *entry[1:]) for name, entry in index["tracks"].items()}
        self.failed = {name: (tuple(status), message) for name, (status, message) in index["failed"].items()}
        self._sound = np.frombuffer(self._memory, "<i2", samples)
        self._hashes, self._is_checked = 2 * samples, bytearray(hashes)

    def read(self, name: str, first: int, last: int) -> np.ndarray:
        """int16 samples ``first`` up to ``last`` of a track.

        Raises:
            DamagedError: they do not match their checksum.
        """
        entry = self.tracks[name]
        last = min(last, entry.samples)
        for block in range(first // BLOCK, -(-last // BLOCK)):
            if not self._is_checked[entry.first_hash + block]:
                self._check(name, entry, block)
        return self._sound[entry.first + first : entry.first + last].astype(np.int16)

    def _check(self, name: str, entry: Entry, block: int) -> None:
        start, number = 2 * entry.first, entry.first_hash + block
        part = slice(start + 2 * block * BLOCK, start + 2 * min((block + 1) * BLOCK, entry.samples))
        at = self._hashes + HASH * number
        if hashlib.sha256(memoryview(self._memory)[part]).digest() != self._memory[at : at + HASH]:
            second = block * BLOCK / self.sample_rate
            raise DamagedError(self.path, f"track {name} near {second:.0f} s; `tagging prepare` makes it again")
        self._is_checked[number] = 1

    def pieces(self, name: str) -> Iterator[np.ndarray]:
        """All of a track, checked again."""
        entry = self.tracks[name]
        for block in range(-(-entry.samples // BLOCK)):
            self._check(name, entry, block)
            yield self.read(name, block * BLOCK, (block + 1) * BLOCK)


# The splits of a corpus, and processes forked later, share what is open.
@functools.lru_cache(maxsize=2 * MAX_SHARDS)
def _shard(path: Path, status: Status, inode: int) -> Shard:
    return Shard(path)


def open_shard(path: Path) -> Shard:
    """A shard as it is now; opened once in a process.

    Raises:
        DamagedError: it is not whole.
    """
    try:
        return _shard(path, status_of(path), path.stat().st_ino)
    except OSError as error:
        raise DamagedError(path, error.strerror or error) from error


class Store:
    """Sound of tracks, by the paths of their files.

    Args:
        folder: of the store.
        root: of the corpus: files below it are known by their path from there, so that it can be moved with its times of
            change.

    Raises:
        CorpusError: there is no store.
        DamagedError: a shard is not whole.
    """

    def __init__(self, folder: str | Path, root: str | Path | None = None) -> None:
        self.folder, self._root = Path(folder).expanduser(), root
        self._tracks: dict[str, Shard] = {}
        self.failed: dict[str, tuple[Status, str]] = {}
        paths = list_shards(self.folder)
        if not paths:
            raise CorpusError(
                f"{self.folder}: no store of sound in this folder; `tagging prepare` writes one with --store"
            )
        for path in paths:
            shard = open_shard(path)
            self.sample_rate = shard.sample_rate
            self.failed |= shard.failed
            for name, entry in shard.tracks.items():
                # twice while a store gets another number of shards: the newer one
                if name not in self._tracks or self._tracks[name].tracks[name].status[1] < entry.status[1]:
                    self._tracks[name] = shard
        self._located: dict[Path, tuple[Shard, str] | None] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.folder, self._root)  # a process that is not forked maps the files itself

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def seconds_stored(self) -> float:
        """Duration of all that is stored."""
        return sum(shard.tracks[name].samples for name, shard in self._tracks.items()) / self.sample_rate

    def shard_of(self, path: Path) -> tuple[Shard, str] | None:
        """Where a track is, and its name there; None if it is not stored, or its file has changed since."""
        if path not in self._located:
            name = name_of(path, self._root)
            shard = self._tracks.get(name)
            is_current = shard is not None and shard.tracks[name].status == status_of(path)
            self._located[path] = (shard, name) if shard is not None and is_current else None
        return self._located[path]

    def seconds(self, path: Path) -> float | None:
        """The duration that the header of a file declares; None if it is not stored."""
        located = self.shard_of(path)
        return None if located is None else located[0].tracks[located[1]].seconds

    def read(self, path: Path, start: float, seconds: float | None) -> np.ndarray | None:
        """int16 [samples]: a stretch of a track; None if it is not stored.

        Raises:
            AudioError: it ends before ``start``.
            DamagedError: the store is damaged here.
        """
        located = self.shard_of(path)
        if located is None or not (0 <= start < math.inf and (seconds is None or seconds > 0)):
            return None
        shard, name = located
        first, samples = round(start * self.sample_rate), shard.tracks[name].samples
        if first >= samples:
            raise AudioError(
                f"{path}: cannot start at {start:g} s, the file is {samples / self.sample_rate:.3f} s long"
            )
        return shard.read(name, first, samples if seconds is None else first + round(seconds * self.sample_rate))

    def names(self) -> dict[str, float]:
        """Names of the tracks -> seconds that their headers declare."""
        return {name: shard.tracks[name].seconds for name, shard in self._tracks.items()}


def list_shards(folder: Path) -> list[Path]:
    """The files of a store; none where there is no store."""
    return sorted(path for path in folder.glob("*.tracks") if _SHARD.fullmatch(path.name))


def status_of(path: Path) -> Status:
    """Size and time of the last change of a file, by which a change is noticed."""
    try:
        status = path.stat()
    except OSError:
        return _MISSING
    return status.st_size, status.st_mtime_ns


def name_of(path: Path, root: str | Path | None) -> str:
    """By which a store knows a file: its path below the root, or its absolute path."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolving links would look at every folder above
    if root is not None:
        with contextlib.suppress(ValueError):
            return absolute.relative_to(os.path.abspath(Path(root).expanduser())).as_posix()  # noqa: PTH100
    return absolute.as_posix()


def default_folder(corpus: str, root: str | Path | None, sample_rate: int) -> Path:
    """Where in the cache the store of a corpus is looked for."""
    real = "" if root is None else os.path.realpath(Path(root).expanduser())
    return cache_dir("stores") / f"{corpus}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}-{sample_rate}"
