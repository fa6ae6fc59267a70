"""GBT + features as a run: the same clips, the same test songs, the same record as the networks. Book: ``book/results``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..baseline.extraction import extract
from ..baseline.trees import fit_trees
from ..cache import locked
from ..corpora import Corpus
from ..errors import ConfigError
from ..evaluation import evaluate
from ..predictions import Predictions, write_predictions
from ..records import circumstances, cpu, read_record, write_record
from ..report import duration
from .data import first_tracks, open_split
from .failures import Failures
from .folder import claim, refuse_another_run
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
    are kept in the cache, block by block, so that a run that was stopped while it made them loses little; the fitting of
    trees, which takes longer, starts anew.

    Args:
        settings: which data.
        folder: where the run lives: settings, and a folder ``gbt`` with record and scores.
        progress: show a bar.

    Returns:
        The record; that of a complete run is only read.

    Raises:
        ConfigError: the folder holds a run with other settings, or they ask for what only networks do.
        CorpusError: a worker process died, or more than 5 % of the tracks of a split cannot be read.
        TaggingError: another process is at work in this folder.
    """
    folder = Path(folder).expanduser()
    usual = Settings()
    for name in ("shuffled_labels", "loss"):
        if (asked := getattr(settings, name)) != getattr(usual, name):
            raise ConfigError(f"{name}={asked}: trees are not trained batch by batch; only networks know this setting")
    refuse_another_run(folder, settings)
    place = folder / "gbt"
    if (place / "record.json").exists():
        return read_record(place / "record.json")
    with locked(folder, wait=False):
        return _train_trees(settings, folder, place, progress)


def _train_trees(settings: Settings, folder: Path, place: Path, progress: bool) -> dict[str, Any]:
    """Extract, fit, test and record, in a folder that no other process works on."""
    corpora = {split: open_split(settings, split) for split in ("train", "validation", "test")}
    counts = {"train": "clips", "validation": "validation_clips", "test": "test_clips"}
    tracks = {
        split: first_tracks(corpus, getattr(settings, counts[split]), counts[split])
        for split, corpus in corpora.items()
    }
    claim(folder, settings)
    print(_cost(corpora["train"], sum(map(len, tracks.values()))))
    start = time.perf_counter()
    found = {}
    for split, corpus in corpora.items():
        found[split] = extract(corpus, tracks[split], progress=progress)
        failures = Failures(corpus, len(tracks[split]), folder)
        failures.add(found[split].failed)
        failures.check(len(tracks[split]))
        if remark := failures.remark():
            print(remark)
    extracting = time.perf_counter() - start
    vocabulary = corpora["train"].vocabulary
    start = time.perf_counter()
    cores = os.cpu_count() or 1
    trees = fit_trees(
        found["train"], found["validation"], vocabulary, seed=settings.seed, workers=cores, progress=progress
    )
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
        "failed_tracks": {split: len(features.failed) for split, features in found.items()},
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


def _cost(corpus: Corpus, tracks: int) -> str:
    """What features will take, from those of one track; trees come on top, and are not known before the features are."""
    spent = 0.0
    for index in range(min(len(corpus), 20)):
        start = time.perf_counter()
        if len(extract(corpus, [index], workers=1, cache=False, progress=False)):
            spent = time.perf_counter() - start
            if index:  # the first one loads libraries
                break
    workers = os.cpu_count() or 1
    return (
        f"gbt: features of {tracks:,} whole clips, about {duration(spent * tracks / workers)} on {workers} cores less what "
        "the cache holds; then the trees"
    )
