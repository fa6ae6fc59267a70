"""Jobs spread over forked processes that end when nobody waits for them any more. Book: ``book/baseline``."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import TaggingError

# Called with how many steps are done since the last call.
ProgressCallback = Callable[[int], Any]


def processes(workers: int, jobs: int) -> int:
    """How many processes will do so many jobs, where so many are wanted."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return max(1, min(workers, jobs))


def parallel_map(
    work: Callable[[int, ProgressCallback], Any], jobs: Sequence[int], workers: int, tick: ProgressCallback
) -> Iterator[tuple[int, Any]]:
    """Do jobs in processes, and yield each with its result as it is done, in any order.

    Worker w takes jobs w, w + workers, and so on. Forked workers share the data of this process without a copy; where
    processes cannot be forked, or for one worker, the jobs are done here.

    Args:
        work: does one job; it must call the function it is given after each step, also so that it ends with this process.
        jobs: numbers.
        workers: processes.
        tick: hears of steps done.

    Raises:
        TaggingError: a worker died, or met an error.
    """
    workers = processes(workers, len(jobs))
    if workers == 1:
        for job in jobs:
            yield job, work(job, tick)
        return
    context = multiprocessing.get_context("fork")
    # steps done by each worker; without a lock, which a worker that is killed could keep
    done = context.RawArray("q", workers)
    running = {}
    for number in range(workers):
        receiving, sending = context.Pipe(duplex=False)
        mine = jobs[number::workers]
        process = context.Process(target=_work, args=(work, mine, sending, done, number), daemon=True)
        process.start()
        sending.close()
        running[receiving] = process
    shown = 0
    try:
        while running:
            for end in multiprocessing.connection.wait(list(running), timeout=0.5):
                try:
                    message = end.recv()
                except EOFError:
                    _check_end(running.pop(end))
                    continue
                if isinstance(message, str):
                    raise TaggingError(message)
                yield message
            finished = sum(done)
            tick(finished - shown)
            shown = finished
    finally:
        for process in running.values():
            process.kill()
            process.join()


def _check_end(process: Any) -> None:
    process.join()
    if process.exitcode != 0:
        raise TaggingError(
            f"a worker process died (exit code {process.exitcode}), perhaps for want of memory: "
            "start again, with fewer workers"
        )


def _work(
    work: Callable[[int, ProgressCallback], Any], jobs: Sequence[int], sending: Any, done: Any, number: int
) -> None:
    import torch
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the calling process's to handle
    # one core for each worker; and the threads of the parent, which a library may wait for, do not survive a fork
    torch.set_num_threads(1)
    threadpool_limits(1)
    parent = os.getppid()

    def tick(steps: int) -> None:
        if os.getppid() != parent:
            os._exit(1)
        done[number] += steps

    job = None
    try:
        for job in jobs:
            sending.send((job, work(job, tick)))
    except Exception as error:  # whatever it is, the calling process must hear of it
        sending.send(f"job {job}: {type(error).__name__}: {error}")
