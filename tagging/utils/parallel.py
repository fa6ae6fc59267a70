"""Worker processes: one pool for features, trees, training batches and the sheet-music library."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Self, TypeVar

from ..errors import TaggingError

Result = TypeVar("Result")
# Called with the number of steps done since the last call.
ProgressCallback = Callable[[int], Any]
Work = Callable[[int, Callable[[Any], None]], None]
# Forked workers share the data and the compiled code of this process without a copy.
FORKS = "fork" in multiprocessing.get_all_start_methods()
CONTEXT: Any = multiprocessing.get_context("fork" if FORKS else "spawn")
# Seconds a worker has to remove its temporary files before it is killed.
_GRACE = 5.0


class WorkerError(TaggingError):
    """A worker process died or met an unexpected error."""


class Pool:
    """Worker processes that send messages to this one.

    Workers ignore Ctrl-C, which this process handles, and end when it ends, also when it is killed. Each uses one thread.

    Args:
        work: called in each process with the number of the worker and a function that sends a message. Must be picklable
            where processes cannot be forked.
        count: number of processes.
    """

    def __init__(self, work: Work, count: int) -> None:
        self._processes: list[BaseProcess] = []
        self.connections: list[Connection] = []
        for number in range(count):
            receiving, sending = CONTEXT.Pipe(duplex=False)
            process = CONTEXT.Process(target=_run, args=(work, number, sending), daemon=True)
            process.start()
            sending.close()
            self._processes.append(process)
            self.connections.append(receiving)

    def receive(self, worker: int) -> Any:
        """Wait for the next message of a worker.

        Raises:
            EOFError: the worker has finished.
            WorkerError: it died.
            TaggingError: it met this error.
        """
        try:
            message = self.connections[worker].recv()
        except EOFError:
            process = self._processes[worker]
            process.join()
            if process.exitcode != 0:
                raise WorkerError(
                    f"a worker process died (exit code {process.exitcode}), possibly from lack of memory; "
                    "run this again, with fewer workers where they can be chosen"
                ) from None
            raise
        if isinstance(message, TaggingError):
            raise message
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process, connection in zip(self._processes, self.connections, strict=True):
            process.join(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.join()
            connection.close()


def num_cores() -> int:
    """Cores that this process may use: fewer than the machine has in a container or under ``taskset``."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(work: Work, number: int, connection: Connection) -> None:
    with as_worker(connection):
        work(number, connection.send)


@contextlib.contextmanager
def as_worker(connection: Connection) -> Iterator[None]:
    """Make this process a worker: one thread, no Ctrl-C, an end with its parent; an error is sent instead of raised.

    Args:
        connection: to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # leaves through `with` and `finally`, which remove temporary files and end programs this worker has started
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _use_one_thread()
    try:
        yield
    except Exception as error:
        message = error
        if not isinstance(error, TaggingError):
            message = WorkerError(f"{type(error).__name__}: {error}")
            message.add_note(traceback.format_exc())
        with contextlib.suppress(OSError):  # nobody is left to receive it
            connection.send(message)


def _leave(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the removal of temporary files
    sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    # its pid too: processes forked later hold a copy of the pipe that reports the end of the parent
    while parent.is_alive() and (os.name != "posix" or os.getppid() == parent.pid):
        parent.join(timeout=0.5)
    with contextlib.suppress(AttributeError):  # not on Windows
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(_GRACE)
    os._exit(1)


def _use_one_thread() -> None:
    """Use one core, and none of the parent's threads: they do not survive a fork, and a library may wait for them."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    with contextlib.suppress(ImportError):
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


class _Done(NamedTuple):
    job: int
    result: Any


def processes(workers: int, jobs: int) -> int:
    """Number of processes :func:`parallel_map` uses for so many jobs; 1 where processes cannot be forked."""
    return max(1, min(workers, jobs)) if FORKS else 1


def parallel_map(
    work: Callable[[int, ProgressCallback], Result], jobs: Sequence[int], workers: int, progress: ProgressCallback
) -> Iterator[tuple[int, Result]]:
    """Do jobs in worker processes and yield each with its result as it is done, in any order.

    Worker w takes jobs w, w + workers, and so on. For one worker, and where processes cannot be forked, the jobs are done
    in this process.

    Args:
        work: does one job, and reports its steps to the function it is given.
        jobs: numbers.
        workers: number of processes.
        progress: called with the number of steps done since the last call.

    Raises:
        TaggingError: a job raised it.
        WorkerError: a worker died, or a job raised another exception.
    """
    workers = processes(workers, len(jobs))
    if workers == 1:
        for job in jobs:
            yield job, work(job, progress)
        return

    def do_jobs(number: int, send: Callable[[Any], None]) -> None:
        for job in jobs[number::workers]:
            send(_Done(job, work(job, send)))

    with Pool(do_jobs, workers) as pool:
        running: dict[Any, int] = {connection: worker for worker, connection in enumerate(pool.connections)}
        while running:
            for connection in multiprocessing.connection.wait(list(running)):
                try:
                    message = pool.receive(running[connection])
                except EOFError:
                    del running[connection]
                    continue
                if isinstance(message, _Done):
                    yield message.job, message.result
                else:
                    progress(message)
