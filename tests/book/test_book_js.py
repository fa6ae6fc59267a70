"""The browser's log-mel against the package's, and its inversion against librosa's. Needs Node.js, which the package does not."""

import json
import shutil
import subprocess
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from tagging.audio.mel import LogMel, MelSpec, mel_bank

STATIC = Path(__file__).parents[2] / "book" / "_static"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE or not STATIC.exists(), reason="needs Node.js and the sources of the book")

RUN = """
import fs from "node:fs";
import { griffinLim, magnitudes } from "./inversion.js";
import { logMel } from "./mel.js";
import { Fourier } from "./shared/fft.js";
import { octaves, ticks } from "./shared/ticks.js";
const given = JSON.parse(process.argv[2]);
const bytes = fs.readFileSync("in.f32");
const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
const put = (values) => fs.writeFileSync("out.f32", Float32Array.from(values));
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """Run statements on samples; they may put numbers into a file and print JSON."""
    folder = tmp_path_factory.mktemp("modules")
    for path in STATIC.glob("*.js"):
        shutil.copy(path, folder)
    shutil.copytree(STATIC / "shared", folder / "shared")
    (folder / "package.json").write_text('{"type": "module"}')

    def run(code, samples=(), **given):
        np.asarray(samples, np.float32).tofile(folder / "in.f32")
        (folder / "run.js").write_text(RUN + code)
        command = [NODE, "run.js", json.dumps(given)]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        out = folder / "out.f32"
        return np.fromfile(out, np.float32) if out.exists() else None, json.loads(result.stdout or "null")

    return run


MEL = """
const mel = logMel(samples, given.spec);
put(mel.values);
console.log(JSON.stringify({ frames: mel.frames, bands: mel.bands, empty: mel.empty }));
"""
INVERT = """
const { values, frames } = logMel(samples, given.spec);
const { windowLength, hop } = given.spec;
const size = { windowLength, hop, length: samples.length };
const left = griffinLim(magnitudes(values, frames, given.spec), frames, size, given.passes);
put(left.samples);
console.log(left.passes);
"""


def options(rate, window, hop, bands, compression="log10(1+10000x)"):
    return {"sampleRate": rate, "windowLength": window, "hop": hop, "bands": bands, "compression": compression}


@pytest.mark.parametrize(
    ("rate", "window", "hop", "bands", "compression"),
    [
        (16000, 512, 256, 96, "log10(1+10000x)"),
        (16000, 64, 128, 24, "dB"),
        (48000, 4096, 2048, 256, "none"),
        (8000, 256, 64, 192, "log10(1+10000x)"),
    ],
)
def test_log_mel_equals_the_packages(call, rate, window, hop, bands, compression):
    noise = 0.2 * np.random.default_rng(0).standard_normal(rate).astype(np.float32)
    noise *= np.linspace(0, 1, rate, dtype=np.float32)
    spec = MelSpec(rate, window, hop, bands, compression=compression)
    wanted = LogMel(spec)(torch.from_numpy(noise)[None])[0].numpy().T
    values, shape = call(MEL, noise, spec=options(rate, window, hop, bands, compression))
    assert (shape["frames"], shape["bands"]) == wanted.shape
    assert shape["empty"] == int((mel_bank(spec).sum(axis=1) == 0).sum())
    np.testing.assert_allclose(values.reshape(wanted.shape), wanted, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("length", [2, 8, 512])
def test_the_fourier_transform_is_numpys_and_goes_back(call, length):
    values = np.random.default_rng(0).standard_normal((2, length)).astype(np.float32)
    code = """
    const n = samples.length / 2;
    const [re, im] = [Float64Array.from(samples.subarray(0, n)), Float64Array.from(samples.subarray(n))];
    const fourier = new Fourier(n);
    fourier.transform(re, im);
    const there = [...re, ...im];
    fourier.transform(im, re);
    put([...there, ...re.map((x) => x / n), ...im.map((x) => x / n)]);
    """
    result, _ = call(code, values.ravel())
    spectrum, back = result.reshape(2, 2, length)
    wanted = np.fft.fft(values[0] + 1j * values[1])
    np.testing.assert_allclose(spectrum[0] + 1j * spectrum[1], wanted, atol=1e-4)
    np.testing.assert_allclose(back, values, atol=1e-5)


def distance(a, b, spec):
    """Root mean square difference of two log-mel spectrograms."""
    mel = LogMel(MelSpec(16000, spec["windowLength"], spec["hop"], spec["bands"]))
    both = [mel(torch.from_numpy(np.array(x, np.float32))[None])[0].numpy() for x in (a, b)]
    return np.sqrt(np.mean((both[0] - both[1]) ** 2))


@pytest.mark.parametrize("bands", [48, 8])
def test_the_inversion_has_the_same_spectrogram_as_the_sound(call, bands):
    """About as near as librosa's two steps come (60 passes of Griffin-Lim)."""
    time = np.arange(8000) / 16000
    pitch = np.repeat([220, 330], 4000)
    sound = 0.2 * sum(np.sin(2 * np.pi * np.cumsum(pitch * k) / 16000) / k for k in (1, 2, 3, 5))
    sound = (sound * np.exp(-6 * (time % 0.25))).astype(np.float32)
    spec = options(16000, 512, 256, bands)
    left, passes = call(INVERT, sound, spec=spec, passes=60)
    assert passes == 60
    assert left.shape == sound.shape
    values = LogMel(MelSpec(16000, 512, 256, bands))(torch.from_numpy(sound)[None])[0].numpy()
    spectrum = librosa.feature.inverse.mel_to_stft((10.0**values - 1) / 10, sr=16000, n_fft=512) / 1000**0.5
    reference = librosa.griffinlim(spectrum, n_iter=60, n_fft=512, hop_length=256, length=8000, random_state=0)
    assert distance(left, sound, spec) < 1.3 * distance(reference, sound, spec)
    assert distance(left, sound, spec) < 0.5  # the values reach 4
    assert np.std(left) == pytest.approx(np.std(sound), rel=0.25)


@pytest.mark.parametrize(
    "spec",
    [options(16000, 64, 512, 8), options(8000, 4096, 64, 256, "dB"), options(16000, 256, 256, 48, "none")],
    ids=["hop longer than the window", "empty bands", "hop as long as the window"],
)
def test_an_inversion_at_the_ends_of_the_controls_is_finite(call, spec):
    noise = 0.1 * np.random.default_rng(0).standard_normal(4096)
    for sound in (noise, np.zeros(4096), np.zeros(10)):
        left, _ = call(INVERT, sound, spec=spec, passes=5)
        assert np.isfinite(left).all()
        assert np.abs(left).max(initial=0) < 4
        if not sound.any():
            assert np.abs(left).max(initial=0) < 1e-3


def test_ticks_are_round_and_octaves_lie_where_their_bands_are(call):
    _, marks = call("console.log(JSON.stringify([4, 6, 15, 0.3].map((s) => ticks(s, 6))))")
    assert marks == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6], [0, 5, 10, 15], [0, 0.1, 0.2, 0.3]]
    _, marks = call("console.log(JSON.stringify(octaves([250, 500, 1000, 3000])))")
    assert marks == [
        {"place": 0.375, "text": "500 Hz"},
        {"place": 0.625, "text": "1 kHz"},
        {"place": 0.75, "text": "2 kHz"},
    ]
