"""How fast clips are made: one core, two workers, the full synthesizer beside it, the first clip, the memory.

    python benchmarks/sheet_music_throughput.py                   # writes tagging/book/runs/scores-throughput.json

Rates of one core are clips per CPU second, taken in turn with the synthesizer's, so that a busy machine slows both alike.
Two workers against one is a matter of wall time and says little on a machine with other work: the load is recorded.
"""

from __future__ import annotations

import timing  # isort: skip  (sets the number of threads before numpy is imported)

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import records

import tagging
from tagging.data import stream
from tagging.data.sheet_music import renderer
from tagging.data.sheet_music.synthesizer import Synthesizer

SAMPLES = 240000
FIRST_CLIP = """
import time; start = time.perf_counter()
import tagging
corpus = tagging.open_corpus("sheet-music"); opened = time.perf_counter()
corpus.segment(0, 0.0, 15.0); print(opened - start, time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400, help="in each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    corpus = tagging.open_corpus("sheet-music")
    results = one_core(corpus, options.clips, options.rounds)
    results |= workers(corpus, 20 * options.clips, options.rounds)
    results["first_clip_seconds"] = first_clip()
    for name, value in results.items():
        print(f"{name}: {value}")
    records.write(
        "scores-throughput",
        {"corpus": corpus.version, "bank": corpus.bank.version, "load": os.getloadavg()[0], **results},
    )


def one_core(corpus, clips, rounds):
    """Clips per CPU second from index to int16 clip with labels, and of the full synthesizer on the same notes."""
    synthesizer = Synthesizer()
    few = range(0, clips, 20)
    made = [corpus.arrangement(index).notes for index in few]
    candidates = {
        "15 s": lambda: [corpus.segment(index, 0.0, 15.0) for index in range(clips)],
        "3 s": lambda: [corpus.segment(index, 6.0, 3.0) for index in range(clips)],
        "arrangement": lambda: [corpus.arrangement(index) for index in range(clips)],
        "synthesizer": lambda: [synthesizer.render(*notes, SAMPLES) for notes in made],
        "15 s of the same": lambda: [renderer.mix_notes(corpus.bank, *notes, SAMPLES) for notes in made],
    }
    counts = {
        "15 s": clips,
        "3 s": clips,
        "arrangement": clips,
        "synthesizer": len(made),
        "15 s of the same": len(made),
    }
    seconds = timing.in_turn(candidates, rounds)
    rate = {name: round(counts[name] / statistics.median(seconds[name]), 1) for name in candidates}
    # index to int16 clip against the synthesizer alone, which gets its notes ready-made
    ratio = [
        (counts["15 s"] / ours) / (counts["synthesizer"] / theirs)
        for ours, theirs in zip(seconds["15 s"], seconds["synthesizer"], strict=True)
    ]
    sound = corpus.arrangement(0)
    compiled, renderer._placer = renderer._placer, lambda: renderer.place_numpy
    start = time.process_time()
    for index in range(clips // 4):
        corpus.segment(index, 0.0, 15.0)
    without = clips // 4 / (time.process_time() - start)
    renderer._placer = compiled
    return {
        "clips_per_core_second": rate,
        "notes_of_clip_0": len(sound),
        "times_the_synthesizer": round(statistics.median(ratio), 2),
        "15 s clips_per_core_second_without_numba": round(without, 1),
    }


def workers(corpus, clips, rounds):
    """Clips per second by the wall with one and two workers, in turn; memory that one worker has to itself."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    private = []
    for round_ in range(rounds):
        for count in rates:
            batches = stream(corpus, np.arange(clips), batch_size=100, seconds=15.0, workers=count)
            next(batches)
            start, made = time.perf_counter(), 0
            for batch in batches:
                made += len(batch)
                if made > clips // 2 and len(private) <= round_:
                    private.append(max(private_memory(child.pid) for child in multiprocessing.active_children()))
            rates[count].append(made / (time.perf_counter() - start))
    ratio = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    return {
        "stream_clips_per_second": {count: round(statistics.median(rate), 1) for count, rate in rates.items()},
        "two_workers_to_one": round(statistics.median(ratio), 2),
        "two_workers_to_one_best_round": round(max(ratio), 2),
        "worker_private_MiB": round(max(private), 1),
    }


def private_memory(process: int) -> float:
    """MiB that only this process holds."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) / 1024


def first_clip():
    """Seconds from the start of Python code to an open corpus and to the first clip, in a fresh process, best of three."""
    runs = [
        subprocess.run([sys.executable, "-c", FIRST_CLIP], capture_output=True, text=True, check=True) for _ in range(3)
    ]
    opened, made = min((tuple(map(float, run.stdout.split())) for run in runs), key=lambda pair: pair[1])
    return {"opened": round(opened, 2), "first clip": round(made, 2)}


if __name__ == "__main__":
    main()
