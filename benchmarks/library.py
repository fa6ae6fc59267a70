"""A library of many files: kills, memory, songs an hour and core, one job against two.

    python benchmarks/library.py [--files 10000] [--kills 10] [--songs 60]

Short sounds (mp3, ogg, wav; seeded) are made, 3 % of them broken in four ways and 1 % equal to another one. `tagging
tag-library` runs over them undisturbed, then in another folder with as many kills (SIGKILL at random times), and both tables are
compared. Resident memory of each process is sampled each second. Then songs of 30 s (mp3, 44.1 kHz, stereo) are tagged in a loop
of one process, and by `tag-library` with one job and with two, in turn; CPU seconds a song are the slope between a third of the
songs and all of them, so that starting costs nothing. Writes ``tagging/book/runs/library.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import records
import soundfile

MODEL = "laptop-waveform-100k"
SONG_MODEL = "msd-musicnn"
BROKEN, EQUAL = 0.03, 0.01
KINDS = ("random bytes", "empty", "a web page", "half a header")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="short ones (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--songs", type=int, default=60, help="of 30 s, for the speed (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed (default: %(default)s)")
    parser.add_argument("--record", help="path of the record (default: among those of the book)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {
            "name": "library",
            "model": MODEL,
            "files": options.files,
            **disturbed(Path(folder), options.files, options.kills),
            "songs": speed(Path(folder), options.songs, options.rounds),
        }
    print(json.dumps(results, indent=1))
    records.write("library", results, options.record)


# Files


def make_files(root: Path, count: int, seconds: float = 1.0) -> dict[str, int]:
    """Write short sounds in folders of 500; returns how many are broken and how many equal another."""
    generator = np.random.default_rng(0)
    time_axis = np.arange(round(seconds * 16000)) / 16000
    fates = generator.permutation(count)
    broken, equal = set(fates[: round(BROKEN * count)].tolist()), set(fates[-round(EQUAL * count) :].tolist())
    last: bytes = b""
    for number in range(count):
        suffix = ("mp3", "ogg", "wav")[number % 3]
        path = root / f"{number // 500:03d}" / f"{number:06d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number in broken:
            path.write_bytes(broken_file(KINDS[number % len(KINDS)], generator))
        elif number in equal and last:
            path.write_bytes(last)
        else:
            chord = sum(np.sin(2 * np.pi * f * time_axis) for f in generator.uniform(80, 4000, 4)) / 12
            soundfile.write(path, chord + 0.01 * generator.standard_normal(len(chord)), 16000)
            last = path.read_bytes()
    return {"broken": len(broken), "equal": len(equal)}


def broken_file(kind: str, generator: np.random.Generator) -> bytes:
    noise = generator.integers(0, 256, 5000, dtype=np.uint8).tobytes()
    return {
        "random bytes": noise,
        "empty": b"",
        "a web page": b"<html><body>Sign in to download " + str(noise[:20]).encode(),
        "half a header": b"RIFF\x00\x10\x00\x00WAVEfmt " + noise[:4],
    }[kind]


# Kills


def start(music: Path, out: Path, model: str, jobs: int, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tagging.cli", "tag-library", str(music), "--out", str(out), "--model", model]
    return subprocess.Popen(
        [*command, "--jobs", str(jobs), *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


class Memory(threading.Thread):
    """Resident MiB of a process and those it has started, sampled each second: pid -> values."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self.samples: dict[int, list[float]] = defaultdict(list)
        self._process = psutil.Process(process.pid)
        self.start()

    def run(self) -> None:
        while True:
            try:
                for process in (self._process, *self._process.children(recursive=True)):
                    self.samples[process.pid].append(process.memory_info().rss / 2**20)
            except psutil.Error:
                if not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE:
                    return
            time.sleep(1)

    def report(self) -> dict[str, Any]:
        """Of the parent and of each worker: the largest, and the medians of the second and the last tenth of the time."""
        long = [values for values in self.samples.values() if len(values) >= 10]
        facts = []
        for values in long:
            tenth = max(1, len(values) // 10)
            early, late = statistics.median(values[tenth : 2 * tenth]), statistics.median(values[-tenth:])
            facts.append({"largest": round(max(values)), "early": round(early, 1), "late": round(late, 1)})
        return {"parent": facts[0], "workers": facts[1:]} if facts else {}


def disturbed(folder: Path, count: int, kills: int) -> dict[str, Any]:
    music = folder / "music"
    facts: dict[str, Any] = make_files(music, count)
    print(f"{count} files made", flush=True)
    before, begun = cpu_of_children(), time.monotonic()
    process = start(music, folder / "a" / "tags.parquet", MODEL, 2, "--embeddings")
    memory = Memory(process)
    output, _ = process.communicate()
    seconds, cpu = time.monotonic() - begun, cpu_of_children() - before
    print(output, flush=True)
    facts["undisturbed"] = {
        "jobs": 2,
        "exit_code": process.returncode,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "files_per_cpu_hour": round(3600 * count / cpu),
        "memory_mib": memory.report(),
    }
    chance, strays = random.Random(0), 0
    out = folder / "b" / "tags.parquet"
    for number in range(kills):
        process = start(music, out, MODEL, 2, "--embeddings")
        time.sleep(seconds / (kills + 1) * chance.uniform(0.3, 1.7))
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.communicate()
        strays += len(psutil.wait_procs(workers, timeout=10)[1])
        print(f"kill {number + 1}", flush=True)
    process = start(music, out, MODEL, 2, "--embeddings")
    last, _ = process.communicate()
    print(last, flush=True)
    tables = [pq.read_table(folder / name / "tags.parquet") for name in "ab"]
    again = time.monotonic()
    start(music, out, MODEL, 2, "--embeddings").communicate()
    names = [{path.name for path in (folder / name).iterdir()} for name in "ab"]
    facts["killed"] = {
        "kills": kills,
        "table_equals": tables[0].equals(tables[1]),
        "same_files_left": names[0] == names[1],
        "processes_left": strays,
        "rows": tables[1].num_rows,
        "with_error": tables[1].num_rows - tables[1]["error"].null_count,
        "duplicates": tables[1].num_rows - tables[1]["duplicate_of"].null_count,
        "seconds_of_a_call_without_changes": round(time.monotonic() - again, 1),
    }
    return facts


# Speed


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def make_songs(root: Path, count: int) -> None:
    """Songs of 30 s: chords that change each second, in stereo."""
    generator = np.random.default_rng(1)
    time_axis = np.arange(44100) / 44100
    root.mkdir()
    for number in range(count):
        beats = [sum(np.sin(2 * np.pi * f * time_axis) for f in generator.uniform(80, 4000, 6)) / 15 for _ in range(30)]
        sound = np.concatenate(beats)[:, None] + 0.02 * generator.standard_normal((30 * 44100, 2))
        soundfile.write(root / f"{number:03d}.mp3", sound, 44100)


LOOP = """
import sys, time
from pathlib import Path
import tagging
tagger = tagging.load_tagger(sys.argv[1], runtime="onnx")
paths = sorted(Path(sys.argv[2]).iterdir())
tagger.tag(paths[0])
start = time.process_time()
for path in paths:
    tagger.tag(path)
print((time.process_time() - start) / len(paths))
"""


def speed(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    few, many = folder / "few", folder / "many"
    make_songs(many, count)
    few.mkdir()
    for path in sorted(many.iterdir())[: count // 3]:
        os.link(path, few / path.name)
    loops, costs, walls = [], defaultdict(list), defaultdict(list)
    for number in range(rounds):
        command = [sys.executable, "-c", LOOP, SONG_MODEL, str(few)]
        loops.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        for jobs in (1, 2):
            used, took = [], []
            for music in (few, many):
                before, begun = cpu_of_children(), time.monotonic()
                start(music, folder / f"{number}-{jobs}-{music.name}" / "t.parquet", SONG_MODEL, jobs).communicate()
                used.append(cpu_of_children() - before)
                took.append(time.monotonic() - begun)
            slope = count - count // 3
            costs[jobs].append((used[1] - used[0]) / slope)
            walls[jobs].append((took[1] - took[0]) / slope)
        print(f"round {number + 1}: {loops[-1]:.3f} {costs[1][-1]:.3f} {costs[2][-1]:.3f} CPU-s a song", flush=True)
    ratio = statistics.median
    return {
        "model": SONG_MODEL,
        "songs": count,
        "seconds_of_a_song": 30,
        "cpu_seconds_in_a_loop": loops,
        "cpu_seconds_with_1_job": costs[1],
        "cpu_seconds_with_2_jobs": costs[2],
        "share_of_the_loop": ratio(loop / used for loop, used in zip(loops, costs[1], strict=True)),
        "songs_per_cpu_hour": 3600 / ratio(costs[1]),
        "seconds_with_1_job": walls[1],
        "seconds_with_2_jobs": walls[2],
        "two_jobs_against_one": ratio(one / two for one, two in zip(walls[1], walls[2], strict=True)),
    }


if __name__ == "__main__":
    main()
