"""Base class of spectrogram front-ends: they compute their log-mel spectrogram, or are given one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ...audio.mel import LogMel
from ...audio.mel_spec import PRESETS, MelSpec
from ...errors import ConfigError, unknown_name
from ..base import Frontend, ReceptiveField, in_type_of_weights
from ..layers import BATCH_NORM


class SpectrogramFrontend(Frontend):
    """Base class of front-ends over a log-mel spectrogram, which is computed inside the front-end.

    Args:
        mel: a preset of :mod:`tagging.audio.mel_spec`, or the fields of a :class:`~tagging.audio.mel_spec.MelSpec`.
        sample_rate: Hz; replaces the preset's.
        input_norm: batch-normalise the spectrogram as one channel first, as musicnn does.
    """

    takes_float32 = True  # a spectrum of samples rounded to half precision is one of noise

    def __init__(self, mel: str | Mapping[str, Any], sample_rate: int, input_norm: bool) -> None:
        super().__init__()
        if isinstance(mel, str) and mel not in PRESETS:
            raise unknown_name("log-mel preset", mel, PRESETS)
        try:
            spec = PRESETS[mel] if isinstance(mel, str) else MelSpec(**mel)
        except TypeError as error:
            raise ConfigError(
                f"log-mel spectrogram: {error}; its fields are {', '.join(MelSpec.__dataclass_fields__)}"
            ) from error
        self.log_mel = LogMel(replace(spec, sample_rate=sample_rate))
        self.input_norm = nn.BatchNorm2d(1, **BATCH_NORM) if input_norm else nn.Identity()
        self.sample_rate = sample_rate
        # frames that are not padded segment by segment are padded once, at the ends of the song
        self.song_padding = spec.n_fft // 2 if spec.pad_mode == "none" else 0

    def _set_min_mel_frames(self, frames: int) -> None:
        """Derive the shortest waveform from the fewest mel frames this front-end needs."""
        spec = self.log_mel.spec
        self.min_mel_frames = frames
        self.min_samples = max(
            (frames - 1) * spec.hop_length + spec.n_fft - 2 * spec.padding,
            spec.padding + 1 if spec.pad_mode == "reflect" else 1,
        )

    def num_frames(self, samples: int) -> int:
        return self.num_frames_from_mel(self.log_mel.spec.num_frames(samples))

    @abstractmethod
    def num_frames_from_mel(self, mel_frames: int) -> int:
        """Number of frames of the feature map of a spectrogram of ``mel_frames`` frames."""

    @abstractmethod
    def forward_features(self, x: Tensor) -> Tensor:
        """The network: normalised log-mel [batch, 1, bands, mel frames] -> feature map [batch, channels, frames]."""

    def mel_receptive_field(self) -> ReceptiveField:
        """Receptive field of one frame of the log-mel spectrogram."""
        return ReceptiveField().then(self.log_mel.spec.n_fft, self.log_mel.spec.hop_length)

    def from_log_mel(self, log_mel: Tensor) -> Tensor:
        """Compute the feature map of a given spectrogram: [batch, bands, mel frames] -> [batch, channels, frames].

        Raises:
            ConfigError: another number of bands, or too few frames.
        """
        bands = self.log_mel.spec.n_mels
        if not isinstance(log_mel, Tensor) or not log_mel.is_floating_point():
            kind = getattr(log_mel, "dtype", type(log_mel).__name__)
            raise ConfigError(f"a log-mel spectrogram of type {kind}: give a tensor of floats")
        if log_mel.ndim != 3 or log_mel.shape[1] != bands:
            raise ConfigError(
                f"a log-mel spectrogram of shape {tuple(log_mel.shape)}: expected [batch, {bands} bands, frames]"
            )
        if log_mel.shape[-1] < self.min_mel_frames:
            raise ConfigError(
                f"a log-mel spectrogram of {log_mel.shape[-1]} frames is too short: "
                f"this front-end needs {self.min_mel_frames}; pad it"
            )
        return self.forward_features(self.input_norm(in_type_of_weights(log_mel, self)[:, None]))

    def forward(self, waveform: Tensor) -> Tensor:
        self.check_samples(waveform)
        return self.from_log_mel(self.log_mel(waveform))  # [batch, channels, frames]
