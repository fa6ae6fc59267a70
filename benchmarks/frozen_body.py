"""Fine-tuning the head of a frozen body: features computed once for each segment, against in each step. CPU seconds.

    python benchmarks/frozen_body.py [--songs 40] [--seconds 30] [--taggers laptop-spectrogram-1M msd-musicnn]

Three ways of the same run: eight segments of each song with features that are kept, which is the default; the same segments, with
features computed in each step and each validation; and, as before, other segments in each pass. The second and third are asked
for by an augmentation that changes nothing (a gain of 1e-6 dB). Writes tagging/book/runs/frozen-body.json.
"""

from __future__ import annotations

import timing  # noqa: F401  # isort: skip  (sets the number of threads before numpy is imported)

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import records
import soundfile

import tagging

ANEW = {"augmentation.gain_db": 1e-6}
WAYS = {
    "kept": {},
    "same segments": {**ANEW, "data.segments_per_track": 8},
    "other segments": ANEW,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a song (default: %(default)s)")
    parser.add_argument(
        "--segments", type=int, default=1280, help="to train on (default: %(default)s, 32 of each song)"
    )
    parser.add_argument("--taggers", nargs="+", default=("laptop-spectrogram-1M", "msd-musicnn"))
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_songs(Path(folder), options.songs, options.seconds)
        for tagger in options.taggers:
            results[tagger] = {}
            for way, changes in WAYS.items():
                settings = {
                    "optimization.num_training_segments": options.segments,
                    "evaluation.validation_interval": options.segments // 10,
                    "evaluation.num_resamples": 10,
                    "runtime.num_workers": 0,
                    **changes,
                }
                start = time.process_time()
                (record,) = tagging.finetune(
                    tagger, "folder", Path(folder, tagger, way), body="frozen", settings=settings, cpu_only=True,
                    progress=False, root=f"{folder}/music", labels=f"{folder}/tags.csv",
                )  # fmt: skip
                losses = [event["loss"] for event in record["history"]]
                results[tagger][way] = {"cpu_seconds": time.process_time() - start, "last_loss": losses[-1]}
                print(f"{tagger}, {way}: {results[tagger][way]}", flush=True)
    values = {"songs": options.songs, "seconds": options.seconds, "segments": options.segments, "taggers": results}
    records.write("frozen-body", values)


def make_songs(folder: Path, count: int, seconds: float) -> None:
    """Tones and noise with three tags, and their table."""
    random, rate = np.random.default_rng(0), 16000
    (folder / "music").mkdir()
    lines = ["path,low,high,noisy"]
    time_axis = np.arange(round(seconds * rate)) / rate
    for number in range(count):
        labels = random.random(3) < 0.5
        sound = 0.02 * random.standard_normal(len(time_axis))
        for pitch, present in ((random.uniform(150, 300), labels[0]), (random.uniform(2000, 3000), labels[1])):
            sound += 0.2 * present * np.sin(2 * np.pi * pitch * time_axis)
        sound += 0.1 * labels[2] * random.standard_normal(len(time_axis))
        soundfile.write(folder / "music" / f"{number:03d}.wav", sound, rate)
        lines.append(",".join([f"{number:03d}.wav", *(str(int(label)) for label in labels)]))
    (folder / "tags.csv").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
