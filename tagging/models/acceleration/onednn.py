"""Training on a CPU in the memory layout of oneDNN, the library that computes PyTorch's convolutions there.

oneDNN keeps eight channels of a moment next to each other, which is what a CPU's vector units want; PyTorch's own layout keeps
eight moments of a channel. Between a convolution and the next, ReLU, batch normalisation and pooling can stay in that layout:
the sample-level front-end trains about twice as fast for it (``benchmarks/architectures.py``).

The arithmetic is the same but for one thing: oneDNN adds up the variances of a batch in single precision, one number after the
other. With half a million numbers to a channel they are right to about 1e-4, where PyTorch's own are right to 1e-7 (the same
benchmark). So it is for training alone. Book: ``book/recipe``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def usable(module: nn.Module, x: Tensor) -> bool:
    """Whether a module may compute with ``x`` in this layout: all of it in training, single precision, on a CPU with oneDNN."""
    return (
        all(part.training for part in module.modules())  # a frozen normalisation stays frozen
        and not any(_listened_to(part) for child in module.children() for part in child.modules())
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _listened_to(part: nn.Module) -> bool:
    """Whether somebody wants to hear of this part's calls, of which there are none in this layout."""
    return any((part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks))


def to_onednn(x: Tensor) -> Tensor:
    """[batch, channels, frames] -> the same in oneDNN's layout, which has a second, empty axis of time."""
    return x[:, :, None].to_mkldnn()


def from_onednn(x: Tensor) -> Tensor:
    """The inverse of :func:`to_onednn`."""
    return x.to_dense()[:, :, 0]


def conv_block(x: Tensor, conv: nn.Conv1d, norm: nn.BatchNorm1d) -> Tensor:
    """Convolution, ReLU and batch normalisation of a batch in oneDNN's layout; the averages of ``norm`` are updated."""
    weight, stride, padding = conv.weight[:, :, None], (1, *conv.stride), (0, *conv.padding)
    x = torch.relu(torch.conv2d(x, weight, conv.bias, stride, padding, (1, *conv.dilation), conv.groups))
    norm.num_batches_tracked += 1
    averages = norm.running_mean, norm.running_var
    return nn.functional.batch_norm(x, *averages, norm.weight, norm.bias, True, norm.momentum, norm.eps)


def max_pool(x: Tensor, frames: int) -> Tensor:
    """The maximum of each ``frames`` frames, of a batch in oneDNN's layout."""
    return nn.functional.max_pool2d(x, (1, frames), (1, frames))
