"""The log-mel module against librosa, its lengths, its precision, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tagging.audio.examples import sound_path
from tagging.audio.files import load_audio
from tagging.audio.mel import COMPRESSIONS, PRESETS, LogMel, MelSpec, mel_bank
from tagging.errors import AudioError, ConfigError

PRESET = pytest.mark.parametrize("preset", list(PRESETS))


def music(rate: int, seconds: float = 3.0) -> np.ndarray:
    """Float32 [samples] of an example sound: real music has the dynamic range that matters here."""
    return load_audio(sound_path("drowsy-maggie"), rate, seconds=seconds)[0]


def librosa_bank(spec: MelSpec) -> np.ndarray:
    return librosa.filters.mel(
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.f_min,
        fmax=spec.f_max,
        htk=spec.mel_scale == "htk",
        norm=spec.norm,
        dtype=np.float64,
    )


def librosa_power(sound: np.ndarray, spec: MelSpec) -> np.ndarray:
    """Mel power in float64, so that what differs is the error of ours."""
    centred = {"center": spec.pad_mode != "none", "pad_mode": spec.pad_mode if spec.pad_mode != "none" else "constant"}
    stft = librosa.stft(
        sound.astype(np.float64), n_fft=spec.n_fft, hop_length=spec.hop_length, window="hann", **centred
    )
    return librosa_bank(spec) @ np.abs(stft) ** 2


@PRESET
def test_bank_is_librosas(preset):
    spec = PRESETS[preset]
    bank = mel_bank(spec)
    assert bank.dtype == np.float64
    assert bank.shape == (spec.n_mels, spec.n_fft // 2 + 1)
    expected = librosa_bank(spec)
    assert np.abs(bank - expected).max() < 1e-12 * expected.max()


@pytest.mark.filterwarnings("ignore:Empty filters")  # librosa says so of bands narrower than a bin
@given(
    st.sampled_from(["slaney", "htk"]),
    st.sampled_from(["slaney", None]),
    st.integers(1, 128),
    st.sampled_from([256, 512, 1000, 2048]),
    st.floats(0, 300),
    st.sampled_from([None, 4000.0, 7999.5]),
)
def test_any_bank_is_librosas(mel_scale, norm, n_mels, n_fft, f_min, f_max):
    spec = MelSpec(n_fft=n_fft, n_mels=n_mels, f_min=f_min, f_max=f_max, mel_scale=mel_scale, norm=norm)
    expected = librosa_bank(spec)
    np.testing.assert_allclose(mel_bank(spec), expected, atol=1e-11 * max(expected.max(), 1e-6))


@PRESET
@pytest.mark.parametrize("pad_mode", ["constant", "reflect", "none"])
def test_power_is_librosas(preset, pad_mode):
    spec = replace(PRESETS[preset], pad_mode=pad_mode)
    sound = music(spec.sample_rate)
    values = LogMel(spec).power(torch.from_numpy(sound)[None])[0].numpy()
    expected = librosa_power(sound, spec)
    assert values.dtype == np.float32
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() < 2e-6 * expected.max()


@PRESET
def test_compressed_values_are_librosas(preset):
    """After the logarithm, where a decibel of error in a quiet place would show that is nothing in mel power."""
    spec = replace(PRESETS[preset], round_to_float16=False)
    sound = music(spec.sample_rate)
    values = LogMel(spec)(torch.from_numpy(sound)[None])[0].numpy()
    power = librosa_power(sound, spec)
    if spec.compression == "dB":
        expected = librosa.power_to_db(power, top_db=None)
        # decibels over a range of more than 100: the worst bin lies 75 dB below the loudest, in the tail of the transform
        assert np.quantile(np.abs(values - expected), 0.999) < 1e-4
        assert np.abs(values - expected).max() < 2e-3
    else:
        expected = np.log10(10000 * power + 1)
        assert np.abs(values - expected).max() < 1e-5
    assert expected.max() - expected.min() > 3


def test_half_rounds_as_numpy_does():
    """The file format musicnn was trained on: float16 mel power, then float32 arithmetic; not NumPy 2's float16 product."""
    spec = PRESETS["musicnn"]
    assert spec.round_to_float16
    layer = LogMel(spec)
    waveform = torch.from_numpy(music(16000))[None]
    power = layer.power(waveform).numpy()
    expected = np.log10(np.float32(10000) * power.astype(np.float16).astype(np.float32) + np.float32(1))
    values = layer(waveform).numpy()
    np.testing.assert_allclose(values, expected, atol=5e-7)
    assert (
        np.abs(values - LogMel(replace(spec, round_to_float16=False))(waveform).numpy()).max() > 1e-5
    )  # the rounding shows


def test_half_stays_finite_far_beyond_full_scale():
    loud = LogMel("musicnn")(1e4 * torch.from_numpy(music(16000, 0.5))[None])
    assert loud.isfinite().all()
    assert loud.max() == pytest.approx(np.log10(10000 * 65504 + 1), abs=1e-5)


specs = st.builds(
    MelSpec,
    n_fft=st.integers(2, 600),
    hop_length=st.integers(10, 700),
    n_mels=st.just(8),
    pad_mode=st.sampled_from(["constant", "reflect", "none"]),
)


@given(specs, st.integers(1, 3000))
def test_frames_formula_is_the_shape(spec, samples):
    assume(spec.pad_mode != "reflect" or samples > spec.padding)
    frames = spec.num_frames(samples)
    layer = LogMel(spec)
    if frames:
        assert layer(torch.zeros(2, samples)).shape == (2, 8, frames)
    else:
        with pytest.raises(AudioError, match=f"{samples} samples.*{spec.n_fft}"):
            layer(torch.zeros(2, samples))


def test_frames_of_the_paper():
    assert PRESETS["paper"].num_frames(15 * 16000) == 938  # Pons et al. 2018: 15 s
    assert replace(PRESETS["musicnn"], pad_mode="none").num_frames(186 * 256 + 512) == 187  # musicnn's patch


def test_reflect_needs_more_than_half_a_window():
    layer = LogMel("won")
    assert layer(torch.zeros(1, 257)).shape[-1] == 2
    with pytest.raises(AudioError, match=r"256 samples.*512"):
        layer(torch.zeros(1, 256))


@PRESET
def test_autocast_changes_nothing(preset):
    layer = LogMel(preset)
    waveform = torch.from_numpy(music(layer.spec.sample_rate, 0.5))[None]
    plain = layer(waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = layer(waveform)
        rounded = layer(waveform.bfloat16())
    assert under.dtype == rounded.dtype == torch.float32
    assert torch.equal(plain, under)
    assert torch.equal(rounded, layer(waveform.bfloat16().float()))


def test_state_is_empty_and_follows_from_the_spec():
    layer = LogMel("paper")
    assert layer.state_dict() == {}
    assert {name for name, _ in layer.named_buffers()} == {"window", "bank"}  # they move with .to(device)
    assert not list(layer.parameters())
    assert "hop_length=256" in repr(layer)


@PRESET
def test_gradient_flows_to_the_waveform(preset):
    layer = LogMel(replace(PRESETS[preset], round_to_float16=False))
    waveform = (0.1 * torch.randn(2, 9000)).requires_grad_()
    layer(waveform).mean().backward()
    assert waveform.grad.isfinite().all()
    # the samples after the last whole window are in no frame
    assert (waveform.grad != 0).float().mean() > 0.95
    silence = torch.zeros(1, 9000, requires_grad=True)
    layer(silence).sum().backward()
    assert not silence.grad.any()


def test_gradient_is_the_derivative():
    layer = LogMel(MelSpec(n_fft=32, hop_length=16, n_mels=4, compression="none")).double()
    # float32 inside, so the differences must be large and the tolerance loose
    sound = torch.randn(1, 64, dtype=torch.float64)
    direction = torch.randn_like(sound)
    sound.requires_grad_()
    total = layer(sound).sum()
    total.backward()
    step = 1e-2
    with torch.no_grad():
        slope = (layer(sound + step * direction).sum() - layer(sound - step * direction).sum()) / (2 * step)
    assert slope.item() == pytest.approx((sound.grad * direction).sum().item(), rel=1e-3)


def test_each_sound_of_a_batch_is_on_its_own():
    layer = LogMel("musicnn")
    batch = torch.from_numpy(np.stack([music(16000, 1), music(16000, 1)[::-1], np.zeros(16000, dtype=np.float32)]))
    together = layer(batch)
    for index in range(3):
        torch.testing.assert_close(together[index : index + 1], layer(batch[index : index + 1]), rtol=1e-6, atol=1e-6)
    assert not together[2].any()  # silence is exactly 0: log10(1)


def test_silence_in_decibels_is_the_floor():
    assert torch.equal(LogMel("librosa")(torch.zeros(1, 4096)), torch.full((1, 128, 9), -100.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop_length": 0}, "hop_length is 0"),
        ({"n_fft": -1}, "n_fft is -1"),
        ({"n_mels": 0}, "n_mels is 0"),
        ({"sample_rate": 0}, "sample_rate is 0"),
        ({"mel_scale": "slany"}, "'slany'.*'slaney'"),
        ({"norm": "slany"}, "norm is 'slany'"),
        ({"norm": True}, "norm is True"),
        ({"compression": "db"}, "'db'.*dB"),
        ({"pad_mode": "reflected"}, "'reflected'.*'reflect'"),
        ({"f_max": 9000.0}, "9000.0 Hz.*8000.0 Hz"),
        ({"f_min": -1.0}, "bands from -1.0"),
        ({"f_min": 500.0, "f_max": 400.0}, "bands from 500.0 to 400.0 Hz"),
        ({"f_min": 8000.0}, "bands from 8000.0"),
        ({"f_max": 0.0}, "bands from 0.0 to 0.0 Hz"),
        ({"f_min": float("nan")}, "bands from nan"),
    ],
)
def test_impossible_definitions_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        MelSpec(**options)


def test_unknown_preset_suggests_the_nearest():
    with pytest.raises(ConfigError, match="'musicn'.*'musicnn'"):
        LogMel("musicn")


def test_compressions_are_increasing_from_silence():
    power = torch.logspace(-12, 3, 200)
    for name, compress in COMPRESSIONS.items():
        assert (compress(power).diff() >= 0).all(), name
        assert torch.isfinite(compress(torch.zeros(1))).all(), name
