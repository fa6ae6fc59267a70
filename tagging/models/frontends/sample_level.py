"""The sample-level waveform front-end: stacked filters of three samples (Lee et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..base import FRONTENDS, Frontend, ReceptiveField, check_width, scaled
from ..layers import Conv1dBlock


@FRONTENDS.register("waveform-sample-level", "waveform")
class SampleLevel(Frontend):
    """Seven convolutions of three samples: the first has a stride of three, each other is followed by a maximum over three.

    The feature map has one frame every 3^7 = 2187 samples: 137 ms at 16 kHz. Features: ``layer2`` to ``layer7`` [batch,
    filters, frames].

    Args:
        width: factor on filters.
        filters: of each convolution, first to last.
        sample_rate: Hz.

    Source: Pons et al. 2018, section 3.1, after Lee et al. 2017. Book: ``book/waveform_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        filters: Sequence[int] = (64, 64, 64, 128, 128, 128, 256),
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        check_width(width)
        sizes = [scaled(count, width) for count in filters]
        self.sample_rate, self.out_channels = sample_rate, sizes[-1]
        self.strided = Conv1dBlock(1, sizes[0], 3, stride=3)
        self.convs = nn.ModuleList(Conv1dBlock(a, b, 3, pool=3) for a, b in pairwise(sizes))
        self.min_samples = 1
        for _ in self.convs:
            self.min_samples = 3 * self.min_samples + 2
        self.min_samples *= 3

    def layers(self) -> list[Conv1dBlock]:
        """The seven convolutions in order."""
        return [self.strided, *self.convs]  # type: ignore[list-item]

    def num_frames(self, samples: int) -> int:
        frames = samples // 3
        for _ in self.convs:
            frames = (frames - 2) // 3
        return max(0, frames)

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        fields = {"strided": ReceptiveField().then(3, 3)}
        field = fields["strided"]
        for index in range(len(self.convs)):
            fields[f"convs.{index}"] = field = field.then(3).then(3, 3)
        return fields

    def feature_modules(self) -> dict[str, nn.Module]:
        return {f"layer{index + 2}": block for index, block in enumerate(self.convs)}

    def forward(self, waveform: Tensor) -> Tensor:
        self.check_samples(waveform)
        x = waveform[:, None]  # [batch, 1, samples]
        for block in self.layers():
            x = block(x)  # [batch, 64 to 256, samples / 3^(index + 1)]
        return x  # [batch, 256, samples / 2187]
