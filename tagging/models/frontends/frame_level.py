"""Front-ends that look at the waveform through windows as long as a spectrogram's, but learn what to look for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..base import FRONTENDS, Field, Frontend, Taps, check_width, scaled
from ..layers import Conv1dBlock


class Branch(nn.Module):
    """Filters of one length: [batch, 1, samples] -> [batch, filters, samples // hop + 1].

    Filters shorter than two hops take smaller steps, half their length, and keep the loudest of them, so that
    no sample goes unheard and all branches end at the same rate (Zhu et al. 2016).
    """

    def __init__(self, filters: int, length: int, hop: int) -> None:
        super().__init__()
        self.stride = min(hop, length // 2)
        # an even length, so that the same number of zeros at both ends gives every branch the same number of frames
        if length < 2 or length % 2 or hop % self.stride:
            raise ConfigError(
                f"a filter of {length} samples: its length must be even, and half of it divide the hop of {hop} or be longer"
            )
        self.block = Conv1dBlock(1, filters, length, self.stride, padding=length // 2)
        # ceil_mode keeps the last, incomplete group: frame i stands at sample i * hop in every branch
        self.pool = nn.MaxPool1d(hop // self.stride, ceil_mode=True)

    def field(self) -> Field:
        return (
            Field().then(self.block.conv.kernel_size[0], self.stride).then(self.pool.kernel_size, self.pool.kernel_size)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.block(x))


class FrameLevel(Frontend):
    """Branches of filters in parallel over the waveform, concatenated; one frame every ``hop`` samples.

    Args:
        width: factor on filters.
        filters: in all, divided evenly among the lengths.
        lengths: of the filters, in samples.
        hop: samples between frames.
        sample_rate: Hz.
    """

    def __init__(self, width: float, filters: int, lengths: Sequence[int], hop: int, sample_rate: int) -> None:
        super().__init__()
        check_width(width)
        if hop < 1:
            raise ConfigError(f"frames every {hop} samples: the hop must be at least 1")
        each = scaled(filters // len(lengths), width)
        self.sample_rate, self.out_channels, self.hop = sample_rate, each * len(lengths), hop
        self.branches = nn.ModuleList(Branch(each, length, hop) for length in lengths)

    def frames(self, samples: int) -> int:
        return samples // self.hop + 1

    def fields(self) -> dict[str, Field]:
        fields = {f"branches.{index}": branch.field() for index, branch in enumerate(self.branches)}
        return {**fields, "output": max(fields.values())}

    def forward(self, waveform: Tensor, taps: Taps | None = None) -> Tensor:
        self.check_samples(waveform)
        x = waveform[:, None]  # [batch, 1, samples]
        maps = [branch(x) for branch in self.branches]  # [batch, filters, samples / hop + 1] each
        if taps is not None:
            taps.update((f"branch{index + 1}", one) for index, one in enumerate(maps))
        return torch.cat(maps, dim=1)  # [batch, filters, samples / hop + 1]


@FRONTENDS.register("waveform-frame-level")
class SingleShape(FrameLevel):
    """One filter length, one stride: a learnt spectrogram of windows of 32 ms every 16 ms.

    Args:
        width: factor on filters.
        filters: in all.
        length: of the filters, in samples.
        hop: samples between frames.
        sample_rate: Hz.

    Source: Dieleman and Schrauwen 2014. Book: ``book/waveform_frontends``.
    """

    def __init__(
        self, *, width: float = 1.0, filters: int = 192, length: int = 512, hop: int = 256, sample_rate: int = 16000
    ) -> None:
        super().__init__(width, filters, (length,), hop, sample_rate)


@FRONTENDS.register("waveform-frame-level-many-shapes")
class ManyShapes(FrameLevel):
    """Short filters for what is fast and high, long ones for what is low and close: 8, 32 and 128 ms side by side.

    As many filters in all as :class:`SingleShape`, so the two differ in shape only.

    Args:
        width: factor on filters.
        filters: in all, divided evenly among the lengths.
        lengths: of the filters, in samples.
        hop: samples between frames.
        sample_rate: Hz.

    Source: Zhu et al. 2016. Book: ``book/waveform_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        filters: int = 192,
        lengths: Sequence[int] = (128, 512, 2048),
        hop: int = 256,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__(width, filters, lengths, hop, sample_rate)
