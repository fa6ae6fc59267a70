"""Frame-level waveform front-ends: learnt filters as long as the windows of a spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ...errors import ConfigError
from ..base import FRONTENDS, Frontend, ReceptiveField, check_width, scaled
from ..layers import Conv1dBlock, Parallel


class Branch(nn.Module):
    """Filters of one length: [batch, 1, samples] -> [batch, filters, samples // hop_length + 1].

    Filters shorter than two hops use a stride of half their length and max pooling, so that every sample is covered and all
    branches have the same frame rate (Zhu et al. 2016).
    """

    def __init__(self, filters: int, kernel_size: int, hop_length: int) -> None:
        super().__init__()
        self.stride = min(hop_length, kernel_size // 2)
        # an even length, so that the same number of zeros at both ends gives every branch the same number of frames
        if kernel_size < 2 or kernel_size % 2 or hop_length % self.stride:
            raise ConfigError(
                f"a filter of {kernel_size} samples: its length must be even, and half of it divide the hop of {hop_length} "
                "or be longer"
            )
        self.block = Conv1dBlock(1, filters, kernel_size, self.stride, padding=kernel_size // 2)
        # ceil_mode keeps the last, incomplete group: frame i is centred on sample i * hop_length in every branch
        self.pooled = hop_length // self.stride
        self.pool = nn.MaxPool1d(self.pooled, ceil_mode=True)

    def receptive_field(self) -> ReceptiveField:
        """Receptive field of one frame of the output."""
        return ReceptiveField().then(self.block.conv.kernel_size[0], self.stride).then(self.pooled, self.pooled)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.block(x))


class FrameLevel(Frontend):
    """Branches of filters in parallel over the waveform, concatenated; one frame every ``hop_length`` samples.

    Features: ``branch1``, ``branch2``, ... [batch, filters, frames].

    Args:
        width: factor on filters.
        filters: in all, divided evenly among the branches.
        kernel_sizes: lengths of the filters of each branch, in samples.
        hop_length: samples between frames.
        sample_rate: Hz.
    """

    def __init__(
        self, width: float, filters: int, kernel_sizes: Sequence[int], hop_length: int, sample_rate: int
    ) -> None:
        super().__init__()
        check_width(width)
        if hop_length < 1:
            raise ConfigError(f"hop_length={hop_length}: it must be at least 1 sample")
        filters = scaled(filters // len(kernel_sizes), width)
        self.sample_rate, self.out_channels, self.hop_length = sample_rate, filters * len(kernel_sizes), hop_length
        self.branches = Parallel(Branch(filters, kernel_size, hop_length) for kernel_size in kernel_sizes)

    def num_frames(self, samples: int) -> int:
        return samples // self.hop_length + 1

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        branches = (branch for branch in self.branches if isinstance(branch, Branch))
        fields = {f"branches.{index}": branch.receptive_field() for index, branch in enumerate(branches)}
        return {**fields, "output": max(fields.values())}

    def feature_modules(self) -> dict[str, nn.Module]:
        return {f"branch{index + 1}": branch for index, branch in enumerate(self.branches)}

    def forward(self, waveform: Tensor) -> Tensor:
        self.check_samples(waveform)
        return self.branches(waveform[:, None])  # [batch, filters, samples / hop_length + 1]


@FRONTENDS.register("waveform-frame-level")
class SingleShape(FrameLevel):
    """Filters of one length and stride: by default 32 ms every 16 ms, like the windows of a spectrogram.

    Args:
        width: factor on filters.
        filters: in all.
        kernel_size: length of the filters, in samples.
        hop_length: samples between frames.
        sample_rate: Hz.

    Source: Dieleman and Schrauwen 2014. Book: ``book/waveform_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        filters: int = 192,
        kernel_size: int = 512,
        hop_length: int = 256,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__(width, filters, (kernel_size,), hop_length, sample_rate)


@FRONTENDS.register("waveform-frame-level-many-shapes")
class ManyShapes(FrameLevel):
    """Filters of several lengths side by side, by default 8, 32 and 128 ms: short ones for time, long ones for frequency.

    It has as many filters as :class:`SingleShape`, so that the two differ in filter lengths only.

    Args:
        width: factor on filters.
        filters: in all, divided evenly among the lengths.
        kernel_sizes: lengths of the filters, in samples.
        hop_length: samples between frames.
        sample_rate: Hz.

    Source: Zhu et al. 2016. Book: ``book/waveform_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        filters: int = 192,
        kernel_sizes: Sequence[int] = (128, 512, 2048),
        hop_length: int = 256,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__(width, filters, kernel_sizes, hop_length, sample_rate)
