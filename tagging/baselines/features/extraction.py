"""Features of many tracks: in parallel, and cached block by block. Book: ``book/baseline``."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...data.base import Corpus, Track
from ...errors import ConfigError, TaggingError
from ...utils.arrays import read_array, write_array
from ...utils.files import DamagedError, cache_dir, check_writable
from ...utils.parallel import ProgressCallback, parallel_map
from .descriptors import VERSION, describe, feature_names

# Tracks in one file of the cache: some 20 s of work, which each worker loses when it is killed.
BLOCK = 200


@dataclass(frozen=True)
class Descriptor:
    """What makes a vector of a sound.

    Attributes:
        name: what its vectors are cached under; it changes whenever they do.
        size: length of a vector.
        describe: int16 or float32 [samples] and their rate in Hz -> finite float32 [size].
    """

    name: str
    size: int
    describe: Callable[[np.ndarray, int], np.ndarray]


def hand_made() -> Descriptor:
    """The hand-made features, for the trees and for probes."""
    return Descriptor(str(VERSION), len(feature_names()), describe)


@dataclass(frozen=True)
class Features:
    """Features and labels of some tracks.

    Attributes:
        values: float32 [clips, features], in the order of :func:`~tagging.baselines.features.descriptors.feature_names`.
        labels: float32 [clips, tags], nan where unknown.
        groups: str [clips]: the group of each track.
        indices: int64 [clips]: index of each track in the corpus.
        failed: track -> message, for tracks that could not be read; they have no row.
    """

    values: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    indices: np.ndarray
    failed: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)


def extract(
    corpus: Corpus,
    indices: Sequence[int] | np.ndarray,
    *,
    seconds: float | None = None,
    starts: Sequence[float] | np.ndarray | None = None,
    workers: int | None = None,
    cache: bool = True,
    progress: bool = True,
    descriptor: Descriptor | None = None,
) -> Features:
    """Vectors of tracks as ``Track.read`` returns them; of the ``sheet-music`` corpus with degradations.

    Finished blocks of 200 tracks are cached by index. So a second call continues where the first was killed, and the first
    1,000 clips of a corpus of 10,000 are shared with a corpus of 1,000.

    Args:
        corpus: where the tracks come from.
        indices: index of each track; may repeat, with other ``starts``.
        seconds: how much of each track to read, as far as it lasts; by default all. The labels are those of the track.
        starts: where to begin, in seconds; by default 0.
        workers: number of processes; by default one for each core.
        cache: use the cache.
        progress: show a progress bar on standard error.
        descriptor: what makes the vectors; by default the hand-made features.

    Raises:
        ConfigError: an argument outside what is allowed.
        TaggingError: a worker process died, or the cache cannot be written. Finished blocks are kept.

    Book: ``book/baseline``.
    """
    indices = np.asarray(indices, np.int64)
    starts = np.zeros(len(indices)) if starts is None else np.asarray(starts, np.float64)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if indices.ndim != 1 or len(indices) == 0 or starts.shape != indices.shape:
        raise ConfigError(
            f"indices {indices.shape}, starts {starts.shape}: give two vectors of the same length, at least 1"
        )
    if not (indices.min() >= 0 and indices.max() < len(corpus)):
        raise ConfigError(f"indices from {indices.min()} to {indices.max()}: the corpus has {len(corpus)} tracks")
    if workers < 1 or (seconds is not None and seconds <= 0):
        raise ConfigError(f"workers={workers}, seconds={seconds}: both must be positive")
    descriptor = descriptor or hand_made()
    plan = _Plan(corpus, indices, starts, seconds, _folder(corpus, seconds, descriptor) if cache else None, descriptor)
    from tqdm import tqdm

    blocks = plan.blocks()
    if plan.folder is not None and not all(plan.path(block).exists() for block in blocks):
        check_writable(plan.folder)
    if len(blocks) > 1 and workers > 1:
        # the first track in this process, so that workers share imported libraries, compiled code and tables
        _ = _Plan(corpus, indices[:1], starts[:1], seconds, None, descriptor).make(blocks[0], lambda steps: None)
    with tqdm(total=len(indices), desc="features", unit="clip", disable=not progress) as bar:
        rows = dict(parallel_map(plan.make, blocks, workers, bar.update))
    return _joined(plan, rows)


def _folder(corpus: Corpus, seconds: float | None, descriptor: Descriptor) -> Path:
    length = "whole" if seconds is None else f"{seconds:g}s"
    return cache_dir("features", re.sub(r"[^\w.-]", "_", f"{corpus.cache_name}-{length}-{descriptor.name}"))


@dataclass(frozen=True)
class _Rows:
    """The readable rows of one block; ``positions`` are indices into the rows asked for."""

    positions: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    groups: list[str]
    failed: dict[int, str]


@dataclass(frozen=True)
class _Plan:
    """The rows asked for, and the folder of cached rows."""

    corpus: Corpus
    indices: np.ndarray
    starts: np.ndarray
    seconds: float | None
    folder: Path | None
    descriptor: Descriptor

    def blocks(self) -> list[int]:
        return np.unique(self.indices // BLOCK).tolist()

    def path(self, block: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{block:06d}.npy"

    def make(self, block: int, progress: ProgressCallback) -> _Rows:
        """All rows of a block, from the cache where possible; reports each row."""
        cached = self._load(block)
        size = len(cached)
        positions: list[int] = []
        values: list[np.ndarray] = []
        labels: list[np.ndarray] = []
        groups: list[str] = []
        failed: dict[int, str] = {}
        for position in np.flatnonzero(self.indices // BLOCK == block).tolist():
            index, start = int(self.indices[position]), float(self.starts[position])
            try:
                track = self.corpus[index]
                track_labels = np.asarray(track.labels, np.float32)
                key = _key(track.id, track.group, start, track_labels)
                if key not in cached:
                    cached[key] = self._describe(track, start)
            except TaggingError as error:
                failed[index] = str(error)
            else:
                positions.append(position)
                values.append(cached[key])
                labels.append(track_labels)
                groups.append(track.group)
            progress(1)
        if len(cached) > size:
            self._save(block, cached)
        return _Rows(
            positions=np.array(positions, np.int64),
            values=np.array(values, np.float32).reshape(-1, self.descriptor.size),
            labels=np.array(labels, np.float32).reshape(-1, len(self.corpus.vocabulary)),
            groups=groups,
            failed=failed,
        )

    def _describe(self, track: Track, start: float) -> np.ndarray:
        seconds = None if self.seconds is None else min(self.seconds, track.seconds - start)
        return self.descriptor.describe(track.read(start, seconds), self.corpus.sample_rate)

    def _load(self, block: int) -> dict[int, np.ndarray]:
        """Cached rows of a block by key; none if the file is missing or damaged."""
        if self.folder is None:
            return {}
        try:
            rows = read_array(self.path(block))
            # features are finite: what else can be told of a file of an earlier version, which has no checksum
            if rows.dtype == self._row_type() and rows.ndim == 1 and np.isfinite(rows["values"]).all():
                return dict(zip(rows["key"].tolist(), rows["values"], strict=True))
        except DamagedError:
            pass  # or missing: made again
        return {}

    def _save(self, block: int, cached: dict[int, np.ndarray]) -> None:
        if self.folder is None:
            return
        rows = np.empty(len(cached), self._row_type())
        rows["key"], rows["values"] = list(cached), np.array(list(cached.values()))
        write_array(self.path(block), rows)

    def _row_type(self) -> np.dtype:
        return np.dtype([("key", "<u8"), ("values", "<f4", (self.descriptor.size,))])


def _key(name: str, group: str, start: float, labels: np.ndarray) -> int:
    """The key of a cached row. Not the index alone: corpora of one version may differ in their compositions."""
    text = f"{name}\n{group}\n{start!r}\n".encode() + labels.tobytes()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _joined(plan: _Plan, rows: dict[int, _Rows]) -> Features:
    blocks = [rows[number] for number in plan.blocks()]
    positions = np.concatenate([block.positions for block in blocks])
    order = np.argsort(positions)
    return Features(
        values=np.concatenate([block.values for block in blocks])[order],
        labels=np.concatenate([block.labels for block in blocks])[order],
        groups=np.array([group for block in blocks for group in block.groups], str)[order],
        indices=plan.indices[positions[order]],
        failed={index: message for block in blocks for index, message in block.failed.items()},
    )
