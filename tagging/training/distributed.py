"""The engine under a run: which device, which precision, how many processes. Book: ``book/many_machines``."""

from __future__ import annotations

from typing import Any

import torch


def build_accelerator(precision: str, cpu_only: bool) -> Any:
    """An ``accelerate.Accelerator``, whatever was asked of it before in this process.

    Args:
        precision: of the arithmetic, one of ``tagging.training.settings.PRECISIONS``.
        cpu_only: leave accelerators alone.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # Precision and device of the first engine of a process are kept for all, and another choice is refused; a notebook
    # trains more than once. Processes that found each other once stay together.
    together = torch.distributed.is_available() and torch.distributed.is_initialized()
    AcceleratorState._reset_state(reset_partial_state=not together)
    return Accelerator(cpu=cpu_only, mixed_precision=precision)


def is_main_process() -> bool:
    """Whether this is the one that speaks for all processes of the run before."""
    from accelerate import PartialState

    return PartialState().is_main_process
