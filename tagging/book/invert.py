"""From a log-mel spectrogram back to sound, to hear what a model that starts from one can know.

Two things were thrown away on the way in: which frequencies inside a band carried the energy, and the phases. Neither
comes back; both are replaced by a guess that fits what is left. Book: ``book/what_goes_in``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.mel import MelSpec, mel_bank
from ..errors import ConfigError

# Inverses of tagging.audio.mel.COMPRESSIONS: what the network sees -> mel power.
EXPANSIONS = {
    "none": lambda values: values,
    "log10(1+10000x)": lambda values: (10.0**values - 1.0) / 10000.0,
    "dB": lambda values: 10.0 ** (values / 10.0),
}
# Perraudin et al. 2013: with this much of the last step added again, Griffin and Lim's iteration ends lower and sooner.
MOMENTUM = 0.99


def spectrum_from_mel(power: Tensor, spec: MelSpec, iterations: int = 100) -> Tensor:
    """A power spectrum, without negative values, that has the given mel power.

    Among the many that fit, the multiplicative updates of non-negative least squares pick one that is smooth inside
    each band. What lies outside all bands is zero.

    Args:
        power: float32 [bands, frames], mel power before compression.
        spec: what it was made with.

    Returns:
        float32 [n_fft // 2 + 1, frames].

    Book: ``book/what_goes_in``.
    """
    bank = torch.from_numpy(mel_bank(spec)).float()  # [bands, bins]
    wanted = bank.T @ power  # [bins, frames]
    spectrum = wanted / bank.sum(0).clamp(min=1e-12)[:, None]
    for _ in range(iterations):
        spectrum = spectrum * wanted / (bank.T @ (bank @ spectrum)).clamp(min=1e-20)
    return spectrum


def _analyse(waveform: Tensor, window: Tensor, hop: int) -> Tensor:
    """[samples] -> complex [bins, frames]."""
    return torch.fft.rfft(waveform.unfold(0, len(window), hop) * window).T


def _synthesise(spectrum: Tensor, window: Tensor, hop: int) -> Tensor:
    """Complex [bins, frames] -> [samples]: the waveform whose frames are nearest to the spectrum (Griffin and Lim)."""
    frames = torch.fft.irfft(spectrum.T, n=len(window)) * window  # [frames, n_fft]
    samples = (len(frames) - 1) * hop + len(window)

    def overlap_add(pieces: Tensor) -> Tensor:
        columns = pieces.T[None]  # [1, n_fft, frames]
        return nn.functional.fold(columns, (1, samples), (1, len(window)), stride=(1, hop))[0, 0, 0]

    weight = overlap_add((window**2).expand(len(frames), -1))
    # samples that hardly any window sees, at the very ends, would be divided by almost nothing
    return overlap_add(frames) / weight.clamp(min=1e-2)


def invert_log_mel(log_mel: Tensor | np.ndarray, spec: MelSpec, *, iterations: int = 60, seed: int = 0) -> np.ndarray:
    """A waveform that has the given log-mel spectrogram, as nearly as can be.

    The phases are found by the fast iteration of Griffin and Lim, starting from random ones.

    Args:
        log_mel: float32 [bands, frames], as :class:`tagging.audio.mel.LogMel` gives for one waveform.
        spec: what it was made with.
        iterations: rounds of the search for phases.
        seed: of the phases to start from.

    Returns:
        float32 [samples] at ``spec.sample_rate``, as long as the frames reach without padding.

    Raises:
        ConfigError: another shape than ``spec`` makes, or a hop so long that samples fall between the windows.

    Source: Griffin and Lim 1984; Perraudin et al. 2013. Book: ``book/what_goes_in``.
    """
    values = torch.as_tensor(np.asarray(log_mel), dtype=torch.float32)
    if values.ndim != 2 or values.shape[0] != spec.n_mels or not values.shape[1]:
        raise ConfigError(
            f"log-mel of shape {tuple(values.shape)}: expected [{spec.n_mels}, frames], at least one frame"
        )
    if spec.hop_length > spec.n_fft // 2:
        raise ConfigError(
            f"a hop of {spec.hop_length} with windows of {spec.n_fft}: sound between the windows cannot come back; "
            f"use a hop of at most {spec.n_fft // 2}"
        )
    power = EXPANSIONS[spec.compression](values).clamp(min=0)
    magnitude = spectrum_from_mel(power, spec).sqrt()
    window = torch.hann_window(spec.n_fft)

    generator = torch.Generator().manual_seed(seed)
    phase = torch.polar(torch.ones_like(magnitude), 2 * torch.pi * torch.rand(magnitude.shape, generator=generator))
    previous = torch.zeros_like(phase)
    for _ in range(iterations):
        projected = _analyse(_synthesise(magnitude * phase, window, spec.hop_length), window, spec.hop_length)
        step = projected + MOMENTUM * (projected - previous)
        phase = step / step.abs().clamp(min=1e-12)
        previous = projected
    waveform = _synthesise(magnitude * phase, window, spec.hop_length).numpy()
    return waveform[spec.padding : len(waveform) - spec.padding] if len(waveform) > 2 * spec.padding else waveform
