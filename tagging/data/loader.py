"""Training batches from worker processes, the same for any number of workers.

Workers write into memory they share with the training process, so a batch is copied once and never pickled. A worker that
is stuck is ended, with an error that names the clip. Book: ``book/million_clips``.
"""

from __future__ import annotations

import functools
import math
import mmap
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError, CorpusError, TaggingError
from ..utils.parallel import CONTEXT, FORKS, Pool, WorkerError
from .base import Corpus, Segment

# Batches each worker may be ahead of the training loop.
_LOOK_AHEAD = 3
# A stream begins if one of the first tracks is readable: of the first 50, or of the first 5 % where these are more, which is
# the share of tracks a training run may miss.
_FIRST_TRACKS, _FIRST_SHARE = 50, 0.05
# Random starts lie on multiples of so many samples.
_GRID = 64
_BETWEEN_CLIPS = -1


class NothingReadableError(CorpusError):
    """None of the first tracks of a stream can be read.

    Attributes:
        failed: track -> why it could not be read.
    """

    def __init__(self, failed: dict[int, str]) -> None:
        super().__init__(failed)  # so that it can be sent to another process
        self.failed = failed

    def __str__(self) -> str:
        return f"none of the first {len(self.failed)} tracks can be read; the last one: {[*self.failed.values()][-1]}"


@dataclass(frozen=True)
class Batch:
    """Some segments of a corpus.

    Attributes:
        indices: int64 [batch]: index of each track.
        starts: float64 [batch]: where the segments begin, in seconds.
        audio: int16 [batch, samples].
        labels: float32 [batch, tags], nan where unknown.
        augmentation_params: float32 [batch, params]: for ``Corpus.augment``; of width 0 where it takes none.
        failed: track -> message, for tracks that could not be read. Their rows repeat the audio of a readable row, so that
            batch statistics stay sound, and their labels are all nan, so that they add nothing to a loss.
    """

    indices: np.ndarray
    starts: np.ndarray
    audio: np.ndarray
    labels: np.ndarray
    augmentation_params: np.ndarray
    failed: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)


def random_starts(
    indices: Sequence[int] | np.ndarray, seconds: float, durations: float | np.ndarray, sample_rate: int, seed: int
) -> np.ndarray:
    """Draw where to begin in each track, from a hash of seed and index: independent of the order of the indices.

    Args:
        indices: index of each track.
        seconds: length of a segment; shorter tracks begin at 0.
        durations: of the tracks, in seconds.
        sample_rate: Hz.
        seed: of the draws.

    Returns:
        float64 [indices], in seconds, on multiples of 64 samples.
    """
    with np.errstate(over="ignore"):
        # SplitMix64 (Steele, Lea and Flood 2014), with the seed above the index
        mixed = np.asarray(indices, np.uint64) + (np.uint64(seed & 0xFFFF) << np.uint64(40))
        mixed = (mixed + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = (mixed ^ (mixed >> np.uint64(31))) / 2.0**64
    room = np.maximum(np.asarray(durations) - seconds, 0.0) * sample_rate
    choices = room.astype(np.int64) // _GRID + 1
    return np.floor(uniform * choices) * _GRID / sample_rate


def stream(
    corpus: Corpus,
    indices: Sequence[int] | np.ndarray,
    *,
    batch_size: int,
    seconds: float,
    starts: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
    workers: int = 0,
    timeout: float = 60.0,
) -> Generator[Batch, None, None]:
    """Batches of segments, in the order of ``indices``; the last may be smaller.

    Args:
        corpus: where the segments come from.
        indices: index of each track; shuffled and repeated as training needs.
        batch_size: segments in a batch.
        seconds: length of a segment.
        starts: where each segment begins, in seconds; by default :func:`random_starts`.
        seed: of the random starts; use another one for each epoch.
        workers: processes; 0 makes the batches in this one.
        timeout: seconds one segment may take before its worker is ended.

    Raises:
        ConfigError: a size below 1.
        CorpusError: a worker was stuck, died, or met an unexpected error; the message names the clip. Tracks that cannot be
            read raise nothing: see ``Batch.failed``.
        NothingReadableError: none of the first 50 tracks can be read, or of the first 5 % where these are more.
    """
    if batch_size < 1 or workers < 0 or timeout <= 0:
        raise ConfigError(f"batch_size={batch_size}, workers={workers}, timeout={timeout}: out of range")
    indices = np.asarray(indices, np.int64)
    if len(indices) == 0:
        return
    if starts is None:
        starts = random_starts(indices, seconds, corpus.durations(indices), corpus.sample_rate, seed)
    starts = np.asarray(starts, np.float64)
    first = _first_readable(corpus, indices, starts, seconds)
    widths = len(first.audio), len(first.labels), len(first.augmentation_params)
    plan = _Plan(corpus, indices, starts, seconds, batch_size, *widths)
    yield from plan.make_batches() if workers == 0 else _from_workers(plan, min(workers, plan.num_batches), timeout)


def _first_readable(corpus: Corpus, indices: np.ndarray, starts: np.ndarray, seconds: float) -> Segment:
    """Read in this process, so that compiled code, note bank and tables exist before workers are forked."""
    # each track once, however many of its segments are asked for
    rows = np.sort(np.unique(indices, return_index=True)[1])
    failed = {}
    for row in rows[: max(_FIRST_TRACKS, int(_FIRST_SHARE * len(rows)) + 1)]:
        track = int(indices[row])
        try:
            return corpus.segment(track, float(starts[row]), seconds)
        except ConfigError:
            raise  # a wrong length is wrong for every track
        except TaggingError as error:
            failed[track] = str(error)
    raise NothingReadableError(failed)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Plan:
    """The segments of all batches, and the sizes of one batch."""

    corpus: Corpus
    indices: np.ndarray
    starts: np.ndarray
    seconds: float
    batch_size: int
    samples: int
    tags: int
    params: int

    @property
    def num_batches(self) -> int:
        return math.ceil(len(self.indices) / self.batch_size)

    @property
    def bytes(self) -> int:
        return self.batch_size * (2 * self.samples + 4 * self.tags + 4 * self.params) + 16

    def rows(self, batch: int) -> slice:
        return slice(batch * self.batch_size, min((batch + 1) * self.batch_size, len(self.indices)))

    def arrays(self, memory: bytearray | memoryview) -> Arrays:
        """Audio, labels and augmentation parameters of one batch, as views of ``memory``."""
        count = self.batch_size
        labels = np.frombuffer(memory, np.float32, count * self.tags).reshape(count, -1)
        params = np.frombuffer(memory, np.float32, count * self.params, labels.nbytes).reshape(count, self.params)
        offset = labels.nbytes + params.nbytes
        audio = np.frombuffer(memory, np.int16, count * self.samples, offset).reshape(count, -1)
        return audio, labels, params

    def fill(self, number: int, arrays: Arrays, on_row: Callable[[int], None]) -> dict[int, str]:
        """Make batch ``number`` in these arrays; returns unreadable tracks with their messages."""
        rows = self.rows(number)
        audio, labels, params = arrays
        failed: dict[int, str] = {}
        for row in range(rows.start, rows.stop):
            on_row(row)
            position = row - rows.start
            try:
                segment = self.corpus.segment(int(self.indices[row]), float(self.starts[row]), self.seconds)
            except TaggingError as error:
                failed[int(self.indices[row])] = str(error)
            else:
                audio[position], labels[position] = segment.audio, segment.labels
                params[position] = segment.augmentation_params
        if failed:
            bad = np.isin(self.indices[rows], list(failed))
            good = int(np.argmin(bad))
            for array in arrays:
                array[: len(bad)][bad] = 0 if bad[good] else array[good]
            labels[: len(bad)][bad] = np.nan
        return failed

    def batch(self, number: int, arrays: Arrays, failed: dict[int, str]) -> Batch:
        rows = self.rows(number)
        audio, labels, params = (array[: rows.stop - rows.start] for array in arrays)
        return Batch(self.indices[rows], self.starts[rows], audio, labels, params, failed)

    def make_batches(self) -> Iterator[Batch]:
        for number in range(self.num_batches):
            arrays = self.arrays(bytearray(self.bytes))
            failed = self.fill(number, arrays, lambda row: None)
            yield self.batch(number, arrays, failed)

    def clip_at(self, row: int) -> str:
        if row == _BETWEEN_CLIPS:
            return "between two clips"
        return f"clip {self.indices[row]} of {self.corpus.name} {self.corpus.version} from {self.starts[row]:g} s"


class _Shared:
    """What one worker shares with the training process: memory of its batches, and the row it is at.

    Forked processes share anonymous memory. Named memory lies in /dev/shm, of which Docker gives a container 64 MB, and a
    process that writes beyond that is killed.
    """

    def __init__(self, size: int, slots: int) -> None:
        self.slots = [mmap.mmap(-1, size) if FORKS else CONTEXT.RawArray("b", size) for _ in range(slots)]
        self.free = CONTEXT.Semaphore(slots)
        self.row = CONTEXT.RawValue("q", _BETWEEN_CLIPS)
        self.since = CONTEXT.RawValue("d", 0.0)

    def arrays(self, plan: _Plan, turn: int) -> Arrays:
        return plan.arrays(memoryview(self.slots[turn % len(self.slots)]).cast("B"))


def _from_workers(plan: _Plan, workers: int, timeout: float) -> Iterator[Batch]:
    """Worker w makes batches w, w + workers, and so on, into slots of its state."""
    slots = min(_LOOK_AHEAD, math.ceil(plan.num_batches / workers))
    shared = [_Shared(plan.bytes, slots) for _ in range(workers)]
    with Pool(functools.partial(_fill_slots, plan, shared), workers) as pool:
        for number in range(plan.num_batches):
            turn, worker = divmod(number, workers)
            while not pool.connections[worker].poll(min(1.0, timeout / 4)):
                _check_progress(plan, shared, timeout)
            try:
                failed = pool.receive(worker)
            except WorkerError as error:
                named = CorpusError(f"{plan.clip_at(shared[worker].row.value)}: {error}")
                for note in getattr(error, "__notes__", []):
                    named.add_note(note)
                raise named from None
            audio, labels, params = (array.copy() for array in shared[worker].arrays(plan, turn))
            shared[worker].free.release()
            yield plan.batch(number, (audio, labels, params), failed)


def _fill_slots(plan: _Plan, shared: list[_Shared], worker: int, send: Callable[[Any], None]) -> None:
    state = shared[worker]

    def on_row(row: int) -> None:
        state.row.value, state.since.value = _BETWEEN_CLIPS, time.monotonic()
        state.row.value = row

    for turn, number in enumerate(range(worker, plan.num_batches, len(shared))):
        state.free.acquire()
        failed = plan.fill(number, state.arrays(plan, turn), on_row)
        state.row.value = _BETWEEN_CLIPS
        send(failed)


def _check_progress(plan: _Plan, shared: list[_Shared], timeout: float) -> None:
    """Raise CorpusError if a worker has been at one clip for too long."""
    now = time.monotonic()
    for worker in shared:
        row, waited = worker.row.value, now - worker.since.value
        if row != _BETWEEN_CLIPS and waited > timeout:
            raise CorpusError(
                f"{plan.clip_at(row)}: the worker process was stuck for {waited:.0f} s and has been ended"
            )
