"""From an mp3 to tags: how many times faster than the music, per core, and where the time goes; peak memory on a long file.

usage: python benchmarks/tagging_speed.py [minutes of music, default 4] [--long HOURS | --threads]

With --threads: CPU seconds and seconds of the clock with one thread and with one a core, alone and beside as many busy loops as
there are cores. The default of `tagging tag --threads` is chosen by this.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
from functools import partial
from pathlib import Path

from timing import in_turn, machine  # first: it sets the number of threads

# isort: split

import numpy as np
import soundfile
import torch

import tagging
from tagging.audio.examples import list_sounds, sound_path
from tagging.audio.files import AudioFile, load_audio
from tagging.audio.mel import LogMel


def write_mp3(path: Path, minutes: float, sample_rate: int) -> None:
    """The example sounds in stereo, one after the other, as often as it takes; written in blocks."""
    once = np.concatenate([load_audio(sound_path(name), sample_rate)[0] for name in list_sounds()])
    stereo = np.stack([once, 0.7 * once], axis=1)
    left = round(60 * minutes * sample_rate)
    with soundfile.SoundFile(path, "w", sample_rate, 2, format="MP3") as file:
        while left > 0:
            file.write(stereo[:left])
            left -= len(stereo)


def speed(path: Path, rounds: int) -> None:
    with AudioFile(path) as file:
        seconds = file.seconds
    waveform, _ = load_audio(path, 16000)
    batch, log_mel = torch.from_numpy(waveform)[None], LogMel("musicnn")
    candidates = {
        "decode, average channels": lambda: load_audio(path),
        "... and resample": lambda: load_audio(path, 16000),
        "log-mel alone": lambda: log_mel(batch),
    }
    for name in tagging.list_pretrained():
        tagger = tagging.load_tagger(name)
        candidates[f"file to tags, {name}"] = partial(tagger.tag, path)
    with torch.inference_mode():
        times = in_turn(candidates, rounds)
    print(f"{seconds / 60:.1f} minutes of 44.1 kHz stereo mp3, {rounds} rounds\n")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:28} {median:8.2f} s {seconds / median:8.0f} x real time")


def memory(path: Path, model: str) -> None:
    """Peak memory of the command line on one file, in a process of its own, beside that of importing torch alone."""
    child = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    child += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    unit = 1024 if sys.platform == "linux" else 1024**2  # kilobytes on Linux, bytes on macOS

    def peak(*command: str) -> float:
        run = [sys.executable, "-c", child, sys.executable, *command]
        return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout) / unit

    alone = peak("-c", "import torch, os; os._exit(0)")
    whole = peak("-m", "tagging.cli", "tag", "--model", model, str(path))
    print(f"\npeak memory of `tagging tag --model {model}`: {whole:.0f} MiB; of importing torch alone: {alone:.0f} MiB")


def threads(path: Path, model: str, rounds: int) -> None:
    """What each number of threads costs, on the machine as it is and on one whose cores are busy."""
    cores = os.cpu_count() or 1
    child = f"""
        import sys, time, torch, tagging
        torch.set_num_threads(int(sys.argv[1]))
        tagger = tagging.load_tagger({model!r})
        cpu, clock = time.process_time(), time.perf_counter()
        result = tagger.tag({str(path)!r})
        print(time.process_time() - cpu, time.perf_counter() - clock, result.taggram.tobytes().hex())
    """
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    print(f"{model}, {cores} cores, medians of {rounds} rounds\n\n{'':28} {'CPU s':>8} {'clock s':>8}")
    taggrams = set()
    for busy in (0, cores):
        loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            seconds: dict[int, list[list[float]]] = {1: [], cores: []}
            for _ in range(rounds):
                for count, rows in seconds.items():
                    run = [sys.executable, "-c", textwrap.dedent(child), str(count)]
                    output = subprocess.run(run, check=True, capture_output=True, text=True, env=environment).stdout
                    *row, taggram = output.split()
                    rows.append([float(value) for value in row])
                    taggrams.add(taggram)
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        for count, rows in seconds.items():
            cpu, clock = (statistics.median(column) for column in zip(*rows, strict=True))
            print(f"{count} threads, {busy} busy loops".ljust(28), f"{cpu:8.1f} {clock:8.1f}")
    print(f"\nscores of all runs equal to the bit: {len(taggrams) == 1}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minutes", nargs="?", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--long", type=float, metavar="HOURS", help="measure peak memory on a file of so many hours instead"
    )
    parser.add_argument("--threads", action="store_true", help="compare numbers of threads instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "music.mp3"
        sample_rate = 22050 if options.long else 44100  # hours of 44.1 kHz take minutes to encode
        write_mp3(path, 60 * options.long if options.long else options.minutes, sample_rate)
        if options.long:
            print(f"{options.long:g} hours of 22.05 kHz stereo mp3, {path.stat().st_size / 1e6:.0f} MB")
            memory(path, "msd-musicnn")
        elif options.threads:
            threads(path, "msd-musicnn", options.rounds)
        else:
            speed(path, options.rounds)


if __name__ == "__main__":
    main()
