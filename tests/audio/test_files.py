"""Decoding, downmixing, resampling and streaming of real files in every format, and every bad input a user can bring."""

from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile
import soxr
from helpers import tones
from hypothesis import given
from hypothesis import strategies as st

from tagging.audio import files as audio
from tagging.audio.files import AudioFile, as_waveform, load_audio, resample
from tagging.errors import AudioError, ConfigError

# name, subtype, sample rate, root mean square error of the format relative to the sound's
FORMATS = [
    ("a.wav", "PCM_16", 44100, 2e-4),
    ("a.wav", "FLOAT", 44100, 1e-7),
    ("a.flac", "PCM_16", 44100, 2e-4),
    ("a.aiff", "PCM_24", 44100, 1e-6),
    ("a.ogg", "VORBIS", 44100, 0.03),
    ("a.ogg", "OPUS", 48000, 0.06),
    ("a.mp3", None, 44100, 0.02),
]


@pytest.mark.parametrize(("name", "subtype", "rate", "tolerance"), FORMATS)
def test_formats_round_trip(sound_file, name, subtype, rate, tolerance):
    stereo = tones(3, rate, 2)
    expected = stereo.mean(axis=1)
    loaded, read_rate = load_audio(sound_file(name, stereo, rate, subtype))
    assert read_rate == rate
    assert loaded.dtype == np.float32
    assert len(loaded) == len(expected)
    # encoders fade the very ends; a shift by one sample would give an error of 0.06
    inner = slice(rate // 10, -rate // 10)
    assert np.sqrt(np.mean((loaded - expected)[inner] ** 2) / np.mean(expected**2)) < tolerance


def test_six_channels_are_averaged(sound_file):
    surround = tones(0.5, 16000, 6)
    loaded, _ = load_audio(sound_file("a.wav", surround, 16000, "FLOAT"))
    np.testing.assert_allclose(loaded, surround.astype(np.float64).mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_any_rate_becomes_16_khz(sound_file, rate):
    expected = tones(1, 16000)
    path = sound_file("a.wav", tones(1, rate), rate, "FLOAT")
    with AudioFile(path) as file:
        assert (file.sample_rate, file.channels, file.seconds) == (rate, 1, 1.0)
        loaded = np.concatenate(list(file.blocks(16000)))
    assert len(loaded) == 16000
    assert np.abs(loaded - expected)[800:-800].max() < 1e-4
    assert [note for note in file.notes if "nothing above" in note] == (
        [f"sampled at {rate} Hz: it contains nothing above {rate // 2} Hz"] if rate < 16000 else []
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 16000), (16000, 16000), (8000, 16000), (192000, 22050)])
def test_blocks_joined_are_the_whole(sound_file, monkeypatch, from_rate, to_rate, channels):
    """Exactly, whatever the size of the blocks; and the whole is soxr's HQ."""
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (from_rate // 2 + 1, channels)).astype(np.float32)
    path = sound_file("a.wav", sound, from_rate, "FLOAT")
    whole, _ = load_audio(path, to_rate)
    mono, _ = load_audio(path)
    expected = mono if from_rate == to_rate else soxr.resample(mono, from_rate, to_rate, quality="HQ")
    np.testing.assert_array_equal(whole, expected)
    for size in (977, 3001):
        monkeypatch.setattr(audio, "BLOCK_SAMPLES", size)
        with AudioFile(path) as file:
            blocks = list(file.blocks(to_rate))
        assert len(blocks) > 1
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


@given(cuts=st.lists(st.integers(1, 3000), min_size=1, max_size=12))
def test_resampling_a_stream_does_not_depend_on_its_cuts(cuts):
    sound = np.random.default_rng(sum(cuts)).standard_normal(sum(cuts)).astype(np.float32)
    blocks = np.split(sound, np.cumsum(cuts)[:-1])
    loaded = np.concatenate(list(audio._resample_blocks(iter(blocks), 44100, 16000)))
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


def test_start_and_seconds(sound_file):
    sound = tones(2, 16000)
    path = sound_file("a.wav", sound, 16000, "FLOAT")
    part, rate = load_audio(path, start=0.5, seconds=0.25)
    assert rate == 16000
    np.testing.assert_array_equal(part, sound[8000:12000])
    np.testing.assert_array_equal(load_audio(path, start=1.5, seconds=99)[0], sound[24000:])
    np.testing.assert_array_equal(load_audio(path, start=1.5)[0], sound[24000:])
    assert len(load_audio(path, 8000, start=0.5, seconds=0.25)[0]) == 2000
    for start in (-0.1, 2.0, 99, float("nan")):
        with pytest.raises(AudioError, match=r"a\.wav.*2\.000 s"):
            load_audio(path, start=start)
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="seconds="):
            load_audio(path, seconds=seconds)
    with pytest.raises(ConfigError, match="0 Hz"):
        load_audio(path, 0)


@pytest.mark.parametrize(("name", "at_least"), [("a.mp3", 1.5), ("a.flac", 1.4)])
def test_a_truncated_file_keeps_its_good_part(sound_file, name, at_least):
    """One note says so; nothing is added after the break. The flac is shorter than one block."""
    path = sound_file(name, tones(3, 44100, 2), 44100)
    whole, _ = load_audio(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.55)])
    with AudioFile(path) as file:
        loaded = np.concatenate(list(file.blocks()))
        seconds = len(loaded) / 44100
    assert at_least < seconds < 1.8
    # the last frame of an mp3 needs the next one to be whole
    np.testing.assert_array_equal(loaded[:-2304], whole[: len(loaded) - 2304])
    (note,) = file.notes
    assert f"at {seconds:.1f} s of the 3.0 s" in note


def test_damage_in_the_middle_of_a_long_flac(sound_file):
    """More than one block of good sound before the damage: all of it is read, to the sample, as libsndfile gives it."""
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * 44100).astype(np.float32)
    path = sound_file("a.flac", sound, 44100)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.8)])
    with AudioFile(path) as file:
        loaded = np.concatenate(list(file.blocks()))
    assert 3.9 < len(loaded) / 44100 <= 4.0
    np.testing.assert_allclose(loaded, sound[: len(loaded)], atol=2**-15)
    assert len(file.notes) == 1


def refusals(folder) -> dict[str, tuple[object, str]]:
    """What a user can get wrong -> (the path to open, what the message must say)."""
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("these are words, not sound\n" * 500)
    (folder / "text.wav").write_text("these are words, not sound\n" * 500)
    (folder / "head.mp3").write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe.wav")
    sound = tones(1, 16000)
    for name, value in (("nan.wav", np.nan), ("inf.wav", np.inf)):
        bad = sound.copy()
        bad[8000] = value
        soundfile.write(folder / name, bad, 16000, "FLOAT")
    soundfile.write(folder / "none.wav", np.zeros(0), 16000)
    soundfile.write(folder / "one.wav", np.full(1, 0.5), 44100)
    return {
        "missing": (folder / "missing.mp3", "missing.mp3: no such file"),
        "below a file": (folder / "empty.mp3" / "a.mp3", "no such file"),
        "null byte": ("a\0b.wav", "no such file"),
        "long name": ("x" * 400, "File name too long"),
        "nobody": ("~no-such-user/a.wav", "~no-such-user/a.wav"),
        "directory": (folder / "folder", r"folder: a directory.*\*\.mp3"),
        "pipe": (folder / "pipe.wav", "pipe.wav: a pipe"),
        "empty": (folder / "empty.mp3", "empty.mp3: an empty file"),
        "text": (folder / "text.mp3", r"text.mp3: cannot be decoded.*no sound in it"),
        "text.wav": (folder / "text.wav", r"text.wav: cannot be decoded.*not recognised"),
        "head only": (folder / "head.mp3", r"head.mp3: cannot be decoded.*no sound in it"),
        "nan": (folder / "nan.wav", r"nan.wav: NaN.* 0\.\d s"),
        "inf": (folder / "inf.wav", r"inf.wav: NaN or inf.* 0\.\d s"),
        "no samples": (folder / "none.wav", "none.wav: no samples"),
        "one sample": (folder / "one.wav", "one.wav: .*16000 Hz"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "below a file",
        "null byte",
        "long name",
        "nobody",
        "directory",
        "pipe",
        "empty",
        "text",
        "text.wav",
        "head only",
        "nan",
        "inf",
        "no samples",
        "one sample",
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, case):
    path, message = refusals(tmp_path)[case]
    with pytest.raises(AudioError, match=message):
        load_audio(path, 16000)


def test_refused_even_where_a_later_block_is_bad(sound_file, monkeypatch):
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 1000)
    sound = tones(1, 16000)
    sound[12345] = np.nan
    with AudioFile(sound_file("a.wav", sound, 16000, "FLOAT")) as file:
        blocks = file.blocks()
        assert all(len(next(blocks)) == 1000 for _ in range(12))
        with pytest.raises(AudioError, match=r"0\.8 s"):
            next(blocks)


def test_short_and_silent_sounds_are_read(sound_file):
    assert len(load_audio(sound_file("a.wav", np.full(1, 0.5), 16000), 16000)[0]) == 1
    assert len(load_audio(sound_file("b.wav", tones(0.2, 44100), 44100), 16000)[0]) == 3200
    with AudioFile(sound_file("c.flac", np.zeros(16000), 16000)) as file:
        assert not np.concatenate(list(file.blocks(16000))).any()
    assert file.notes == ["the file is silent: its scores describe the model, not music"]


def test_every_single_truncation_of_a_small_mp3_is_survived(sound_file):
    """Cut anywhere, a file is read in part or refused with our own error; it never crashes or yields NaN."""
    path = sound_file("a.mp3", tones(0.5, 44100), 44100)
    data = path.read_bytes()
    outcomes = set()
    for size in range(1, len(data), 97):
        path.write_bytes(data[:size])
        try:
            loaded, _ = load_audio(path)
        except AudioError as error:
            assert "a.mp3" in str(error)
            outcomes.add("refused")
        else:
            assert np.isfinite(loaded).all()
            assert 0 < len(loaded) <= 22050
            outcomes.add("read")
    assert outcomes == {"refused", "read"}


def test_arrays_become_waveforms():
    mono = tones(0.1, 16000)
    np.testing.assert_array_equal(as_waveform(mono), mono)
    np.testing.assert_array_equal(as_waveform(mono.astype(np.float64)), mono)
    np.testing.assert_allclose(as_waveform(np.stack([mono, -mono, mono])), mono / 3, atol=1e-7)
    np.testing.assert_array_equal(as_waveform(np.array([-32768, 0, 16384], dtype=np.int16)), np.float32([-1, 0, 0.5]))
    np.testing.assert_array_equal(as_waveform(np.array([-(2**31), 2**30], dtype=np.int32)), np.float32([-1, 0.5]))
    np.testing.assert_allclose(as_waveform(np.int16([[16384, -32768], [0, 0]])), np.float32([0.25, -0.5]))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((100, 2)), r"mine of shape \(100, 2\): .*transpose"),
        (np.zeros((1, 2, 3)), r"mine of shape \(1, 2, 3\)"),
        (np.float32(0), r"mine of shape \(\)"),
        (np.zeros((9, 100)), r"\(9, 100\): 9 channels.*one by one"),
        (np.zeros(0), "mine has no samples"),
        (np.zeros((0, 0)), "mine has no samples"),
        (np.zeros(9, dtype=np.uint8), "mine of type uint8"),
        (np.zeros(9, dtype=complex), "mine of type complex128"),
        (np.array(["a", "b"]), "mine of type <U1"),
        (np.float32([0, np.nan]), "mine has NaN or infinite samples"),
        (np.float32([0, -np.inf]), "mine has NaN or infinite samples"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(array, message):
    with pytest.raises(AudioError, match=message):
        as_waveform(array, "mine")


@pytest.mark.parametrize("level", [1e18, 1e30])
def test_samples_whose_power_is_infinite_are_refused(sound_file, level):
    """They are finite, but every score would be NaN."""
    loud = level * tones(0.1, 16000)
    with pytest.raises(AudioError, match=r"a\.wav: samples as large as .*\[-1, 1\]"):
        load_audio(sound_file("a.wav", loud, 16000, "FLOAT"))
    with pytest.raises(AudioError, match="waveform has samples as large as"):
        as_waveform(loud)
    assert as_waveform(2.0**31 * tones(0.1, 16000)).any()


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_impossible_sample_rates_are_refused(rate):
    with pytest.raises(ConfigError, match=f"{rate} Hz"):
        resample(tones(0.1, 16000), rate, 16000)
