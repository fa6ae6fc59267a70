"""Log-mel spectrograms as a PyTorch module: equal to librosa's, on any device, inside the model.

Book: ``book/what_goes_in``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import AudioError, unknown_name
from ..utils import forking  # noqa: F401  (a forked process keeps to one thread)
from .mel_spec import PRESETS, MelSpec, mel_bank

# STFT frames, over all segments of a batch, that are transformed at once on a CPU.
BLOCK_STFT_FRAMES = 512

# Compression: mel power [.., bands, frames] >= 0 -> input of the network.
COMPRESSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda mel: mel,
    "log10(1+10000x)": lambda mel: torch.log10(1.0 + 10000.0 * mel),  # musicnn and the paper
    "dB": lambda mel: 10.0 * torch.log10(mel.clamp(min=1e-10)),
}


class LogMel(nn.Module):
    """Compute the log-mel spectrogram of a batch of waveforms.

    float [batch, samples] at ``spec.sample_rate``, nominally in [-1, 1] -> float32 [batch, bands, frames].
    Equal to librosa within 1e-5 of mel power. It is computed in float32 even under autocast and in a model of half precision,
    because the 8 significant bits of bfloat16 are too few for the range of a spectrum. The buffers are not part of
    ``state_dict``: they follow from ``spec``.

    Args:
        spec: a :class:`MelSpec`, or the name of one of :data:`PRESETS`.

    Book: ``book/what_goes_in``. Source: Pons et al. 2018, section 3.2.
    """

    window: Tensor
    bank: Tensor

    def __init__(self, spec: MelSpec | str = "paper") -> None:
        super().__init__()
        if isinstance(spec, str):
            if spec not in PRESETS:
                raise unknown_name("log-mel preset", spec, PRESETS)
            spec = PRESETS[spec]
        self.spec = spec
        self.register_buffer("window", torch.hann_window(spec.n_fft, dtype=torch.float32), persistent=False)
        bank = torch.from_numpy(mel_bank(spec)).float()
        self.register_buffer("bank", bank.T.contiguous(), persistent=False)  # [bins, bands]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LogMel:
        """Move the buffers to another device, but leave their type: ``half()`` and ``double()`` go through here."""
        for name in ("window", "bank"):
            buffer = getattr(self, name)
            moved = fn(buffer)
            setattr(self, name, moved if moved.dtype == torch.float32 else buffer.to(moved.device))
        return self

    def extra_repr(self) -> str:
        return str(self.spec)

    def power(self, waveform: Tensor) -> Tensor:
        """Compute mel power before compression: [batch, samples] -> [batch, bands, frames]."""
        spec = self.spec
        if waveform.ndim != 2 or not waveform.is_floating_point():
            raise AudioError(
                f"a waveform of type {waveform.dtype} and shape {tuple(waveform.shape)}: expected floats in [-1, 1], "
                "[batch, samples]"
            )
        if spec.num_frames(waveform.shape[-1]) < 1 or (
            spec.pad_mode == "reflect" and waveform.shape[-1] <= spec.padding
        ):
            raise AudioError(
                f"a waveform of {waveform.shape[-1]} samples is too short for one window of {spec.n_fft}; pad it with zeros"
            )
        # shapes alone are computed on the meta device, which has no autocast of its own
        with torch.autocast("cpu" if waveform.is_meta else waveform.device.type, enabled=False):
            x = waveform.float()
            if spec.padding:
                x = nn.functional.pad(x[:, None], (spec.padding, spec.padding), mode=spec.pad_mode)[:, 0]
            frames = x.unfold(-1, spec.n_fft, spec.hop_length)  # [batch, frames, n_fft], a view
            # A few hundred frames at a time stay in the cache of a CPU: twice as fast as librosa and more than twice as
            # fast as torch.stft (benchmarks/log_mel.py). A GPU is fastest with all frames at once.
            # A graph that is exported must not depend on the number of blocks.
            if x.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
                return self._mel_power(frames).transpose(1, 2)  # [batch, bands, frames]
            block = max(1, BLOCK_STFT_FRAMES // max(1, len(x)))
            mel = torch.cat([self._mel_power(part) for part in frames.split(block, dim=1)], dim=1)
            return mel.transpose(1, 2)  # [batch, bands, frames]

    def _mel_power(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames * self.window)  # complex [batch, frames, bins]
        power = spectrum.real.square() + spectrum.imag.square()  # [batch, frames, bins]
        return power @ self.bank  # [batch, frames, bands]

    def forward(self, waveform: Tensor) -> Tensor:
        mel = self.power(waveform)
        if self.spec.round_to_float16:
            # the largest 16-bit float is 65504; music reaches about 100, a waveform far beyond [-1, 1] may exceed it
            mel = mel.clamp(max=65504.0).half().float()
        return COMPRESSIONS[self.spec.compression](mel)
