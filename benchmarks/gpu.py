"""What one GPU does with the poster edition, before hours are spent on it: two minutes of measuring.

    python benchmarks/gpu.py --carry carry --output gpu-speed.json      # what travels is made by poster_edition.py --pack
    python benchmarks/gpu.py --toy                                      # the whole way at toy size, on a CPU

Clips a second that all cores render; bytes a second from host to device; and for each choice of batch, precision and layout
the clips a second of each model alone and of both on one stream, the seconds until they are up to speed, the most memory held,
and the minutes that training takes at each of the edition's scales: the slower of rendering and learning. Beside each speed
stands its share of the floor: what reading and writing every operand once would take at the device's bandwidth.

The choices most worth knowing come first; those for which no time is left are named in the record.
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
# Settings of the run, and two things that are none: whether cuDNN tries its algorithms and keeps the fastest, and whether the
# channels of a spectrogram lie next to each other in memory.
CHOICES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "cuDNN tries": {"cudnn_tries": True},
    "cuDNN tries, channels last": {"cudnn_tries": True, "channels_last": True},
    "cuDNN tries, banded filters": {"cudnn_tries": True, "toeplitz": True},
    "cuDNN tries, batch 512": {"cudnn_tries": True, "batch": 512},
    "compiled": {"compile": True},
    "compiled, banded filters": {"compile": True, "toeplitz": True},
    "cuDNN tries, batch 256": {"cudnn_tries": True, "batch": 256},
    "batch 64": {"batch": 64},
    "float32": {"precision": "no"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carry", metavar="FOLDER", help="use what poster_edition.py --pack put there")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="after which no choice is begun (default: %(default)s)"
    )
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES), help="(default: all)")
    parser.add_argument("--output", default="gpu-speed.json", help="the record (default: %(default)s)")
    parser.add_argument("--toy", action="store_true", help="tiny models and batches, on the CPU")
    options = parser.parse_args()
    began = time.monotonic()
    if options.carry:
        unpack(Path(options.carry))
    import torch

    from tagging.records import circumstances, write_record
    from tagging.training import edition

    device = torch.device("cuda" if torch.cuda.is_available() and not options.toy else "cpu")
    # a change of precision from choice to choice is part of the way
    toy = TOY | {"precision": "bf16"} if options.toy else {}
    settings = edition("poster").changed({"workers": max(1, (os.cpu_count() or 2) - 2)} | toy)
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
        if time.monotonic() - began > 60 * options.minutes:
            record["choices"][choice] = {"left out": "no time was left"}
        else:
            try:
                found = training(settings, CHOICES[choice], device, options, name)
                record["choices"][choice] = found | {"edition_minutes": edition_minutes(settings, record, found)}
            except Exception as error:  # out of memory, or a compiler that gives up: the others still count
                record["choices"][choice] = {"failed": f"{type(error).__name__}: {error}"[:300]}
        print(choice, json.dumps(record["choices"][choice]), flush=True)
        write_record(Path(options.output), record)


def rate(work: Callable[[], int], seconds: float, device: Any = None) -> tuple[float, float]:
    """Units a second of some work that returns how many it did, and the seconds it takes to get up to that speed."""
    import torch

    def timed(times: int) -> tuple[float, int]:
        # waited for at the end only: a device has its next work queued while it does this one, as in training
        start = time.perf_counter()
        done = sum(work() for _ in range(times))
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, done

    warm_up, _ = timed(3)  # compiles, allocates, fills caches
    once, _ = timed(1)
    spent, done = timed(max(1, round(seconds / once)))
    return done / spent, warm_up


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
    speed, _ = rate(lambda: len(next(batches)), seconds)
    batches.close()
    return {"workers": settings.workers, "first_batch_seconds": round(first, 1), "clips_per_second": round(speed, 1)}


def copying(settings: Any, device: Any, seconds: float) -> dict[str, float]:
    """Gigabytes a second of int16 clips to the device, from ordinary and from pinned memory."""
    import torch

    batch = torch.zeros(settings.batch, round(settings.segment_seconds * 16000), dtype=torch.int16)
    kinds = {"ordinary": batch} | ({"pinned": batch.pin_memory()} if device.type == "cuda" else {})

    def gigabytes(source: Any) -> float:
        size = source.numel() * source.element_size()
        speed, _ = rate(lambda: source.to(device, non_blocking=True).numel() and size, seconds / 4, device)
        return speed / 1e9

    return {kind: round(gigabytes(source), 2) for kind, source in kinds.items()}


def edition_minutes(settings: Any, record: dict[str, Any], found: dict[str, Any]) -> float:
    """Minutes of training that each scale takes: clips must be made and learnt from, whichever takes longer."""
    learning = found["+".join(MODELS)]["clips_per_second"]
    slower = min(learning, record["rendering"]["clips_per_second"])
    return round(settings.clips_seen / slower / 60, 1)


def training(
    settings: Any, choice: dict[str, Any], device: Any, options: argparse.Namespace, name: str
) -> dict[str, Any]:
    """Clips a second of each model alone, then of both on one batch; most memory held; shares of the floor."""
    import numpy as np
    import torch

    from tagging.losses import known_labels
    from tagging.training.data import open_split
    from tagging.training.engine import build_engine
    from tagging.training.learner import Learner, step

    changes = {key: value for key, value in choice.items() if key not in ("cudnn_tries", "channels_last")}
    settings = settings.changed({key: value for key, value in changes.items() if not (options.toy and key == "batch")})
    torch.backends.cudnn.benchmark = choice.get("cudnn_tries", False)
    engine = build_engine(settings.precision, cpu_only=device.type == "cpu")
    corpus = open_split(settings, "train")
    tags = len(corpus.vocabulary)
    learners = {model: Learner(model, settings, corpus, np.full(tags, 0.1), engine) for model in MODELS}
    if choice.get("channels_last"):
        for learner in learners.values():
            learner.plain.to(memory_format=torch.channels_last)
    waveform = 0.1 * torch.randn(settings.batch, round(settings.segment_seconds * corpus.sample_rate), device=device)
    labels = (torch.rand(settings.batch, tags, device=device) < 0.1).float()
    known = known_labels(labels, corpus.vocabulary)

    def train(*models: str) -> int:
        for model in models:
            step(learners[model], waveform, labels, known, 1e-4, 1, settings, engine)
        return settings.batch

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    found: dict[str, Any] = {"batch": settings.batch, "precision": settings.precision}
    bandwidth = next((speed for part, speed in BANDWIDTH.items() if part in name), None)
    for models in (*((model,) for model in MODELS), MODELS):
        speed, warm_up = rate(lambda models=models: train(*models), options.seconds, device)
        found["+".join(models)] = entry = {"clips_per_second": round(speed, 1), "warm_up_seconds": round(warm_up, 1)}
        if bandwidth and settings.width == 1:
            # bf16 halves the bytes
            bytes_a_clip = sum(TRAFFIC[model] for model in models) / (2 if settings.precision == "bf16" else 1)
            entry["share_of_floor"] = round(speed * bytes_a_clip / bandwidth, 3)
    if device.type == "cuda":
        found["peak_gigabytes"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return found


if __name__ == "__main__":
    main()
