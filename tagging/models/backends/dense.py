"""The whole feature map, flattened into dense layers: every place in time has weights of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..base import BACKENDS, Backend, Field, Taps, check_width, scaled
from ..layers import DenseBlock


@BACKENDS.register("dense")
class Dense(Backend):
    """Averages time down to a few frames, flattens, and ends in dense layers.

    Fixed length: a weight belongs to a place in time.

    Args:
        channels: of the feature map.
        frames: of the feature map; any other number is refused later.
        width: factor on units.
        units: of each dense layer; none leaves the flattened map as it is, which is the end of musicnn's vgg.
        max_frames: longer maps are averaged down to at most this many frames first. The 938 frames of a 15 s
            spectrogram would otherwise take 218 million weights.
        dropout: before each dense layer.

    Source: the fixed-length 'DNN' back-end of the poster. Book: ``book/backends``.
    """

    def __init__(
        self,
        channels: int,
        frames: int,
        *,
        width: float = 1.0,
        units: Sequence[int] = (500,),
        max_frames: int = 16,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_width(width)
        self.fixed_frames = frames
        step = -(-frames // max_frames)
        self.pool = nn.AvgPool1d(step, ceil_mode=True)
        sizes = [channels * -(-frames // step), *(scaled(count, width) for count in units)]
        self.layers = nn.Sequential(*(DenseBlock(a, b, dropout) for a, b in pairwise(sizes)))
        self.out_features = sizes[-1]

    def fields(self, field: Field) -> dict[str, Field]:
        (step,) = self.pool.kernel_size
        return {"pool": field.then(step, step)}

    def forward(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        self.check_frames(x)
        x = self.pool(x)  # [batch, channels, at most max_frames]
        # time first, as TensorFlow flattens: the original's weights fit
        x = x.transpose(1, 2).flatten(1)  # [batch, frames * channels]
        return self.layers(x)  # [batch, units]
