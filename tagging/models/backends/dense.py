"""The whole feature map, flattened into dense layers: every frame has weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..base import BACKENDS, Backend, ReceptiveField, check_width, scaled
from ..layers import DenseBlock


@BACKENDS.register("dense")
class Dense(Backend):
    """Mean over groups of frames, flattening, dense layers; for one number of frames, because each frame has its weights.

    Args:
        in_channels, num_frames, width: see :class:`~tagging.models.base.Backend`.
        dense_units: of each dense layer; none leaves the flattened map as it is, as in musicnn's vgg.
        max_frames: longer maps are averaged down to at most this many frames first. The 938 frames of a 15 s
            spectrogram would otherwise take 218 million weights.
        dropout: before each dense layer.

    Source: the fixed-length 'DNN' back-end of the poster. Book: ``book/backends``.
    """

    def __init__(
        self,
        in_channels: int,
        num_frames: int,
        *,
        width: float = 1.0,
        dense_units: Sequence[int] = (500,),
        max_frames: int = 16,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        self.fixed_frames = num_frames
        self.group = -(-num_frames // max_frames)  # frames that are averaged
        self.pool = nn.AvgPool1d(self.group, ceil_mode=True)
        sizes = [in_channels * -(-num_frames // self.group), *(scaled(count, width) for count in dense_units)]
        self.layers = nn.Sequential(*(DenseBlock(a, b, dropout) for a, b in pairwise(sizes)))
        self.out_features = sizes[-1]

    def receptive_fields(self, input_field: ReceptiveField) -> dict[str, ReceptiveField]:
        return {"pool": input_field.then(self.group, self.group)}

    def forward(self, x: Tensor) -> Tensor:
        self.check_frames(x)
        x = self.pool(x)  # [batch, channels, at most max_frames]
        # time first, as TensorFlow flattens: the original's weights fit
        x = x.transpose(1, 2).flatten(1)  # [batch, frames * channels]
        return self.layers(x)  # [batch, dense_units]
