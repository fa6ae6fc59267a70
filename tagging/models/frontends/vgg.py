"""A front-end from computer vision: stacked small square filters over the spectrogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import FRONTENDS, ReceptiveField, check_width, scaled
from ..layers import BATCH_NORM, he_init
from .spectrogram import SpectrogramFrontend

# Each pooling as ((bands, frames), (stride in bands, stride in frames)). Five of them leave one of 96 bands.
SQUARE_POOLS = (((2, 2), (2, 2)),) * 4 + (((4, 4), (4, 4)),)


class SquareBlock(nn.Module):
    """Dropout, 3x3 convolution, ReLU, batch normalisation, maximum.

    [batch, in, bands, frames] -> [batch, filters, bands', frames'].
    """

    def __init__(
        self, in_channels: int, filters: int, pool: tuple[int, int], stride: tuple[int, int], dropout: float
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.conv = nn.Conv2d(in_channels, filters, 3, padding=1)
        self.norm = nn.BatchNorm2d(filters, **BATCH_NORM)
        self.pool = nn.MaxPool2d(tuple(pool), tuple(stride))
        he_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.norm(torch.relu(self.conv(self.dropout(x)))))


@FRONTENDS.register("spectrogram-vgg")
class Vgg(SpectrogramFrontend):
    """Stacked 3x3 filters with pooling; the remaining bands become channels. One frame every 64 hops, about 1 s.

    Features: ``pool1`` to ``pool5`` [batch, filters, bands, frames].

    Args:
        width: factor on filters.
        filters: of each convolution.
        pools: ``((bands, frames), (stride in bands, stride in frames))`` after each convolution.
        dropout: before each convolution but the first.
        mel, sample_rate, input_norm: see :class:`~tagging.models.frontends.spectrogram.SpectrogramFrontend`.

    Source: Choi et al. 2016; the layers are those of musicnn's vgg, whose first pooling differs (see
    ``tagging.pretrained.musicnn``). Book: ``book/spectrogram_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        filters: int = 128,
        pools: Sequence[tuple[tuple[int, int], tuple[int, int]]] = SQUARE_POOLS,
        dropout: float = 0.25,
        mel: str | Mapping[str, Any] = "paper",
        sample_rate: int = 16000,
        input_norm: bool = True,
    ) -> None:
        super().__init__(mel, sample_rate, input_norm)
        check_width(width)
        filters = scaled(filters, width)
        self.pools = pools
        sizes = [1, *[filters] * len(pools)]
        self.blocks = nn.ModuleList(
            SquareBlock(in_channels, filters, pool, stride, dropout if index else 0.0)
            for index, (in_channels, (pool, stride)) in enumerate(zip(sizes, pools, strict=False))
        )
        bands = self._pooled(self.log_mel.spec.n_mels, axis=0)
        if bands < 1:
            raise ConfigError(
                f"{self.log_mel.spec.n_mels} mel bands are too few for the poolings {pools}; use fewer poolings or more bands"
            )
        self.out_channels = filters * bands
        fewest = 1
        for (_, pool), (_, stride) in reversed(pools):
            fewest = (fewest - 1) * stride + pool
        self._set_min_mel_frames(fewest)

    def _pooled(self, size: int, axis: int) -> int:
        for pool, stride in self.pools:
            size = (size - pool[axis]) // stride[axis] + 1
        return size

    def num_frames_from_mel(self, mel_frames: int) -> int:
        return max(0, self._pooled(mel_frames, axis=1))

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        fields = {"log_mel": self.mel_receptive_field()}
        field = fields["log_mel"]
        for index, ((_, pool), (_, stride)) in enumerate(self.pools):
            fields[f"blocks.{index}"] = field = field.then(3).then(pool, stride)
        return fields

    def feature_modules(self) -> dict[str, nn.Module]:
        return {f"pool{index + 1}": block for index, block in enumerate(self.blocks)}

    def forward_features(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)  # [batch, filters, bands / 2, frames / 2]
        return x.flatten(1, 2)  # [batch, filters * remaining bands, frames / 64]
