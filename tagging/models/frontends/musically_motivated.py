"""The musically motivated front-end: tall filters for timbre, long filters for rhythm (Pons et al. 2016, 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ConfigError, unknown_name
from ..base import FRONTENDS, ReceptiveField, check_width, scaled
from ..layers import BATCH_NORM, Parallel, he_init
from .spectrogram import SpectrogramFrontend

# (share of the mel bands, frames, filters) and (frames, filters) of the paper's code
PAPER_TIMBRAL = ((0.9, 7, 16), (0.9, 3, 32), (0.9, 1, 64), (0.4, 7, 16), (0.4, 3, 32), (0.4, 1, 64))
PAPER_TEMPORAL = ((165, 16), (128, 32), (64, 64), (32, 128))


class ShapeBlock(nn.Module):
    """Filters of one shape, then a maximum over frequency: [batch, 1, bands, frames] -> [batch, filters, frames].

    Convolution (zero-padded in time only), ReLU, batch normalisation, maximum over frequency. The maximum makes the output
    the same for the same timbre at another pitch.

    Args:
        filters: how many.
        bands, frames: height and length of each filter.
    """

    def __init__(self, filters: int, bands: int, frames: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, filters, (bands, frames))
        self.norm = nn.BatchNorm2d(filters, **BATCH_NORM)
        # an even filter covers one frame more ahead than back, as TensorFlow's 'same' padding does
        self.padding = ((frames - 1) // 2, frames // 2)
        he_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(nn.functional.pad(x, self.padding))  # [batch, filters, positions, frames]
        x = self.norm(torch.relu(x))  # [batch, filters, positions, frames]
        # [batch, filters, frames]; max() also finds the position, which is slower, but its gradient is faster for it
        return x.max(dim=2).values if self.training else x.amax(dim=2)


@FRONTENDS.register("spectrogram-musically-motivated", "spectrogram")
class MusicallyMotivated(SpectrogramFrontend):
    """Timbral and temporal filters side by side over one log-mel spectrogram; one frame every hop, 16 ms.

    Features: ``timbral``, ``temporal`` [batch, filters, frames].

    Args:
        width: factor on filters.
        timbral: ``(share of the mel bands, frames, filters)`` for each tall shape.
        temporal: ``(frames, filters)`` for each long shape.
        temporal_input: ``"mean"``: long filters see the mean over bands, an envelope (the paper); ``"bands"``: they see
            each band separately, followed by the maximum over bands (musicnn).
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
        mel: str | Mapping[str, Any] = "paper",
        sample_rate: int = 16000,
        input_norm: bool = False,
    ) -> None:
        super().__init__(mel, sample_rate, input_norm)
        check_width(width)
        if temporal_input not in ("mean", "bands"):
            raise unknown_name("temporal input", temporal_input, ("mean", "bands"))
        bands = self.log_mel.spec.n_mels
        if not all(0 < share <= 1 and int(share * bands) > 0 for share, _, _ in timbral):
            raise ConfigError(
                f"timbral filters {timbral}: the share of the {bands} bands must lie in (0, 1] and give at least one band"
            )
        if (not timbral and not temporal) or any(frames < 1 for frames, _ in [*(t[1:] for t in timbral), *temporal]):
            raise ConfigError(
                f"timbral filters {timbral}, temporal filters {temporal}: give at least one, of at least 1 frame"
            )
        self.timbral = Parallel(
            ShapeBlock(scaled(n, width), int(share * bands), frames) for share, frames, n in timbral
        )
        self.temporal = Parallel(ShapeBlock(scaled(n, width), 1, frames) for frames, n in temporal)
        self.temporal_input = temporal_input
        self.out_channels = sum(block.conv.out_channels for block in [*self.timbral, *self.temporal])
        self._set_min_mel_frames(1)

    def num_frames_from_mel(self, mel_frames: int) -> int:
        return mel_frames

    def receptive_fields(self) -> dict[str, ReceptiveField]:
        mel = self.mel_receptive_field()
        fields = {"log_mel": mel}
        for name in ("timbral", "temporal"):
            for index, block in enumerate(getattr(self, name)):
                fields[f"{name}.{index}"] = mel.then(block.conv.kernel_size[1])
        return {**fields, "output": max(fields.values())}

    def feature_modules(self) -> dict[str, nn.Module]:
        return {"timbral": self.timbral, "temporal": self.temporal}

    def forward_features(self, x: Tensor) -> Tensor:
        timbral = self.timbral(x)  # [batch, filters, frames]
        envelope = x.mean(dim=2, keepdim=True) if self.temporal_input == "mean" else x  # [batch, 1, 1 or bands, frames]
        temporal = self.temporal(envelope)  # [batch, filters, frames]
        return torch.cat([timbral, temporal], dim=1)  # [batch, filters, frames]
