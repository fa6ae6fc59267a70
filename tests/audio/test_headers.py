"""Sizes in headers and what follows a file: believed where the file agrees, and never at the cost of sound or of the truth."""

from __future__ import annotations

import functools
import gzip
import io
import zipfile

import numpy as np
import pytest
import soundfile
from helpers import tones
from sounds import ENCODED, RATE, WRITTEN, encode, rate_of, read_whole

from tagging.audio.files import AudioFile, load_audio
from tagging.errors import AudioError

ZIP = b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + np.random.default_rng(5).bytes(50_000)
APE = (
    b"APETAGEX\xd0\x07\x00\x00"
    + (40_032).to_bytes(4, "little")
    + bytes(16)
    + b"\xff\xd8"
    + np.random.default_rng(6).bytes(40_030)
)


def written(kind: str, sound: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, subtype, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.m4a", "a.mka", "a.ogg"])
@pytest.mark.parametrize("behind", [ZIP, b"some words\n" * 3000, bytes(90_001)], ids=["zip", "text", "zeros"])
def test_what_follows_the_sound_is_not_taken_for_sound(name, behind):
    data = encode(name, tones(1.5, rate_of(name), 2), rate_of(name))
    whole, _, _ = read_whole(data)
    sound, _, notes = read_whole(data + behind)
    np.testing.assert_allclose(sound[: len(whole)], whole, atol=1e-6)
    assert len(sound) == len(whole)
    assert notes == []


@functools.cache
def second_and_sound(name: str) -> tuple[bytes, np.ndarray]:
    data = encode(name, tones(1.0, 48000, 2), 48000)
    return data, read_whole(data)[0]


@pytest.mark.parametrize("first", [*WRITTEN, *ENCODED])
def test_files_of_two_formats_joined_are_each_heard(first):
    data, sound = second_and_sound(first)
    for second in {*WRITTEN, *ENCODED} - {first}:
        next_data, next_sound = second_and_sound(second)
        joined, _, notes = read_whole(data + next_data)
        assert len(joined) == pytest.approx(len(sound) + len(next_sound), abs=2048), second
        # a lossy decoder needs a few frames to swing in
        np.testing.assert_allclose(joined[:40_000], sound[:40_000], atol=1e-4, err_msg=second)
        np.testing.assert_allclose(joined[-40_000:], next_sound[-40_000:], atol=1e-4, err_msg=second)
        assert notes == [], second


@pytest.mark.parametrize("name", ["a.voc", "a.flv"])
def test_formats_without_a_length_say_when_they_break_off(name):
    data = encode(name, tones(2, RATE, 2))
    assert read_whole(data)[2] == []
    sound, _, notes = read_whole(data[: round(0.6 * len(data))])
    assert len(sound) / RATE == pytest.approx(1.2, abs=0.1)
    assert notes == ["it ends in the middle of a block: the rest was cut off"]


def test_an_mp4_without_its_index_was_cut_off():
    data = encode("a.m4a", tones(1.5, RATE, 2))
    assert data.index(b"moov") > data.index(b"mdat")
    with pytest.raises(AudioError, match="without a list of its content"):
        read_whole(data[: len(data) // 2])


def test_a_title_is_no_encryption():
    data = encode("a.m4a", tones(1.5, RATE, 2))
    named = data.replace(b"SoundHandler", b"encantadrms ")
    assert named != data
    np.testing.assert_array_equal(read_whole(named)[0], read_whole(data)[0])


@pytest.mark.parametrize("entry", [b"enca", b"drms"])
def test_encrypted_sound_is_named(entry):
    data = encode("a.m4a", tones(1.5, RATE, 2))
    with pytest.raises(AudioError, match="encrypted"):
        read_whole(data.replace(b"mp4a", entry, 1))


@pytest.mark.parametrize("rates", [(44100, 22050), (22050, 44100), (96000, 44100)])
def test_flacs_of_two_rates_joined_are_each_exact(rates):
    files = [written("FLAC", tones(1.5, rate), rate) for rate in rates]
    with AudioFile(b"".join(files)) as file:
        joined = np.concatenate(list(file.blocks(16000)))
        assert file.notes == []
    expected = np.concatenate([load_audio(data, 16000)[0] for data in files])
    np.testing.assert_array_equal(joined, expected)


@pytest.mark.parametrize("kind", ["RF64", "CAF", "W64", "AU"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_size_that_the_file_contradicts_is_not_believed(kind, share):
    data = written(kind, tones(1.5, RATE, 2))
    whole, _, _ = read_whole(data)
    size = 1.5 * RATE * 4
    at, width, order, more = {
        "RF64": (data.find(b"ds64") + 16, 8, "little", 0),
        "CAF": (data.find(b"data") + 4, 8, "big", 4),
        "W64": (data.find(b"data\xf3\xac") + 16, 8, "little", 24),
        "AU": (8, 4, "big", 0),
    }[kind]
    changed = data[:at] + (round(share * size) + more).to_bytes(width, order) + data[at + width :]
    sound, _, notes = read_whole(changed)
    np.testing.assert_array_equal(sound, whole)
    assert notes == []


@pytest.mark.parametrize("kind", ["RF64", "AU", "WAV", "AIFF", "CAF", "W64"])
def test_the_note_of_a_cut_file_states_the_length_that_its_size_declares(kind):
    data = written(kind, tones(4, RATE, 2))
    sound, _, notes = read_whole(data[: len(data) // 3])
    assert len(sound) / RATE == pytest.approx(4 / 3, abs=0.05)
    (note,) = notes
    assert "at 1.3 s of the 4.0 s it declares" in note


def test_the_byte_rate_of_a_wav_says_nothing_about_its_length():
    data = written("WAV", tones(4, RATE, 2))
    at = data.index(b"fmt ") + 16
    changed = data[:at] + (1000).to_bytes(4, "little") + data[at + 4 :]
    assert read_whole(changed)[2] == []
    assert "of the 4.0 s" in read_whole(changed[: len(changed) // 2])[2][0]


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4, 5, 6, 8, 12, 15, 180, 255, 65_535])
@pytest.mark.parametrize("original", [1, 2])
def test_a_wrong_number_of_channels_is_corrected_noted_or_refused(channels, original):
    data = bytearray(written("WAV", tones(1, RATE, original)))
    whole, _, _ = read_whole(bytes(data))
    at = data.index(b"fmt ") + 10
    data[at : at + 2] = channels.to_bytes(2, "little")
    try:
        sound, _, notes = read_whole(bytes(data))
    except AudioError:
        return
    if channels == original:
        assert notes == []
    else:
        assert "its header contradicts itself" in notes[0]
    if channels == original or f"it was read as {original}" in notes[0]:
        np.testing.assert_array_equal(sound, whole)


def pcm(bits: int, align: int, channels: int, content: bytes) -> bytes:
    """A wav of a second."""
    fmt = b"".join(
        value.to_bytes(size, "little")
        for value, size in ((1, 2), (channels, 2), (RATE, 4), (RATE * align, 4), (align, 2), (bits, 2))
    )
    body = b"WAVEfmt " + (16).to_bytes(4, "little") + fmt + b"data" + len(content).to_bytes(4, "little") + content
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def test_64_bits_are_read():
    sound = tones(1, RATE, 1)
    data = pcm(64, 8, 1, (sound.astype(np.float64) * 2**62).astype("<i8").tobytes())
    np.testing.assert_allclose(read_whole(data)[0], sound / 2, atol=1e-6)


@pytest.mark.parametrize(("bits", "align"), [(20, 2), (12, 1), (24, 2), (16, 3)])
def test_bits_that_do_not_fit_the_bytes_are_noted(bits, align):
    content = bytes(np.random.default_rng(0).integers(0, 40, RATE * align, dtype=np.uint8))
    try:
        notes = read_whole(pcm(bits, align, 1, content))[2]
    except AudioError:
        return
    assert "its header contradicts itself" in notes[0]


def test_a_sample_rate_that_no_other_field_confirms_is_noted():
    data = bytearray(written("WAV", tones(1, RATE, 1)))
    at = data.index(b"fmt ") + 12
    data[at : at + 4] = (RATE + 256).to_bytes(4, "little")
    assert f"{RATE + 256} Hz, and bytes for {RATE} Hz" in read_whole(bytes(data))[2][0]


def test_a_wav_of_24_bits_in_32_is_read_as_integers():
    data = bytearray(written("WAVEX", tones(1, RATE, 2), subtype="PCM_32"))
    whole, _, _ = read_whole(bytes(data))
    at = data.index(b"fmt ") + 8 + 18
    assert data[at] == 32
    data[at] = 24
    np.testing.assert_array_equal(read_whole(bytes(data))[0], whole)


@pytest.mark.parametrize("name", ["a.mp3", "a.wv", "a.aac"])
@pytest.mark.parametrize("behind", [APE, b"TAG" + bytes(125), bytes(3000)], ids=["ape", "id3v1", "zeros"])
def test_tags_behind_the_sound_need_no_note(name, behind):
    data = encode(name, tones(1.5, RATE, 2))
    sound, _, notes = read_whole(data + behind)
    assert abs(len(sound) - len(read_whole(data)[0])) <= 1152
    assert notes == []


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
@pytest.mark.parametrize("cut", [1, 300])
def test_an_ogg_that_ends_within_its_last_page_says_so(name, cut):
    data = encode(name, tones(1.5, rate_of(name), 2), rate_of(name))
    assert "cut off" in read_whole(data[:-cut])[2][0]


def test_files_that_fail_while_they_are_read_are_refused(tmp_path):
    data = encode("a.wav", tones(1, RATE))
    (tmp_path / "a.gz").write_bytes(gzip.compress(data)[:-2000])
    with gzip.open(tmp_path / "a.gz") as file, pytest.raises(AudioError, match="cannot be read"):
        load_audio(file)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.wav", data)
    with zipfile.ZipFile(buffer) as archive, archive.open("a.wav") as member:
        np.testing.assert_array_equal(load_audio(member)[0], load_audio(data)[0])
    damaged = bytearray(buffer.getvalue())
    damaged[1000] ^= 1
    with (
        zipfile.ZipFile(io.BytesIO(damaged)) as archive,
        archive.open("a.wav") as member,
        pytest.raises(AudioError, match="cannot be read"),
    ):
        load_audio(member)
