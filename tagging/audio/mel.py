"""Log-mel spectrograms as a module: the same numbers as librosa's, on any device, inside the model.

Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import AudioError, ConfigError, unknown_name

# Frames of all segments of a batch that are transformed at once on a CPU.
BLOCK_FRAMES = 512

# Compression: mel power [.., bands, frames] >= 0 -> what the network sees.
COMPRESSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda mel: mel,
    "log10(1+10000x)": lambda mel: torch.log10(1.0 + 10000.0 * mel),  # musicnn and the paper
    "dB": lambda mel: 10.0 * torch.log10(mel.clamp(min=1e-10)),
}


@dataclass(frozen=True)
class MelSpec:
    """What defines a log-mel spectrogram.

    Args:
        sample_rate: Hz.
        n_fft: window and transform length, samples; the window is a periodic Hann.
        hop: samples between frames.
        bands: number of mel bands.
        low, high: edges of the lowest and highest band, Hz; ``high=None`` is half the sample rate.
        scale: ``"slaney"`` (linear below 1 kHz) or ``"htk"``.
        norm: True gives every triangle unit area (Slaney), False unit height.
        pad: what lies beyond the ends of the waveform: ``"constant"`` (zeros), ``"reflect"``, or ``"none"``, which
            makes only the frames that lie inside; the other two centre frame *i* on sample *i x hop*.
        compression: one of :data:`COMPRESSIONS`.
        half: round the mel power to 16-bit floats before compression, as the files musicnn was trained on were.
    """

    sample_rate: int = 16000
    n_fft: int = 512
    hop: int = 256
    bands: int = 96
    low: float = 0.0
    high: float | None = None
    scale: str = "slaney"
    norm: bool = True
    pad: str = "constant"
    compression: str = "log10(1+10000x)"
    half: bool = False

    def __post_init__(self) -> None:
        for field in ("sample_rate", "n_fft", "hop", "bands"):
            if getattr(self, field) < 1:
                raise ConfigError(f"log-mel spectrogram: {field} is {getattr(self, field)}, it must be at least 1")
        if self.scale not in _SCALES:
            raise unknown_name("mel scale", self.scale, _SCALES)
        if self.compression not in COMPRESSIONS:
            raise unknown_name("compression", self.compression, COMPRESSIONS)
        if self.pad not in ("constant", "reflect", "none"):
            raise unknown_name("padding", self.pad, ("constant", "reflect", "none"))
        if not 0 <= self.low < self.top <= self.sample_rate / 2:
            raise ConfigError(
                f"log-mel spectrogram: bands from {self.low} to {self.top} Hz do not fit below {self.sample_rate / 2} Hz"
            )

    @property
    def top(self) -> float:
        """Upper edge of the highest band, Hz."""
        return self.sample_rate / 2 if self.high is None else self.high

    @property
    def edge(self) -> int:
        """Samples that padding adds at each end of a waveform."""
        return 0 if self.pad == "none" else self.n_fft // 2

    def frames(self, samples: int) -> int:
        """How many frames a waveform of so many samples gives; 0 if it is too short."""
        return max(0, (samples + 2 * self.edge - self.n_fft) // self.hop + 1)


def _slaney_to_mel(hertz: np.ndarray) -> np.ndarray:
    linear = hertz * 3 / 200
    return np.where(hertz < 1000, linear, 15 + np.log(np.maximum(hertz, 1e-9) / 1000) * 27 / math.log(6.4))


def _slaney_to_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))


_SCALES = {
    "slaney": (_slaney_to_mel, _slaney_to_hertz),
    "htk": (lambda hertz: 2595 * np.log10(1 + hertz / 700), lambda mel: 700 * (10 ** (mel / 2595) - 1)),
}

# Definitions in use in the field. Their numbers are not interchangeable: a model answers nonsense to another's.
PRESETS: dict[str, MelSpec] = {
    # Pons and Serra 2019; Pons et al. 2018 without the rounding
    "musicnn": MelSpec(half=True),
    "paper": MelSpec(),
    # Won et al. 2020, torchaudio's defaults and decibels
    "won": MelSpec(scale="htk", norm=False, pad="reflect", compression="dB"),
    # Kong et al. 2020 (PANNs)
    "panns": MelSpec(32000, 1024, 320, 64, low=50, high=14000, pad="reflect", compression="dB"),
    # librosa.feature.melspectrogram's defaults, in decibels
    "librosa": MelSpec(22050, 2048, 512, 128, compression="dB"),
}


def mel_bank(spec: MelSpec) -> np.ndarray:
    """The triangular filters, float64 [bands, n_fft // 2 + 1].

    Built in float64 as librosa does: built in float32 the bank alone costs an error of 1e-5 in the mel.
    """
    to_mel, to_hertz = _SCALES[spec.scale]
    # three edges a band: where it starts, peaks and ends; neighbours share two of them
    edges = to_hertz(np.linspace(to_mel(np.float64(spec.low)), to_mel(np.float64(spec.top)), spec.bands + 2))
    bins = np.linspace(0, spec.sample_rate / 2, spec.n_fft // 2 + 1)
    widths = np.diff(edges)[:, None]
    rising = (bins - edges[:-2, None]) / widths[:-1]  # [bands, bins]
    falling = (edges[2:, None] - bins) / widths[1:]
    bank = np.maximum(0, np.minimum(rising, falling))
    return bank * (2 / (edges[2:] - edges[:-2]))[:, None] if spec.norm else bank


class LogMel(nn.Module):
    """Waveform -> log-mel spectrogram.

    float32 [batch, samples] at ``spec.sample_rate``, nominally in [-1, 1] -> float32 [batch, bands, frames].
    Equal to librosa within 1e-5 of mel power; computed in float32 even under autocast, because bfloat16 keeps eight
    bits of a number and a spectrum spans many more. The buffers are not part of ``state_dict``: they follow from ``spec``.

    Args:
        spec: a :class:`MelSpec`, or the name of one of :data:`PRESETS`.

    Book: ``book/what_goes_in``. Source: Pons et al. 2018, section 3.2.
    """

    def __init__(self, spec: MelSpec | str = "paper") -> None:
        super().__init__()
        if isinstance(spec, str):
            if spec not in PRESETS:
                raise unknown_name("log-mel preset", spec, PRESETS)
            spec = PRESETS[spec]
        self.spec = spec
        self.register_buffer("window", torch.hann_window(spec.n_fft), persistent=False)
        bank = torch.from_numpy(mel_bank(spec)).float()
        self.register_buffer("bank", bank.T.contiguous(), persistent=False)  # [bins, bands]

    def extra_repr(self) -> str:
        return str(self.spec)

    def power(self, waveform: Tensor) -> Tensor:
        """Mel power before compression: [batch, samples] -> [batch, bands, frames]."""
        spec = self.spec
        if spec.frames(waveform.shape[-1]) < 1 or (spec.pad == "reflect" and waveform.shape[-1] <= spec.edge):
            raise AudioError(
                f"a waveform of {waveform.shape[-1]} samples is too short for one window of {spec.n_fft}; pad it with zeros"
            )
        with torch.autocast(waveform.device.type, enabled=False):
            x = waveform.float()
            if spec.edge:
                x = nn.functional.pad(x[:, None], (spec.edge, spec.edge), mode=spec.pad)[:, 0]
            frames = x.unfold(-1, spec.n_fft, spec.hop)  # [batch, frames, n_fft], a view
            # A few hundred frames at a time stay in a CPU's cache, which makes this twice as fast as librosa and more
            # than twice as fast as torch.stft (benchmarks/log_mel.py); a GPU wants them all at once.
            block = max(1, BLOCK_FRAMES // len(x)) if x.device.type == "cpu" else frames.shape[1]
            mel = torch.cat([self._mel_of(part) for part in frames.split(block, dim=1)], dim=1)
            return mel.transpose(1, 2)  # [batch, bands, frames]

    def _mel_of(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames * self.window)  # complex [batch, frames, bins]
        power = spectrum.real.square() + spectrum.imag.square()  # [batch, frames, bins]
        return power @ self.bank  # [batch, frames, bands]

    def forward(self, waveform: Tensor) -> Tensor:
        mel = self.power(waveform)
        if self.spec.half:
            # the largest half is 65504; real music reaches about 100, a waveform far beyond [-1, 1] might not stay below
            mel = mel.clamp(max=65504.0).half().float()
        return COMPRESSIONS[self.spec.compression](mel)
