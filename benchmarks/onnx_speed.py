"""What a tagger costs with onnxruntime and with PyTorch: the whole command on a clip, music per core, memory on hours of music.

usage: python benchmarks/onnx_speed.py [--rounds 5] [--model msd-musicnn] [--hours 3] [--beside "COMMAND {}"]

Commands run in turn, each in a process of its own with one thread. ``--beside`` adds another tagger's command, such as that of
the musicnn package, with {} for the file.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import in_turn, machine, ratio  # first: it sets the number of threads

# isort: split

import torch
from tagging_speed import write_mp3

import tagging
from tagging.audio.files import AudioFile

CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def measured(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of a command, in a process of its own."""
    run = subprocess.run([sys.executable, "-c", CHILD, *command], check=True, capture_output=True, text=True)
    seconds, peak = map(float, run.stdout.split())
    return seconds, peak / (1024 if sys.platform == "linux" else 1024**2)


def whole_calls(commands: dict[str, list[str]], rounds: int) -> None:
    """One line a command; the first is the one to which the others are compared."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for round_ in range(rounds + 1):
        for name, command in commands.items():
            result = measured(command)
            if round_:  # the first reads the files
                rows[name].append(result)
    base = [seconds for seconds, _ in next(iter(rows.values()))]
    print(f"{'':44} {'CPU s':>7} {'MiB':>6} {'CPU, times':>11}")
    for name, row in rows.items():
        seconds = [value for value, _ in row]
        peak = max(value for _, value in row)
        print(f"{name:44} {statistics.median(seconds):7.2f} {peak:6.0f} {ratio(seconds, base):11.1f}")


def per_core(model: str, path: Path, rounds: int) -> None:
    """An mp3 to tags, in this process, so without the start."""
    with AudioFile(path) as file:
        seconds = sum(len(block) for block in file.blocks(16000)) / 16000
    runtime, tagger = tagging.load_tagger(model, runtime="onnx"), tagging.load_tagger(model)
    fused = tagging.fuse(tagger)
    candidates = {"onnxruntime": runtime, "PyTorch": tagger, "PyTorch, fused": fused}
    times = in_turn({name: lambda it=it: it.tag(path) for name, it in candidates.items()}, rounds)
    print(f"\n{model}, mp3 to tags on one core, times real time")
    for name, values in times.items():
        print(f"{name:44} {seconds / statistics.median(values):7.0f}")
    print(f"largest difference of scores: {abs(runtime.tag(path).taggram - tagger.tag(path).taggram).max():.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="msd-musicnn")
    parser.add_argument("--hours", type=float, default=3.0, help="of the long song; 0 leaves it out")
    parser.add_argument("--beside", metavar="COMMAND", help="another tagger, with {} for the file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        clip, song, long = (Path(folder) / name for name in ("clip.mp3", "song.mp3", "long.mp3"))
        write_mp3(clip, 0.5, 44100)
        write_mp3(song, 4, 44100)
        tagger = tagging.load_tagger(options.model)
        exported, saved = tagger.export(Path(folder) / "it.onnx"), tagger.save(Path(folder) / "it.safetensors")
        tag = [sys.executable, "-m", "tagging.cli", "tag", str(clip), "--model"]
        commands = {
            f"tagging tag --model {options.model}": [*tag, options.model],
            "tagging tag --model FILE.onnx": [*tag, str(exported)],
            "tagging tag --model FILE.safetensors": [*tag, str(saved)],
            "python -c 'import torch'": [sys.executable, "-c", "import torch, os; os._exit(0)"],
        }
        if options.beside:
            commands[options.beside[:44]] = [word.replace("{}", str(clip)) for word in shlex.split(options.beside)]
        print("\nwhole call on 30 s of mp3, one thread; CPU in times that of the first")
        whole_calls(commands, options.rounds)
        per_core(options.model, song, options.rounds)
        if options.hours:
            write_mp3(long, 60 * options.hours, 22050)  # hours of 44.1 kHz take minutes to encode
            seconds, peak = measured([*tag[:-2], str(long), "--model", options.model])
            print(f"\n{options.hours:g} hours of music: peak of {peak:.0f} MiB, {seconds:.0f} CPU s")


if __name__ == "__main__":
    main()
