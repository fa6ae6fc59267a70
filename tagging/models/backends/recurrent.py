"""A bidirectional recurrent network over frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import BACKENDS, MAX_LAYERS, Backend, check_width, scaled
from ..layers import DenseBlock


class BidirectionalGRU(nn.GRU):
    """GRU in both directions: [batch, channels, frames] -> states of the top layer [batch, 2 hidden_size, frames]."""

    def __init__(self, in_channels: int, hidden_size: int, num_layers: int) -> None:
        super().__init__(in_channels, hidden_size, num_layers, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        states, _ = nn.GRU.forward(self, x.transpose(1, 2))
        return states.transpose(1, 2)


@BACKENDS.register("recurrent")
class Recurrent(Backend):
    """Two-layer bidirectional GRU; its final states in both directions go to a dense layer.

    Takes any number of frames; they are computed one after the other. Feature: ``states`` [batch, 2 hidden_size, frames].

    Args:
        in_channels, num_frames, width: see :class:`~tagging.models.base.Backend`.
        hidden_size: of each direction.
        num_layers: stacked recurrent layers.
        dense_units: of the dense layer.
        dropout: before the dense layer.

    Source: Choi et al. 2017 (convolutional recurrent network, its summarising part). Book: ``book/backends``.
    """

    def __init__(
        self,
        in_channels: int,
        num_frames: int,
        *,
        width: float = 1.0,
        hidden_size: int = 256,
        num_layers: int = 2,
        dense_units: int = 500,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        if not 1 <= num_layers <= MAX_LAYERS:
            raise ConfigError(f"back-end 'recurrent': num_layers={num_layers}; it must be from 1 to {MAX_LAYERS}")
        hidden_size = scaled(hidden_size, width)
        self.gru = BidirectionalGRU(in_channels, hidden_size, num_layers)
        self.out_features = scaled(dense_units, width)
        self.dense = DenseBlock(2 * hidden_size, self.out_features, dropout)

    def feature_modules(self) -> dict[str, nn.Module]:
        return {"states": self.gru}

    def forward(self, x: Tensor) -> Tensor:
        forwards, backwards = self.gru(x).chunk(2, dim=1)  # [batch, hidden_size, frames] each
        # the forward direction ends at the last frame, the backward one at the first
        x = torch.cat([forwards[..., -1], backwards[..., 0]], dim=1)  # [batch, 2 hidden_size]
        return self.dense(x)  # [batch, dense_units]
