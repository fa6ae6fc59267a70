"""A forked process keeps to one thread.

OpenMP starts its threads at the first parallel loop and keeps them. A fork copies its memory but none of the threads: with
GCC's library, the one in PyTorch's wheels for Linux, the first parallel loop of the child waits for ever for threads that only
its parent has. With one thread there is nothing to wait for, so PyTorch sets this in the workers of its ``DataLoader``; here it
is set in every fork of a process that has imported the networks of this package. Processes that are *spawned* start afresh and
have all their threads.
"""

from __future__ import annotations

import os

import torch


def _one_thread() -> None:
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_one_thread)
