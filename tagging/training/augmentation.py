"""Augmentation of training segments, on the training device; each segment has its own random numbers. Book: ``book/recipe``."""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from .settings import AugmentationSettings

_N_FFT, _HOP = 1024, 256
_MASKS = 2
_SNR_RANGE_DB = 20.0
_LOWEST_HZ = 60.0  # below which there is no band worth removing


class Augmentations:
    """Changes of training segments, in this order: pitch, tempo, masks, noise, gain, mixup.

    What is drawn for a segment depends on the seed and on its position in the whole run alone: not on batch, device, processes,
    or on where a run was resumed. Mixup adds the next segment of the batch.

    Args:
        settings: what is on.
        sample_rate: of the waveforms, Hz.
        seed: of the run.
    """

    def __init__(self, settings: AugmentationSettings, sample_rate: int, seed: int) -> None:
        self._settings, self._rate, self._seed = settings, sample_rate, seed

    @property
    def any_on(self) -> bool:
        """Whether there is anything to do."""
        return self._settings != AugmentationSettings()

    def __call__(self, waveform: Tensor, labels: Tensor, positions: np.ndarray) -> tuple[Tensor, Tensor]:
        """Change a batch.

        Args:
            waveform: float32 [batch, samples].
            labels: float32 [batch, tags].
            positions: int [batch], of the segments in the whole run.

        Returns:
            Waveforms and labels of the same shapes.
        """
        settings = self._settings
        # all numbers are drawn, whatever is on: switching one augmentation on leaves the others as they are
        generators = [np.random.default_rng([self._seed, 77, int(position)]) for position in positions]
        uniform = np.array([generator.random(4 + 4 * _MASKS) for generator in generators])
        signed = 2 * uniform - 1
        with torch.no_grad():
            if settings.pitch_semitones:
                steps = np.rint(signed[:, 0] * (settings.pitch_semitones + 0.499)).astype(int)
                waveform = self._by_value(waveform, steps, self._shift_pitch)
            if settings.tempo_change:
                rates = np.round((1 + settings.tempo_change) ** signed[:, 1], 3)
                waveform = self._by_value(waveform, rates, self._change_tempo)
            if settings.time_mask_seconds or settings.frequency_mask_octaves:
                waveform = self._mask(waveform, uniform[:, 4:].reshape(len(uniform), _MASKS, 4))
            if settings.noise_snr_db is not None:
                snr = settings.noise_snr_db + _SNR_RANGE_DB * uniform[:, 2]
                noise = np.array([generator.standard_normal(waveform.shape[1], np.float32) for generator in generators])
                level = waveform.square().mean(dim=1, keepdim=True).sqrt() * _column(10 ** (-snr / 20), waveform)
                waveform = waveform + level * torch.from_numpy(noise).to(waveform.device)
            if settings.gain_db:
                waveform = waveform * _column(10 ** (settings.gain_db * signed[:, 3] / 20), waveform)
            if settings.mixup_alpha:
                drawn = [generator.beta(settings.mixup_alpha, settings.mixup_alpha) for generator in generators]
                weight = _column(np.maximum(drawn, 1 - np.array(drawn)), waveform)
                waveform = weight * waveform + (1 - weight) * waveform.roll(-1, 0)
                labels = weight * labels + (1 - weight) * labels.roll(-1, 0)  # unknown where either is
        return waveform, labels

    @staticmethod
    def _by_value(waveform: Tensor, values: np.ndarray, change) -> Tensor:  # type: ignore[no-untyped-def]
        """Segments with equal values are changed together."""
        changed = waveform.clone()
        for value in np.unique(values):
            rows = torch.from_numpy(np.flatnonzero(values == value)).to(waveform.device)
            changed[rows] = change(waveform[rows], value.item())
        return changed

    def _shift_pitch(self, waveform: Tensor, semitones: int) -> Tensor:
        import torchaudio

        if semitones == 0:
            return waveform
        # stretched, then played faster; a ratio of small numbers keeps the filter of the resampler short (to within 2 cents)
        ratio = Fraction(2 ** (semitones / 12)).limit_denominator(40)
        stretched = self._stretch(waveform, 1 / float(ratio))
        sound = torchaudio.functional.resample(stretched, ratio.numerator, ratio.denominator)
        missing = waveform.shape[1] - sound.shape[1]
        return nn.functional.pad(sound, (0, max(0, missing)))[:, : waveform.shape[1]]

    def _change_tempo(self, waveform: Tensor, rate: float) -> Tensor:
        """Play faster or slower at the same pitch; what a faster one lacks at its end is taken from its beginning."""
        if rate == 1:
            return waveform
        sound = self._stretch(waveform, rate)
        missing = waveform.shape[1] - sound.shape[1]
        return torch.cat([sound, sound[:, :missing]], dim=1) if missing > 0 else sound[:, : waveform.shape[1]]

    @staticmethod
    def _stretch(waveform: Tensor, rate: float) -> Tensor:
        """float32 [batch, samples / rate], at the same pitch."""
        import torchaudio

        spectrum = _stft(waveform)
        advance = torch.linspace(0, torch.pi * _HOP, spectrum.shape[1], device=waveform.device)[:, None]
        return _istft(torchaudio.functional.phase_vocoder(spectrum, rate, advance), round(waveform.shape[1] / rate))

    def _mask(self, waveform: Tensor, uniform: np.ndarray) -> Tensor:
        """Silence stretches of time and remove bands; ``uniform`` [batch, masks, 4] are width and place of each of both."""
        settings, samples = self._settings, waveform.shape[1]
        if settings.frequency_mask_octaves:
            frequencies = np.fft.rfftfreq(_N_FFT, 1 / self._rate)
            octaves = np.log2(np.maximum(frequencies, _LOWEST_HZ) / _LOWEST_HZ)
            width = settings.frequency_mask_octaves * uniform[:, :, 0, None]
            low = uniform[:, :, 1, None] * np.maximum(octaves[-1] - width, 0)
            masked = ((octaves >= low) & (octaves < low + width)).any(axis=1)
            keep = torch.from_numpy(~masked).to(waveform.device)[:, :, None]
            waveform = _istft(_stft(waveform) * keep, samples)
        if settings.time_mask_seconds:
            width = np.minimum(settings.time_mask_seconds * self._rate, samples) * uniform[:, :, 2, None]
            start = uniform[:, :, 3, None] * (samples - width)
            time = np.arange(samples)
            masked = ((time >= start) & (time < start + width)).any(axis=1)
            waveform = waveform * torch.from_numpy(~masked).to(waveform.device)
        return waveform


def _column(values: np.ndarray, like: Tensor) -> Tensor:
    """float [batch, 1] on the device of the batch."""
    return torch.from_numpy(np.asarray(values, np.float32)).to(like.device)[:, None]


@functools.cache
def _window(device: torch.device) -> Tensor:
    return torch.hann_window(_N_FFT, device=device)


def _stft(waveform: Tensor) -> Tensor:
    return torch.stft(waveform, _N_FFT, _HOP, window=_window(waveform.device), return_complex=True)


def _istft(spectrum: Tensor, length: int) -> Tensor:
    return torch.istft(spectrum, _N_FFT, _HOP, window=_window(spectrum.device), length=length)
