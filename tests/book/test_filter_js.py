"""The browser's feature maps against the package's. Needs Node.js, which the package itself does not."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import tagging

MODULE = Path(__file__).parents[2] / "book" / "_static" / "filter_map.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE or not MODULE.exists(), reason="needs Node.js and the sources of the book")

RUN = """
import fs from "node:fs";
import { answerMap, logMel } from "./filter_map.mjs";
const data = JSON.parse(fs.readFileSync("in.json"));
const map = answerMap(logMel(data), data.bands, data.frames, data.filter);
fs.writeFileSync("out.f32", map.answers);
console.log(JSON.stringify({ places: map.places, frames: map.frames, strongest: [...map.strongest] }));
"""


@pytest.mark.parametrize(
    ("frontend", "block", "padding"),
    [
        ("spectrogram-musically-motivated", "timbral.3", (0, 0, 3, 3)),
        ("spectrogram-musically-motivated", "temporal.3", (0, 0, 15, 16)),
        ("spectrogram-vgg", "blocks.0", (1, 1, 1, 1)),
    ],
)
def test_answers_equal_the_packages(tmp_path, frontend, block, padding):
    torch.manual_seed(0)
    module = tagging.build_frontend(frontend, width=0.25).eval().get_submodule(block)
    module.norm.weight.data[0], module.norm.bias.data[0] = -0.7, 0.3  # a falling gain, as many trained filters have
    module.norm.running_mean[0], module.norm.running_var[0] = 0.2, 1.7
    stored = np.random.default_rng(0).integers(0, 256, (96, 40), dtype=np.uint8)
    scale, shift, top = 0.8, -1.1, 5.0

    z = torch.from_numpy(stored / 255 * top).float() * scale + shift
    below, above, before, after = padding
    padded = nn.functional.pad(z[None, None], (before, after, below, above))
    with torch.inference_mode():
        answers = nn.functional.conv2d(padded, module.conv.weight, module.conv.bias)
        wanted = module.norm(torch.relu(answers))[0, 0].numpy()

    gain = (module.norm.weight[0] / (module.norm.running_var[0] + module.norm.eps).sqrt()).item()
    filter_ = {
        "input": [scale, shift],
        "bands": module.conv.kernel_size[0],
        "frames": module.conv.kernel_size[1],
        "padding": padding,
        "weights": module.conv.weight[0, 0].flatten().tolist(),
        "bias": module.conv.bias[0].item(),
        "gain": gain,
        "offset": module.norm.bias[0].item() - gain * module.norm.running_mean[0].item(),
    }
    mel = base64.b64encode(stored.tobytes()).decode()
    (tmp_path / "in.json").write_text(
        json.dumps({"bands": 96, "frames": 40, "top": top, "mel": mel, "filter": filter_})
    )
    shutil.copy(MODULE, tmp_path / "filter_map.mjs")
    (tmp_path / "run.mjs").write_text(RUN)
    result = subprocess.run([NODE, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    shape = json.loads(result.stdout)
    computed = np.fromfile(tmp_path / "out.f32", dtype=np.float32).reshape(shape["places"], shape["frames"])
    assert computed.shape == wanted.shape
    np.testing.assert_allclose(computed, wanted, atol=1e-5)
    columns = np.arange(computed.shape[1])
    np.testing.assert_array_equal(computed[shape["strongest"], columns], computed.max(axis=0))
