"""Worker processes: every result once, one thread each, and no worker that outlives its parent or hides its end."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from tagging.errors import AudioError, TaggingError
from tagging.utils import parallel
from tagging.utils.parallel import Pool, WorkerError, parallel_map


def squares(job, progress):
    progress(job)
    return np.full(3, job**2)


@pytest.mark.parametrize("workers", [1, 2, 5, 20])
def test_every_job_is_done_once(workers):
    steps = []
    results = list(parallel_map(squares, range(7), workers, steps.append))
    assert sorted(job for job, _ in results) == list(range(7))
    assert all((result == job**2).all() for job, result in results)
    assert sum(steps) == sum(range(7))


def test_one_worker_is_this_process_and_two_are_not():
    def process(_job, _progress):
        return os.getpid()

    assert {pid for _, pid in parallel_map(process, range(4), 1, print)} == {os.getpid()}
    pids = {pid for _, pid in parallel_map(process, range(4), 2, print)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_workers_have_one_thread_each():
    """Threads of this process do not survive a fork: scikit-learn would wait for them for ever."""
    import sklearn.ensemble  # noqa: F401

    def threads(_job, _progress):
        return torch.get_num_threads(), [library["num_threads"] for library in threadpool_info()]

    with threadpool_limits(2):
        torch.set_num_threads(2)
        try:
            assert any(library["num_threads"] == 2 for library in threadpool_info())
            for _, (of_torch, of_libraries) in parallel_map(threads, range(2), 2, print):
                assert of_torch == 1
                assert set(of_libraries) == {1}
        finally:
            torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        ("killed", WorkerError, "exit code -9"),
        ("mistake", WorkerError, "ValueError: a mistake"),
        ("expected", AudioError, "a.wav"),
    ],
)
def test_the_end_of_a_worker_is_reported(end, error, message):
    def last(job, _progress):
        if job == 3:
            if end == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise AudioError("a.wav: damaged") if end == "expected" else ValueError("a mistake")
        return job

    with pytest.raises(error, match=message) as caught:
        list(parallel_map(last, range(6), 2, print))
    assert isinstance(caught.value, TaggingError)
    if end == "mistake":  # where it was made
        assert "in last" in caught.value.__notes__[0]


def test_a_result_that_cannot_be_sent_is_reported():
    with pytest.raises(WorkerError, match="pickle"):
        list(parallel_map(lambda _job, _progress: lambda: None, range(2), 2, print))


def test_workers_can_be_spawned(monkeypatch):
    """As on systems that cannot fork, where the function must be importable."""
    monkeypatch.setattr(parallel, "CONTEXT", multiprocessing.get_context("spawn"))
    with (
        Pool(os.kill, 1) as pool,
        pytest.raises(WorkerError, match="TypeError"),
    ):  # no function to give a number and send
        pool.receive(0)


FOREVER = """
    import os, subprocess, sys, tempfile, time
    from pathlib import Path
    from tagging.utils.parallel import parallel_map

    def beat(job, progress):
        with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
            Path(folder, "program").write_text(str(os.getpid()))
            (Path(sys.argv[1]) / f"{job}.pid").write_text(str(os.getpid()))
            subprocess.run(["sleep", "600"])

    list(parallel_map(beat, range(2), 2, lambda steps: None))
"""


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_workers_and_what_they_started_end_with_their_parent(tmp_path, end):
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FOREVER), str(tmp_path)], stderr=subprocess.DEVNULL
    )
    limit = time.monotonic() + 60
    while len(list(tmp_path.glob("*.pid"))) < 2:
        assert time.monotonic() < limit
        time.sleep(0.05)
    pids = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    parent.send_signal(end)
    parent.wait(timeout=10)
    limit = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
    assert [path.suffix for path in tmp_path.iterdir()] == [".pid", ".pid"]  # temporary folders are removed


def test_leaving_early_ends_the_workers():
    def slow(job, _progress):
        time.sleep(0 if job == 0 else 600)
        return os.getpid()

    results = parallel_map(slow, range(2), 2, print)
    assert next(results)[0] == 0
    children = multiprocessing.active_children()
    assert children
    start = time.monotonic()
    results.close()
    assert not any(child.is_alive() for child in children)
    assert time.monotonic() - start < 10


def test_a_worker_that_ignores_the_request_to_end_is_killed(monkeypatch):
    def deaf(_job, _progress):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _ in itertools.count():
            time.sleep(0.1)

    monkeypatch.setattr(parallel, "_GRACE", 0.3)
    with pytest.raises(ZeroDivisionError), Pool(lambda number, send: deaf(number, send), 1):
        time.sleep(0.3)
        raise ZeroDivisionError
    assert multiprocessing.active_children() == []
