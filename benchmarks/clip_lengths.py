"""How much of a clip a tagger has to hear, and how to join what it says about segments.

    python benchmarks/clip_lengths.py                 # writes tagging/book/runs/clip-lengths.json

Taggers that were trained on segments of 3 s score the test clips of 15 s: 1, 3 or 5 segments, joined by their mean, their
maximum or a noisy-or, and the whole clip in one pass, which only a back-end of variable length can do. Nothing is trained.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import records
import robustness
import torch

import tagging
from tagging.evaluation.pooling import POOLINGS
from tagging.training import Settings
from tagging.training.data import Split

COUNTS = (1, 3, 5)
TAGGERS = ("laptop-waveform-1M", "laptop-spectrogram-1M")
REFERENCE = "5 segments, mean"


def scores_of(tagger: Any, sound: np.ndarray) -> dict[str, np.ndarray]:
    """Way to listen -> float32 [tags]."""
    scores = {}
    with torch.inference_mode():
        for count in COUNTS:
            segments = robustness.segments(sound, tagger.config.segment_samples, count)
            parts = tagger(torch.from_numpy(segments)).sigmoid().numpy()[None]
            scores |= {f"{count} segments, {name}": pool(parts)[0] for name, pool in POOLINGS.items()}
        scores["whole clip"] = tagger(torch.from_numpy(sound)[None]).sigmoid().numpy()[0]
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000, help="of the test split (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    test = Split(Settings().override({"evaluation.num_test_clips": options.clips}), "test")
    taggers = {name: tagging.load_tagger(name).eval() for name in TAGGERS}
    scores: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in taggers}
    for sound in robustness.clips_of(test):
        for name, tagger in taggers.items():
            scores[name].append(scores_of(tagger, sound))
    models = {}
    for name, rows in scores.items():
        results = {way: robustness.evaluated(test, np.stack([row[way] for row in rows])) for way in rows[0]}
        models[name] = {way: robustness.summary(result, results[REFERENCE]) for way, result in results.items()}
        print(name, {way: round(parts["all"]["roc_auc"]["value"], 4) for way, parts in models[name].items()})
    records.write("clip-lengths", {"clips": options.clips, "reference": REFERENCE, "models": models})


if __name__ == "__main__":
    main()
