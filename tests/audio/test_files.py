"""Decoding, downmixing, resampling and streaming of real files in every format, and every bad input a user can bring."""

from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile
import soxr
from helpers import tones

from tagging.audio import blocks as audio_blocks
from tagging.audio.files import AudioFile, load_audio
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
    for seconds in (0.01, 0.07):
        monkeypatch.setattr(audio_blocks, "BLOCK_SECONDS", seconds)
        with AudioFile(path) as file:
            blocks = list(file.blocks(to_rate))
        assert len(blocks) > 1
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_start_and_seconds(sound_file):
    sound = tones(2, 16000)
    path = sound_file("a.wav", sound, 16000, "FLOAT")
    part, rate = load_audio(path, start=0.5, seconds=0.25)
    assert rate == 16000
    np.testing.assert_array_equal(part, sound[8000:12000])
    np.testing.assert_array_equal(load_audio(path, start=1.5, seconds=99)[0], sound[24000:])
    np.testing.assert_array_equal(load_audio(path, start=1.5)[0], sound[24000:])
    assert len(load_audio(path, 8000, start=0.5, seconds=0.25)[0]) == 2000
    for start in (2.0, 99):
        with pytest.raises(AudioError, match=r"a\.wav.*2\.000 s"):
            load_audio(path, start=start)
    for start in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="start="):
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
        "text.wav": (folder / "text.wav", r"text.wav: cannot be decoded.*no sound in it"),
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
    monkeypatch.setattr(audio_blocks, "BLOCK_SECONDS", 0.05)
    sound = tones(1, 16000)
    sound[12345] = np.nan
    with AudioFile(sound_file("a.wav", sound, 16000, "FLOAT")) as file:
        blocks = file.blocks()
        with pytest.raises(AudioError, match=r"0\.8 s"):
            for read in blocks:
                assert np.isfinite(read).all()


def test_short_and_silent_sounds_are_read(sound_file):
    assert len(load_audio(sound_file("a.wav", np.full(1, 0.5), 16000), 16000)[0]) == 1
    assert len(load_audio(sound_file("b.wav", tones(0.2, 44100), 44100), 16000)[0]) == 3200
    with AudioFile(sound_file("c.flac", np.zeros(16000), 16000)) as file:
        assert not np.concatenate(list(file.blocks(16000))).any()
    assert file.notes == ["silent: the scores describe the model, not music"]


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
