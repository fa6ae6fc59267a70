"""A small network on statistics of the log-mel spectrogram: a baseline for all front-ends.

Book: ``book/baseline``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.mel import LogMel, MelSpec
from ..errors import ConfigError
from ..models.heads import HEADS, GroupedMLPHead
from ..models.layers import he_init
from ..tags import Vocabulary

# Groups of log-mel bands with an onset curve each.
GROUPS = 4
# Periods of the onset curves, in seconds; the longest is at most half a segment, so that it occurs twice.
SHORTEST_PERIOD, LONGEST_PERIOD = 0.1, 2.0


class MelStatistics(nn.Module):
    """An MLP on statistics of the log-mel spectrogram.

    Its input is mean, standard deviation, flux and maximum of every log-mel band, and the autocorrelation of the onsets of
    four groups of bands: no shape in time and frequency. The difference to this baseline is what a network gains from the
    spectrogram itself. It trains like a :class:`~tagging.models.tagger.Tagger`.

    Args:
        vocabulary: the tags, in the order of the outputs.
        segment_seconds: length of a segment; the shortest input is twice the longest period.
        sample_rate: Hz.
        head: a registered head; ``"per-tag"`` and ``"per-group"`` have their own hidden units.
        hidden: hidden units shared by all tags; not used with these two heads.
        dropout: after the hidden layer.
        head_options: for the head, such as ``hidden`` of those with units of their own.

    Attributes:
        vocabulary, segment_seconds, sample_rate: as given.

    Raises:
        ConfigError: segments too short to hold a rhythm.

    Book: ``book/baseline``.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        segment_seconds: float = 3.0,
        *,
        sample_rate: int = 16000,
        head: str = "linear",
        hidden: int = 256,
        dropout: float = 0.5,
        head_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.vocabulary, self.segment_seconds, self.sample_rate = vocabulary, segment_seconds, sample_rate
        # a frame every 16 ms, whatever the sample rate
        window = max(2, round(0.032 * sample_rate))
        self.log_mel = LogMel(MelSpec(sample_rate=sample_rate, n_fft=window, hop_length=max(1, window // 2)))
        frames_per_second = sample_rate / self.log_mel.spec.hop_length
        longest = min(LONGEST_PERIOD, segment_seconds / 2)
        self.lags = slice(round(SHORTEST_PERIOD * frames_per_second), round(longest * frames_per_second) + 1)
        if self.lags.stop <= self.lags.start:
            raise ConfigError(
                f"segments of {segment_seconds} s are too short for periods of {SHORTEST_PERIOD} s: "
                f"give at least {2 * SHORTEST_PERIOD} s"
            )
        features = 4 * self.log_mel.spec.n_mels + GROUPS * (self.lags.stop - self.lags.start)
        # without gain and offset: it only brings the statistics, which are decibels and correlations, to one scale
        self.standardise = nn.BatchNorm1d(features, affine=False)
        options = dict(head_options or {})
        if issubclass(HEADS.get(head), GroupedMLPHead):
            self.hidden: nn.Module = nn.Identity()
            self.head = HEADS.build(head, features, vocabulary, dropout=dropout, **options)
        else:
            layer = nn.Linear(features, hidden)
            self.hidden = nn.Sequential(layer, nn.ReLU())
            self.head = HEADS.build(head, hidden, vocabulary, dropout=dropout, **options)
            he_init(layer)

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of one segment each.

        Args:
            waveform: float32 [batch, samples] at ``sample_rate``, nominally in [-1, 1].

        Returns:
            float32 [batch, tags]; their sigmoid is the score of a tag, in [0, 1].

        Raises:
            ConfigError: too few samples.
        """
        x = self.statistics(waveform)  # [batch, features]
        x = self.standardise(x)  # [batch, features]
        x = self.hidden(x)  # [batch, hidden]; unchanged for heads with hidden units of their own
        return self.head(x)  # [batch, tags]

    def statistics(self, waveform: Tensor) -> Tensor:
        """Input of the MLP: float32 [batch, samples] -> [batch, 4 x bands + 4 x lags].

        Args:
            waveform: float32 [batch, samples].

        Raises:
            ConfigError: too few samples.
        """
        mel = self.log_mel(waveform)  # [batch, bands, frames]
        if mel.shape[-1] < 2 * (self.lags.stop - 1):
            raise ConfigError(
                f"{waveform.shape[-1]} samples are too few for periods of {LONGEST_PERIOD} s at most: "
                f"this network was built for segments of {self.segment_seconds} s at {self.sample_rate} Hz"
            )
        rises = mel.diff(dim=2).relu()  # [batch, bands, frames - 1]
        bands = [mel.mean(dim=2), mel.std(dim=2), rises.mean(dim=2), mel.amax(dim=2)]  # each [batch, bands]
        onsets = torch.stack([group.mean(dim=1) for group in rises.tensor_split(GROUPS, dim=1)], dim=1)
        rhythm = autocorrelation(onsets)[:, :, self.lags]  # [batch, groups, lags]
        return torch.cat([*bands, rhythm.flatten(1)], dim=1)  # [batch, features]

    def init_output_bias(self, tag_prior: np.ndarray) -> None:
        """Set the output bias so that the untrained score of each tag is its prior.

        Args:
            tag_prior: float [tags] in [0, 1]; nan leaves a tag at 0.5.
        """
        self.head.init_output_bias(tag_prior)


def autocorrelation(curves: Tensor) -> Tensor:
    """Autocorrelation of centred curves from lag 0, where it is 1; zeros for a constant curve.

    Args:
        curves: float [..., frames].

    Returns:
        float [..., lags].
    """
    curves = curves - curves.mean(dim=-1, keepdim=True)
    frames = curves.shape[-1]
    spectrum = torch.fft.rfft(curves, 2 * frames)  # zero-padded, so that nothing wraps around
    correlation = torch.fft.irfft(spectrum.abs().square(), 2 * frames)[..., :frames]
    strength = correlation[..., :1]
    # below this, only rounding is left of a constant curve
    return torch.where(strength > 1e-6 * frames, correlation / strength.clamp(min=1e-9), 0.0)
