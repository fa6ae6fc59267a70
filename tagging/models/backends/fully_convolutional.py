"""Convolutions and pooling until one frame is left, without dense layers."""

from __future__ import annotations

from torch import Tensor, nn

from ..base import BACKENDS, Backend, ReceptiveField, check_width, scaled
from ..layers import Conv1dBlock


@BACKENDS.register("fully-convolutional")
class FullyConvolutional(Backend):
    """Steps of a convolution and a maximum over 4 frames; the last convolution spans all remaining frames.

    For one number of frames: the number of steps and the length of the last filter follow from ``num_frames``. Features:
    ``step1``, ``step2``, ... [batch, filters, frames].

    Args:
        in_channels, num_frames, width: see :class:`~tagging.models.base.Backend`.
        filters: of each convolution.
        dropout: before the last convolution.

    Source: Choi et al. 2016 (fully convolutional networks for tagging), on one time axis. Book: ``book/backends``.
    """

    def __init__(
        self, in_channels: int, num_frames: int, *, width: float = 1.0, filters: int = 512, dropout: float = 0.5
    ) -> None:
        super().__init__()
        check_width(width)
        self.fixed_frames = num_frames
        filters = scaled(filters, width)
        steps = []
        while num_frames > 8:
            steps.append(nn.Sequential(Conv1dBlock(in_channels, filters, 7, padding=3), nn.MaxPool1d(4)))
            in_channels, num_frames = filters, num_frames // 4
        self.steps = nn.ModuleList(steps)
        self.dropout = nn.Dropout(dropout)
        self.last = Conv1dBlock(in_channels, filters, num_frames)
        self.out_features = filters

    def receptive_fields(self, input_field: ReceptiveField) -> dict[str, ReceptiveField]:
        fields, field = {}, input_field
        for index in range(len(self.steps)):
            fields[f"steps.{index}"] = field = field.then(7).then(4, 4)
        return {**fields, "last": field.then(self.last.conv.kernel_size[0])}

    def feature_modules(self) -> dict[str, nn.Module]:
        return {f"step{index + 1}": step for index, step in enumerate(self.steps)}

    def forward(self, x: Tensor) -> Tensor:
        self.check_frames(x)
        for step in self.steps:
            x = step(x)  # [batch, filters, frames / 4]
        return self.last(self.dropout(x))[..., 0]  # [batch, filters]
