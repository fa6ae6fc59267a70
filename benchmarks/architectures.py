"""All 25 pairs of front-end and back-end: size, cost, speed per core; exact rewrites against the plain form.

usage: python benchmarks/architectures.py [pairs] [fused] [toeplitz] [maxima] [onednn] [bf16]     (default: all)
       --poster    width 1 on 15 s (the paper's size) for the pairs; otherwise width 1/4 on 3 s (the laptop edition)
"""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
from collections.abc import Callable
from pathlib import Path

from timing import in_turn, machine, ratio  # first: it sets the number of threads

# isort: split

import torch
from torch import Tensor, nn

import tagging
from tagging.models.acceleration import accelerate_cpu_training

TAGS = [f"tag {index}" for index in range(50)]
PAPER = ("waveform-sample-level", "spectrogram-musically-motivated")


def build(frontend: str, backend: str, width: float, seconds: float, **options: float) -> tagging.Tagger:
    """A tagger with running statistics and gains of both signs, so that rewrites are tested."""
    torch.manual_seed(0)
    tagger = tagging.build_tagger(frontend, backend, TAGS, seconds, width=width, **options)
    for module in tagger.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, 0, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, -0.2, 1.5)
    return tagger


def sound(batch: int, seconds: float) -> Tensor:
    return 0.1 * torch.randn(batch, round(16000 * seconds), generator=torch.Generator().manual_seed(1))


def training_step(tagger: tagging.Tagger, batch: Tensor, bfloat16: bool = False):
    labels = torch.rand(len(batch), len(TAGS), generator=torch.Generator().manual_seed(2)).round()
    optimizer = torch.optim.Adam(tagger.parameters(), lr=1e-4)

    def step() -> None:
        tagger.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = tagger(batch)
        tagging.tag_loss(logits, labels, tagger.vocabulary).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def forward(tagger: nn.Module, batch: Tensor):
    def run() -> None:
        with torch.inference_mode():
            tagger(batch)

    tagger.eval()
    return run


def pairs(width: float, seconds: float, batch: int, rounds: int) -> None:
    print(f"\nwidth {width:g}, segments of {seconds:g} s, batch {batch}, segments a second on one core\n")
    print(
        f"{'front-end':32} {'back-end':20} {'parameters':>11} {'MMACs':>8} {'frames':>7} {'forward':>8} {'training':>9}"
    )
    x = sound(batch, seconds)
    for frontend in tagging.list_frontends():
        for backend in tagging.list_backends():
            tagger = build(frontend, backend, width, seconds)
            summary = tagger.summary()
            step, run = training_step(copy.deepcopy(tagger), x), forward(tagger, x)
            times = in_turn({"forward": run, "training": step}, rounds)
            fast, slow = (batch / statistics.median(times[name]) for name in ("forward", "training"))
            print(
                f"{frontend:32} {backend:20} {summary.parameters:11,} {summary.macs / 1e6:8.1f} {summary.num_frames:7} "
                f"{fast:8.1f} {slow:9.1f}",
                flush=True,
            )


def fused(rounds: int) -> None:
    print(
        "\nfused against plain, inference, width 1 on 15 s: ratio of times (median of rounds), largest change of a score\n"
    )
    for batch in (1, 4):
        x = sound(batch, 15.0)
        for frontend in tagging.list_frontends():
            plain = build(frontend, "temporal-pooling", 1.0, 15.0).eval()
            faster = tagging.fuse(plain)
            with torch.inference_mode():
                change = (plain(x).sigmoid() - faster(x).sigmoid()).abs().max().item()
            times = in_turn({"plain": forward(plain, x), "fused": forward(faster, x)}, rounds)
            print(
                f"batch {batch}  {frontend:32} {ratio(times['plain'], times['fused']):5.2f} x  {change:.0e}", flush=True
            )


def toeplitz(rounds: int) -> None:
    print(
        "\nToeplitz form of the timbral filters against the plain one, a whole training step: ratio of times, error\n"
    )
    for width, seconds, batch in ((1.0, 3.0, 8), (0.25, 3.0, 16)):
        x = sound(batch, seconds)
        plain, banded = (
            build(PAPER[1], "temporal-pooling", width, seconds, dropout=0.0),
            build(PAPER[1], "temporal-pooling", width, seconds, dropout=0.0),
        )
        accelerate_cpu_training(banded)
        with torch.no_grad():
            error = (plain(x).sigmoid() - banded(x).sigmoid()).abs().max().item()
        steps = {"plain": training_step(plain, x), "toeplitz": training_step(banded, x)}
        times = in_turn(steps, rounds)
        print(f"width {width:g}  {ratio(times['plain'], times['toeplitz']):5.2f} x  {error:.0e}", flush=True)


def _forward_and_backward(find: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> None:
    find(x).backward(gradient)


def maxima(rounds: int) -> None:
    print("\nthe maximum over positions in frequency, its value alone against value and position: ratio of times\n")
    generator = torch.Generator().manual_seed(0)
    for positions in (59, 11):
        x = torch.randn(16, 16, positions, 188, generator=generator).relu().requires_grad_()
        gradient = torch.randn(16, 16, 188, generator=generator)
        maxima = {"value": lambda x: x.amax(dim=2), "position": lambda x: x.max(dim=2).values}
        inference = {name: functools.partial(find, x.detach()) for name, find in maxima.items()}
        training = {name: functools.partial(_forward_and_backward, find, x, gradient) for name, find in maxima.items()}
        for case, runs in (("inference", inference), ("training", training)):
            times = in_turn(runs, rounds)
            print(f"{positions} positions, {case:9}  {ratio(times['value'], times['position']):5.2f} x", flush=True)


def onednn(rounds: int) -> None:
    print(
        "\nthe sample-level front-end in oneDNN's layout against the plain one, a whole training step: ratio of times\n"
    )
    for width, batch in ((1.0, 8), (0.25, 32)):
        x = sound(batch, 3.0)
        plain, faster = (build(PAPER[0], "temporal-pooling", width, 3.0) for _ in range(2))
        accelerate_cpu_training(faster)
        times = in_turn({"plain": training_step(plain, x), "onednn": training_step(faster, x)}, rounds)
        print(f"width {width:g}  {ratio(times['plain'], times['onednn']):5.2f} x", flush=True)

    x = torch.randn(32, 16, 1, 16_000, generator=torch.Generator().manual_seed(0)).clamp_min(0)
    exact = x.double().var((0, 2, 3))
    for name, layout in (("plain", x), ("onednn", x.to_mkldnn())):
        mean, variance, scale, offset = torch.zeros(16), torch.ones(16), torch.ones(16), torch.zeros(16)
        nn.functional.batch_norm(layout, mean, variance, scale, offset, True, 1.0)
        error = (variance.double() / exact - 1).abs().max().item()
        print(
            f"variances of a batch of {x.numel() // 16:,} numbers to a channel, {name}: right to {error:.0e}",
            flush=True,
        )


def bf16(rounds: int) -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and not any(name in cpuinfo.read_text() for name in ("avx512_bf16", "amx_bf16")):
        print("\nbfloat16 training: this processor has no bfloat16 arithmetic (AVX512-BF16 or AMX); not measured")
        return
    print("\nbfloat16 against float32, one training step, width 1 on 3 s, batch 16: ratio of times\n")
    x = sound(16, 3.0)
    for frontend in PAPER:
        tagger = build(frontend, "temporal-pooling", 1.0, 3.0)
        half, full = (training_step(copy.deepcopy(tagger), x, bfloat16=flag) for flag in (True, False))
        times = in_turn({"float32": full, "bfloat16": half}, rounds)
        print(f"{frontend:32} {ratio(times['float32'], times['bfloat16']):5.2f} x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="pairs, fused, toeplitz, maxima, onednn, bf16")
    parser.add_argument("--poster", action="store_true", help="pairs at width 1 on 15 s")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    runs = {
        "pairs": lambda: pairs(*((1.0, 15.0, 2) if options.poster else (0.25, 3.0, 16)), options.rounds),
        "fused": lambda: fused(options.rounds),
        "toeplitz": lambda: toeplitz(options.rounds),
        "maxima": lambda: maxima(options.rounds),
        "onednn": lambda: onednn(options.rounds),
        "bf16": lambda: bf16(options.rounds),
    }
    for part in options.parts or runs:
        if part not in runs:
            parser.error(f"unknown part {part!r}; known: {', '.join(runs)}")
        runs[part]()


if __name__ == "__main__":
    main()
