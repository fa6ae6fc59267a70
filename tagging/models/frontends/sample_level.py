"""The assumption-free front-end: filters of three samples, stacked (Lee et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..acceleration import onednn
from ..base import FRONTENDS, Field, Frontend, Taps, check_width, scaled
from ..layers import Conv1dBlock


@FRONTENDS.register("waveform-sample-level", "waveform")
class SampleLevel(Frontend):
    """Seven convolutions of three samples; the first takes steps of three, each other is followed by a maximum over three.

    One frame of the output stands for 3^7 = 2187 samples: 137 ms at 16 kHz.

    Args:
        width: factor on filters.
        filters: of each convolution, first to last.
        sample_rate: Hz.
        onednn: train on CPUs in the layout of ``tagging.models.acceleration.onednn``: about twice as fast.

    Source: Pons et al. 2018, section 3.1, after Lee et al. 2017. Book: ``book/waveform_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        filters: Sequence[int] = (64, 64, 64, 128, 128, 128, 256),
        sample_rate: int = 16000,
        onednn: bool = False,
    ) -> None:
        super().__init__()
        self.onednn = onednn
        check_width(width)
        sizes = [scaled(count, width) for count in filters]
        self.sample_rate, self.out_channels = sample_rate, sizes[-1]
        self.strided = Conv1dBlock(1, sizes[0], 3, stride=3)
        self.convs = nn.ModuleList(Conv1dBlock(a, b, 3) for a, b in pairwise(sizes))
        self.pool = nn.MaxPool1d(3)
        self.min_samples = 1
        for _ in self.convs:
            self.min_samples = 3 * self.min_samples + 2
        self.min_samples *= 3

    def frames(self, samples: int) -> int:
        frames = samples // 3
        for _ in self.convs:
            frames = (frames - 2) // 3
        return max(0, frames)

    def fields(self) -> dict[str, Field]:
        field = Field().then(3, 3)
        fields = {"strided": field}
        for index in range(len(self.convs)):
            fields[f"convs.{index}"] = field.then(3)
            field = field.then(3).then(3, 3)
        return {**fields, "output": field}

    def forward(self, waveform: Tensor, taps: Taps | None = None) -> Tensor:
        self.check_samples(waveform)
        if self.onednn and taps is None and onednn.usable(self, waveform):
            return self._forward_onednn(waveform)
        x = self.strided(waveform[:, None])  # [batch, 64, samples / 3]
        for index, conv in enumerate(self.convs):
            x = self.pool(conv(x))  # [batch, 64 to 256, samples / 3^(index + 2)]
            if taps is not None:
                taps[f"layer{index + 2}"] = x
        return x  # [batch, 256, samples / 2187]

    def _forward_onednn(self, waveform: Tensor) -> Tensor:
        """The same in another layout, where batch normalisation uses the statistics of the batch."""
        x = onednn.to_onednn(waveform[:, None])
        x = onednn.conv_block(x, self.strided.conv, self.strided.norm)
        for block in self.convs:
            x = onednn.max_pool(onednn.conv_block(x, block.conv, block.norm), self.pool.kernel_size)
        return onednn.from_onednn(x)
