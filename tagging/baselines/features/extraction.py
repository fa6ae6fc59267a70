"""Features of many clips: in parallel, block by block, and never twice. Book: ``book/baseline``."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...data.base import Corpus
from ...errors import ConfigError, TaggingError
from ...utils.files import atomic_write, cache_dir
from ...utils.parallel import ProgressCallback, parallel_map
from .descriptors import VERSION, describe, feature_names

# Tracks of one file of the cache: some twenty seconds of work, which is what a kill can lose for each worker.
BLOCK = 200


@dataclass(frozen=True)
class Features:
    """Features and labels of some clips.

    Attributes:
        values: float32 [clips, features], in the order of :func:`~tagging.baselines.features.descriptors.feature_names`.
        labels: float32 [clips, tags], nan where unknown.
        groups: str [clips]: what may not cross a split.
        indices: int64 [clips]: which track of the corpus each row is.
        failed: for tracks that could not be read, their index and why; they have no row.

    Book: ``book/baseline``.
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
) -> Features:
    """Features of tracks as ``Track.read`` gives them, which for ``scores`` is with its degradations.

    Finished blocks of 200 tracks are kept in the cache, by index: a second call continues where a first one was killed,
    and the first thousand clips of a corpus of ten thousand cost nothing once the corpus of one thousand is done.

    Args:
        corpus: where the tracks come from.
        indices: which tracks; one may be named several times, with other ``starts``.
        seconds: how much of each track, or what there is of it; by default all of it. The labels are those of the track.
        starts: where to begin, in seconds; by default at 0.
        workers: processes; by default one for each core.
        cache: look for finished blocks, and keep new ones.
        progress: show a progress bar on standard error.

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
            f"indices {indices.shape}, starts {starts.shape}: one row of each, of equal length, at least one"
        )
    if not (indices.min() >= 0 and indices.max() < len(corpus)):
        raise ConfigError(f"indices from {indices.min()} to {indices.max()}: the corpus has {len(corpus)} tracks")
    if workers < 1 or (seconds is not None and seconds <= 0):
        raise ConfigError(f"workers={workers}, seconds={seconds}: both must be positive")
    plan = _Plan(corpus, indices, starts, seconds, _folder(corpus, seconds) if cache else None)
    from tqdm import tqdm

    blocks = plan.blocks()
    if len(blocks) > 1 and workers > 1:
        # done here, so that workers share what a first track needs: imported libraries, compiled code, tables
        _ = _Plan(corpus, indices[:1], starts[:1], seconds, None).make(blocks[0], lambda _: None)
    with tqdm(total=len(indices), desc="features", unit="clip", disable=not progress) as bar:
        made = dict(parallel_map(plan.make, blocks, workers, bar.update))
    return _joined(plan, made)


def _folder(corpus: Corpus, seconds: float | None) -> Path:
    degraded = "" if getattr(corpus, "degraded", True) else "-dry"
    length = "whole" if seconds is None else f"{seconds:g}s"
    name = f"{type(corpus).registered_name}-{corpus.version}{degraded}-{length}-{VERSION}"
    return cache_dir("features", re.sub(r"[^\w.-]", "_", name))


@dataclass(frozen=True)
class _Made:
    """What became of the rows of one block; ``values`` and ``labels`` are for the rows in ``places`` only."""

    places: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    groups: list[str]
    failed: dict[int, str]


@dataclass(frozen=True)
class _Plan:
    """What is asked for, and where finished rows are kept."""

    corpus: Corpus
    indices: np.ndarray
    starts: np.ndarray
    seconds: float | None
    folder: Path | None

    def blocks(self) -> list[int]:
        return np.unique(self.indices // BLOCK).tolist()

    def make(self, block: int, tick: ProgressCallback) -> _Made:
        """All rows of a block, from the cache where they are in it; ``tick`` is called for each row."""
        kept = self._load(block)
        known = len(kept)
        places, values, labels, groups, failed = [], [], [], [], {}
        for place in np.flatnonzero(self.indices // BLOCK == block):
            index = int(self.indices[place])
            try:
                track = self.corpus[index]
                truth = np.asarray(track.labels, np.float32)
                key = _key(track.id, track.group, float(self.starts[place]), truth)
                if key not in kept:
                    kept[key] = self._describe(track, float(self.starts[place]))
            except TaggingError as error:
                failed[index] = str(error)
            else:
                places.append(place)
                values.append(kept[key])
                labels.append(truth)
                groups.append(track.group)
            tick(1)
        if len(kept) > known:
            self._save(block, kept)
        tags = len(self.corpus.vocabulary)
        return _Made(
            places=np.array(places, np.int64),
            values=np.array(values, np.float32).reshape(-1, len(feature_names())),
            labels=np.array(labels, np.float32).reshape(-1, tags),
            groups=groups,
            failed=failed,
        )

    def _describe(self, track: Any, start: float) -> np.ndarray:
        seconds = None if self.seconds is None else min(self.seconds, track.seconds - start)
        return describe(track.read(start, seconds), self.corpus.sample_rate)

    def _path(self, block: int) -> Path:
        return self.folder / f"{block:06d}.npy"

    def _load(self, block: int) -> dict[int, np.ndarray]:
        """Finished rows of a block by key; none if the file is missing or damaged."""
        if self.folder is None:
            return {}
        try:
            rows = np.load(self._path(block), allow_pickle=False)
            if rows.dtype == _row_type():
                return dict(zip(rows["key"].tolist(), rows["values"], strict=True))
        except (OSError, ValueError, EOFError):
            pass  # it is made again
        return {}

    def _save(self, block: int, kept: dict[int, np.ndarray]) -> None:
        if self.folder is None:
            return
        rows = np.empty(len(kept), _row_type())
        rows["key"], rows["values"] = list(kept), np.array(list(kept.values()))
        with atomic_write(self._path(block)) as part, part.open("wb") as file:
            np.save(file, rows)


def _row_type() -> np.dtype:
    return np.dtype([("key", "<u8"), ("values", "<f4", (len(feature_names()),))])


def _key(name: str, group: str, start: float, labels: np.ndarray) -> int:
    """What a finished row is known by: not the index alone, since corpora of one version may differ in their compositions."""
    text = f"{name}\n{group}\n{start!r}\n".encode() + labels.tobytes()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _joined(plan: _Plan, made: dict[int, _Made]) -> Features:
    blocks = [made[number] for number in plan.blocks()]
    places = np.concatenate([block.places for block in blocks])
    order = np.argsort(places)
    return Features(
        values=np.concatenate([block.values for block in blocks])[order],
        labels=np.concatenate([block.labels for block in blocks])[order],
        groups=np.array([group for block in blocks for group in block.groups], str)[order],
        indices=plan.indices[places[order]],
        failed={index: message for block in blocks for index, message in block.failed.items()},
    )
