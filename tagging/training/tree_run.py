"""GBT + features as a run: the same clips, the same test songs, the same record as the networks. Book: ``book/results``."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..baselines.features.extraction import Features, extract
from ..baselines.trees import Ensemble, TreeFitter, TreeSettings
from ..data import Corpus
from ..errors import ConfigError
from ..evaluation.evaluate import evaluate
from ..evaluation.predictions import Predictions, write_predictions
from ..tags import Vocabulary
from ..utils.files import atomic_write, locked
from ..utils.parallel import processes
from ..utils.provenance import cpu, environment_info
from ..utils.text import duration
from .data import first_tracks, open_split
from .failures import Failures
from .records import read_record, write_record
from .results import describe, run_name, train_positives
from .run_directory import check_same_run, create_run_dir
from .settings import Settings

TESTED = ("test", "validation")


def train_trees(
    settings: Settings,
    folder: str | Path,
    *,
    progress: bool = True,
) -> dict[str, Any]:
    """Trees on hand-made features of whole tracks, each tag on its own; tested on the songs that networks are tested on.

    Of the settings it uses those that say which data: corpus, clips, validation and test clips, resamples, seed; and the
    table ``trees``, which changes some of :class:`~tagging.baselines.TreeSettings`. Features are kept in the cache, block by
    block, and the scores of each tag in the folder, as soon as its trees are fitted: a run that was stopped goes on with
    the blocks or tags that it was at.

    Args:
        settings: which data.
        folder: where the run lives: settings, and a folder ``gbt`` with record and scores.
        progress: show a bar.

    Returns:
        The record; that of a complete run is only read.

    Raises:
        ConfigError: the folder holds a run with other settings, or they ask for what only networks do, or for trees that
            cannot be.
        CorpusError: a worker process died, or more than 5 % of the tracks of a split cannot be read.
        TaggingError: another process is at work in this folder.
    """
    folder = Path(folder).expanduser()
    usual = Settings()
    grown = _tree_settings(settings)
    for name in ("shuffled_labels", "loss"):
        if (asked := getattr(settings, name)) != getattr(usual, name):
            raise ConfigError(f"{name}={asked}: trees are not trained batch by batch; only networks know this setting")
    check_same_run(folder, settings)
    place = folder / "gbt"
    if (place / "record.json").exists():
        return read_record(place / "record.json")
    with locked(folder, wait=False):
        record = _train_trees(settings, grown, folder, place, progress)
        for finished in place.glob("tags-*"):
            shutil.rmtree(finished, ignore_errors=True)
    return record


def _tree_settings(settings: Settings) -> TreeSettings:
    try:
        return TreeSettings(**settings.trees, seed=settings.seed)
    except TypeError as error:
        known = ", ".join(name for name in TreeSettings.__dataclass_fields__ if name != "seed")
        raise ConfigError(f"trees={dict(settings.trees)}: {error}; its entries are {known}") from error


def _train_trees(settings: Settings, grown: TreeSettings, folder: Path, place: Path, progress: bool) -> dict[str, Any]:
    """Extract, fit, test and record, in a folder that no other process works on."""
    now = environment_info()  # the code may have changed when the run ends
    corpora = {split: open_split(settings, split) for split in ("train", "validation", "test")}
    counts = {"train": "clips", "validation": "validation_clips", "test": "test_clips"}
    tracks = {
        split: first_tracks(corpus, getattr(settings, counts[split]), counts[split])
        for split, corpus in corpora.items()
    }
    create_run_dir(folder, settings)
    print(_cost(corpora["train"], {split: len(found) for split, found in tracks.items()}, grown))
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
    tags = range(len(vocabulary))
    start = time.perf_counter()
    fitter = TreeFitter(found["train"], found["validation"], vocabulary, grown)
    binned = {split: fitter.binning(found[split].values) for split in TESTED}
    binning = time.perf_counter() - start
    finished = _FinishedTags(place / f"tags-{_digest(found, grown)}", binned)
    kept = {tag: scores for tag in tags if (scores := finished.read(tag))}
    if 0 < len(kept) < len(tags):
        print(f"{len(kept)} of {len(tags)} tags are fitted: going on with the others")
    cores = os.cpu_count() or 1
    left = [tag for tag in tags if tag not in kept]
    kept |= fitter.fit_all(left, finished.write, workers=cores, progress=progress)
    fitted = [kept[tag] for tag in tags]
    # as if they were fitted in one go
    fitting = binning + sum(float(tag["seconds"]) for tag in fitted) / processes(cores, len(tags))

    share = np.nanmean(found["train"].labels, axis=0)
    positives = train_positives(share, len(found["train"]))
    said = {}
    for split in TESTED:
        heard = found[split]
        groups = corpora[split].groups()[heard.indices]
        scores = np.stack([tag[split] for tag in fitted], axis=1)
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
        "trees": [int(tag["trees"]) for tag in fitted],
        "failed_tracks": {split: len(features.failed) for split, features in found.items()},
        "history": [],
        "train_share": [None if np.isnan(value) else round(float(value), 5) for value in share],
        "test": result.to_dict(),
        "device": cpu(),
        **now,
    }
    for split, predictions in said.items():
        write_predictions(place / f"predictions-{split}.npz", predictions)
    write_record(place / "record.json", record)
    return record


def _digest(found: dict[str, Features], grown: TreeSettings) -> str:
    """Of all that trees are fitted to and tested on, and of what fits them: another one makes other trees."""
    import sklearn

    digest = hashlib.sha256(f"{sklearn.__version__} {grown}".encode())
    for split in sorted(found):
        for array in (found[split].values, found[split].labels, found[split].indices):
            digest.update(f"{split} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:12]


class _FinishedTags:
    """Scores of the tags whose trees are fitted, a file for each.

    Args:
        folder: where they are, of trees for these very clips.
        binned: features of the clips of each split that is tested.
    """

    def __init__(self, folder: Path, binned: dict[str, np.ndarray]) -> None:
        self._folder, self._binned = folder, binned

    def _path(self, tag: int) -> Path:
        return self._folder / f"{tag:03d}.npz"

    def write(self, tag: int, ensemble: Ensemble) -> dict[str, Any]:
        """Score the clips of all splits, keep that and return it."""
        scores = {split: ensemble.predict(binned) for split, binned in self._binned.items()}
        kept = {"trees": ensemble.iterations, "seconds": ensemble.seconds, **scores}
        with atomic_write(self._path(tag)) as part, part.open("wb") as file:
            np.savez(file, **kept)
        return kept

    def read(self, tag: int) -> dict[str, Any]:
        """What was kept of a tag; nothing if there is none, or it is damaged."""
        try:
            with np.load(self._path(tag), allow_pickle=False) as stored:
                return {name: stored[name] for name in ("trees", "seconds", *self._binned)}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return {}


def _cost(corpus: Corpus, tracks: dict[str, int], grown: TreeSettings) -> str:
    """What features will take, from those of one track, and then the trees, from a few of them."""
    spent, width = 0.0, 1
    for index in range(min(len(corpus), 20)):
        start = time.perf_counter()
        if len(found := extract(corpus, [index], workers=1, cache=False, progress=False)):
            spent, width = time.perf_counter() - start, found.values.shape[1]
            if index:  # the first one loads libraries
                break
    cores, tags, count = os.cpu_count() or 1, len(corpus.vocabulary), sum(tracks.values())
    trees = _seconds_a_tree(tracks["train"], width, grown) * grown.iterations * tags / processes(cores, tags)
    return (
        f"gbt: features of {count:,} whole clips, about {duration(spent * count / cores)} on {cores} cores less what the cache "
        f"holds; then up to {grown.iterations} trees for each of {tags} tags, {duration(trees)} at most"
    )


def _seconds_a_tree(clips: int, features: int, grown: TreeSettings) -> float:
    """Of one core, measured on some random numbers: how long trees take hardly depends on what features mean."""
    from threadpoolctl import threadpool_limits

    few, count = 20, min(clips, 20_000)
    random = np.random.default_rng(0)
    values = random.standard_normal((count, features), dtype=np.float32)
    labels = (values[:, :1] + random.standard_normal((count, 1), dtype=np.float32) > 1).astype(np.float32)
    train, some = (
        Features(values[:size], labels[:size], np.arange(size).astype(str), np.arange(size))
        for size in (count, min(count, 500))
    )
    fitter = TreeFitter(train, some, Vocabulary(["any"]), replace(grown, iterations=few))
    with threadpool_limits(1):  # as where each process fits a tag of its own
        fitter.fit(0)  # loads libraries
        return fitter.fit(0).seconds / few * clips / count
