"""Random 3 s reads a second and core: from a store, and straight from wav, flac and mp3 files.

    python benchmarks/store.py [--songs 16] [--minutes 4] [--reads 20000]

Songs are noise-like chords of 44.1 kHz in stereo, as songs mostly are, and of 16 kHz mono, which need no resampling. A read is
what training does: ``Corpus.segment``, with its labels. Rates are of CPU seconds of one process with one thread, the files in the
page cache; of a store twice: each second of sound is checked against its SHA-256 at the first read of it, later not. Also how
much longer than its own sound a song takes to be stored.
"""

from __future__ import annotations

import timing  # isort: skip  (sets the number of threads before numpy is imported)

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from tagging.data import open_corpus, random_starts
from tagging.data.store_writer import write_store

SECONDS = 3.0
FORMATS = (
    ("wav", 16000, 1),
    ("flac", 16000, 1),
    ("mp3", 16000, 1),
    ("wav", 44100, 2),
    ("flac", 44100, 2),
    ("mp3", 44100, 2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=16, help="of each format (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=4.0, help="length of a song (default: %(default)s)")
    parser.add_argument("--reads", type=int, default=20_000, help="from the store (default: %(default)s)")
    options = parser.parse_args()
    print(f"{timing.machine()}; {options.songs} songs of {options.minutes:g} minutes, segments of {SECONDS:g} s")
    print(
        f"{'format':<24}{'file':>9}{'store, first':>14}{'store, later':>14}   reads a CPU second;  times real time to store"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TAGGING_CACHE"] = folder
        for suffix, rate, channels in FORMATS:
            root = Path(folder, f"{suffix}-{rate}")
            make_songs(root, suffix, rate, channels, options.songs, 60 * options.minutes)
            files = open_corpus("folder", root=str(root))
            start = time.process_time()
            write_store("folder", root=str(root), workers=1, progress=False)
            speed = 60 * options.minutes * options.songs / (time.process_time() - start)
            stored = open_corpus("folder", root=str(root))
            for index in range(len(files)):  # the first read of a wav or flac file counts its samples
                files.segment(index, 1.0, SECONDS)
            from_files = statistics.median(read(files, 3 * options.songs, seed) for seed in range(3))
            first = read(stored, int(options.songs * options.minutes * 60 / SECONDS / 8), 3)
            every = np.arange(0, 60 * options.minutes, 1)
            for index in range(len(stored)):
                for second in every:
                    stored.segment(index, float(second), 1.0)
            later = statistics.median(read(stored, options.reads, seed) for seed in range(3))
            title = f"{suffix}, {rate} Hz, {channels} ch."
            print(f"{title:<24}{from_files:>9.0f}{first:>14,.0f}{later:>14,.0f}   {speed:>10.0f}")


def make_songs(root: Path, suffix: str, rate: int, channels: int, count: int, seconds: float) -> None:
    """Songs in two subfolders, which are their tags."""
    random = np.random.default_rng(0)
    time_axis = np.arange(round(seconds * rate)) / rate
    for number in range(count):
        chord = sum(np.sin(2 * np.pi * frequency * time_axis) for frequency in random.uniform(100, 4000, 8)) / 20
        sound = chord[:, None] + 0.02 * random.standard_normal((len(time_axis), channels))
        path = root / f"tag {number % 2}" / f"{number:03d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, rate)


def read(corpus, count: int, seed: int) -> float:
    """Random segments a CPU second."""
    indices = np.random.default_rng(seed).integers(0, len(corpus), count)
    durations = corpus.durations(indices)
    # each read of a track another start: the index of the read is hashed, not that of the track
    starts = random_starts(np.arange(count), SECONDS, durations, corpus.sample_rate, seed)
    corpus.segment(int(indices[0]), 0.0, SECONDS)
    begun = time.process_time()
    for index, start in zip(indices.tolist(), starts.tolist(), strict=True):
        corpus.segment(index, start, SECONDS)
    return count / (time.process_time() - begun)


if __name__ == "__main__":
    main()
