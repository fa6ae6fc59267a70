"""Convolutions and pooling until one frame is left: no dense layer, and therefore one length only."""

from __future__ import annotations

from torch import Tensor, nn

from ..base import BACKENDS, Backend, Field, Taps, check_width, scaled
from ..layers import Conv1dBlock


@BACKENDS.register("fully-convolutional")
class FullyConvolutional(Backend):
    """Each step is a convolution and a maximum over 4 frames; the last convolution spans all frames that are left.

    Fixed length: how many steps there are and how long the last filter is follow from ``frames``.

    Args:
        channels: of the feature map.
        frames: of the feature map; any other number is refused later.
        width: factor on filters.
        filters: of each convolution.
        dropout: before the last convolution.

    Source: Choi et al. 2016 (fully convolutional networks for tagging), on one time axis. Book: ``book/backends``.
    """

    def __init__(
        self, channels: int, frames: int, *, width: float = 1.0, filters: int = 512, dropout: float = 0.5
    ) -> None:
        super().__init__()
        check_width(width)
        self.fixed_frames = frames
        filters = scaled(filters, width)
        steps = []
        while frames > 8:
            steps.append(nn.Sequential(Conv1dBlock(channels, filters, 7, padding=3), nn.MaxPool1d(4)))
            channels, frames = filters, frames // 4
        self.steps = nn.ModuleList(steps)
        self.dropout = nn.Dropout(dropout)
        self.last = Conv1dBlock(channels, filters, frames)
        self.out_features = filters

    def fields(self, field: Field) -> dict[str, Field]:
        fields = {}
        for index in range(len(self.steps)):
            field = field.then(7).then(4, 4)
            fields[f"steps.{index}"] = field
        return {**fields, "last": field.then(self.last.conv.kernel_size[0])}

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        self.check_frames(x)
        for index, step in enumerate(self.steps):
            x = step(x)  # [batch, filters, frames / 4]
            if taps is not None:
                taps[f"step{index + 1}"] = x
        return self.last(self.dropout(x))[..., 0]  # [batch, filters]
