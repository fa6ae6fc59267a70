"""GBT + features as a run: the same clips, the same test songs, the same record as the networks. Book: ``book/results``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..baseline.extraction import extract
from ..baseline.trees import fit_trees
from ..evaluation import evaluate
from ..predictions import Predictions, write_predictions
from ..records import circumstances, cpu, read_record, write_record
from .data import first_tracks, open_split
from .loop import claim
from .outcome import describe, run_name, train_positives
from .settings import Settings


def train_trees(
    settings: Settings,
    folder: str | Path,
    *,
    progress: bool = True,
) -> dict[str, Any]:
    """Trees on hand-made features of whole tracks, each tag on its own; tested on the songs that networks are tested on.

    Of the settings it uses those that say which data: corpus, clips, validation and test clips, resamples, seed. Features
    are kept in the cache, block by block, so that a run that was stopped loses little.

    Raises:
        ConfigError: the folder holds a run with other settings.
        CorpusError: a worker process died.
    """
    folder = Path(folder).expanduser()
    claim(folder, settings)
    place = folder / "gbt"
    if (place / "record.json").exists():
        return read_record(place / "record.json")
    corpora = {split: open_split(settings, split) for split in ("train", "validation", "test")}
    counts = {"train": "clips", "validation": "validation_clips", "test": "test_clips"}
    start = time.perf_counter()
    found = {}
    for split, corpus in corpora.items():
        tracks = first_tracks(corpus, getattr(settings, counts[split]), counts[split])
        found[split] = extract(corpus, tracks, progress=progress)
    extracting = time.perf_counter() - start
    vocabulary = corpora["train"].vocabulary
    start = time.perf_counter()
    trees = fit_trees(found["train"], found["validation"], vocabulary, seed=settings.seed, progress=progress)
    fitting = time.perf_counter() - start

    share = np.nanmean(found["train"].labels, axis=0)
    positives = train_positives(share, len(found["train"]))
    said = {}
    for split in ("test", "validation"):
        heard = found[split]
        groups = corpora[split].groups()[heard.indices]
        scores = trees.predict(heard.values)
        said[split] = Predictions(scores, vocabulary, heard.labels, positives, groups, heard.indices)
    test = said["test"]
    result = evaluate(test.labels, test.scores, vocabulary, groups=test.groups, resamples=settings.resamples)
    record = {
        "kind": "training",
        "name": run_name(settings, "gbt"),
        "command": settings.command(),
        "edition": settings.edition,
        "model": "gbt",
        "clips": settings.clips or len(corpora["train"]),
        "clips_seen": len(found["train"]),
        "seed": settings.seed,
        "features": int(found["train"].values.shape[1]),
        "settings": settings.to_dict(),
        "corpus": describe(corpora["train"], corpora["test"]),
        "seconds": round(fitting, 1),
        "seconds_for_features": round(extracting, 1),
        "failed_tracks": sum(len(features.failed) for features in found.values()),
        "history": [],
        "train_share": [None if np.isnan(value) else round(float(value), 5) for value in share],
        "test": result.to_dict(),
        "device": cpu(),
        **circumstances(),
    }
    for split, predictions in said.items():
        write_predictions(place / f"predictions-{split}.npz", predictions)
    write_record(place / "record.json", record)
    return record
