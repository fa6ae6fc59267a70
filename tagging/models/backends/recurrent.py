"""A bidirectional recurrent network: frames in order, what is kept is what it remembers at both ends."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import BACKENDS, Backend, Taps, check_width, scaled
from ..layers import DenseBlock


@BACKENDS.register("recurrent")
class Recurrent(Backend):
    """Gated recurrent units reading the frames forwards and backwards.

    Takes any number of frames from one up; time steps follow each other, so little of it can run at once.

    Args:
        channels: of the feature map.
        frames: not used; any number will do.
        width: factor on units.
        units: of each direction.
        layers: stacked recurrent layers.
        dropout: before the dense layer.

    Source: Choi et al. 2017 (convolutional recurrent network, its summarising part). Book: ``book/backends``.
    """

    def __init__(
        self,
        channels: int,
        frames: int | None = None,
        *,
        width: float = 1.0,
        units: int = 256,
        layers: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        if layers < 1:
            raise ConfigError(f"back-end 'recurrent': layers={layers}; it must be at least 1")
        units = scaled(units, width)
        self.gru = nn.GRU(channels, units, layers, batch_first=True, bidirectional=True)
        self.out_features = scaled(500, width)
        self.dense = DenseBlock(2 * units, self.out_features, dropout)

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        states, last = self.gru(x.transpose(1, 2))  # [batch, frames, 2 units], [2 layers, batch, units]
        if taps is not None:
            taps.update(states=states.transpose(1, 2))
        # of the top layer: the forward reading at the last frame, the backward one at the first
        return self.dense(torch.cat([last[-2], last[-1]], dim=1))  # [batch, 500 width]
