"""Boosted trees on hand-made features as a run: the same clips, test songs and record as the networks. Book: ``book/results``."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..baselines.features.extraction import Features
from ..baselines.trees import Ensemble, TreeFitter, TreeSettings
from ..errors import ConfigError
from ..evaluation.predictions import Predictions, write_predictions
from ..utils.arrays import read_arrays, write_arrays
from ..utils.files import DamagedError, locked
from ..utils.parallel import num_cores
from ..utils.provenance import cpu, environment_info
from ..utils.registry import Registry
from ..utils.text import printable
from .data import Split
from .endpoints import record_fields, sources_of
from .failures import Failures
from .records import model_folder, training_record, write_record
from .results import evaluate_predictions, train_positives
from .run_directory import create_run_dir
from .settings import Settings
from .tree_segments import OPTION, extract_rows, takes_segments, track_scores

TREES = "gbt"
PREDICTED = ("test", "validation")
# Baselines that are fitted to whole tracks: (settings, folder, progress) -> record.
WHOLE_TRACK_BASELINES = Registry("baseline")


@WHOLE_TRACK_BASELINES.register(TREES)
def train_trees(settings: Settings, folder: str | Path, *, progress: bool = True) -> dict[str, Any]:
    """Fit trees to hand-made features of whole tracks, each tag independently, and test them on the networks' test songs.

    Called by :func:`tagging.train`, which has made sure that the folder holds no other run and none that is complete.

    Of the settings it uses ``data``, ``evaluation``, ``seed`` and ``model.tree_options`` (what differs from
    :class:`~tagging.baselines.TreeSettings`). Features are cached block by block, and the scores of each tag are written as
    soon as its trees are fitted: a run that was stopped resumes with the blocks or tags that are left.

    Args:
        settings: which data, which trees.
        folder: where the run lives: settings, and a folder ``gbt`` with record and predictions.
        progress: show a bar.

    Returns:
        The record.

    Raises:
        ConfigError: a setting that only networks take, or impossible trees.
        CorpusError: a worker process died, or more than 5 % of the tracks of a split cannot be read.
        TaggingError: another process works in this folder.
    """
    folder = Path(folder)
    tree_settings, splits = trees_and_splits(settings)
    with locked(folder / "run", wait=False):
        create_run_dir(folder, settings)
        record = _train_trees(settings, tree_settings, splits, folder, progress)
        for finished in model_folder(folder, TREES).glob("tags-*"):
            shutil.rmtree(finished, ignore_errors=True)
    return record


def trees_and_splits(settings: Settings) -> tuple[TreeSettings, dict[str, Split]]:
    """Which trees a run grows, and the tracks of each split. What can be refused is refused here, before anything is written."""
    trees = _tree_settings(settings)
    return trees, {name: Split(settings, name) for name in ("train", "validation", "test")}


def _tree_settings(settings: Settings) -> TreeSettings:
    usual = Settings()
    for name, value, default in (
        ("data.shuffle_labels", settings.data.shuffle_labels, usual.data.shuffle_labels),
        ("optimization.loss", settings.optimization.loss, usual.optimization.loss),
    ):
        if value != default:
            raise ConfigError(f"{name}={value}: only networks take this setting, trees are not trained in batches")
    takes_segments(settings)
    options = {name: value for name, value in settings.model.tree_options.items() if name != OPTION}
    try:
        return TreeSettings(**options, seed=settings.seed)
    except TypeError as error:
        known = ", ".join(name for name in (*TreeSettings.__dataclass_fields__, OPTION) if name != "seed")
        raise ConfigError(f"model.tree_options={settings.model.tree_options}: {error}; known are {known}") from error


def _train_trees(
    settings: Settings, tree_settings: TreeSettings, splits: dict[str, Split], folder: Path, progress: bool
) -> dict[str, Any]:
    """Extract features, fit, predict and record, in a folder that no other process works on."""
    environment = environment_info()  # the code may have changed when the run ends
    train, test = splits["train"], splits["test"]
    vocabulary = train.corpus.vocabulary
    tags, results_folder = range(len(vocabulary)), model_folder(folder, TREES)
    print(
        f"{TREES}: features of {sum(map(len, splits.values())):,} clips, then up to {tree_settings.iterations} trees for "
        f"each of {len(tags)} tags"
    )
    start = time.perf_counter()
    features = {name: _extract(split, settings, folder, progress) for name, split in splits.items()}
    seconds_for_features = time.perf_counter() - start
    start = time.perf_counter()
    known = {
        name: replace(rows, labels=splits[name].masked(rows.labels, rows.indices)) if name != "test" else rows
        for name, rows in features.items()
    }
    fitter = TreeFitter(known["train"], known["validation"], vocabulary, tree_settings)
    binned = {name: fitter.binning(features[name].values) for name in PREDICTED}
    seconds = time.perf_counter() - start
    finished = _FinishedTags(results_folder / f"tags-{_digest(known, tree_settings)}", binned)
    fitted = {tag: arrays for tag in tags if (arrays := finished.read(tag))}
    if 0 < len(fitted) < len(tags):
        print(f"{len(fitted)} of {len(tags)} tags are fitted already: fitting the others")
    workers = num_cores()
    missing = [tag for tag in tags if tag not in fitted]
    fitted |= fitter.fit_all(missing, finished.write, workers=workers, progress=progress)
    # as if all tags had been fitted in one go
    seconds += sum(float(fitted[tag]["seconds"]) for tag in tags) / min(workers, len(tags))

    tag_prior = np.nanmean(features["train"].labels, axis=0)
    positives = train_positives(tag_prior, len(features["train"]))
    predictions = {}
    for name in PREDICTED:
        by_row = np.stack([fitted[tag][name] for tag in tags], axis=1)
        scores, tracks = track_scores(by_row, features[name])
        corpus = splits[name].corpus
        groups, sources = corpus.groups()[tracks], sources_of(corpus, tracks)
        predictions[name] = Predictions(
            scores, vocabulary, corpus.labels_of(tracks), positives, groups, tracks, **sources
        )
    record = training_record(
        settings, TREES, train, test, evaluate_predictions(predictions["test"], test, settings), tag_prior, environment,
        num_training_segments=len(features["train"]),
        num_features=int(features["train"].values.shape[1]),
        seconds=round(seconds, 1),
        seconds_for_features=round(seconds_for_features, 1),
        trees=[int(fitted[tag]["trees"]) for tag in tags],
        failed_tracks={name: len(rows.failed) for name, rows in features.items()},
        history=[],
        device=cpu(),
        **record_fields(**predictions, parts=test.corpus.parts(), resamples=settings.evaluation.num_resamples),
    )  # fmt: skip
    for name, of_split in predictions.items():
        write_predictions(results_folder / f"predictions-{name}.npz", of_split)
    write_record(results_folder / "record.json", record)
    return record


def _extract(split: Split, settings: Settings, folder: Path, progress: bool) -> Features:
    """Features of the tracks of a split; too many unreadable ones are an error."""
    features = extract_rows(split, settings, progress=progress)
    failures = Failures(split.corpus, len(split), folder, max_share=split.max_unreadable)
    failures.add(features.failed)
    failures.check(len(split))
    if remark := failures.remark():
        print(printable(remark))
    return features


def _digest(features: dict[str, Features], tree_settings: TreeSettings) -> str:
    """Of all that trees are fitted to and predict, and of what fits them: anything else makes other trees."""
    import sklearn

    digest = hashlib.sha256(f"{sklearn.__version__} {tree_settings}".encode())
    for name in sorted(features):
        for array in (features[name].values, features[name].labels, features[name].indices):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


class _FinishedTags:
    """Scores of the tags whose trees are fitted, one file for each.

    Args:
        folder: where they are, of trees for these very clips.
        binned: features of the clips of each predicted split.
    """

    def __init__(self, folder: Path, binned: dict[str, np.ndarray]) -> None:
        self._folder, self._binned = folder, binned

    def _path(self, tag: int) -> Path:
        return self._folder / f"{tag:03d}.npz"

    def write(self, tag: int, ensemble: Ensemble) -> dict[str, Any]:
        """Score the clips of all splits, write the scores and return them."""
        scores = {split: ensemble.predict(binned) for split, binned in self._binned.items()}
        arrays = {"trees": np.array(ensemble.iterations), "seconds": np.array(ensemble.seconds), **scores}
        write_arrays(self._path(tag), arrays, compress=False)
        return arrays

    def read(self, tag: int) -> dict[str, Any]:
        """The scores of a tag; empty if there are none, or they are damaged."""
        try:
            arrays = read_arrays(self._path(tag))
        except DamagedError:
            return {}
        shapes = {"trees": (), "seconds": (), **{split: binned.shape[:1] for split, binned in self._binned.items()}}
        return arrays if {name: array.shape for name, array in arrays.items()} == shapes else {}
