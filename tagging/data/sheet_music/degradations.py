"""Degradations of clips (room, band limit, noise, level), on the training device.

Their parameters come with the clip: it is degraded the same way on every device, up to the rounding of Fourier transforms.
Book: ``book/million_clips``.
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

    The parameters of a clip are, in order: reverb amount, which room, band limit (below 0.5: how low), noise (below 0.5: how
    much), level, and where in the noise to begin.

    Args:
        seed: of the rooms and of the noise.
    """

    rooms: Tensor
    filters: Tensor
    noise: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("rooms", _rooms(generator), persistent=False)
        self.register_buffer("filters", _low_pass_filters(), persistent=False)
        self.register_buffer("noise", torch.randn(_NOISE_SAMPLES, generator=generator), persistent=False)
        self._size: tuple[int, torch.device] | None = None
        self._room_responses = self._filter_responses = torch.empty(0)

    def forward(self, audio: Tensor, params: Tensor) -> Tensor:
        """Degrade clips.

        Args:
            audio: int16 [batch, samples], or float32 in [-1, 1].
            params: float32 [batch, 6] in [0, 1).

        Returns:
            float32 [batch, samples] in [-1, 1].
        """
        if not audio.is_floating_point():
            audio = audio.to(torch.float32) / 32768
        samples = audio.shape[-1]
        reverb, room, band, noise, level, offset = params.to(audio).unbind(dim=1)
        audio = self._in_a_room(audio, 0.8 * reverb**2, room, band)
        snr = _BEST_SNR_DB - _SNR_RANGE_DB * noise / _SHARE
        amplitude = torch.where(noise < _SHARE, _loudness(audio) * 10 ** (-snr / 20), torch.zeros_like(snr))
        audio = audio + amplitude[:, None] * self._noise_from(offset, samples)
        gain = 10 ** ((_LOUDEST_DB - _LEVEL_RANGE_DB * level) / 20) / _loudness(audio)
        # a clip with loud peaks is turned down as a whole, never clipped
        return audio * torch.minimum(gain, 0.98 / audio.abs().amax(dim=1))[:, None]

    def _in_a_room(self, audio: Tensor, amount: Tensor, room: Tensor, band: Tensor) -> Tensor:
        """float32 [batch, samples]: direct sound and an amount of the tail of a room, through a low-pass filter."""
        samples = audio.shape[-1]
        # long enough that the tail does not wrap around to the beginning
        size = _fast_length(samples + _ROOM_SAMPLES + _FILTER_TAPS)
        rooms, filters = self._responses(size)
        lowest = (band / _SHARE * _FILTERS).long()
        response = rooms[(room * _ROOMS).long()]  # [batch, frequencies]
        response = response.mul_(amount[:, None]).add_(1).mul_(filters[lowest.clamp_max(_FILTERS)])
        return torch.fft.irfft(torch.fft.rfft(audio, size).mul_(response), size)[:, :samples]

    def _responses(self, size: int) -> tuple[Tensor, Tensor]:
        """complex64 [rooms, frequencies] and [filters + 1, frequencies]; those of the last size are cached."""
        if self._size != (size, self.rooms.device):
            filters = nn.functional.pad(self.filters, (0, size - _FILTER_TAPS)).roll(-(_FILTER_TAPS // 2), dims=1)
            self._room_responses, self._filter_responses = (
                torch.fft.rfft(self.rooms, size),
                torch.fft.rfft(filters, size),
            )
            self._size = size, self.rooms.device
        return self._room_responses, self._filter_responses

    def _noise_from(self, offset: Tensor, samples: int) -> Tensor:
        begin = (offset * (_NOISE_SAMPLES - samples)).long()
        return self.noise.unfold(0, samples, 1)[begin]


def _rooms(generator: torch.Generator) -> Tensor:
    """float32 [rooms, samples]: exponentially decaying noise, -60 dB after 0.15 to 0.7 s; energy 1, no direct sound."""
    noise = torch.randn(_ROOMS, _ROOM_SAMPLES, generator=generator)
    decay = torch.linspace(0.15, 0.7, _ROOMS)[:, None] * SAMPLE_RATE
    time = torch.arange(_ROOM_SAMPLES)[None]
    tail = noise * torch.exp(-6.9 * time / decay) * (time >= 0.003 * SAMPLE_RATE)
    return tail / tail.square().sum(dim=1, keepdim=True).sqrt()


def _low_pass_filters() -> Tensor:
    """float32 [filters + 1, taps]: windowed sincs from 1.8 to 7 kHz, and last the identity."""
    cutoff = torch.logspace(np.log10(1800), np.log10(7000), _FILTERS, dtype=torch.float64)[:, None] / SAMPLE_RATE
    time = torch.arange(_FILTER_TAPS, dtype=torch.float64) - _FILTER_TAPS // 2
    window = torch.hann_window(_FILTER_TAPS + 2, periodic=False, dtype=torch.float64)[1:-1]
    coefficients = torch.special.sinc(2 * cutoff * time) * window
    identity = (time == 0).to(torch.float64)[None]
    return torch.cat([coefficients / coefficients.sum(dim=1, keepdim=True), identity]).to(torch.float32)


def _loudness(audio: Tensor) -> Tensor:
    """float32 [batch]: root mean square, at least 1e-6."""
    return (torch.linalg.vector_norm(audio, dim=1) / audio.shape[-1] ** 0.5).clamp_min(1e-6)


def _fast_length(samples: int) -> int:
    """The next number without prime factors above 5.

    A segment of 3 s needs at least 59,329 samples, whose transform takes six times as long as that of 60,000.
    """
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


def degrade_clip(sound: np.ndarray, params: np.ndarray) -> np.ndarray:
    """Degrade one clip on the CPU: int16 [samples] and its six parameters -> int16 [samples]."""
    audio = torch.from_numpy(sound.astype(np.float32) / 32768)[None]
    with torch.inference_mode():
        degraded = _on_cpu()(audio, torch.from_numpy(params.astype(np.float32))[None])[0]
    return np.rint(degraded.numpy() * 32767).astype(np.int16)
