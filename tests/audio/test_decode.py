"""Whatever a header says, what is in the file is heard, and what is not is noted: joined, cut, damaged and mislabelled files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from helpers import tones
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import ENCODED, RATE, WRITTEN, encode, rate_of, read_whole

from tagging.audio.containers import FileView, find_beginnings
from tagging.audio.files import load_audio
from tagging.errors import AudioError


def difference(sound: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square error relative to the expected sound, away from the ends, which encoders fade."""
    size = min(len(sound), len(expected))
    inner = slice(RATE // 10, size - RATE // 10)
    return float(np.sqrt(np.mean((sound[:size] - expected[:size])[inner] ** 2) / np.mean(expected**2)))


@pytest.fixture(scope="module")
def two() -> tuple[np.ndarray, np.ndarray]:
    """Two stereo sounds of 1.5 s, one louder."""
    return tones(1.5, RATE, 2), 0.5 * tones(1.5, RATE, 2)[::-1]


@pytest.mark.parametrize("name", [*WRITTEN, *ENCODED])
def test_every_format_is_read_whole_and_without_a_note(two, name):
    sound, rate, notes = read_whole(encode(name, tones(1.5, rate_of(name), 2), rate_of(name)))
    expected = tones(1.5, rate, 2).mean(axis=1)
    assert abs(len(sound) - len(expected)) <= 2 * 2048
    # codecs without a record of their delay begin some milliseconds late
    lag = int(np.argmax(np.correlate(sound[:rate], expected[4096 : rate // 2], "valid"))) - 4096
    assert abs(lag) <= 2304
    aligned = sound[max(lag, 0) :] if lag >= 0 else np.pad(sound, (-lag, 0))
    assert difference(aligned, expected) < 0.1
    assert notes == []


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.au", "a-alac.m4a", "a.caf", "a.w64", "a.mka"])
def test_lossless_formats_are_exact(two, name):
    sound, _, _ = read_whole(encode(name, two[0]))
    np.testing.assert_allclose(sound, np.round(two[0] * 32768).mean(axis=1) / 32768, atol=2**-15)


@pytest.mark.parametrize("name", [*WRITTEN, *ENCODED])
def test_files_joined_end_to_end_are_heard_to_the_end(two, name):
    """cat a.mp3 b.mp3: players go on, and so does this."""
    rate = rate_of(name)
    first, second = tones(1.5, rate, 2), 0.5 * tones(1.5, rate, 2)[::-1]
    sound, _, notes = read_whole(encode(name, first, rate) + encode(name, second, rate))
    assert len(sound) / rate == pytest.approx(3.0, abs=0.15)
    power = [float(np.mean(part**2)) for part in np.array_split(sound, 2)]
    assert power[1] / power[0] == pytest.approx(0.25, rel=0.1)
    assert notes == []


@pytest.mark.parametrize(
    "name", ["a.wav", "a.aiff", "a.flac", "a.ogg", "a.mp3", "a.m4a", "a-alac.m4a", "a.mka", "a.caf"]
)
def test_each_part_of_a_joined_file_is_read_at_its_own_rate_and_channels(name):
    def sine(rate: int, channels: int) -> np.ndarray:
        return np.tile(0.5 * np.sin(2 * np.pi * 440 * np.arange(1.5 * rate) / rate)[:, None], channels)

    sound, _, notes = read_whole(encode(name, sine(RATE, 2)) + encode(name, sine(22050, 1), 22050), 16000)
    assert len(sound) / 16000 == pytest.approx(3.0, abs=0.2)
    for part in np.array_split(sound, 2):
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert np.argmax(spectrum) * 16000 / len(part) == pytest.approx(440, abs=2)
    assert notes == []


@pytest.mark.parametrize(
    "name", ["a.wav", "a.aiff", "a.flac", "a.ogg", "a.mp3", "a.m4a", "a.wma", "a.webm", "a.wv", "a.aac"]
)
@pytest.mark.parametrize("junk", ["zeros", "text", "noise"])
def test_junk_in_front_is_skipped(two, name, junk):
    size = 70_000
    front = {
        "zeros": bytes(size),
        "text": b"<html><p>page</p>\n" * (size // 18),
        "noise": np.random.default_rng(3).bytes(size),
    }
    sound, rate, notes = read_whole(front[junk] + encode(name, tones(1.5, rate_of(name), 2), rate_of(name)))
    assert len(sound) / rate == pytest.approx(1.5, abs=0.15)
    assert all("skipped" in note or "damaged" in note for note in notes)


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3", "a.ogg"])
@pytest.mark.parametrize("size", [1000, 300_000])
def test_a_tag_in_front_changes_nothing(two, name, size):
    """An ID3 tag with a picture, in front of any format, of any size."""
    tag = b"ID3\x04\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    data = encode(name, two[0])
    np.testing.assert_array_equal(read_whole(tag + data)[0], read_whole(data)[0])
    assert read_whole(tag + tag + data)[2] == []


def test_a_header_with_another_size_does_not_shorten_a_wav(two):
    """0 of a recorder that was switched off, sizes of streams, and 32 bits that were too few."""
    data = encode("a.wav", two[0])
    whole = read_whole(data)[0]
    at = data.index(b"data") + 4
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 40_000, 4):
        changed = data[:at] + size.to_bytes(4, "little") + data[at + 4 :]
        sound, _, notes = read_whole(changed)
        np.testing.assert_array_equal(sound, whole, err_msg=hex(size))
        assert notes == [], hex(size)


def test_a_header_with_another_size_does_not_shorten_an_aiff(two):
    data = encode("a.aiff", two[0])
    whole = read_whole(data)[0]
    at = data.index(b"SSND") + 4
    for size in (0, 0xFFFFFFFF, 0x7FFFFFFF, 40_000, 8):
        sound, _, notes = read_whole(data[:at] + size.to_bytes(4, "big") + data[at + 4 :])
        np.testing.assert_array_equal(sound, whole, err_msg=hex(size))
        assert notes == [], hex(size)


def test_chunks_behind_the_sound_are_no_sound(two):
    data = encode("a.wav", two[0])
    whole = read_whole(data)[0]
    for chunk in (b"LIST" + (30).to_bytes(4, "little") + bytes(30), b"id3 " + (11).to_bytes(4, "little") + bytes(12)):
        sound, _, notes = read_whole(data + chunk)
        np.testing.assert_array_equal(sound, whole)
        assert notes == []


@pytest.mark.parametrize("total", [0, 1, 1000, 2**36 - 1])
def test_the_total_of_a_flac_is_not_believed(two, total):
    data = bytearray(encode("a.flac", two[0]))
    whole = read_whole(bytes(data))[0]
    # 36 bits that begin in the lower half of byte 21
    data[21] = data[21] & 0xF0 | total >> 32
    data[22:26] = (total & 0xFFFFFFFF).to_bytes(4, "big")
    sound, _, notes = read_whole(bytes(data))
    np.testing.assert_array_equal(sound, whole)
    assert notes == []


@pytest.mark.parametrize("frames", [0, 1, 10, 100_000])
def test_the_count_in_an_mp3_is_not_believed(two, frames):
    data = encode("a.mp3", two[0])
    whole = read_whole(data)[0]
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    sound, _, notes = read_whole(data[:at] + frames.to_bytes(4, "big") + data[at + 4 :])
    assert len(sound) / RATE == pytest.approx(len(whole) / RATE, abs=0.1)
    assert ["it declares" in note for note in notes] == ([True] if frames == 100_000 else [])


def test_an_mp3_without_a_count_is_heard_whole(two):
    """As from a pipe: the bitrate of the first frame says nothing about the length."""
    data = encode("a.mp3", two[0])
    at = max(data.find(b"Xing"), data.find(b"Info"))
    sound, _, notes = read_whole(data[:at] + bytes(4) + data[at + 4 :])
    assert len(sound) / RATE == pytest.approx(1.5, abs=0.1)
    assert notes == []


@pytest.mark.parametrize("rate", [0, 8000, 44100, 96000])
def test_the_rate_in_opus_is_only_information(rate):
    data = encode("a.opus", tones(1.5, 48000, 2), 48000)
    whole = read_whole(data)[0]
    page = data[: data.index(b"OggS", 4)]
    at = page.index(b"OpusHead") + 12
    changed = bytearray(page[:at] + rate.to_bytes(4, "little") + page[at + 4 :])
    changed[22:26] = bytes(4)
    changed[22:26] = ogg_checksum(bytes(changed)).to_bytes(4, "little")
    sound, read_rate, notes = read_whole(bytes(changed) + data[len(page) :])
    assert read_rate == 48000
    np.testing.assert_array_equal(sound, whole)
    assert notes == []


def ogg_checksum(page: bytes) -> int:
    """The CRC of RFC 3533: polynomial 0x04C11DB7, nothing reflected."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


@pytest.mark.parametrize(
    "name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.wma", "a.mka", "a.w64", "a.caf", "a.tta", "a.wv"]
)
def test_a_file_that_breaks_off_says_so(name):
    sound = tones(4, RATE, 2) + 0.01 * np.random.default_rng(0).standard_normal((4 * RATE, 2))
    data = encode(name, sound)
    samples, rate, notes = read_whole(data[: round(0.6 * len(data))])
    assert 1.5 < len(samples) / rate < 3.2
    assert len(notes) == 1
    assert "of the 4.0 s it declares" in notes[0] or "cut off" in notes[0]


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg", "a.opus", "a.aac", "a.mka"])
def test_damage_in_the_middle_costs_only_itself(name):
    rate = rate_of(name)
    sound = tones(4, rate, 2) + 0.01 * np.random.default_rng(0).standard_normal((4 * rate, 2))
    data = bytearray(encode(name, sound, rate))
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(1).bytes(600)
    samples, _, notes = read_whole(bytes(data))
    # a page of Ogg holds up to a second
    assert len(samples) / rate > (2.9 if name in ("a.ogg", "a.opus") else 3.7)
    lost = 4 - len(samples) / rate
    if name != "a.aac":  # its frames may decode to something
        assert any("damaged" in note for note in notes) or lost < 0.03


def test_of_a_video_the_first_audio_track_is_read(two):
    data = encode("a.m4a", two[0], video=True)
    sound, rate, notes = read_whole(data)
    assert len(sound) / rate == pytest.approx(1.5, abs=0.1)
    assert notes == []


NOT_SOUND = {
    "a page": b"<!DOCTYPE html><html><body>" + b"<p>not found</p>\n" * 3000,
    "text": b"these are words\n" * 5000,
    "zeros": bytes(200_000),
    "ones": b"\xff" * 200_000,
    "noise": np.random.default_rng(0).bytes(200_000),
    "a playlist": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    "a list of files": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "a program": Path(os.__file__).read_bytes(),
    "a midi file": b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk\x00\x00\x00\x04\x00\xff\x2f\x00",
    "a header alone": b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
}


@pytest.mark.parametrize("kind", NOT_SOUND)
@pytest.mark.parametrize("suffix", ["au", "snd", "raw", "mp3", "wav", "flac", "g722", "gsm", "vox", "m3u8", "txt"])
def test_what_is_no_sound_is_refused_whatever_its_name(tmp_path, kind, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(NOT_SOUND[kind])
    with pytest.raises(AudioError, match=r"a\.\w+: .*(cannot be decoded|no samples)"):
        load_audio(path)


@pytest.mark.parametrize("rate", [1, 2, 21, 999, 800_000, 2**31 - 1])
def test_a_rate_that_no_sound_has_is_refused(rate):
    """Such a header would make a second of sound from each sample: gigabytes from a small file."""
    data = encode("a.wav", tones(1, RATE))
    at = data.index(b"fmt ") + 12
    with pytest.raises(AudioError, match=r"sample rate of|cannot be decoded"):
        read_whole(data[:at] + rate.to_bytes(4, "little") + data[at + 4 :], 16000)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_bytes_and_open_files_are_read_as_paths_are(tmp_path, two, name):
    data = encode(name, two[0])
    path = tmp_path / name
    path.write_bytes(data)
    expected = load_audio(path, 16000)[0]
    (tmp_path / "~x.wav").write_bytes(data)

    class NoSeek(io.RawIOBase):
        """A pipe or a download: it can be read once."""

        inner = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return self.inner.readinto(buffer)

    opened = path.open("rb")
    behind = io.BytesIO(b"header" + data)
    behind.seek(6)
    for source in (
        data,
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        opened,
        behind,
        NoSeek(),
        str(path),
        os.fspath(path),
    ):
        np.testing.assert_array_equal(load_audio(source, 16000)[0], expected)
    assert not opened.closed
    opened.close()
    for source, message in [
        (opened, "closed file"),
        (io.StringIO("text"), "opened as text"),
        (b"", "empty"),
        (io.BytesIO(), "nothing left"),
        (np.zeros(9), "not ndarray"),
        (None, "not NoneType"),
        (7, "not int"),
        ("https://example.org/a.mp3", "download it first"),
    ]:
        with pytest.raises(AudioError, match=message):
            load_audio(source)


def test_a_name_that_begins_with_a_tilde(tmp_path, two, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "~x.wav").write_bytes(encode("a.wav", two[0]))
    (tmp_path / "home" / "y.wav").write_bytes(encode("a.wav", two[1]))
    assert len(load_audio("~x.wav")[0]) == len(load_audio("~/y.wav")[0])


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder with the same sound in several formats."""
    folder = tmp_path_factory.mktemp("written")
    for name in ("a.wav", "a.flac", "a.aiff", "a.mp3", "a.ogg", "a.m4a"):
        (folder / name).write_bytes(encode(name, tones(1.5, RATE, 2)))
    return folder


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.mp3", "a.ogg", "a.m4a"])
@settings(max_examples=15)
@given(start=st.floats(0, 1.4), seconds=st.floats(0.01, 2))
def test_any_part_is_the_part_of_the_whole(written, name, start, seconds):
    path = written / name
    whole, rate = load_audio(path)
    first = round(start * rate)
    np.testing.assert_array_equal(
        load_audio(path, start=start, seconds=seconds)[0], whole[first : first + round(seconds * rate)][: len(whole)]
    )


@given(data=st.binary(max_size=300), reads=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 60)), max_size=8))
def test_a_view_reads_as_the_bytes_it_shows(data, reads):
    start, end = len(data) // 4, len(data) - len(data) // 5
    shown = bytearray(data[start:end])
    patches = {3: b"abcd"} if len(shown) > 7 else {}
    for offset, patch in patches.items():
        shown[offset : offset + len(patch)] = patch
    view, expected = FileView(io.BytesIO(data), start, end, patches), io.BytesIO(bytes(shown))
    for position, size in reads:
        assert view.seek(position) == expected.seek(position)
        assert view.read(size) == expected.read(size)
        assert view.tell() == expected.tell()


def test_beginnings_are_found_across_the_blocks_of_a_search():
    block = 2**20
    for offset in (0, 5, block - 9, block - 1, block, 2 * block - 3):
        data = bytes(offset) + b"fLaC\x00\x00\x00\x22" + bytes(3 * block - offset)
        assert list(find_beginnings(io.BytesIO(data), 0, len(data))) == [offset]
