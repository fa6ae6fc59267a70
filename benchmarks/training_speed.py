"""How fast do the laptop edition's models train, and does the stream of clips hold them up?

    python benchmarks/training_speed.py          # writes tagging/book/runs/training-speed.json; two idle cores, three minutes

Waveform and spectrogram train beside each other, a process and a thread each, as benchmarks/laptop_edition.py does it. Where
the processor has bfloat16 arithmetic, it is measured as well.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import records

from tagging.training.records import read_record
from tagging.utils.provenance import cpu_name

MODELS = ("waveform", "spectrogram")
FLAGS = ("amx_bf16", "avx512_bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=3200, help="that pass by (default: %(default)s)")
    options = parser.parse_args()
    has = [flag for flag in FLAGS if flag in flags()]
    speeds = {}
    for precision in ("no", "bf16") if has else ("no",):
        speeds[precision] = together(options.clips, precision)
        total = sum(entry["segments_per_second"] for entry in speeds[precision].values())
        print(f"precision {precision}: {total:.0f} clips/s in all; {speeds[precision]}", flush=True)
    records.write(
        "training-speed", {"processor": cpu_name(), "bfloat16": has, "clips": options.clips, "speeds": speeds}
    )


def flags() -> set[str]:
    """What the processor can do, as the system lists it; nothing where it does not."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def together(clips: int, precision: str) -> dict[str, dict[str, float]]:
    """Clips a second and share of time waiting for clips, of each model, trained at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        running = {
            model: subprocess.Popen(command(model, clips, precision, folder), env=one_thread()) for model in MODELS
        }
        if any(process.wait() for process in running.values()):
            raise SystemExit("a training failed; see above")
        records_of = {model: read_record(Path(folder, model, model, "record.json")) for model in MODELS}
    return {
        model: {name: record[name] for name in ("segments_per_second", "data_wait_ratio")}
        for model, record in records_of.items()
    }


def command(model: str, clips: int, precision: str, folder: str) -> list[str]:
    settings = {
        "optimization.num_training_segments": clips,
        "evaluation.validation_interval": clips,
        "evaluation.num_validation_clips": 10,
        "evaluation.num_test_clips": 10,
        "evaluation.num_resamples": 10,
    }
    extras = [f"{name}={value}" for name, value in settings.items()]
    start = [sys.executable, "-m", "tagging.cli", "train", model, "--clips", "10000", "--precision", precision]
    return [*start, "--cpu", "--quiet", "--output", str(Path(folder, model)), "--set", *extras]


def one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
