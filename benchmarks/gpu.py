"""What one GPU does with the poster edition, before hours are spent on it: two minutes of measuring.

    python benchmarks/gpu.py --carry carry --output gpu-speed.json      # what travels is made by poster_edition.py --pack
    python benchmarks/gpu.py --toy                                      # the whole way at toy size, on a CPU

Clips a second that all cores render; bytes a second from host to device; and for each choice of batch, precision and layout
the clips a second of each model alone and of both on one stream, and the most memory held. Beside each speed stands its share
of the floor: what reading and writing every operand once would take at the device's bandwidth.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from poster_edition import TOY, unpack

MODELS = ("waveform", "spectrogram")
# Bytes that one step moves for each clip in float32, every operand and result of every operation counted once.
TRAFFIC = {"waveform": 969e6, "spectrogram": 635e6}
# Bytes a second that the memory of a device gives at best, by a part of its name.
BANDWIDTH = {"H200": 4.8e12, "H100": 3.35e12, "A100": 2.0e12, "L4": 3.0e11, "T4": 3.2e11}
CHOICES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "banded filters": {"toeplitz": True},
    "compiled": {"compile": True},
    "compiled, banded filters": {"compile": True, "toeplitz": True},
    "batch 64": {"batch": 64},
    "batch 256": {"batch": 256},
    "batch 512": {"batch": 512},
    "float32": {"precision": "no"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carry", metavar="FOLDER", help="use what poster_edition.py --pack put there")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES), help="(default: all)")
    parser.add_argument("--output", default="gpu-speed.json", help="the record (default: %(default)s)")
    parser.add_argument("--toy", action="store_true", help="tiny models and batches, on the CPU")
    options = parser.parse_args()
    if options.carry:
        unpack(Path(options.carry))
    import torch

    from tagging.records import circumstances, write_record
    from tagging.training import edition

    device = torch.device("cuda" if torch.cuda.is_available() and not options.toy else "cpu")
    settings = edition("poster").changed({"workers": max(1, (os.cpu_count() or 2) - 2)} | (TOY if options.toy else {}))
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    record: dict[str, Any] = {
        "command": "python benchmarks/gpu.py",
        "device": name,
        "cores": os.cpu_count(),
        "rendering": rendering(settings, options.seconds),
        "host_to_device": copying(settings, device, options.seconds),
        "choices": {},
        **circumstances(),
    }
    print({key: record[key] for key in ("device", "cores", "rendering", "host_to_device")}, flush=True)
    for choice in options.choices:
        chosen = settings.changed({} if options.toy and "batch" in choice else CHOICES[choice])
        try:
            record["choices"][choice] = training(chosen, device, options.seconds, name)
        except RuntimeError as error:  # out of memory, or a compiler that gives up: the others still count
            record["choices"][choice] = {"failed": str(error).splitlines()[0]}
        print(choice, json.dumps(record["choices"][choice]), flush=True)
        write_record(Path(options.output), record)


def rate(work: Callable[[], int], seconds: float, device: Any = None) -> float:
    """Units a second of some work that returns how many it did; what was queued on the device is waited for."""
    import torch

    def wait() -> None:
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):  # compiles, allocates, fills caches
        work()
    wait()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        done += work()
        wait()
    return done / (time.perf_counter() - start)


def rendering(settings: Any, seconds: float) -> dict[str, float]:
    """Clips a second of the stream that training reads, on as many processes."""
    import numpy as np

    from tagging.corpora import stream
    from tagging.training.data import open_split

    corpus = open_split(settings, "train")
    batches = stream(
        corpus,
        np.arange(200_000),
        batch_size=settings.batch,
        seconds=settings.segment_seconds,
        workers=settings.workers,
    )
    start = time.perf_counter()
    next(batches)
    first = time.perf_counter() - start
    speed = rate(lambda: len(next(batches)), seconds)
    batches.close()
    return {"workers": settings.workers, "first_batch_seconds": round(first, 1), "clips_per_second": round(speed, 1)}


def copying(settings: Any, device: Any, seconds: float) -> dict[str, float]:
    """Gigabytes a second of int16 clips to the device, from ordinary and from pinned memory."""
    import torch

    batch = torch.zeros(settings.batch, round(settings.segment_seconds * 16000), dtype=torch.int16)
    kinds = {"ordinary": batch} | ({"pinned": batch.pin_memory()} if device.type == "cuda" else {})

    def gigabytes(source: Any) -> float:
        size = source.numel() * source.element_size()
        return rate(lambda: source.to(device, non_blocking=True).numel() and size, seconds / 4, device) / 1e9

    return {kind: round(gigabytes(source), 2) for kind, source in kinds.items()}


def training(settings: Any, device: Any, seconds: float, name: str) -> dict[str, Any]:
    """Clips a second of each model alone, then of both on one batch; most memory held; shares of the floor."""
    import numpy as np
    import torch
    from accelerate import Accelerator

    from tagging.losses import known_labels
    from tagging.training.data import open_split
    from tagging.training.learner import Learner, step

    engine = Accelerator(cpu=device.type == "cpu", mixed_precision=settings.precision)
    corpus = open_split(settings, "train")
    tags = len(corpus.vocabulary)
    learners = {model: Learner(model, settings, corpus, np.full(tags, 0.1), engine) for model in MODELS}
    waveform = 0.1 * torch.randn(settings.batch, round(settings.segment_seconds * corpus.sample_rate), device=device)
    labels = (torch.rand(settings.batch, tags, device=device) < 0.1).float()
    known = known_labels(labels, corpus.vocabulary)

    def train(*models: str) -> int:
        for model in models:
            step(learners[model], waveform, labels, known, 1e-4, 1, settings, engine)
        return settings.batch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    found: dict[str, Any] = {"batch": settings.batch, "precision": settings.precision}
    bandwidth = next((speed for part, speed in BANDWIDTH.items() if part in name), None)
    for models in (*((model,) for model in MODELS), MODELS):
        speed = rate(lambda models=models: train(*models), seconds, device)
        found["+".join(models)] = entry = {"clips_per_second": round(speed, 1)}
        if bandwidth and settings.width == 1:
            # bf16 halves the bytes
            bytes_a_clip = sum(TRAFFIC[model] for model in models) / (2 if settings.precision == "bf16" else 1)
            entry["share_of_floor"] = round(speed * bytes_a_clip / bandwidth, 3)
    if device.type == "cuda":
        found["peak_gigabytes"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return found


if __name__ == "__main__":
    main()
