"""Self-attention over frames, then a weighted mean whose weights are learnt too."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import BACKENDS, Backend, Taps, check_width, scaled
from ..layers import DenseBlock, he_init


def positions(frames: int, units: int, like: Tensor) -> Tensor:
    """Sinusoidal position code of Vaswani et al. 2017, [frames, units]: any length, nothing to learn."""
    time = torch.arange(frames, device=like.device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, units, 2, device=like.device, dtype=torch.float32) * (-math.log(10000.0) / units))
    angle = time * rate  # [frames, units / 2]
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :units].to(like.dtype)


@BACKENDS.register("attention")
class Attention(Backend):
    """Every frame looks at every other; what is kept is a mean with one learnt weight a frame.

    Takes any number of frames from one up; cost grows with their square.

    Args:
        channels: of the feature map.
        frames: not used; any number will do.
        width: factor on units, rounded to a multiple of ``heads``.
        units: length of a frame inside the attention layers.
        heads: of each attention layer.
        layers: number of attention layers.
        dropout: inside the attention layers a fifth of this; before the dense layer all of it.

    Source: Won et al. 2019 (two attention layers over a convolutional front-end). Book: ``book/backends``.
    """

    def __init__(
        self,
        channels: int,
        frames: int | None = None,
        *,
        width: float = 1.0,
        units: int = 512,
        heads: int = 8,
        layers: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        if heads < 1 or layers < 1:
            raise ConfigError(f"back-end 'attention': heads={heads}, layers={layers}; both must be at least 1")
        units = heads * scaled(units // heads, width)
        self.project = nn.Conv1d(channels, units, 1)
        layer = nn.TransformerEncoderLayer(units, heads, 2 * units, dropout / 5, batch_first=True, norm_first=True)
        # enable_nested_tensor does not go with norm_first and would warn
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(units), enable_nested_tensor=False)
        self.weight = nn.Linear(units, 1, bias=False)  # softmax would cancel a bias
        self.out_features = scaled(500, width)
        self.dense = DenseBlock(units, self.out_features, dropout)
        he_init(self.project)

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        x = self.project(x).transpose(1, 2)  # [batch, frames, units]
        x = self.encoder(x + positions(x.shape[1], x.shape[2], x))  # [batch, frames, units]
        weights = self.weight(x).softmax(dim=1)  # [batch, frames, 1], they sum to 1 over frames
        if taps is not None:
            taps.update(attention=weights[..., 0])
        return self.dense((weights * x).sum(dim=1))  # [batch, 500 width]
