"""Back to sound: what comes back must have the spectrogram it was made from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.audio.examples import sound_path
from tagging.audio.files import load_audio
from tagging.audio.mel import COMPRESSIONS, LogMel, MelSpec
from tagging.book.invert import EXPANSIONS, invert_log_mel, spectrum_from_mel
from tagging.errors import ConfigError


@pytest.fixture(scope="module")
def music():
    return load_audio(sound_path("greensleeves"), 16000, start=4.0, seconds=3.0)[0]


def log_mel(waveform, spec):
    return LogMel(spec)(torch.from_numpy(waveform)[None])[0]


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_expansions_undo_compressions(name):
    power = torch.logspace(-6, 2, 50)
    torch.testing.assert_close(EXPANSIONS[name](COMPRESSIONS[name](power)), power, rtol=2e-3, atol=2e-8)


@pytest.mark.parametrize(
    "spec",
    [
        MelSpec(),
        MelSpec(hop_length=128),
        MelSpec(n_fft=1024, hop_length=256, pad_mode="none"),
        MelSpec(compression="dB", pad_mode="reflect", hop_length=128),
    ],
)
def test_the_log_mel_comes_back(music, spec):
    """Relative error of the mel magnitudes; random phases alone give 0.46 to 0.60."""
    wanted = LogMel(replace(spec, compression="none"))(torch.from_numpy(music)[None])[0].sqrt()
    waveform = invert_log_mel(log_mel(music, spec), spec)
    got = LogMel(replace(spec, compression="none"))(torch.from_numpy(waveform)[None])[0].sqrt()
    assert got.shape == wanted.shape
    assert float((got - wanted).norm() / wanted.norm()) < 0.12


def test_iterations_help(music):
    spec = MelSpec(hop_length=128)
    wanted = log_mel(music, spec)
    errors = [
        float((log_mel(invert_log_mel(wanted, spec, iterations=n), spec) - wanted).norm() / wanted.norm())
        for n in (0, 60)
    ]
    assert errors[1] < 0.3 * errors[0]


def test_a_sine_keeps_its_pitch():
    spec = MelSpec(n_fft=1024, hop_length=256)
    sine = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    waveform = invert_log_mel(log_mel(sine, spec), spec)
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    assert np.argmax(spectrum) * 16000 / len(waveform) == pytest.approx(440, abs=25)  # the width of a band
    assert np.abs(waveform[2000:-2000]).max() == pytest.approx(0.3, rel=0.5)


def test_same_seed_same_sound(music):
    spec = MelSpec()
    values = log_mel(music[:16000], spec)
    np.testing.assert_array_equal(invert_log_mel(values, spec), invert_log_mel(values.numpy(), spec))
    assert not np.array_equal(invert_log_mel(values, spec), invert_log_mel(values, spec, seed=1))


@given(st.integers(1, 6), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_spectrum_is_non_negative_and_fits(frames, seed):
    spec = MelSpec(n_mels=24)
    true = torch.rand(257, frames, generator=torch.Generator().manual_seed(seed))
    from tagging.audio.mel import mel_bank

    bank = torch.from_numpy(mel_bank(spec)).float()
    found = spectrum_from_mel(bank @ true, spec)
    assert found.min() >= 0
    torch.testing.assert_close(bank @ found, bank @ true, rtol=0.02, atol=1e-4)


def test_silence_stays_silent():
    assert np.abs(invert_log_mel(np.zeros((96, 20), dtype=np.float32), MelSpec())).max() == 0


def test_errors():
    with pytest.raises(ConfigError, match=r"expected \[96, frames\]"):
        invert_log_mel(np.zeros((187, 96)), MelSpec())
    with pytest.raises(ConfigError, match="at most 256"):
        invert_log_mel(np.zeros((96, 10)), MelSpec(hop_length=512))
