"""Self-attention over frames, then a mean over frames with learnt weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import BACKENDS, MAX_LAYERS, Backend, check_width, scaled
from ..layers import DenseBlock, he_init


def sinusoidal_positions(num_frames: int, embed_dim: int, like: Tensor) -> Tensor:
    """Sinusoidal position encoding of Vaswani et al. 2017: [num_frames, embed_dim], with the type and device of ``like``."""
    time = torch.arange(num_frames, device=like.device, dtype=torch.float32)[:, None]
    pairs = torch.arange(0, embed_dim, 2, device=like.device, dtype=torch.float32)
    frequency = torch.exp(pairs * (-math.log(10000.0) / embed_dim))
    angle = time * frequency  # [frames, embed_dim / 2]
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :embed_dim].to(like.dtype)


class FrameWeights(nn.Module):
    """Softmax over time: [batch, frames, 1] -> [batch, frames], weights that sum to 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(dim=1)[..., 0]


@BACKENDS.register("attention")
class Attention(Backend):
    """Transformer encoder over frames, then a mean over time with one learnt weight a frame.

    Takes any number of frames; time and memory grow with their square. Feature: ``attention`` [batch, frames], the weights.

    Args:
        in_channels, num_frames, width: see :class:`~tagging.models.base.Backend`; the width is rounded so that the heads
            divide ``embed_dim``.
        embed_dim: length of a frame inside the attention layers.
        num_heads: of each attention layer.
        num_layers: number of attention layers.
        dense_units: of the dense layer.
        dropout: before the dense layer; inside the attention layers a fifth of it.

    Source: Won et al. 2019 (two attention layers over a convolutional front-end). Book: ``book/backends``.
    """

    def __init__(
        self,
        in_channels: int,
        num_frames: int,
        *,
        width: float = 1.0,
        embed_dim: int = 512,
        num_heads: int = 8,
        num_layers: int = 2,
        dense_units: int = 500,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        if num_heads < 1 or not 1 <= num_layers <= MAX_LAYERS:
            raise ConfigError(
                f"back-end 'attention': num_heads={num_heads}, num_layers={num_layers}; both must be at least 1, "
                f"and num_layers at most {MAX_LAYERS}"
            )
        dim = num_heads * scaled(embed_dim // num_heads, width)
        self.project = nn.Conv1d(in_channels, dim, 1)
        layer = nn.TransformerEncoderLayer(dim, num_heads, 2 * dim, dropout / 5, batch_first=True, norm_first=True)
        # enable_nested_tensor does not go with norm_first and would warn
        self.encoder = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.weight = nn.Linear(dim, 1, bias=False)  # softmax would cancel a bias
        self.softmax = FrameWeights()
        self.out_features = scaled(dense_units, width)
        self.dense = DenseBlock(dim, self.out_features, dropout)
        he_init(self.project)

    def feature_modules(self) -> dict[str, nn.Module]:
        return {"attention": self.softmax}

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x).transpose(1, 2)  # [batch, frames, embed_dim]
        x = self.encoder(x + sinusoidal_positions(x.shape[1], x.shape[2], x))  # [batch, frames, embed_dim]
        weights = self.softmax(self.weight(x))  # [batch, frames]
        return self.dense((weights[..., None] * x).sum(dim=1))  # [batch, dense_units]
