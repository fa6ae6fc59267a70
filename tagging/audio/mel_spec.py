"""Log-mel spectrograms as NumPy defines them: parameters, presets and filters; :mod:`tagging.audio.mel` computes them.

Nothing here needs PyTorch. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, unknown_name

MAX_OVERLAP = 64  # windows that hold one sample; musicnn has 2
MAX_BANK = 2**23  # bands times samples of a window: 500 bands of a window of 1 s

COMPRESSION_NAMES = ("none", "log10(1+10000x)", "dB")


@dataclass(frozen=True)
class MelSpec:
    """Parameters of a log-mel spectrogram.

    Args:
        sample_rate: Hz.
        n_fft: window and transform length, samples; the window is a periodic Hann.
        hop_length: samples between frames.
        n_mels: number of mel bands.
        f_min, f_max: edges of the lowest and highest band, Hz; ``f_max=None`` is half the sample rate.
        mel_scale: ``"slaney"`` (linear below 1 kHz) or ``"htk"``.
        norm: ``"slaney"`` gives every triangle unit area, None unit height.
        pad_mode: what lies beyond the ends of the waveform: ``"constant"`` (zeros), ``"reflect"``, or ``"none"``, which
            makes only the frames that lie inside; the other two centre frame *i* on sample *i x hop_length*.
        compression: one of :data:`tagging.audio.mel.COMPRESSIONS`.
        round_to_float16: round the mel power to 16-bit floats before compression, as the files musicnn was trained on were.
    """

    sample_rate: int = 16000
    n_fft: int = 512
    hop_length: int = 256
    n_mels: int = 96
    f_min: float = 0.0
    f_max: float | None = None
    mel_scale: str = "slaney"
    norm: str | None = "slaney"
    pad_mode: str = "constant"
    compression: str = "log10(1+10000x)"
    round_to_float16: bool = False

    def __post_init__(self) -> None:
        for field in ("sample_rate", "n_fft", "hop_length", "n_mels"):
            if getattr(self, field) < 1:
                raise ConfigError(f"log-mel spectrogram: {field} is {getattr(self, field)}, it must be at least 1")
        if self.n_mels * self.n_fft > MAX_BANK or self.hop_length > MAX_BANK:
            raise ConfigError(
                f"log-mel spectrogram: {self.n_mels} bands of a window of {self.n_fft} samples every {self.hop_length} are "
                "more than any sound needs; use fewer"
            )
        if self.n_fft > MAX_OVERLAP * self.hop_length:
            raise ConfigError(
                f"log-mel spectrogram: a window of {self.n_fft} samples every {self.hop_length}: each sample would be in more "
                f"than {MAX_OVERLAP} windows; take a longer hop"
            )
        if self.mel_scale not in _SCALES:
            raise unknown_name("mel scale", self.mel_scale, _SCALES)
        if self.norm not in ("slaney", None):
            raise ConfigError(f"log-mel spectrogram: norm is {self.norm!r}, it must be 'slaney' or None")
        if self.compression not in COMPRESSION_NAMES:
            raise unknown_name("compression", self.compression, COMPRESSION_NAMES)
        if self.pad_mode not in ("constant", "reflect", "none"):
            raise unknown_name("padding", self.pad_mode, ("constant", "reflect", "none"))
        if not 0 <= self.f_min < self.top_frequency <= self.sample_rate / 2:
            raise ConfigError(
                f"log-mel spectrogram: bands from {self.f_min} to {self.top_frequency} Hz do not fit below "
                f"{self.sample_rate / 2} Hz"
            )

    @property
    def top_frequency(self) -> float:
        """Upper edge of the highest band, Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    @property
    def padding(self) -> int:
        """Samples added at each end of a waveform."""
        return 0 if self.pad_mode == "none" else self.n_fft // 2

    def num_frames(self, samples: int) -> int:
        """Number of frames of a waveform of ``samples`` samples; 0 if it is too short."""
        return max(0, (samples + 2 * self.padding - self.n_fft) // self.hop_length + 1)


def _slaney_to_mel(hertz: np.ndarray) -> np.ndarray:
    linear = hertz * 3 / 200
    return np.where(hertz < 1000, linear, 15 + np.log(np.maximum(hertz, 1e-9) / 1000) * 27 / math.log(6.4))


def _slaney_to_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))


_SCALES = {
    "slaney": (_slaney_to_mel, _slaney_to_hertz),
    "htk": (lambda hertz: 2595 * np.log10(1 + hertz / 700), lambda mel: 700 * (10 ** (mel / 2595) - 1)),
}

# Definitions in use in the field. They are not interchangeable: a model trained with one is wrong on another.
PRESETS: dict[str, MelSpec] = {
    # Pons and Serra 2019; Pons et al. 2018 without the rounding
    "musicnn": MelSpec(round_to_float16=True),
    "paper": MelSpec(),
    # Won et al. 2020, torchaudio's defaults and decibels
    "won": MelSpec(mel_scale="htk", norm=None, pad_mode="reflect", compression="dB"),
    # Kong et al. 2020 (PANNs)
    "panns": MelSpec(32000, 1024, 320, 64, f_min=50, f_max=14000, pad_mode="reflect", compression="dB"),
    # librosa.feature.melspectrogram's defaults, in decibels
    "librosa": MelSpec(22050, 2048, 512, 128, compression="dB"),
}


def mel_bank(spec: MelSpec) -> np.ndarray:
    """Triangular mel filters, float64 [bands, n_fft // 2 + 1].

    Computed in float64 as in librosa: float32 filters alone would give an error of 1e-5 in the mel power.
    """
    to_mel, to_hertz = _SCALES[spec.mel_scale]
    # three corners a band: where it starts, peaks and ends; neighbours share two of them
    lowest, highest = to_mel(np.float64(spec.f_min)), to_mel(np.float64(spec.top_frequency))
    corners = to_hertz(np.linspace(lowest, highest, spec.n_mels + 2))
    bins = np.linspace(0, spec.sample_rate / 2, spec.n_fft // 2 + 1)
    widths = np.diff(corners)[:, None]
    rising = (bins - corners[:-2, None]) / widths[:-1]  # [bands, bins]
    falling = (corners[2:, None] - bins) / widths[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    return bank * (2 / (corners[2:] - corners[:-2]))[:, None] if spec.norm == "slaney" else bank
