"""Write a store: see :mod:`tagging.data.store`. Resumed by the same call, and brought up to date by it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..audio.files import AudioFile
from ..errors import AudioError, ConfigError, CorpusError, TaggingError
from ..utils.files import DamagedError, atomic_write, check_writable, locked
from ..utils.parallel import ProgressCallback, parallel_map
from ..utils.text import some
from .base import CORPORA, as_int16, open_corpus
from .download import check_space
from .store import (
    BLOCK,
    FOOTER,
    HASH,
    MARK,
    MAX_SHARDS,
    Entry,
    Shard,
    Status,
    Store,
    default_folder,
    list_shards,
    name_of,
    open_shard,
    status_of,
)

# A killed process loses the shards it was at.
_SHARD_BYTES = 2**27
_FAILED = "failed.txt"


def write_store(
    corpus: str, folder: str | Path | None = None, *, workers: int | None = None, progress: bool = True, **options: Any
) -> Store:
    """Write the sound of all splits of a corpus of recordings to a store, or bring a store up to date.

    What is there is checked and kept: only tracks that are new, changed or damaged are decoded, so that the same call resumes
    after any end. Files that cannot be read are listed in ``failed.txt``.

    Args:
        corpus: a registered name.
        folder: of the store; by default in the cache, where :func:`tagging.open_corpus` looks for it.
        workers: processes; by default one for each core.
        progress: show a bar, and say what was done, on standard error.
        options: that the corpus is opened with, such as ``root`` and ``sample_rate``.

    Raises:
        ConfigError: not a corpus of recordings, or the folder holds sound of another sample rate.
        CorpusError: none of the files can be read.
        TaggingError: no room, or another process writes this store.
    """
    from tqdm import tqdm

    splits = _open_splits(corpus, options)
    root, rate = options.get("root"), splits[0].sample_rate
    target = Path(folder).expanduser() if folder else default_folder(splits[0].name, root, rate)
    check_writable(target)
    with locked(target / "store", wait=False):
        shards = {path: shard for path in list_shards(target) if (shard := _undamaged(path)) is not None}
        if other := {shard.sample_rate for shard in shards.values()} - {rate}:
            raise ConfigError(f"{target}: a store of {other.pop()} Hz, not of {rate} Hz; choose another folder")
        paths, seconds = _tracks(splits, shards.values(), root)
        plan = _plan(paths, sum(seconds.values()) * 2 * rate, target)
        stored = {name: shard for shard in shards.values() for name in shard.tracks}
        made = {number for number, (path, names) in enumerate(plan) if not _is_current(shards.get(path), names, paths)}
        needed = sum(seconds[name] for number in made for name in plan[number][1]) * 2 * rate
        check_space(target, round(needed), f"a store of {len(paths):,} tracks")

        def work(number: int, report: ProgressCallback) -> int:
            path, names = plan[number]
            if number in made or not _is_whole(shards[path]):
                with atomic_write(path) as part, open(part, "wb") as out:
                    writer = _Writer(out, rate)
                    for name in names:
                        writer.add_track(name, paths[name], stored.get(name))
                        report(1)
                    writer.close()
            else:
                report(len(names))
            return number

        with tqdm(total=len(paths), desc="storing", unit="track", disable=not progress) as bar:
            for _ in parallel_map(work, range(len(plan)), workers or os.cpu_count() or 1, bar.update):
                pass
        for path in set(list_shards(target)) - {path for path, _ in plan}:
            path.unlink()
        store = Store(target, root)
        unreadable = {name: message for name, (_, message) in store.failed.items()}
        unreadable |= getattr(splits[0], "unreadable", {})
        _list_failed(target / _FAILED, unreadable)
    if not len(store):
        raise CorpusError(
            f"{corpus}: none of {len(paths):,} files can be read; the first: {next(iter(unreadable.values()))}"
        )
    if progress:
        size = sum(path.stat().st_size for path in list_shards(target))
        print(
            f"{target}: {len(store):,} tracks, {store.seconds_stored / 3600:,.1f} h, {size / 1e6:,.0f} MB",
            file=sys.stderr,
        )
        if unreadable:
            listed = f"{len(unreadable):,} files cannot be read, listed in {target / _FAILED}"
            print(f"{listed}: {some(list(unreadable))}", file=sys.stderr)
    return store


def _open_splits(name: str, options: Mapping[str, Any]) -> list[Any]:
    """The corpus of recordings in all its splits; of a dataset whose annotations are there in part, those that open."""
    factory = CORPORA.get(name)
    if not hasattr(factory, "use_store"):
        raise ConfigError(f"{name}: a store is for corpora of recordings, whose sound is in files")
    opened: list[Any] = [open_corpus(name, store=False, **options)]
    for split in opened[0].splits or ():
        if split != opened[0].split and "split" not in options:
            with contextlib.suppress(TaggingError):
                opened.append(open_corpus(name, store=False, split=split, **options))
    return opened


def _tracks(
    splits: Iterable[Any], shards: Iterable[Shard], root: str | Path | None
) -> tuple[dict[str, Path], dict[str, float]]:
    """Paths and durations by name: of the corpus, and of what is stored already, unless its file is gone or has changed."""
    paths: dict[str, Path] = {}
    seconds: dict[str, float] = {}
    for shard in shards:
        for name, entry in shard.tracks.items():
            path = Path(root or "").expanduser() / name
            if status_of(path) == entry.status:
                paths[name], seconds[name] = path, entry.seconds
    for corpus in splits:
        names = [name_of(path, root) for path in corpus.paths]
        new = [row for row, name in enumerate(names) if name not in seconds]
        for row, duration in zip(new, corpus.durations(np.array(new, np.int64)).tolist(), strict=True):
            paths[names[row]], seconds[names[row]] = corpus.paths[row], duration
    return paths, seconds


def _plan(paths: Mapping[str, Path], num_bytes: float, folder: Path) -> list[tuple[Path, list[str]]]:
    """Shards and the names of their tracks. Their number is a power of two, so that it seldom changes."""
    count = min(1 << max(0, math.ceil(math.log2(max(1.0, num_bytes / _SHARD_BYTES)))), MAX_SHARDS)
    shards: dict[int, list[str]] = {}
    for name in sorted(paths):
        number = int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") % count
        shards.setdefault(number, []).append(name)
    return [(folder / f"{number:04d}-of-{count:04d}.tracks", names) for number, names in sorted(shards.items())]


def _undamaged(path: Path) -> Shard | None:
    try:
        return open_shard(path)
    except DamagedError:
        return None


def _is_current(shard: Shard | None, names: list[str], paths: Mapping[str, Path]) -> bool:
    """Whether a shard holds these tracks, from files as they are now, and no others."""
    if shard is None:
        return False
    known = {name: entry.status for name, entry in shard.tracks.items()}
    known |= {name: status for name, (status, _) in shard.failed.items()}
    return known == {name: status_of(paths[name]) for name in names}


def _is_whole(shard: Shard) -> bool:
    try:
        return all(len(piece) for name in shard.tracks for piece in shard.pieces(name))
    except DamagedError:
        return False


def _list_failed(path: Path, unreadable: Mapping[str, str]) -> None:
    if not unreadable:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as part:
        lines = [f"{name}: {message}" for name, message in sorted(unreadable.items())]
        part.write_text("\n".join([*lines, ""]), encoding="utf-8", errors="backslashreplace")


class _Writer:
    """Writes one shard, track by track, in the memory of some seconds of sound."""

    def __init__(self, out: BinaryIO, sample_rate: int) -> None:
        self._out, self._rate = out, sample_rate
        self._samples, self._hashes = 0, bytearray()
        self._tracks: dict[str, Entry] = {}
        self._failed: dict[str, tuple[Status, str]] = {}

    def add_track(self, name: str, path: Path, stored: Shard | None) -> None:
        """Copy a track from an older shard, where its file is as it was, or else decode it."""
        status = status_of(path)
        if stored is not None and stored.tracks[name].status == status:
            with contextlib.suppress(DamagedError):  # decoded again
                self._add(name, status, stored.tracks[name].seconds, stored.pieces(name))
                return
        try:
            with AudioFile(path) as file:
                seconds = file.seconds
                self._add(name, status, seconds, _decoded(file, self._rate))
            if status_of(path) != status:
                self._failed[name] = (status, f"{path}: was changed while it was read; run the same command again")
                self._remove(name)
        except AudioError as error:
            self._failed[name] = (status, str(error))

    def _add(self, name: str, status: Status, seconds: float | None, pieces: Iterable[np.ndarray]) -> None:
        first, first_hash, pending = self._samples, len(self._hashes) // HASH, bytearray()
        self._tracks[name] = Entry(status, seconds or 0.0, first, 0, first_hash)
        try:
            for piece in pieces:
                pending += piece.astype("<i2").tobytes()
                while len(pending) >= 2 * BLOCK:
                    self._write(pending[: 2 * BLOCK])
                    del pending[: 2 * BLOCK]
            if pending:
                self._write(pending)
        except TaggingError:
            self._remove(name)
            raise
        samples = self._samples - first
        self._tracks[name] = Entry(
            status, samples / self._rate if seconds is None else seconds, first, samples, first_hash
        )

    def _write(self, block: bytearray) -> None:
        self._out.write(block)
        self._samples += len(block) // 2
        self._hashes += hashlib.sha256(block).digest()

    def _remove(self, name: str) -> None:
        """Take back the track that was written last."""
        entry = self._tracks.pop(name)
        self._out.seek(2 * entry.first)
        self._out.truncate()
        self._samples = entry.first
        del self._hashes[HASH * entry.first_hash :]

    def close(self) -> None:
        """Write hashes, index and footer."""
        index = {"sample_rate": self._rate, "tracks": self._tracks, "failed": self._failed}
        tail = bytes(self._hashes) + json.dumps(index).encode()
        tail += FOOTER.pack(MARK, self._samples, len(self._hashes) // HASH, bytes(HASH))[:-HASH]
        self._out.write(tail + hashlib.sha256(tail).digest())


def _decoded(file: AudioFile, sample_rate: int) -> Iterator[np.ndarray]:
    """int16 blocks of a sound file, as training would read them."""
    try:
        for block in file.blocks(sample_rate):
            yield as_int16(block, file.name)
    except OSError as error:  # of the disk it lies on; not to be taken for one of the store's
        raise AudioError(f"{file.name}: cannot be read ({error.strerror or error})") from error
