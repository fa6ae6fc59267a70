"""Timbral filters as one convolution over time, with a banded (Toeplitz) kernel over all bands.

That is more arithmetic, but a convolution with one input channel leaves most of a processor unused, and its gradient more so:
training steps of the spectrogram model are 1.3 (width 1) to 1.5 times (width 1/4) as fast on a CPU without bfloat16, see
``benchmarks/architectures.py``. At inference there is nothing to gain. Book: ``book/recipe``.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..frontends.musically_motivated import ShapeBlock


def toeplitz_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Compute ``conv(x)`` as a convolution over time: positions in frequency become output channels.

    Args:
        conv: with one input channel and a kernel of [height, length], without padding.
        x: [batch, 1, bands, frames].

    Returns:
        [batch, filters, bands - height + 1, frames - length + 1], equal to ``conv(x)`` but for rounding.
    """
    kernel, bands = conv.weight[:, 0], x.shape[2]  # [filters, height, length]
    filters, height, length = kernel.shape
    positions = bands - height + 1
    # A row of bands + 1 numbers repeated and cut to rows of bands moves one band further with each row.
    rows = nn.functional.pad(kernel, (0, 0, 0, positions))  # [filters, bands + 1, length]
    rows = rows[:, None].expand(-1, positions, -1, -1).reshape(filters, positions * (bands + 1), length)
    banded = rows[:, : positions * bands].reshape(filters * positions, bands, length)
    bias = None if conv.bias is None else conv.bias.repeat_interleave(positions)
    return nn.functional.conv1d(x[:, 0], banded, bias).unflatten(1, (filters, positions))


class ToeplitzConv2d(nn.Conv2d):
    """A convolution with one input channel that trains as :func:`toeplitz_conv`.

    Args:
        plain: the convolution whose parameters it shares.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(vars(plain))

    def forward(self, x: Tensor) -> Tensor:
        return toeplitz_conv(self, x) if self.training else super().forward(x)


def with_toeplitz(module: nn.Module) -> nn.Module:
    """The module itself; a block of filters over several bands gets a :class:`ToeplitzConv2d`."""
    if isinstance(module, ShapeBlock) and module.conv.kernel_size[0] > 1:
        module.conv = ToeplitzConv2d(module.conv)
    return module
