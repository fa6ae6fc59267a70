"""The browser's log-mel against the package's. Needs Node.js, which the package itself does not."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.audio.mel import LogMel, MelSpec, mel_bank

MODULE = Path(__file__).parents[2] / "book" / "_static" / "mel.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE or not MODULE.exists(), reason="needs Node.js and the sources of the book")


@pytest.fixture
def call(tmp_path):
    """Call a function of mel.js with samples and arguments; arrays travel as raw numbers."""
    shutil.copy(MODULE, tmp_path / "mel.mjs")
    (tmp_path / "run.mjs").write_text(
        """
        import fs from "node:fs";
        import * as mel from "./mel.mjs";
        const [name, rest] = JSON.parse(process.argv[2]);
        const bytes = fs.readFileSync("in.f32");
        const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
        const result = mel[name](samples, rest);
        fs.writeFileSync("out.f32", ArrayBuffer.isView(result) ? result : result.values);
        console.log(JSON.stringify({ frames: result.frames, bands: result.bands, empty: result.empty }));
        """
    )

    def run(name, samples, argument):
        samples.astype(np.float32).tofile(tmp_path / "in.f32")
        command = [NODE, "run.mjs", json.dumps([name, argument])]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return np.fromfile(tmp_path / "out.f32", dtype=np.float32), json.loads(result.stdout)

    return run


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
    values, shape = call(
        "logMel",
        noise,
        {"sampleRate": rate, "windowLength": window, "hop": hop, "bands": bands, "compression": compression},
    )
    assert (shape["frames"], shape["bands"]) == wanted.shape
    assert shape["empty"] == int((mel_bank(spec).sum(axis=1) == 0).sum())
    np.testing.assert_allclose(values.reshape(wanted.shape), wanted, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(("factor", "passed", "removed"), [(3, 6500, 9500), (6, 3200, 4800)])
def test_decimation_passes_what_fits_and_removes_what_would_alias(call, factor, passed, removed):
    time = np.arange(48000) / 48000
    low, _ = call("decimate", np.sin(2 * np.pi * passed * time), factor)
    assert np.std(low[1000:-1000]) == pytest.approx(np.sqrt(0.5), rel=0.02)
    high, _ = call("decimate", np.sin(2 * np.pi * removed * time), factor)
    assert np.std(high[1000:-1000]) < 0.01
