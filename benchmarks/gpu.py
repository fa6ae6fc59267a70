"""What one GPU does with the poster edition, before hours are spent on it: some minutes of measuring.

    python benchmarks/gpu.py --carry carry --output gpu-speed.json      # what travels is made by poster_edition.py --pack
    python benchmarks/gpu.py --toy                                      # the whole way at toy size, on a CPU

Clips a second that all cores render; bytes a second from host to device; and for each choice of batch, precision and layout
the clips a second of each model alone, of both on one stream, and of both with all that a clip meets on its way from the
host's memory; the seconds until they are up to speed, and the most memory held. Beside each speed stands its share of the
floor: what reading and writing every operand once would take at the device's bandwidth. From the slower of rendering and
learning follow the minutes that training takes at each of the edition's scales, without looks at validation clips.

Each choice has a process of its own: what one leaves behind (a broken device, algorithms that cuDNN has settled on) does not
touch the next. The choices most worth knowing come first; those for which no time is left are named in the record.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
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
# Settings of the run, and names of TRICKS.
CHOICES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "as it is": ({}, ()),
    "tries": ({}, ("cudnn_tries",)),
    "tries, flat": ({}, ("cudnn_tries", "flat_norm")),
    "compiled, tries, banded": ({"runtime.compile": True}, ("cudnn_tries", "banded")),
    "tries, flat, banded": ({}, ("cudnn_tries", "flat_norm", "banded")),
    "tries, float32": ({"runtime.precision": "no"}, ("cudnn_tries",)),
    "tries, flat, channels last": ({}, ("cudnn_tries", "flat_norm", "channels_last")),
    "compiled, tries": ({"runtime.compile": True}, ("cudnn_tries",)),
    "tries, flat, batch 256": ({"optimization.batch_size": 256}, ("cudnn_tries", "flat_norm")),
    "tries, flat, batch 64": ({"optimization.batch_size": 64}, ("cudnn_tries", "flat_norm")),
    # last: it has tensors of more than 2^31 numbers
    "tries, flat, batch 512": ({"optimization.batch_size": 512}, ("cudnn_tries", "flat_norm")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carry", metavar="FOLDER", help="use what poster_edition.py --pack put there")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="after which no choice is begun (default: %(default)s)"
    )
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES), help="(default: all)")
    parser.add_argument("--output", default="gpu-speed.json", help="the record (default: %(default)s)")
    parser.add_argument("--toy", action="store_true", help="tiny models and batches, on the CPU")
    options = parser.parse_args()
    began = time.monotonic()
    if options.carry:
        unpack(Path(options.carry))

    from tagging.training import edition
    from tagging.training.records import write_record
    from tagging.utils.provenance import environment_info

    # a change of precision from choice to choice is part of the way
    settings = edition("poster").override({"runtime.num_workers": max(1, (os.cpu_count() or 2) - 2)})
    settings = settings.override(TOY | {"runtime.precision": "bf16"} if options.toy else {})
    record: dict[str, Any] = {
        "command": "python benchmarks/gpu.py",
        "cores": os.cpu_count(),
        "rendering": rendering(settings, options.seconds),
        **apart(copying, settings, options),
        "choices": {},
        **environment_info(),
    }
    print({key: record[key] for key in ("device", "cores", "rendering", "host_to_device")}, flush=True)
    for choice in options.choices:
        changes, tricks = CHOICES[choice]
        chosen = settings.override(
            {name: value for name, value in changes.items() if not options.toy or name != "optimization.batch_size"}
        )
        if time.monotonic() - began > 60 * options.minutes:
            measured = {"left out": "no time was left"}
        else:
            try:
                measured = apart(training, chosen, tricks, options)
                measured["edition_minutes"] = edition_minutes(settings, record["rendering"], measured)
            except Exception as error:  # out of memory, a compiler that gives up, a crash: the others still count
                measured = {"failed": f"{type(error).__name__}: {error}"[:300]}
        record["choices"][choice] = measured
        print(choice, json.dumps(measured), flush=True)
        write_record(Path(options.output), record)


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """What some work returns, done by a process that does nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def rate(
    work: Callable[[], int], seconds: float, *, first: int = 3, wait: Callable[[], None] = lambda: None
) -> tuple[float, float]:
    """Units a second of some work that returns how many it did, and the seconds it takes to get up to that speed.

    Args:
        work: what to do again and again.
        seconds: for how long.
        first: times that are not counted, while something is compiled or allocated, or caches are filled or emptied.
        wait: for a device, which has its next work queued while it does this one; waited for at the end only, as in training.
    """

    def timed(times: int) -> tuple[float, int]:
        start = time.perf_counter()
        done = sum(work() for _ in range(times))
        wait()
        return time.perf_counter() - start, done

    warmup_seconds, _ = timed(first)
    once, _ = timed(1)
    spent, done = timed(max(1, round(seconds / once)))
    return done / spent, warmup_seconds


def rendering(settings: Any, seconds: float) -> dict[str, float]:
    """Clips a second of the stream that training reads, on as many processes."""
    import numpy as np

    from tagging.data import stream
    from tagging.training.data import Split

    corpus = Split(settings, "train").corpus
    size, workers, seconds_each = (
        settings.optimization.batch_size,
        settings.runtime.num_workers,
        settings.model.segment_seconds,
    )
    batches = stream(corpus, np.arange(400_000), batch_size=size, seconds=seconds_each, workers=workers)
    start = time.perf_counter()
    next(batches)
    waited = time.perf_counter() - start
    # workers are some batches ahead, which were made before the clock ran
    speed, _ = rate(lambda: len(next(batches)), seconds, first=4 * workers)
    batches.close()
    return {"workers": workers, "first_batch_seconds": round(waited, 1), "clips_per_second": round(speed, 1)}


def edition_minutes(settings: Any, rendering: dict[str, float], measured: dict[str, Any]) -> float:
    """Minutes of training that each scale takes: clips must be made and learnt from, whichever takes longer."""
    learning = measured["both, from the host"]["clips_per_second"]
    return round(settings.optimization.num_training_segments / min(learning, rendering["clips_per_second"]) / 60, 1)


def device_of(options: argparse.Namespace) -> tuple[Any, str, Callable[[], None]]:
    """The device, its name, and how to wait for it."""
    import torch

    if torch.cuda.is_available() and not options.toy:
        return torch.device("cuda"), torch.cuda.get_device_name(), torch.cuda.synchronize
    return torch.device("cpu"), "cpu", lambda: None


def copying(settings: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Gigabytes a second of int16 clips to the device, from ordinary memory and as training does it."""
    import numpy as np
    import torch

    from tagging.training.distributed import on_device

    device, name, wait = device_of(options)
    batch = np.zeros((settings.optimization.batch_size, round(settings.model.segment_seconds * 16000)), np.int16)
    ways = {
        "ordinary": lambda: torch.from_numpy(batch).to(device),
        "as training does": lambda: on_device(batch, device),
    }

    def gigabytes(way: Callable[[], Any]) -> float:
        return rate(lambda: way().nbytes, options.seconds / 4, wait=wait)[0] / 1e9

    return {"device": name, "host_to_device": {kind: round(gigabytes(way), 2) for kind, way in ways.items()}}


def cudnn_tries(models: list[Any]) -> None:
    """cuDNN tries its algorithms for each shape, and keeps the fastest."""
    import torch

    torch.backends.cudnn.benchmark = True


def channels_last(models: list[Any]) -> None:
    """Filters of spectrograms have their channels next to each other in memory, and so have their answers."""
    import torch

    for model in models:
        model.to(memory_format=torch.channels_last)


def flat_norm(models: list[Any]) -> None:
    """The one-channel normalisation sees rows of one number each.

    By PyTorch's source (Normalization.cuh) the statistics of a channel are the work of one block of threads, however long
    it is, but of many where channels lie next to each other, which is how a single number is counted.
    """
    from torch import nn

    from tagging.models.layers import SingleChannelBatchNorm

    SingleChannelBatchNorm.forward = lambda norm, x: nn.BatchNorm2d.forward(norm, x.reshape(-1, 1, 1, 1)).view_as(x)


def banded(models: list[Any]) -> None:
    """The timbral filters as banded matrices over all bands."""
    from tagging.models.acceleration import replace_modules
    from tagging.models.acceleration.toeplitz import with_toeplitz

    for model in models:
        replace_modules(model, with_toeplitz)


TRICKS = {trick.__name__: trick for trick in (cudnn_tries, channels_last, flat_norm, banded)}


def training(settings: Any, tricks: tuple[str, ...], options: argparse.Namespace) -> dict[str, Any]:
    """Clips a second of each model alone, of both on one batch, and from the host on; most memory held; shares of the floor."""
    import numpy as np
    import torch

    from tagging.data import stream
    from tagging.training.data import Augment, Split
    from tagging.training.distributed import build_accelerator, on_device
    from tagging.training.learner import Learner
    from tagging.training.losses import count_labelled

    device, name, wait = device_of(options)
    accelerator = build_accelerator(settings.runtime.precision, cpu_only=device.type == "cpu")
    corpus = Split(settings, "train").corpus
    tag_prior = np.full(len(corpus.vocabulary), 0.1)
    learners = {model: Learner(model, settings, corpus, tag_prior, accelerator) for model in MODELS}
    for trick in tricks:
        TRICKS[trick]([learner.module for learner in learners.values()])
    augment, size = Augment(corpus, device), settings.optimization.batch_size
    batch = next(stream(corpus, np.arange(size), batch_size=size, seconds=settings.model.segment_seconds))

    def fetch() -> tuple[Any, Any]:
        return augment(batch), on_device(batch.labels, device)

    def train(models: tuple[str, ...], waveform: Any, labels: Any) -> int:
        num_labelled = count_labelled(labels, corpus.vocabulary)
        for model in models:
            learners[model].step(waveform, labels, num_labelled, 1)
        return size

    resident = fetch()
    work: dict[str, tuple[tuple[str, ...], Callable[[], int]]] = {
        **{model: ((model,), lambda model=model: train((model,), *resident)) for model in MODELS},
        "both": (MODELS, lambda: train(MODELS, *resident)),
        "both, from the host": (MODELS, lambda: train(MODELS, *fetch())),
    }
    measured: dict[str, Any] = {"batch_size": size, "precision": settings.runtime.precision, "tricks": list(tricks)}
    bandwidth = next((speed for part, speed in BANDWIDTH.items() if part in name), None)
    for kind, (models, once) in work.items():
        speed, warmup_seconds = rate(once, options.seconds, wait=wait)
        measured[kind] = entry = {"clips_per_second": round(speed, 1), "warm_up_seconds": round(warmup_seconds, 1)}
        if bandwidth and settings.model.width == 1:
            # bf16 halves the bytes
            bytes_a_clip = sum(TRAFFIC[model] for model in models) / (2 if settings.runtime.precision == "bf16" else 1)
            entry["share_of_floor"] = round(speed * bytes_a_clip / bandwidth, 3)
        if kind == "both" and device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()  # what was tried on the way here does not count
    if device.type == "cuda":
        measured["peak_gigabytes"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return measured


if __name__ == "__main__":
    main()
