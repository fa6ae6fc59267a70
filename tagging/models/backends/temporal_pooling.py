"""The poster's shared back-end: three convolutions over time, pooled by maximum and mean (after Dieleman et al. 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import BACKENDS, Backend, Field, Taps, check_width, scaled
from ..layers import BATCH_NORM, Conv1dBlock, DenseBlock


@BACKENDS.register("temporal-pooling")
class TemporalPooling(Backend):
    """Convolutions 2 and 3 are residual; between them time is halved; the end is a dense layer.

    Takes any number of frames. Fewer than it needs are padded with zero frames at the end, so one frame is enough.

    Args:
        channels: of the feature map.
        frames: not used; any number will do.
        width: factor on filters and units.
        filters: of each convolution.
        units: of the dense layer.
        kernel: length of the filters in frames, odd.
        pool: time is divided by this between convolutions 2 and 3.
        pad_first: zero-pad the first convolution so that it keeps the number of frames; the paper's does not.
        single_channel_norm: see :class:`~tagging.models.layers.Conv1dBlock`; True in the paper's code, False in musicnn.
        concatenate: pool the outputs of the front-end and of all three convolutions, as musicnn does, not only the last.
        norm_pooled: batch-normalise the pooled vector, as musicnn does.
        dropout: before the dense layer.

    Source: Pons et al. 2018, section 3 and figure 3; musicnn is Pons and Serra 2019. Book: ``book/backends``.
    """

    def __init__(
        self,
        channels: int,
        frames: int | None = None,
        *,
        width: float = 1.0,
        filters: int = 512,
        units: int = 500,
        kernel: int = 7,
        pool: int = 2,
        pad_first: bool = False,
        single_channel_norm: bool = True,
        concatenate: bool = False,
        norm_pooled: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        if kernel < 1 or kernel % 2 == 0 or pool < 1:
            raise ConfigError(
                f"back-end 'temporal-pooling': kernel={kernel}, pool={pool}; the kernel must be odd, both at least 1"
            )
        filters, self.out_features = scaled(filters, width), scaled(units, width)
        same = kernel // 2
        self.cnn1 = Conv1dBlock(channels, filters, kernel, padding=same if pad_first else 0)
        self.cnn2 = Conv1dBlock(filters, filters, kernel, padding=same, single_channel_norm=single_channel_norm)
        self.pool = nn.MaxPool1d(pool)
        self.cnn3 = Conv1dBlock(filters, filters, kernel, padding=same, single_channel_norm=single_channel_norm)
        self.concatenate = concatenate
        pooled = 2 * (channels + 3 * filters if concatenate else filters)
        self.norm_pooled = nn.BatchNorm1d(pooled, **BATCH_NORM) if norm_pooled else nn.Identity()
        self.dense = DenseBlock(pooled, self.out_features, dropout)
        self.min_frames = pool if pad_first else kernel - 1 + pool

    def fields(self, field: Field) -> dict[str, Field]:
        (kernel,), pool = self.cnn1.conv.kernel_size, self.pool.kernel_size
        cnn1 = field.then(kernel)
        cnn2 = cnn1.then(kernel)
        pooled = cnn2.then(pool, pool)
        return {"cnn1": cnn1, "cnn2": cnn2, "pool": pooled, "cnn3": pooled.then(kernel)}

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        missing = max(0, self.min_frames - x.shape[-1])
        x = nn.functional.pad(x, (0, missing))  # [batch, channels, frames]
        cnn1 = self.cnn1(x)  # [batch, filters, frames - 6], or frames with pad_first
        cnn2 = self.cnn2(cnn1) + cnn1  # [batch, filters, frames - 6]
        pooled = self.pool(cnn2)  # [batch, filters, (frames - 6) / 2]
        cnn3 = self.cnn3(pooled) + pooled  # [batch, filters, (frames - 6) / 2]
        maps = torch.cat([x, cnn1, cnn2, cnn3], dim=1) if self.concatenate else cnn3
        max_pool, mean_pool = maps.amax(-1), maps.mean(-1)  # [batch, filters] each
        # the original flattens [filters, 2]: maximum and mean of a filter are neighbours
        vector = torch.stack([max_pool, mean_pool], dim=-1).flatten(1)  # [batch, 2 filters]
        if taps is not None:
            taps.update(cnn1=cnn1, cnn2=cnn2, cnn3=cnn3, max_pool=max_pool, mean_pool=mean_pool)
        return self.dense(self.norm_pooled(vector))  # [batch, units]
