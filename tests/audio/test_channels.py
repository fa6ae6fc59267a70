"""Many channels, and lists of channels: read in a process of their own, which a fault of the decoder would end."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import tones
from sounds import RATE, encode

READ = """
import sys
import numpy as np
from tagging.audio.files import AudioFile
from tagging.errors import AudioError
for path in sys.argv[1:]:
    try:
        with AudioFile(path) as file:
            np.save(path + ".npy", np.concatenate(list(file.blocks())))
            print(file.channels, file.notes)
    except AudioError as error:
        print(error)
"""


def read_apart(files: dict[str, bytes], folder: Path) -> list[tuple[str, np.ndarray]]:
    """(channels and notes, or the error; mono sound) of each file."""
    paths = [folder / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.write_bytes(data)
    run = subprocess.run([sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    sounds = [np.load(f"{path}.npy") if Path(f"{path}.npy").exists() else np.zeros(0) for path in paths]
    return list(zip(run.stdout.splitlines(), sounds, strict=True))


def sound_of(channels: int) -> np.ndarray:
    """[samples, channels]: each quieter than the one before."""
    return tones(1.0, RATE)[:, None] * np.linspace(0.5, 0.1, channels, dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("a.wav", (3, 7, 8, 9, 64)),
        ("a.flac", (3, 7, 8)),
        ("a.ogg", (3, 7, 8, 9, 64)),
        ("a.opus", (8,)),
        ("a.caf", (8, 9, 64)),
        ("a.wv", (8,)),
        ("a.m4a", (8,)),
    ],
)
def test_many_channels_are_averaged(tmp_path, name, counts):
    rate = 48000 if name == "a.opus" else RATE
    results = read_apart({f"{count}{name}": encode(name, sound_of(count), rate) for count in counts}, tmp_path)
    for count, (line, sound) in zip(counts, results, strict=True):
        assert line == f"{count} []"
        expected = sound_of(count).mean(axis=1)
        assert len(sound) == pytest.approx(len(expected), abs=2 * 2048)
        # of codecs whose delay is not declared, the spectrum is compared
        first, second = (np.abs(np.fft.rfft(part[4096 : 4096 + 32768])) for part in (sound, expected))
        # the fourth of eight channels in AAC is for the lowest frequencies only
        assert np.abs(first - second).max() < (0.15 if name == "a.m4a" else 0.05) * second.max()


def test_more_channels_than_can_be_converted_are_an_error(tmp_path):
    ((line, _),) = read_apart({"a.ogg": encode("a.ogg", sound_of(65))}, tmp_path)
    assert line.endswith("65 channels, which FFmpeg cannot convert; export it with 64 at most")


def caf(sound: np.ndarray, labels: list[int]) -> bytes:
    """A CAF of 16 bits that lists its channels by labels, as ``chan`` chunks do; such lists are allocated by FFmpeg."""
    channels = sound.shape[1]
    samples = np.round(sound * 32767).astype(">i2").tobytes()
    chunks = {
        b"desc": struct.pack(">d4sIIIII", RATE, b"lpcm", 0, 2 * channels, 1, channels, 16),
        b"chan": struct.pack(">III", 0, 0, len(labels)) + b"".join(struct.pack(">II12x", label, 0) for label in labels),
        b"data": bytes(4) + samples,
    }
    return b"caff\0\1\0\0" + b"".join(name + struct.pack(">q", len(data)) + data for name, data in chunks.items())


@pytest.mark.parametrize("labels", [[2, 1], [3, 1, 2], [1, 2, 3, 4, 10, 11, 5, 6], [100, 100], [5]])
def test_lists_of_channels_are_read(tmp_path, labels):
    sound = np.tile(sound_of(len(labels)), (4, 1))
    ((line, mono),) = read_apart({"a.caf": caf(sound, labels)}, tmp_path)
    assert line == f"{len(labels)} []"
    np.testing.assert_allclose(mono, sound.mean(axis=1), atol=1e-4)


def test_damaged_aac_ends_no_process(tmp_path):
    """Its frames may declare any number of channels."""
    data = encode("a.m4a", tones(4, RATE, 2) + 0.01 * np.random.default_rng(0).standard_normal((4 * RATE, 2)))
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    files = {}
    for seed in range(8):
        noise = np.random.default_rng(seed).bytes(end - start)
        files[f"{seed}.m4a"] = data[:start] + noise + data[end:]
    for line, _ in read_apart(files, tmp_path):
        assert "damaged" in line or "encrypted" in line or "cannot be decoded" in line or "channels" in line
