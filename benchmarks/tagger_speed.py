"""CPU seconds that each pretrained tagger takes for a 30 s mp3 with onnxruntime, from the file to tags, and its size.

usage: python benchmarks/tagger_speed.py [--rounds N] [--record]

The record is what the page "Which tagger should I take?" and the README quote.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path

from timing import in_turn, machine  # first: it sets the number of threads

# isort: split

import records
from tagging_speed import write_mp3

import tagging

SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="write tagging/book/runs/tagger-speed.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder) / "song.mp3"
        write_mp3(song, SECONDS / 60, 44100)
        taggers = {name: tagging.load_tagger(name, runtime="onnx") for name in tagging.list_pretrained()}
        times = in_turn({name: partial(tagger.tag, song) for name, tagger in taggers.items()}, options.rounds)
    results = {
        name: {
            "cpu_seconds": round(statistics.median(times[name]), 4),
            "songs_per_cpu_hour": round(3600 / statistics.median(times[name])),
            "parameters": sum(weight.numel() for weight in tagging.load_tagger(name).parameters()),
        }
        for name in taggers
    }
    for name, result in results.items():
        print(name, result)
    if options.record:
        shared = {"name": "tagger-speed", "seconds_of_a_song": SECONDS, "rounds": options.rounds, "machine": machine()}
        records.write("tagger-speed", {**shared, "taggers": results})


if __name__ == "__main__":
    main()
