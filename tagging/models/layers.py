"""The few layers that front-ends and back-ends share, as the paper's TensorFlow code has them.

The order is convolution or dense layer, ReLU, batch normalisation, pooling: the normalisation comes after the ReLU, so it
cannot be merged into its own convolution, and it commutes with a maximum only where its gain is positive.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# TensorFlow's defaults. PyTorch's epsilon of 1e-5 would change the scores of the original weights by up to 0.36.
BATCH_NORM = {"eps": 1e-3, "momentum": 0.01}


def he_init(layer: nn.Module) -> None:
    """The paper's initialisation: He et al. 2015 on the fan-in, zero bias."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


class Conv1dBlock(nn.Module):
    """Convolution over time, ReLU, batch normalisation: [batch, in, frames] -> [batch, out, frames'].

    Args:
        channels: input channels.
        filters: output channels.
        kernel: filter length in frames.
        stride: step in frames.
        padding: zero frames added at each end.
        single_channel_norm: normalise all filters by one mean and variance. So does the paper's code after its second and
            third convolution, where it normalises the axis left behind by a transpose.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        single_channel_norm: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, filters, kernel, stride, padding)
        self.norm = SingleChannelBatchNorm() if single_channel_norm else nn.BatchNorm1d(filters, **BATCH_NORM)
        he_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.conv(x)))


class SingleChannelBatchNorm(nn.BatchNorm2d):
    """Batch normalisation of [batch, filters, frames] with a single mean, variance, gain and offset."""

    def __init__(self) -> None:
        super().__init__(1, **BATCH_NORM)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, None])[:, 0]


class DenseBlock(nn.Module):
    """Dropout, dense layer, ReLU, batch normalisation: [batch, in] -> [batch, units]."""

    def __init__(self, features: int, units: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, units)
        self.norm = nn.BatchNorm1d(units, **BATCH_NORM)
        he_init(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.linear(self.dropout(x))))
