"""Filters shaped after music: tall ones for timbre, long ones for rhythm (Pons et al. 2016, 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ConfigError, unknown_name
from ..base import FRONTENDS, Field, Taps, check_width, scaled
from ..layers import BATCH_NORM, he_init
from .spectrogram import SpectrogramFrontend

# (share of the mel bands, frames, filters) and (frames, filters) of the paper's code
PAPER_TIMBRAL = ((0.9, 7, 16), (0.9, 3, 32), (0.9, 1, 64), (0.4, 7, 16), (0.4, 3, 32), (0.4, 1, 64))
PAPER_TEMPORAL = ((165, 16), (128, 32), (64, 64), (32, 128))


class ShapeBlock(nn.Module):
    """Filters of one shape, then the strongest answer over all places in frequency.

    [batch, 1, bands, frames] -> [batch, filters, frames]: convolution (zero-padded in time only), ReLU, batch
    normalisation, maximum over frequency. The maximum is what makes a timbre the same timbre at another pitch.

    Args:
        filters: how many.
        bands, frames: the shape of each.
        toeplitz: convolve by :func:`toeplitz_conv`.
    """

    def __init__(self, filters: int, bands: int, frames: int, toeplitz: bool = False) -> None:
        super().__init__()
        self.toeplitz = toeplitz
        self.conv = nn.Conv2d(1, filters, (bands, frames))
        self.norm = nn.BatchNorm2d(filters, **BATCH_NORM)
        # an even filter looks one frame further ahead than back, as TensorFlow's 'same' does
        self.padding = ((frames - 1) // 2, frames // 2)
        he_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, self.padding)  # [batch, 1, bands, frames + length - 1]
        x = toeplitz_conv(self.conv, x) if self.toeplitz else self.conv(x)  # [batch, filters, places, frames]
        x = self.norm(torch.relu(x))  # [batch, filters, places, frames]
        # [batch, filters, frames]; with its place a maximum is slower to find, but its gradient goes there at once
        return x.max(dim=2).values if self.training else x.amax(dim=2)


def toeplitz_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What ``conv`` does, as a convolution over time alone: places in frequency become output channels.

    Each filter stands once for every place in a banded (Toeplitz) kernel over all bands. That is more arithmetic, but a
    convolution with one input channel leaves most of a processor unused, and its gradient more so: training steps of the
    spectrogram model are 1.3 (width 1) to 1.5 times (width 1/4) as fast on a CPU without bfloat16, see
    ``benchmarks/architectures.py``. At inference there is nothing to gain.

    Args:
        conv: with one input channel and a kernel of [height, length], without padding.
        x: [batch, 1, bands, frames].

    Returns:
        [batch, filters, bands - height + 1, frames - length + 1], equal to ``conv(x)`` but for rounding.
    """
    kernel, bands = conv.weight[:, 0], x.shape[2]  # [filters, height, length]
    filters, height, length = kernel.shape
    places = bands - height + 1
    # A row of bands + 1 numbers repeated and cut to rows of bands moves one band further with each row.
    rows = nn.functional.pad(kernel, (0, 0, 0, places))  # [filters, bands + 1, length]
    rows = rows[:, None].expand(-1, places, -1, -1).reshape(filters, places * (bands + 1), length)
    banded = rows[:, : places * bands].reshape(filters * places, bands, length)
    answers = nn.functional.conv1d(x[:, 0], banded, conv.bias.repeat_interleave(places))
    return answers.unflatten(1, (filters, places))


@FRONTENDS.register("spectrogram-musically-motivated", "spectrogram")
class MusicallyMotivated(SpectrogramFrontend):
    """Timbral and temporal filters side by side over one log-mel spectrogram; one frame every hop, 16 ms.

    Args:
        width: factor on filters.
        timbral: ``(share of the mel bands, frames, filters)`` for each tall shape.
        temporal: ``(frames, filters)`` for each long shape.
        temporal_input: ``"mean"``: long filters see the mean over bands, an envelope (the paper); ``"bands"``: each
            band on its own, and the strongest answer is kept (musicnn).
        toeplitz: compute timbral filters by :func:`toeplitz_conv`: the same numbers, faster training on most CPUs.
        mel, sample_rate, input_norm: see :class:`~tagging.models.frontends.spectrogram.SpectrogramFrontend`.

    Source: Pons et al. 2018, section 3.2; musicnn is Pons and Serra 2019. Book: ``book/spectrogram_frontends``.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        timbral: Sequence[tuple[float, int, int]] = PAPER_TIMBRAL,
        temporal: Sequence[tuple[int, int]] = PAPER_TEMPORAL,
        temporal_input: str = "mean",
        toeplitz: bool = False,
        mel: str | Mapping[str, Any] = "paper",
        sample_rate: int = 16000,
        input_norm: bool = False,
    ) -> None:
        super().__init__(mel, sample_rate, input_norm)
        check_width(width)
        if temporal_input not in ("mean", "bands"):
            raise unknown_name("temporal input", temporal_input, ("mean", "bands"))
        bands = self.log_mel.spec.bands
        if not all(0 < share <= 1 and int(share * bands) > 0 for share, _, _ in timbral):
            raise ConfigError(
                f"timbral filters {timbral}: the share of the {bands} bands must lie in (0, 1] and give at least one"
            )
        if (not timbral and not temporal) or any(frames < 1 for frames, _ in [*(t[1:] for t in timbral), *temporal]):
            raise ConfigError(
                f"timbral filters {timbral}, temporal filters {temporal}: give at least one, of at least 1 frame"
            )
        self.timbral = nn.ModuleList(
            ShapeBlock(scaled(n, width), int(share * bands), frames, toeplitz) for share, frames, n in timbral
        )
        self.temporal = nn.ModuleList(ShapeBlock(scaled(n, width), 1, frames) for frames, n in temporal)
        self.temporal_input = temporal_input
        self.out_channels = sum(block.conv.out_channels for block in [*self.timbral, *self.temporal])
        self._set_min_mel_frames(1)

    def frames_of_mel(self, frames: int) -> int:
        return frames

    def fields(self) -> dict[str, Field]:
        mel = self.mel_field()
        fields = {"log_mel": mel}
        for name in ("timbral", "temporal"):
            for index, block in enumerate(getattr(self, name)):
                fields[f"{name}.{index}"] = mel.then(block.conv.kernel_size[1])
        return {**fields, "output": max(fields.values())}

    def look(self, x: Tensor, taps: Taps | None = None) -> Tensor:
        envelope = x.mean(dim=2, keepdim=True) if self.temporal_input == "mean" else x  # [batch, 1, 1 or bands, frames]
        timbral = [block(x) for block in self.timbral]  # [batch, filters, frames] each
        temporal = [block(envelope) for block in self.temporal]  # [batch, filters, frames] each
        if taps is not None:
            taps.update(timbral=torch.cat(timbral, dim=1), temporal=torch.cat(temporal, dim=1))
        return torch.cat([*timbral, *temporal], dim=1)  # [batch, filters, frames]
