"""Arrays of every kind as sound: scales, shapes, levels, and resampling."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
import torch
from helpers import tones
from hypothesis import given
from hypothesis import strategies as st

from tagging.audio.waveform import as_waveform, read_array, resample, resample_blocks
from tagging.errors import AudioError, ConfigError


def test_arrays_become_waveforms():
    mono = tones(0.1, 16000)
    np.testing.assert_array_equal(as_waveform(mono), mono)
    np.testing.assert_array_equal(as_waveform(mono.astype(np.float64)), mono)
    np.testing.assert_array_equal(as_waveform(torch.tensor(mono, requires_grad=True)), mono)
    np.testing.assert_array_equal(as_waveform(mono.tolist()), mono)
    np.testing.assert_allclose(as_waveform(np.stack([mono, -mono, mono])), mono / 3, atol=1e-7)
    np.testing.assert_array_equal(as_waveform(np.array([-32768, 0, 16384], dtype=np.int16)), np.float32([-1, 0, 0.5]))
    np.testing.assert_array_equal(as_waveform(np.array([-(2**31), 2**30], dtype=np.int32)), np.float32([-1, 0.5]))
    np.testing.assert_allclose(as_waveform(np.int16([[16384, -32768], [0, 0]])), np.float32([0.25, -0.5]))


@given(dtype=st.sampled_from([np.int8, np.int16, np.int32]), seed=st.integers(0, 99), channels=st.integers(1, 3))
def test_integers_have_the_full_scale_of_their_type(dtype, seed, channels):
    limits = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(limits.min, limits.max, (channels, 50), dtype=dtype, endpoint=True)
    expected = (values.astype(np.float64) / -float(limits.min)).mean(axis=0)
    np.testing.assert_allclose(as_waveform(values), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.uint32, np.uint16, np.uint8, bool])
def test_integers_without_a_full_scale_are_refused(dtype):
    """int64 is what NumPy makes of sums and of lists: the values may have any scale."""
    with pytest.raises(AudioError, match=r"its full scale is unknown.*int16"):
        as_waveform(np.ones(100, dtype=dtype))


def test_values_of_another_scale_are_refused_or_noted():
    sound = tones(0.1, 16000)
    sixteen = np.int16(sound * 32767)
    for array, bits in ((sixteen.astype(np.int32), 16), (sixteen.astype(np.int32) * 200, 24)):
        with pytest.raises(AudioError, match=rf"int32.*samples of {bits} bits; divide them"):
            as_waveform(array)
    np.testing.assert_array_equal(as_waveform(sixteen.astype(">i2")), as_waveform(sixteen))
    np.testing.assert_allclose(as_waveform(torch.tensor(sound).bfloat16()), sound, atol=0.004)
    for bits in (8, 16, 24, 32):
        with pytest.raises(AudioError, match=r"where full scale is 1; divide integers"):
            as_waveform(sound.astype(np.float64) * 2 ** (bits - 1))
    assert read_array(sound)[1] == []
    assert read_array(1.9 * sound / np.abs(sound).max())[1] == []  # decoders overshoot
    assert "far too loud" in read_array(10 * sound / np.abs(sound).max())[1][0]
    assert "80 dB below" in read_array(1e-4 * sound / np.abs(sound).max())[1][0]
    assert read_array(np.zeros(9))[1] == ["silent: the scores describe the model, not music"]


@given(seed=st.integers(0, 99), level=st.sampled_from([0.0, 0.001, 0.05]))
def test_channels_that_cancel_are_noted(seed, level):
    rng = np.random.default_rng(seed)
    left, other = 0.3 * rng.standard_normal((2, 4000)).astype(np.float32)
    (note,) = read_array(np.stack([left, -left + level * other]))[1]
    assert "cancel each other" in note
    assert "one channel" in note
    assert read_array(np.stack([left, other]))[1] == []
    assert read_array(np.stack([left, 0 * left]))[1] == []


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((100, 2)), r"mine of shape \(100, 2\): .*transpose"),
        (np.zeros((1, 2, 3)), r"mine of shape \(1, 2, 3\)"),
        (np.float32(0), r"mine of shape \(\)"),
        (np.zeros((9, 100)), r"\(9, 100\): 9 channels.*one by one"),
        (np.zeros(0), "mine has no samples"),
        (np.zeros((0, 0)), "mine has no samples"),
        (np.zeros(9, dtype=complex), "mine of type complex128"),
        (np.array(["a", "b"]), "mine of type <U1"),
        ([[1.0], [1.0, 2.0]], "mine is no array of numbers"),
        (None, r"mine of (shape|type)"),
        (np.ma.masked_array([0.1, 0.2], [False, True]), "mine has masked samples"),
        (np.float32([0, np.nan]), "mine: NaN or infinite samples"),
        (np.float32([0, -np.inf]), "mine: NaN or infinite samples"),
        (np.float64([0, 1e300]), "mine: NaN or infinite samples"),
        (np.float32([0, 1e18]), "mine: samples as large as 1e[+]18"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(array, message):
    with pytest.raises(AudioError, match=message):
        as_waveform(array, "mine")


@pytest.mark.parametrize("rate", [0, -1, 1, 999, 1e6, float("nan"), float("inf")])
def test_impossible_sample_rates_are_refused(rate):
    for rates in ((rate, 16000), (16000, rate)):
        with pytest.raises(ConfigError, match=f"{rate} Hz"):
            resample(tones(0.1, 16000), *rates)


@given(cuts=st.lists(st.integers(1, 3000), min_size=1, max_size=12))
def test_resampling_a_stream_does_not_depend_on_its_cuts(cuts):
    sound = np.random.default_rng(sum(cuts)).standard_normal(sum(cuts)).astype(np.float32)
    blocks = np.split(sound, np.cumsum(cuts)[:-1])
    loaded = np.concatenate(list(resample_blocks(iter(blocks), 44100, 16000)))
    np.testing.assert_array_equal(loaded, soxr.resample(sound, 44100, 16000, quality="HQ"))


def gain(hertz: float, from_rate: int, to_rate: int) -> float:
    """Level of a resampled sine relative to the original, measured away from the ends."""
    time = np.arange(from_rate) / from_rate
    loaded = resample(np.sin(2 * np.pi * hertz * time).astype(np.float32), from_rate, to_rate)
    inner = loaded[to_rate // 4 : -to_rate // 4]
    return float(np.sqrt(2 * np.mean(inner.astype(np.float64) ** 2)))


def test_passband_is_flat_and_stopband_is_silent():
    for hertz in (50, 1000, 5000, 7000, 7280):  # up to 0.91 of the new Nyquist frequency, as the docstring says
        assert gain(hertz, 44100, 16000) == pytest.approx(1, abs=2e-3), hertz
    for hertz in (8800, 10000, 15000, 20000):  # all of it would alias into the input of the model
        assert gain(hertz, 44100, 16000) < 1e-5, hertz
