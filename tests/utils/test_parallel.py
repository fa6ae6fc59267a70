"""Work in forked processes: every result once, no thread too many, and no worker that outlives or hides its end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from tagging.errors import TaggingError
from tagging.utils.parallel import parallel_map


def squares(job, tick):
    tick(job)
    return np.full(3, job**2)


@pytest.mark.parametrize("workers", [1, 2, 5, 20])
def test_every_job_is_done_once(workers):
    steps = []
    results = list(parallel_map(squares, range(7), workers, steps.append))
    assert sorted(job for job, _ in results) == list(range(7))
    assert all((result == job**2).all() for job, result in results)
    assert sum(steps) == sum(range(7))


def test_one_worker_is_this_process_and_two_are_not():
    def process(_job, _tick):
        return os.getpid()

    assert {pid for _, pid in parallel_map(process, range(4), 1, print)} == {os.getpid()}
    pids = {pid for _, pid in parallel_map(process, range(4), 2, lambda _: None)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_workers_have_one_thread_each():
    """Threads of this process do not survive a fork: scikit-learn's would wait for them for ever."""
    import sklearn.ensemble  # noqa: F401

    def threads(_job, _tick):
        return torch.get_num_threads(), [library["num_threads"] for library in threadpool_info()]

    with threadpool_limits(2):
        torch.set_num_threads(2)
        try:
            assert any(library["num_threads"] == 2 for library in threadpool_info())
            for _, (of_torch, of_libraries) in parallel_map(threads, range(2), 2, lambda _: None):
                assert of_torch == 1
                assert set(of_libraries) == {1}
        finally:
            torch.set_num_threads(1)


@pytest.mark.parametrize("end", ["killed", "error"])
def test_what_happens_to_a_worker_is_told(end):
    def last(job, _tick):
        if job == 3 and end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if job == 3:
            raise ValueError("a mistake")
        return job

    with pytest.raises(TaggingError, match=r"exit code -9" if end == "killed" else "job 3: ValueError: a mistake"):
        list(parallel_map(last, range(6), 2, lambda _: None))


def test_workers_end_with_whom_they_work_for(tmp_path):
    """The caller is killed; its workers notice at their next step."""

    def beat(job, tick):
        while True:
            (tmp_path / str(job)).write_text(str(time.monotonic()))
            time.sleep(0.02)
            tick(1)

    def call():
        list(parallel_map(beat, range(2), 2, lambda _: None))

    caller = multiprocessing.get_context("fork").Process(target=call)
    caller.start()
    limit = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    caller.kill()
    caller.join()
    killed = time.monotonic()
    time.sleep(2)
    assert all(float(file.read_text()) < killed + 1 for file in tmp_path.iterdir())


def test_leaving_early_ends_the_workers():
    def slow(job, _tick):
        time.sleep(0 if job == 0 else 600)
        return os.getpid()

    results = parallel_map(slow, range(2), 2, lambda _: None)
    assert next(results)[0] == 0
    children = multiprocessing.active_children()
    assert children
    results.close()
    assert not any(child.is_alive() for child in children)
