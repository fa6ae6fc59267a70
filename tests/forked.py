"""A function in a process of its own that can be killed: forked, since importing torch again takes seconds."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import torch

# PyTorch's autograd forbids forks once it has threads, and it makes some if its first use comes after torch.export, which
# registers devices. Tests of export may run first: so it is used here, when tests are collected.
torch.ones(1, requires_grad=True).sum().backward()


def start(function: Callable[..., Any], *args: Any, **options: Any) -> multiprocessing.Process:
    """Run a function in a forked process, in a session of its own."""

    def child() -> None:
        os.setsid()
        function(*args, **options)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    return process


def kill(process: multiprocessing.Process) -> None:
    """Kill -9, with all its workers."""
    with contextlib.suppress(ProcessLookupError):  # it may not have its session yet
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def wait_until(condition: Callable[[], Any], process: multiprocessing.Process, seconds: float = 120) -> Any:
    """What a condition returns as soon as it is true; None if the process ends before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := condition():
            return result
        if not process.is_alive():
            return None
        time.sleep(0.001)
    raise AssertionError(f"nothing happened for {seconds} s")
