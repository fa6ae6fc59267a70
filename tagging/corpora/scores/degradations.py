"""What happens between the instruments and the microphone: room, band limit, noise, level. Runs on the training device.

All draws come with the clip, so nothing here is random: the same clip is degraded the same way on every device, up to
the rounding of its Fourier transforms. Book: ``book/million_clips``.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from .synthesizer import SAMPLE_RATE

_ROOMS = 24
_ROOM_SAMPLES = int(0.7 * SAMPLE_RATE)
_NOISE_SAMPLES = 1 << 20
_FILTER_TAPS = 129
_FILTERS = 16
# Share of clips that get a band limit, and noise.
_SHARE = 0.5
_LOUDEST_DB, _LEVEL_RANGE_DB = -14.0, 12.0
_BEST_SNR_DB, _SNR_RANGE_DB = 40.0, 28.0


class Degradations(nn.Module):
    """Room, band limit, noise and level, for a batch on any device.

    The draws of a clip are, in order: reverb amount, which room, band limit (below 0.5: how low), noise (below 0.5: how
    much), level, and where in the noise to begin.

    Args:
        seed: of the rooms and of the noise.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("rooms", _rooms(generator), persistent=False)
        self.register_buffer("filters", _low_pass_filters(), persistent=False)
        self.register_buffer("noise", torch.randn(_NOISE_SAMPLES, generator=generator), persistent=False)

    def forward(self, audio: Tensor, draws: Tensor) -> Tensor:
        """Degrade clips.

        Args:
            audio: int16 ``[batch, samples]``, or float32 in [-1, 1].
            draws: float32 ``[batch, 6]`` in [0, 1).

        Returns:
            float32 ``[batch, samples]`` in [-1, 1].
        """
        if not audio.is_floating_point():
            audio = audio.to(torch.float32) / 32768
        samples = audio.shape[-1]
        reverb, room, band, noise, level, place = draws.to(audio).unbind(dim=1)
        # [batch, taps]: direct sound, then the tail of a room, louder with the amount of reverb
        response = self.rooms[(room * _ROOMS).long()] * (0.8 * reverb**2)[:, None]
        response[:, 0] = 1
        limited = band < _SHARE
        response = _convolve(response, self._filters_of(band, limited))  # [batch, taps + 128]
        middle = _FILTER_TAPS // 2
        audio = _convolve(audio, response)[:, middle : middle + samples]  # [batch, samples]
        power = audio.square().mean(dim=1).clamp_min(1e-12)
        snr = _BEST_SNR_DB - _SNR_RANGE_DB * noise / _SHARE
        amplitude = torch.sqrt(power) * torch.where(noise < _SHARE, 10 ** (-snr / 20), torch.zeros_like(snr))
        audio = audio + amplitude[:, None] * self._noise_from(place, samples)
        target = 10 ** ((_LOUDEST_DB - _LEVEL_RANGE_DB * level) / 20)
        audio = audio * (target / torch.sqrt(audio.square().mean(dim=1).clamp_min(1e-12)))[:, None]
        # loud peaks are turned down as a whole, never cut
        return audio * (0.98 / audio.abs().amax(dim=1)).clamp_max(1)[:, None]

    def _filters_of(self, band: Tensor, limited: Tensor) -> Tensor:
        chosen = (band / _SHARE * _FILTERS).long().clamp_max(_FILTERS - 1)
        return self.filters[torch.where(limited, chosen, torch.full_like(chosen, _FILTERS))]

    def _noise_from(self, place: Tensor, samples: int) -> Tensor:
        begin = (place * (_NOISE_SAMPLES - samples)).long()
        return self.noise.unfold(0, samples, 1)[begin]


def _rooms(generator: torch.Generator) -> Tensor:
    """float32 ``[rooms, samples]``: exponentially decaying noise, 0.15 to 0.7 s to -60 dB; energy 1, no direct sound."""
    noise = torch.randn(_ROOMS, _ROOM_SAMPLES, generator=generator)
    decay = torch.linspace(0.15, 0.7, _ROOMS)[:, None] * SAMPLE_RATE
    time = torch.arange(_ROOM_SAMPLES)[None]
    tail = noise * torch.exp(-6.9 * time / decay) * (time >= 0.003 * SAMPLE_RATE)
    return tail / tail.square().sum(dim=1, keepdim=True).sqrt()


def _low_pass_filters() -> Tensor:
    """float32 ``[filters + 1, taps]``: windowed sincs from 1.8 to 7 kHz, and last the filter that does nothing."""
    cutoff = torch.logspace(np.log10(1800), np.log10(7000), _FILTERS, dtype=torch.float64)[:, None] / SAMPLE_RATE
    time = torch.arange(_FILTER_TAPS, dtype=torch.float64) - _FILTER_TAPS // 2
    window = torch.hann_window(_FILTER_TAPS + 2, periodic=False, dtype=torch.float64)[1:-1]
    taps = torch.special.sinc(2 * cutoff * time) * window
    nothing = (time == 0).to(torch.float64)[None]
    return torch.cat([taps / taps.sum(dim=1, keepdim=True), nothing]).to(torch.float32)


def _convolve(sound: Tensor, response: Tensor) -> Tensor:
    """float32 ``[batch, samples + taps - 1]``.

    The transforms have a fast length: 59,327 samples, for one, take four times as long as 60,000.
    """
    import torchaudio.functional as F

    full = sound.shape[-1] + response.shape[-1] - 1
    return F.fftconvolve(nn.functional.pad(sound, (0, _fast_length(full) - full)), response)[:, :full]


def _fast_length(samples: int) -> int:
    """The next number without prime factors above 5."""
    while True:
        rest = samples
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return samples
        samples += 1


@functools.cache
def _on_cpu() -> Degradations:
    return Degradations()


def degrade_clip(sound: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """One clip on the CPU: int16 ``[samples]`` and its six draws -> int16 ``[samples]``."""
    audio = torch.from_numpy(sound.astype(np.float32) / 32768)[None]
    with torch.inference_mode():
        degraded = _on_cpu()(audio, torch.from_numpy(draws.astype(np.float32))[None])[0]
    return np.rint(degraded.numpy() * 32767).astype(np.int16)
