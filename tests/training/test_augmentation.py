"""Each augmentation does what its name says, to each segment on its own, and nothing when it is off."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging.training.augmentation import Augmentations
from tagging.training.settings import AugmentationSettings

RATE = 16000
LABELS = torch.tensor([[1.0, 0.0], [0.0, float("nan")], [0.0, 1.0], [1.0, 1.0]])
ALL = {"gain_db": 6.0, "noise_snr_db": 10.0, "pitch_semitones": 2, "tempo_change": 0.1, "time_mask_seconds": 0.2,
       "frequency_mask_octaves": 1.0}  # fmt: skip


def tone(frequency, seconds=1.0):
    return torch.sin(2 * torch.pi * frequency * torch.arange(round(seconds * RATE)) / RATE)


def batch(count=4):
    return torch.stack([tone(300.0 + 100 * row) for row in range(count)]) * 0.3


def augmented(waveform, labels=LABELS, first=0, seed=0, **settings):
    augmentations = Augmentations(AugmentationSettings(**settings), RATE, seed)
    assert augmentations.any_on == bool(settings)
    return augmentations(waveform, labels, first + np.arange(len(waveform)))


def peak(waveform):
    """Frequency of the highest peak of the middle half second, in Hz."""
    middle = waveform[len(waveform) // 4 : -len(waveform) // 4]
    spectrum = torch.fft.rfft(middle * torch.hann_window(len(middle)), n=2**16).abs()
    return spectrum.argmax().item() * RATE / 2**16


def test_off_changes_nothing():
    waveform, labels = augmented(batch())
    assert torch.equal(waveform, batch())
    assert torch.equal(labels.nan_to_num(9), LABELS.nan_to_num(9))


@pytest.mark.parametrize("name", ALL)
def test_a_segment_depends_on_seed_and_position_alone(name):
    settings = {name: ALL[name]}
    whole = augmented(batch(), **settings)[0]
    last = augmented(batch()[2:], LABELS[2:], first=2, **settings)[0]
    torch.testing.assert_close(whole[2:], last, rtol=0, atol=1e-6)
    assert not torch.allclose(whole, augmented(batch(), seed=1, **settings)[0])
    assert not torch.allclose(whole, augmented(batch(), first=100, **settings)[0])
    assert whole.isfinite().all() and whole.shape == batch().shape


def test_gain_is_within_its_range():
    waveform = tone(440.0)[None].repeat(200, 1)
    gains = 20 * torch.log10(augmented(waveform, LABELS[:1].repeat(200, 1), gain_db=6.0)[0].amax(1) / waveform.amax(1))
    assert gains.min() >= -6.001 and gains.max() <= 6.001
    assert gains.max() - gains.min() > 10


def test_noise_has_its_level():
    waveform = tone(440.0)[None].repeat(100, 1)
    noise = augmented(waveform, LABELS[:1].repeat(100, 1), noise_snr_db=10.0)[0] - waveform
    snr = 10 * torch.log10(waveform.square().mean(1) / noise.square().mean(1))
    assert snr.min() > 9.9 and snr.max() < 30.1 and snr.max() - snr.min() > 15


def test_pitch_moves_by_semitones_and_stays_as_long():
    waveform = tone(440.0)[None].repeat(40, 1)
    shifted = augmented(waveform, LABELS[:1].repeat(40, 1), pitch_semitones=2)[0]
    steps = np.array([12 * np.log2(peak(row) / 440) for row in shifted])
    np.testing.assert_allclose(steps, np.rint(steps), atol=0.1)
    assert set(np.rint(steps)) == {-2, -1, 0, 1, 2}


def test_tempo_leaves_the_pitch():
    waveform = torch.zeros(24, RATE)
    waveform[:, :] = tone(440.0)
    waveform[:, RATE // 2 :] = tone(880.0)[: RATE // 2]  # the change is at half a second
    changed = augmented(waveform, LABELS[:1].repeat(24, 1), tempo_change=0.2)[0]
    for row in changed:
        assert peak(row[: RATE // 2]) == pytest.approx(440, abs=6)
    # where it changes: energy above 660 Hz begins earlier in faster ones
    window = 512
    high = torch.stack([torch.stft(row, window, window, window=torch.hann_window(window), return_complex=True).abs()[25:32].sum(0)
                        for row in changed])  # fmt: skip
    onsets = (high > high.amax(1, keepdim=True) / 2).float().argmax(1) * window / RATE
    assert onsets.min() < 0.49 and onsets.max() > 0.53
    assert onsets.min() > 0.5 / 1.2 - 0.05 and onsets.max() < 0.5 * 1.2 + 0.05


def test_masks_silence_time_and_bands():
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((8, RATE)).astype(np.float32))
    labels = LABELS[:1].repeat(8, 1)
    silent = (augmented(noise, labels, time_mask_seconds=0.2)[0] == 0).float().mean(1)
    assert 0 < silent.mean() <= 0.4 and silent.max() <= 0.4
    masked = augmented(noise, labels, frequency_mask_octaves=2.0)[0]
    lost = 1 - masked.square().sum(1) / noise.square().sum(1)
    assert (lost > -0.01).all() and lost.max() > 0.05


def test_mixup_mixes_labels_as_it_mixes_sounds():
    waveform = torch.eye(4).repeat(1, 4000)
    mixed, labels = augmented(waveform, mixup_alpha=1.0)
    weight = mixed[range(4), range(4)]
    assert ((weight >= 0.5) & (weight <= 1)).all()
    expected = weight[:, None] * LABELS + (1 - weight[:, None]) * LABELS.roll(-1, 0)
    torch.testing.assert_close(labels, expected, equal_nan=True)
    assert labels[0, 1].isnan() and labels[1, 1].isnan() and not labels[2, 1].isnan()
