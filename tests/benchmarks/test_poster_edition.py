"""The script that a GPU machine runs: the whole way at toy size, in sittings, without a GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tagging import load_tagger
from tagging.evaluation.predictions import read_predictions, read_run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "poster_edition.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SCRIPT.exists(), reason="a source distribution has no benchmarks"),
]


def run_for(
    folder: Path,
    minutes: float,
    *more: str,
    scales: Sequence[str] = ("100000",),
    environment: Mapping[str, str] = os.environ,
) -> str:
    command = [sys.executable, str(SCRIPT), "--toy", "--clips", *scales, "--minutes", str(minutes)]
    command += ["--output", str(folder / "runs"), "--records", str(folder / "records"), *more]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**environment, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_goes_on_until_all_is_done_and_brings_home_records_and_weights(tmp_path):
    first = run_for(tmp_path, 0.0)
    assert "stopped after step" in first
    assert "not done yet: give the same command again" in first
    out = run_for(tmp_path, 5.0)
    assert "resumes after step" in out
    assert "all is done" in out
    assert "poster edition, sheet-music: " in out
    assert "spectrogram minus waveform, paired" in out
    records = [json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json")]
    assert sorted(record["model"] for record in records) == ["spectrogram", "waveform"]
    assert len({record["test"]["fingerprint"] for record in records}) == 1
    brought = tmp_path / "records"
    assert sorted(path.name for path in brought.glob("*.safetensors")) == [
        "poster-spectrogram-64.safetensors", "poster-waveform-64.safetensors",
    ]  # fmt: skip
    for record in records:
        name, run = record["name"], tmp_path / "runs" / "100000" / record["model"]
        tagger, whole = (
            load_tagger(path)
            for path in (brought / f"poster-{record['model']}-64.safetensors", run / "tagger.safetensors")
        )
        assert tagger.card == whole.card == {**tagger.card, "record": name}
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, 32000).astype(np.float32)
        halved, single = (one.tag_waveform(sound, 16000).scores for one in (tagger, whole))
        np.testing.assert_allclose(halved, single, atol=1e-3)
        copied, original = read_predictions(brought / f"{name}-test.npz"), read_run(run)
        np.testing.assert_allclose(copied.scores, original.scores, atol=1e-3)
        assert len(copied.scores) == 20

    # then the next scale, whose first run shows the table so far
    out = run_for(tmp_path, 0.0, scales=["100000", "1000000", "500000"])
    assert "stopped after step" in out
    assert "not done yet: give the same command again" in out
    for model in ("waveform", "spectrogram"):
        (line,) = (line for line in out.splitlines() if re.match(rf" *{model} +64 +256 +1 ", line))
        assert line.count("[") == 3
    assert sorted(path.name for path in (tmp_path / "runs").glob("*0/")) == ["100000", "1000000"]


# Of the environment of these tests a machine with torch, NumPy, safetensors and accelerate alone would have none.
MISSING = [
    "tinysoundfont", "numba", "llvmlite", "filelock", "tqdm", "librosa", "soundfile", "soxr", "music21", "symusic", "verovio",
    "sklearn", "scipy", "matplotlib", "IPython", "pretty_midi", "platformdirs",
]  # fmt: skip
BARE = f"""
import sys, sysconfig

HERE = tuple(sysconfig.get_path(place) for place in ("purelib", "platlib"))

class Bare:  # a finder that does not find what is installed here and not there; what is carried along, it does
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name in {MISSING!r}:
            path = [place for place in sys.path if not place.startswith(HERE)]
        return self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
"""


def test_gpu_measures_its_choices_each_in_a_process_of_its_own(tmp_path):
    choices = ["as it is", "tries, flat, channels last", "tries, flat, banded", "compiled, tries", "tries, float32"]

    def record(*options: str) -> dict:
        command = [sys.executable, str(SCRIPT.with_name("gpu.py")), "--toy", "--seconds", "0.05", "--choices", *choices]
        command += ["--output", str(tmp_path / "gpu.json"), *options]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads((tmp_path / "gpu.json").read_text())

    results = record()
    assert results["device"] == "cpu"
    assert results["rendering"]["clips_per_second"] > 0
    assert all(speed > 0 for speed in results["host_to_device"].values())
    assert list(results["choices"]) == choices
    assert "compile=true needs a GPU" in results["choices"].pop("compiled, tries")["failed"]
    for choice, measured in results["choices"].items():
        for kind in ("waveform", "spectrogram", "both", "both, from the host"):
            assert measured[kind]["clips_per_second"] > 0
        assert measured["precision"] == ("no" if "float32" in choice else "bf16")
        assert measured["edition_minutes"] >= 0
    hurried = record("--minutes", "0")
    assert all("left out" in measured for measured in hurried["choices"].values())


def test_a_bare_machine_trains_with_what_was_packed(tmp_path):
    """Without the libraries that the corpus is made with, without the user's cache, without network."""
    here = "{}.{}".format(*sys.version_info)
    carry, little = tmp_path / "carry", tmp_path / "little"
    for folder, options, most in ((carry, [], 64e6), (little, ["--libraries", "tinysoundfont"], 12e6)):
        packing = [sys.executable, str(SCRIPT), "--pack", str(folder), "--python", here, *options]
        packed = subprocess.run(packing, capture_output=True, text=True, timeout=600, check=False)
        assert packed.returncode == 0, packed.stderr[-3000:]
        assert sum(path.stat().st_size for path in folder.rglob("*")) < most
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(BARE)
    away = {
        "PYTHONPATH": str(tmp_path / "bare"), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1",
        **{f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")},
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAGGING_")}
    for module in ("librosa", "tinysoundfont"):
        missing = subprocess.run(
            [sys.executable, "-c", f"import {module}"], env={**environment, **away}, capture_output=True
        )
        assert b"ModuleNotFoundError" in missing.stderr
    refused = subprocess.run(
        [sys.executable, str(SCRIPT), "--toy", "--carry", str(little)],
        env={**environment, **away},
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert re.search(
        "numba, llvmlite, filelock, tqdm: cannot be imported here, nor from .*little; pack them", refused.stderr
    )
    out = run_for(tmp_path, 5.0, "--carry", str(carry), environment={**environment, **away})
    assert "all is done" in out
    assert len(list((tmp_path / "records").glob("*.json"))) == 2
