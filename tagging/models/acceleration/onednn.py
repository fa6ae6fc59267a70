"""Training on a CPU in the memory layout of oneDNN, the library that computes PyTorch's convolutions there.

oneDNN stores eight channels of one frame next to each other, which suits the vector units of a CPU; PyTorch's own layout stores
the frames of one channel. From one convolution to the next, ReLU, batch normalisation and pooling can stay in oneDNN's layout:
the sample-level front-end then trains about twice as fast (``benchmarks/architectures.py``).

The arithmetic is the same but for one thing: oneDNN sums the variances of a batch in single precision, one number after the
other. With half a million numbers to a channel they are right to about 1e-4, where PyTorch's own are right to 1e-7 (the same
benchmark). So it is for training only. Book: ``book/recipe``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..frontends.sample_level import SampleLevel
from ..layers import Conv1dBlock


def usable(module: nn.Module, x: Tensor) -> bool:
    """Whether a module can compute ``x`` in this layout: all of it in training, single precision, on a CPU with oneDNN."""
    return (
        not torch.compiler.is_compiling()  # first: the compiler cannot trace the rest
        and all(part.training for part in module.modules())  # a frozen normalisation stays frozen
        and not any(_is_observed(part) for child in module.children() for part in child.modules())
        and torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
    )


def _is_observed(part: nn.Module) -> bool:
    """Whether a part has hooks, or a forward pass of its instance; in this layout its forward pass is never called."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
    return any(hooks) or "forward" in vars(part)


def to_onednn(x: Tensor) -> Tensor:
    """[batch, channels, frames] -> the same in oneDNN's layout, which has a second, empty time axis."""
    return x[:, :, None].to_mkldnn()


def from_onednn(x: Tensor) -> Tensor:
    """The inverse of :func:`to_onednn`."""
    return x.to_dense()[:, :, 0]


def conv_block(x: Tensor, block: Conv1dBlock) -> Tensor:
    """Compute a block of a batch in oneDNN's layout, and update the running statistics of its normalisation."""
    conv, norm = block.conv, block.norm
    weight, stride, padding = conv.weight[:, :, None], (1, *conv.stride), (0, *conv.padding)
    x = torch.relu(torch.conv2d(x, weight, conv.bias, stride, padding, (1, *conv.dilation), conv.groups))
    norm.get_buffer("num_batches_tracked").add_(1)
    statistics, momentum = (norm.running_mean, norm.running_var), norm.momentum or 0.0
    x = nn.functional.batch_norm(x, *statistics, norm.weight, norm.bias, True, momentum, norm.eps)
    return x if block.pool_size == 1 else max_pool(x, block.pool_size)


def max_pool(x: Tensor, frames: int) -> Tensor:
    """The maximum of each ``frames`` frames, of a batch in oneDNN's layout."""
    return nn.functional.max_pool2d(x, (1, frames), (1, frames))


class OneDNNSampleLevel(SampleLevel):
    """The sample-level front-end, trained in oneDNN's layout.

    Args:
        plain: the front-end whose layers it shares.
    """

    def __init__(self, plain: SampleLevel) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(vars(plain))

    def forward(self, waveform: Tensor) -> Tensor:
        if not usable(self, waveform):
            return super().forward(waveform)
        self.check_samples(waveform)
        x = to_onednn(waveform[:, None])
        for block in self.layers():
            x = conv_block(x, block)
        return from_onednn(x)


def with_onednn(module: nn.Module) -> nn.Module:
    """The module itself; for a sample-level front-end an :class:`OneDNNSampleLevel` with its layers."""
    return OneDNNSampleLevel(module) if type(module) is SampleLevel else module
