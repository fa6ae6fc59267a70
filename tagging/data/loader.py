"""Training batches from worker processes: the same clips by index, whatever the order and the number of workers.

Workers write into memory they share with the training process, so that a batch is copied once and never pickled.
A watchdog ends a worker that is stuck, with an error that names the clip. Book: ``book/million_clips``.
"""

from __future__ import annotations

import functools
import math
import mmap
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ..errors import ConfigError, CorpusError, TaggingError
from .base import Corpus, Segment

# Batches each worker may be ahead of the training loop.
_AHEAD = 3
# Of the tracks that are asked for, one among the first 50, or among a little more than the share of them that a run may miss,
# has to be readable for a stream to begin.
_TRIED, _TRIED_SHARE = 50, 0.05
_GRID = 64


class NothingReadableError(CorpusError):
    """So many of the first tracks that are asked for cannot be read that a stream does not begin.

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
        indices: int64 [batch]: which tracks.
        starts: float64 [batch]: where the segments begin, in seconds.
        audio: int16 [batch, samples].
        labels: float32 [batch, tags], nan where unknown.
        draws: float32 [batch, draws]: for the corpus's degradations; of width 0 where there are none.
        failed: for tracks that could not be read, track and message. Their rows repeat the sound of a row that could, so
            that batch statistics stay sound, and their labels are all nan, so that they add nothing to a loss.
    """

    indices: np.ndarray
    starts: np.ndarray
    audio: np.ndarray
    labels: np.ndarray
    draws: np.ndarray
    failed: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)


def random_starts(
    indices: Sequence[int] | np.ndarray, seconds: float, whole: float | np.ndarray, sample_rate: int, seed: int
) -> np.ndarray:
    """float64: where to begin in each track, drawn from a hash of (seed, index) and not from the order of the indices.

    Args:
        indices: which tracks.
        seconds: length of a segment; tracks shorter than that begin at 0.
        whole: length of the tracks.
        sample_rate: in Hz.
        seed: another one gives other places.
    """
    with np.errstate(over="ignore"):
        # SplitMix64 (Steele, Lea and Flood 2014), with the seed above the index
        mixed = np.asarray(indices, np.uint64) + (np.uint64(seed & 0xFFFF) << np.uint64(40))
        mixed = (mixed + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = (mixed ^ (mixed >> np.uint64(31))) / 2.0**64
    room = np.maximum(np.asarray(whole) - seconds, 0.0) * sample_rate
    places = room.astype(np.int64) // _GRID + 1
    return np.floor(uniform * places) * _GRID / sample_rate


def stream(
    corpus: Corpus,
    indices: Sequence[int] | np.ndarray,
    *,
    batch_size: int,
    seconds: float,
    starts: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
    workers: int = 0,
    patience: float = 60.0,
) -> Iterator[Batch]:
    """Batches of segments, in the order of ``indices``; the last may be smaller.

    Args:
        corpus: where the segments come from.
        indices: which tracks; shuffle and repeat them as the training asks.
        batch_size: segments in a batch.
        seconds: length of a segment.
        starts: where each begins, in seconds; by default drawn from ``seed`` and the index.
        seed: of those draws; another one for each pass over the data.
        workers: processes; 0 makes the batches here.
        patience: seconds one segment may take before its worker is ended.

    Raises:
        ConfigError: a size below 1.
        CorpusError: a worker was stuck or died, or met an error that is not the fault of one track; the message names
            the clip. Tracks that cannot be read are no error: see ``Batch.failed``.
        NothingReadableError: not one of the first 50 tracks can be read, or of the first twentieth, where these are more.
    """
    if batch_size < 1 or workers < 0 or patience <= 0:
        raise ConfigError(f"batch_size={batch_size}, workers={workers}, patience={patience}: out of range")
    indices = np.asarray(indices, np.int64)
    if len(indices) == 0:
        return
    if starts is None:
        starts = random_starts(indices, seconds, corpus.durations(indices), corpus.sample_rate, seed)
    starts = np.asarray(starts, np.float64)
    first = _first_readable(corpus, indices, starts, seconds)
    plan = _Plan(corpus, indices, starts, seconds, batch_size, len(first.audio), len(first.labels), len(first.draws))
    if workers == 0:
        yield from plan.here()
        return
    with _Workers(plan, workers, patience) as pool:
        yield from pool


def _first_readable(corpus: Corpus, indices: np.ndarray, starts: np.ndarray, seconds: float) -> Segment:
    """Made here so that what a first segment needs (compiled code, bank, tables) is there before workers are started."""
    # each track once, however many of its segments are asked for
    places = np.sort(np.unique(indices, return_index=True)[1])
    failed = {}
    for place in places[: max(_TRIED, int(_TRIED_SHARE * len(places)) + 1)]:
        track = int(indices[place])
        try:
            return corpus.segment(track, float(starts[place]), seconds)
        except ConfigError:
            raise  # a wrong length is wrong for every track
        except TaggingError as error:
            failed[track] = str(error)
    raise NothingReadableError(failed)


@dataclass(frozen=True)
class _Plan:
    """What is asked for, and how large one batch is."""

    corpus: Corpus
    indices: np.ndarray
    starts: np.ndarray
    seconds: float
    batch_size: int
    samples: int
    tags: int
    draws: int

    @property
    def batches(self) -> int:
        return math.ceil(len(self.indices) / self.batch_size)

    def rows(self, batch: int) -> slice:
        return slice(batch * self.batch_size, min((batch + 1) * self.batch_size, len(self.indices)))

    def empty(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.shaped(bytearray(self.bytes))

    @property
    def bytes(self) -> int:
        return self.batch_size * (2 * self.samples + 4 * self.tags + 4 * self.draws) + 16

    def shaped(self, memory: bytearray | memoryview) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Audio, labels and draws of one batch, as views of ``memory``."""
        count = self.batch_size
        labels = np.frombuffer(memory, np.float32, count * self.tags).reshape(count, -1)
        draws = np.frombuffer(memory, np.float32, count * self.draws, offset=labels.nbytes).reshape(count, self.draws)
        place = labels.nbytes + draws.nbytes
        audio = np.frombuffer(memory, np.int16, count * self.samples, offset=place).reshape(count, -1)
        return audio, labels, draws

    def fill(
        self, number: int, arrays: tuple[np.ndarray, np.ndarray, np.ndarray], watch: Callable[[int], None]
    ) -> dict[int, str]:
        """Make batch ``number`` in these arrays; returns which tracks could not be read, and why."""
        rows = self.rows(number)
        failed: dict[int, str] = {}
        for row in range(rows.start, rows.stop):
            watch(row)
            place = row - rows.start
            try:
                segment = self.corpus.segment(int(self.indices[row]), float(self.starts[row]), self.seconds)
            except TaggingError as error:
                failed[int(self.indices[row])] = str(error)
            else:
                arrays[0][place], arrays[1][place], arrays[2][place] = segment.audio, segment.labels, segment.draws
        if failed:
            bad = np.isin(self.indices[rows], list(failed))
            good = int(np.argmin(bad))
            for array in arrays:
                array[: len(bad)][bad] = 0 if bad[good] else array[good]
            arrays[1][: len(bad)][bad] = np.nan
        return failed

    def batch(self, number: int, arrays: tuple[np.ndarray, np.ndarray, np.ndarray], failed: dict[int, str]) -> Batch:
        rows = self.rows(number)
        audio, labels, draws = (array[: rows.stop - rows.start] for array in arrays)
        return Batch(self.indices[rows], self.starts[rows], audio, labels, draws, failed)

    def here(self) -> Iterator[Batch]:
        for number in range(self.batches):
            arrays = self.empty()
            failed = self.fill(number, arrays, lambda row: None)
            yield self.batch(number, arrays, failed)


class _Workers:
    """Worker w makes batches w, w + workers, and so on, into slots of its own."""

    def __init__(self, plan: _Plan, workers: int, patience: float) -> None:
        methods = multiprocessing.get_all_start_methods()
        # forked workers share the compiled code and the tables, and start at once
        forks = "fork" in methods
        context = multiprocessing.get_context("fork" if forks else None)
        self._plan = plan
        self._patience = patience
        self._count = min(workers, plan.batches)
        # for each worker: the row it is at (-1: none) and since when
        self._row = context.RawArray("q", [-1] * self._count)
        self._since = context.RawArray("d", [0.0] * self._count)
        # What is forked shares memory that has no name. What has one lies in /dev/shm, of which Docker gives a container
        # 64 MB, and a process that writes beyond it is killed.
        slot = functools.partial(mmap.mmap, -1) if forks else functools.partial(context.RawArray, "b")
        self._ahead = min(_AHEAD, math.ceil(plan.batches / self._count))
        self._slots = [[slot(plan.bytes) for _ in range(self._ahead)] for _ in range(self._count)]
        self._free = [context.Semaphore(self._ahead) for _ in range(self._count)]
        self._ends = []
        self._processes = []
        for number in range(self._count):
            receiving, sending = context.Pipe(duplex=False)
            work = (plan, number, self._count, self._slots[number], self._free[number], sending, self._row, self._since)
            process = context.Process(target=_work, args=work, daemon=True, name=f"corpus-worker-{number}")
            process.start()
            sending.close()
            self._ends.append(receiving)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.kill()
        for process, end in zip(self._processes, self._ends, strict=True):
            process.join()
            end.close()

    def __iter__(self) -> Iterator[Batch]:
        for number in range(self._plan.batches):
            worker = number % self._count
            failed = self._wait_for(worker)
            slot = (number // self._count) % self._ahead
            shared = self._plan.shaped(memoryview(self._slots[worker][slot]).cast("B"))
            arrays = tuple(array.copy() for array in shared)
            self._free[worker].release()
            yield self._plan.batch(number, arrays, failed)

    def _wait_for(self, worker: int) -> dict[int, str]:
        """Return when the worker has made its next batch, with the tracks it could not read."""
        end = self._ends[worker]
        while not end.poll(min(1.0, self._patience / 4)):
            self._watch()
        try:
            message = end.recv()
        except EOFError:
            self._processes[worker].join()
            code = self._processes[worker].exitcode
            raise CorpusError(f"{self._clip_of(worker)}: the worker process died (exit code {code})") from None
        if isinstance(message, str):
            raise CorpusError(message)
        return message

    def _watch(self) -> None:
        now = time.monotonic()
        for worker in range(self._count):
            waited = now - self._since[worker]
            if self._row[worker] >= 0 and waited > self._patience:
                clip = self._clip_of(worker)
                raise CorpusError(f"{clip}: the worker process was stuck for {waited:.0f} s and has been ended")

    def _clip_of(self, worker: int) -> str:
        row = self._row[worker]
        if row < 0:
            return "between two clips"
        corpus, index = self._plan.corpus, int(self._plan.indices[row])
        return f"clip {index} of {type(corpus).registered_name} {corpus.version} from {self._plan.starts[row]:g} s"


def _work(plan: _Plan, number: int, count: int, slots: list, free, sending, row_at, since) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training process's to handle
    parent = os.getppid()

    def watch(row: int) -> None:
        row_at[number], since[number] = -1, time.monotonic()
        row_at[number] = row

    for turn, batch in enumerate(range(number, plan.batches, count)):
        while not free.acquire(timeout=1):
            if os.getppid() != parent:
                return  # nobody is waiting any more
        arrays = plan.shaped(memoryview(slots[turn % len(slots)]).cast("B"))
        try:
            failed = plan.fill(batch, arrays, watch)
        except Exception as error:  # whatever it is, the training process must hear of it
            message = f"clip {plan.indices[row_at[number]]} of {plan.corpus.version}"
            sending.send(f"{message}: {type(error).__name__}: {error}")
            return
        row_at[number] = -1
        sending.send(failed)
