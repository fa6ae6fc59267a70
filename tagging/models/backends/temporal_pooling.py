"""The poster's shared back-end: three convolutions over time, pooled by maximum and mean (after Dieleman et al. 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import BACKENDS, Backend, ReceptiveField, check_width, scaled
from ..layers import BATCH_NORM, Conv1dBlock, DenseBlock

MAX_FRAMES = 1000  # of a filter or a pooling; short maps are padded to it


class MaxOverTime(nn.Module):
    """[batch, channels, frames] -> [batch, channels]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(-1)


class MeanOverTime(nn.Module):
    """[batch, channels, frames] -> [batch, channels]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(-1)


@BACKENDS.register("temporal-pooling")
class TemporalPooling(Backend):
    """Three convolutions, of which the last two are residual, with pooling between them; then a dense layer.

    Takes any number of frames; maps that are too short are padded with zero frames at the end. Features: ``cnn1``, ``cnn2``,
    ``cnn3`` [batch, filters, frames], ``max_pool``, ``mean_pool`` [batch, filters].

    Args:
        in_channels, num_frames, width: see :class:`~tagging.models.base.Backend`.
        filters: of each convolution.
        dense_units: of the dense layer.
        kernel_size: length of the filters in frames, odd.
        pool_size: frames pooled between convolutions 2 and 3.
        pool_input: maximum over so many frames before convolution 1: front-ends with short frames then hand over as few, and
            the convolutions see as much time, as those with long ones.
        pad_first: zero-pad the first convolution so that it keeps the number of frames; the paper's does not.
        single_channel_norm: see :class:`~tagging.models.layers.Conv1dBlock`; True in the paper's code, False in musicnn.
        concatenate: pool the outputs of the front-end and of all three convolutions, as musicnn does, not only the last.
        norm_pooled: batch-normalise the pooled vector, as musicnn does.
        dropout: before the dense layer.

    Source: Pons et al. 2018, section 3 and figure 3; musicnn is Pons and Serra 2019. Book: ``book/backends``.
    """

    def __init__(
        self,
        in_channels: int,
        num_frames: int,
        *,
        width: float = 1.0,
        filters: int = 512,
        dense_units: int = 500,
        kernel_size: int = 7,
        pool_size: int = 2,
        pool_input: int = 1,
        pad_first: bool = False,
        single_channel_norm: bool = True,
        concatenate: bool = False,
        norm_pooled: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        sizes = {"kernel_size": kernel_size, "pool_size": pool_size, "pool_input": pool_input}
        if kernel_size % 2 == 0 or not all(1 <= size <= MAX_FRAMES for size in sizes.values()):
            raise ConfigError(
                f"back-end 'temporal-pooling': {', '.join(f'{name}={size}' for name, size in sizes.items())}; "
                f"the kernel size must be odd, all from 1 to {MAX_FRAMES}"
            )
        filters, self.out_features = scaled(filters, width), scaled(dense_units, width)
        same = kernel_size // 2  # padding that keeps the number of frames

        def residual() -> Conv1dBlock:
            return Conv1dBlock(
                filters, filters, kernel_size, padding=same, single_channel_norm=single_channel_norm, residual=True
            )

        self.pool_input = nn.MaxPool1d(pool_input) if pool_input > 1 else nn.Identity()
        self.cnn1 = Conv1dBlock(in_channels, filters, kernel_size, padding=same if pad_first else 0)
        self.cnn2 = residual()
        self.pool_size, self.pool = pool_size, nn.MaxPool1d(pool_size)
        self.cnn3 = residual()
        self.max_pool, self.mean_pool = MaxOverTime(), MeanOverTime()
        self.concatenate = concatenate
        pooled = 2 * (in_channels + 3 * filters if concatenate else filters)
        self.norm_pooled = nn.BatchNorm1d(pooled, **BATCH_NORM) if norm_pooled else nn.Identity()
        self.dense = DenseBlock(pooled, self.out_features, dropout)
        self.min_frames = pool_input * (pool_size if pad_first else kernel_size - 1 + pool_size)

    def receptive_fields(self, input_field: ReceptiveField) -> dict[str, ReceptiveField]:
        kernel_size, pool_size = self.cnn1.conv.kernel_size[0], self.pool_size
        pool_input = getattr(self.pool_input, "kernel_size", 1)
        cnn1 = input_field.then(pool_input, pool_input).then(kernel_size)
        cnn2 = cnn1.then(kernel_size)
        pooled = cnn2.then(pool_size, pool_size)
        return {"cnn1": cnn1, "cnn2": cnn2, "pool": pooled, "cnn3": pooled.then(kernel_size)}

    def feature_modules(self) -> dict[str, nn.Module]:
        return {name: self.get_submodule(name) for name in ("cnn1", "cnn2", "cnn3", "max_pool", "mean_pool")}

    def forward(self, x: Tensor) -> Tensor:
        missing = self.min_frames - x.shape[-1]
        if isinstance(missing, Tensor):  # in a trace, where max(missing, 0) would make a constant of it
            missing = missing.clamp(min=0)
        elif isinstance(missing, torch.SymInt):  # in an exported program, likewise
            missing = torch.sym_max(missing, 0)
        else:
            missing = max(missing, 0)
        x = nn.functional.pad(x, (0, missing))  # [batch, channels, frames]
        x = self.pool_input(x)  # [batch, channels, frames / pool_input]
        cnn1 = self.cnn1(x)  # [batch, filters, frames - 6], or frames with pad_first
        cnn2 = self.cnn2(cnn1)  # [batch, filters, frames - 6]
        cnn3 = self.cnn3(self.pool(cnn2))  # [batch, filters, (frames - 6) / 2]
        maps = torch.cat([x, cnn1, cnn2, cnn3], dim=1) if self.concatenate else cnn3
        max_pool, mean_pool = self.max_pool(maps), self.mean_pool(maps)  # [batch, filters] each
        # the original flattens [filters, 2]: maximum and mean of a filter are neighbours
        vector = torch.stack([max_pool, mean_pool], dim=-1).flatten(1)  # [batch, 2 filters]
        return self.dense(self.norm_pooled(vector))  # [batch, dense_units]
