"""Device, precision and processes of a run. Book: ``book/many_machines``."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
import torch.distributed.nn.functional
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from ..models.layers import SingleChannelBatchNorm

BatchNorm = nn.modules.batchnorm._BatchNorm


def build_accelerator(precision: str, cpu_only: bool) -> Accelerator:
    """An accelerator of this precision, whatever earlier runs of the process used.

    Args:
        precision: ``"no"`` or ``"bf16"``.
        cpu_only: do not use a GPU.
    """
    # accelerate keeps the precision and device of the first accelerator of a process and refuses others; a notebook trains
    # more than once. A process group, once formed, is kept.
    grouped = torch.distributed.is_available() and torch.distributed.is_initialized()
    AcceleratorState._reset_state(reset_partial_state=not grouped)
    return Accelerator(cpu=cpu_only, mixed_precision=precision)


def is_main_process() -> bool:
    """Whether this process prints and copies results for all processes of the last run."""
    return PartialState().is_main_process


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A NumPy array as a tensor on a device; on its way to a GPU through pinned memory, without waiting."""
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def synchronise_batch_norms(model: nn.Module) -> None:
    """Let every batch normalisation compute its statistics over the batches of all processes; exact, on any device.

    ``torch.nn.SyncBatchNorm`` runs on GPUs only, and would undo the reshaping of ``SingleChannelBatchNorm``.
    """
    for module in model.modules():
        if isinstance(module, BatchNorm):
            # on the instance, so that the names of weights do not change
            module.forward = functools.partial(_synchronised_norm, module, module.forward)  # type: ignore[method-assign]


def _synchronised_norm(norm: BatchNorm, local_forward: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if not norm.training:
        return local_forward(x)
    values = (x[:, None] if isinstance(norm, SingleChannelBatchNorm) else x).float()  # [batch, channels, ...]
    axes = [0, *range(2, values.ndim)]
    shape = [1, -1] + [1] * (values.ndim - 2)
    all_reduce = torch.distributed.nn.functional.all_reduce
    # what every normalisation of this package has
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    assert norm.momentum is not None
    count = all_reduce(values.new_tensor(values.numel() / values.shape[1]))
    mean = all_reduce(values.sum(axes)) / count
    centred = values - mean.view(shape)
    variance = all_reduce(centred.square().sum(axes)) / count
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
    y = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y.reshape(x.shape).to(x.dtype)
