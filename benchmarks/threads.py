"""CPU-seconds and seconds that tagging one song costs with one thread and with all, on an idle and on a busy machine.

    python benchmarks/threads.py [--seconds 200]

A busy machine: one endless loop per core. Each setting is measured three times, in turn; medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

MEASURED = """
import json, resource, sys, time
import tagging, torch
if sys.argv[2] != "all":
    torch.set_num_threads(int(sys.argv[2]))
tagger = tagging.load_tagger("msd-musicnn")
tagger.tag_waveform([0.1, 0.2], 16000)
before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
result = tagger.tag(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([cpu, time.perf_counter() - start, result.scores.tolist()]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=200.0)
    options = parser.parse_args()
    import soundfile

    import tagging

    once, rate = tagging.load_audio(tagging.sound_path("drowsy-maggie"))
    song = np.tile(once, int(np.ceil(options.seconds * rate / len(once))))[: round(options.seconds * rate)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.mp3"
        soundfile.write(path, song, rate)
        for busy in (0, os.cpu_count() or 1):
            loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
            try:
                measured: dict[str, list] = {"1": [], "all": []}
                for _ in range(3):
                    for threads in measured:
                        command = [sys.executable, "-c", MEASURED, str(path), threads]
                        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                        measured[threads].append(json.loads(answer))
            finally:
                for loop in loops:
                    loop.kill()
            scores = [np.array(run[2]) for runs in measured.values() for run in runs]
            for threads, runs in measured.items():
                cpu, wall = (statistics.median(run[column] for run in runs) for column in (0, 1))
                print(f"{busy} other loops, {threads:>3} threads: {cpu:6.2f} CPU-s, {wall:6.2f} s")
            print(f"largest difference of scores: {max(np.abs(one - scores[0]).max() for one in scores):.1e}")


if __name__ == "__main__":
    main()
