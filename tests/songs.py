"""A folder of short sounds with audible tags, and a table of them: what somebody with songs and a spreadsheet has."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

TAGS = ("low", "high", "noisy")


def song(labels: Sequence[float], seconds: float, rate: int, random: np.random.Generator) -> np.ndarray:
    """Float32 [samples]: a low tone, a high tone, noise, as far as the labels say."""
    time = np.arange(round(seconds * rate)) / rate
    low, high = random.uniform(150, 300), random.uniform(2000, 3000)
    sound = 0.02 * random.standard_normal(len(time))
    sound += labels[0] * np.sin(2 * np.pi * low * time) + labels[1] * np.sin(2 * np.pi * high * time)
    sound += 0.5 * labels[2] * random.standard_normal(len(time))
    return (random.uniform(0.05, 0.2) * sound).astype(np.float32)


def make_songs(root: Path, count: int, *, seconds: float = 1.5, broken: int = 0, seed: int = 0) -> Path:
    """Write songs in three formats below ``root/music``, some of them broken, and ``root/tags.csv``; returns the table.

    Its columns are path, artist (of two songs each), a column per tag and the attribute ``level``; some cells are empty.
    """
    random = np.random.default_rng(seed)
    (root / "music").mkdir(parents=True)
    with open(root / "tags.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "artist", *TAGS, "level"])
        for number in range(count):
            suffix, rate = ((".wav", 16000), (".flac", 22050), (".mp3", 44100))[number % 3]
            name = f"{number:03d}{suffix}"
            labels = (random.random(len(TAGS)) < 0.5).astype(float)
            soundfile.write(root / "music" / name, song(labels, seconds + number % 2 / 2, rate, random), rate)
            cells = ["" if random.random() < 0.05 else int(label) for label in labels]
            table.writerow([name, f"artist {number // 2}", *cells, round(random.random(), 3)])
    for number in np.linspace(1, count - 2, broken).astype(int).tolist():
        (path,) = (root / "music").glob(f"{number:03d}.*")
        path.write_bytes(b"this is no sound")
    return root / "tags.csv"
