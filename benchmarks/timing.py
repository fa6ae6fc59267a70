"""How these benchmarks take time: CPU seconds of one thread, candidates in turn, so that a busy machine slows all alike."""

from __future__ import annotations

import os

# before numpy and torch are imported: they read these once
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import platform
import statistics
import time
from collections.abc import Callable


def in_turn(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each candidate in each round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(rounds + 1):
        for name, run in candidates.items():
            start = time.process_time()
            run()
            if round_:
                seconds[name].append(time.process_time() - start)
    return seconds


def ratio(of: list[float], to: list[float]) -> float:
    """Median over rounds of ``of / to``."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def machine() -> str:
    """One line about where this ran."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    load = os.getloadavg()[0]
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{platform.machine()} {capability}, {versions}, 1 thread, load {load:.1f}"
