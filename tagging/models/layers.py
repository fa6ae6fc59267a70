"""Layers that front-ends and back-ends share.

The order is that of the paper's code: convolution or dense layer, ReLU, batch normalisation, pooling. Batch normalisation
comes after the ReLU, so it cannot be merged into its own convolution, and it commutes with a maximum only where its gain is
positive.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# TensorFlow's default. PyTorch's 1e-5 would change the scores of the original weights by up to 0.36.
BATCH_NORM: dict[str, Any] = {"eps": 1e-3}


def he_init(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> None:
    """Initialise a layer as the paper does: He et al. 2015 on the fan-in, zero bias."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class Conv1dBlock(nn.Module):
    """Convolution over time, ReLU, batch normalisation, optional pooling: [batch, in, frames] -> [batch, out, frames'].

    Args:
        in_channels: input channels.
        filters: output channels.
        kernel_size: in frames.
        stride: in frames.
        padding: zero frames added at each end.
        single_channel_norm: normalise all filters by one mean and variance. So does the paper's code after its second and
            third convolution, where it normalises the axis left behind by a transpose.
        residual: add the input to the output; it needs ``filters`` equal to ``in_channels`` and frames that stay.
        pool: maximum over this many frames; 1 is no pooling.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        *,
        single_channel_norm: bool = False,
        residual: bool = False,
        pool: int = 1,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.conv = nn.Conv1d(in_channels, filters, kernel_size, stride, padding)
        self.norm: nn.BatchNorm1d | nn.BatchNorm2d = (
            SingleChannelBatchNorm() if single_channel_norm else nn.BatchNorm1d(filters, **BATCH_NORM)
        )
        self.pool_size = pool
        self.pool = nn.MaxPool1d(pool) if pool > 1 else nn.Identity()
        he_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(torch.relu(self.conv(x)))  # [batch, filters, frames']
        return self.pool(y + x if self.residual else y)  # [batch, filters, frames' / pool]


class SingleChannelBatchNorm(nn.BatchNorm2d):
    """Batch normalisation of [batch, filters, frames] with a single mean, variance, gain and offset."""

    def __init__(self) -> None:
        super().__init__(1, **BATCH_NORM)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, None])[:, 0]


class DenseBlock(nn.Module):
    """Dropout, dense layer, ReLU, batch normalisation: [batch, in] -> [batch, units]."""

    def __init__(self, in_features: int, units: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(in_features, units)
        self.norm = nn.BatchNorm1d(units, **BATCH_NORM)
        he_init(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.linear(self.dropout(x))))


class Parallel(nn.ModuleList):
    """Blocks side by side on one input, their channels concatenated; without blocks, a map of no channels."""

    def forward(self, x: Tensor) -> Tensor:
        if not len(self):
            return x.new_zeros(len(x), 0, x.shape[-1])
        return torch.cat([block(x) for block in self], dim=1)
