"""What a tagger costs with onnxruntime and with PyTorch: the whole command on a clip, music per core, memory on hours of music.

usage: python benchmarks/onnx_speed.py [--rounds 5] [--model msd-musicnn] [--hours 3] [--beside NAME COMMAND] [--record]

Commands run in turn, each in a process of its own with one thread. ``--beside`` adds another tagger's command, such as that of
the musicnn package, with {} for the file. ``--record`` writes the record ``onnx-speed``, which the book quotes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from timing import in_turn, machine, ratio  # first: it sets the number of threads

# isort: split

import numpy as np
import records
import torch
from tagging_speed import write_mp3
from torch.utils.flop_counter import FlopCounterMode

import tagging
from tagging.audio.files import AudioFile
from tagging.models.onnx.checks import parse_onnx_description
from tagging.models.onnx.container import DESCRIPTION, metadata
from tagging.models.onnx.onnx_tagger import OnnxTagger

CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def measured(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of a command, in a process of its own."""
    # compiled modules are kept, as pip keeps them: the first round compiles what is not yet
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        [sys.executable, "-c", CHILD, *command], check=True, capture_output=True, text=True, env=environment
    )
    seconds, peak = map(float, run.stdout.split())
    return seconds, peak / (1024 if sys.platform == "linux" else 1024**2)


def whole_calls(commands: dict[str, list[str]], rounds: int) -> dict[str, Any]:
    """CPU seconds, peak memory, and CPU in times that of the first command, the median over rounds."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for round_ in range(rounds + 1):
        for name, command in commands.items():
            result = measured(command)
            if round_:  # the first reads the files
                rows[name].append(result)
    base = [seconds for seconds, _ in next(iter(rows.values()))]
    results = {}
    for name, row in rows.items():
        seconds = [value for value, _ in row]
        results[name] = {
            "cpu_seconds": round(statistics.median(seconds), 3),
            "peak_mib": round(max(value for _, value in row)),
            "cpu_ratio": round(ratio(seconds, base), 2),
        }
    return results


def per_core(model: str, path: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """An mp3 to tags, in this process, so without the start; and what fewer bits cost in the scores."""
    with AudioFile(path) as file:
        seconds = sum(len(block) for block in file.blocks(16000)) / 16000
    tagger = tagging.load_tagger(model)
    half = tagging.load_tagger(tagger.export(folder / "half.onnx", half=True))
    candidates = {
        "onnxruntime": tagging.load_tagger(model, runtime="onnx"),
        "onnxruntime, weights of 16 bits": half,
        "onnxruntime, weights of 8 bits": eight_bits(folder / "it.onnx", folder / "int8.onnx"),
        "PyTorch": tagger,
        "PyTorch, fused": tagging.fuse(tagger),
    }
    times = in_turn({name: lambda it=it: it.tag(path) for name, it in candidates.items()}, rounds)
    expected = tagger.tag(path)
    results = {}
    for name, values in times.items():
        tags = candidates[name].tag(path)
        results[name] = {
            "times_real_time": round(seconds / statistics.median(values), 1),
            "cpu_ratio": round(ratio(values, times["onnxruntime"]), 2),
            "segment_score_difference": float(f"{abs(tags.taggram - expected.taggram).max():.1e}"),
            "song_score_difference": float(f"{abs(tags.scores - expected.scores).max():.1e}"),
        }
    return results


def arithmetic(model: str, rounds: int) -> dict[str, Any]:
    """Floating-point operations a second of the network, beside those of a product of matrices: what one core can do at best."""
    tagger, network = tagging.load_tagger(model, runtime="onnx"), tagging.load_tagger(model)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, network.segment_samples))
    flops, side, batch = counter.get_total_flops(), 1024, 16
    segments = 0.1 * np.random.default_rng(0).standard_normal((batch, network.segment_samples)).astype(np.float32)
    matrix = torch.rand(side, side)
    times = in_turn({"product": lambda: matrix @ matrix, "network": lambda: tagger.scores(segments)}, 3 * rounds)
    best, reached = (
        count / statistics.median(times[name]) for name, count in (("product", 2 * side**3), ("network", batch * flops))
    )
    of_a_segment = network.segment_seconds / flops
    return {
        "product of matrices": {
            "gflop_per_second": round(best / 1e9, 1),
            "times_real_time": round(best * of_a_segment, 1),
        },
        "network": {"gflop_per_second": round(reached / 1e9, 1), "times_real_time": round(reached * of_a_segment, 1)},
    }


def eight_bits(exported: Path, path: Path) -> OnnxTagger:
    """An exported tagger with weights of matrix products in 8 bits, as onnxruntime quantizes them.

    Convolutions stay as they are: for those with weights of 8 bits onnxruntime has no fast kernel on every processor.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(exported, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    model = path.read_bytes()
    description = parse_onnx_description(metadata(model)[DESCRIPTION])
    return OnnxTagger(model, description)


def show(title: str, rows: dict[str, Any]) -> None:
    print(f"\n{title}")
    for name, row in rows.items():
        print(f"{name:40}", "  ".join(f"{key} {value:g}" for key, value in row.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="msd-musicnn")
    parser.add_argument("--minutes", type=float, default=4.0, help="of the song that is tagged without the start")
    parser.add_argument("--hours", type=float, default=3.0, help="of the long song; 0 leaves it out")
    parser.add_argument("--beside", nargs=2, metavar=("NAME", "COMMAND"), help="another tagger, with {} for the file")
    parser.add_argument("--record", action="store_true", help="write the record onnx-speed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        clip, song, long = (Path(folder) / name for name in ("clip.mp3", "song.mp3", "long.mp3"))
        write_mp3(clip, 0.5, 44100)
        write_mp3(song, options.minutes, 44100)
        tagger = tagging.load_tagger(options.model)
        exported, saved = tagger.export(Path(folder) / "it.onnx"), tagger.save(Path(folder) / "it.safetensors")
        tag = [sys.executable, "-m", "tagging.cli", "tag", str(clip), "--model"]
        commands = {
            "onnxruntime": [*tag, options.model],
            "an exported file": [*tag, str(exported)],
            "PyTorch": [*tag, str(saved)],
            "import torch": [sys.executable, "-c", "import torch, os; os._exit(0)"],
        }
        if options.beside:
            name, command = options.beside
            commands[name] = [word.replace("{}", str(clip)) for word in shlex.split(command)]
        results: dict[str, Any] = {"model": options.model, "rounds": options.rounds, "machine": machine()}

        def keep(name: str, title: str, rows: dict[str, Any]) -> None:
            show(title, rows)
            results[name] = rows
            if options.record:  # after each part, so that a killed run leaves those that it did
                records.write("onnx-speed", results)

        title = "whole call on 30 s of mp3, one thread; CPU in times that of the first"
        keep("whole_call", title, whole_calls(commands, options.rounds))
        title = f"{options.model}, {options.minutes:g} minutes of mp3 to tags on one core, without the start"
        keep("per_core", title, per_core(options.model, song, Path(folder), options.rounds))
        title = f"{options.model} on one core without reading: at the speed of a product of matrices, and as it is"
        keep("arithmetic", title, arithmetic(options.model, options.rounds))
        if options.hours:
            write_mp3(long, 60 * options.hours, 22050)  # hours of 44.1 kHz take minutes to encode
            seconds, peak = measured([*tag[:-2], str(long), "--model", options.model])
            row = {"hours": options.hours, "peak_mib": round(peak), "cpu_seconds": round(seconds, 1)}
            keep("long_song", "one long song", {"onnxruntime": row})


if __name__ == "__main__":
    main()
