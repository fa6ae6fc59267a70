"""Probing: how much one vector a song knows about tags, by linear models and cross-validation over groups of songs.

Book: ``book/baseline``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..baselines.features.extraction import Descriptor, Features, extract
from ..data import Corpus
from ..errors import ConfigError, CorpusError, unknown_name
from ..evaluation.bootstrap import Resampling, interval
from ..evaluation.evaluate import evaluate
from ..evaluation.predictions import Predictions, write_predictions
from ..evaluation.thresholds import fit_thresholds
from ..tags import Vocabulary
from ..utils.provenance import command_line, environment_info
from .embedders import check_finite, embedder
from .group_folds import group_folds
from .parts import open_part
from .probe_models import HEADS, Probe, fit_probe, with_thresholds
from .records import write_record
from .settings import DataSettings, Settings

_SPLITS = ("train", "validation", "test")
# Of the songs a probe is fitted to, one part in so many chooses the regularisation.
_INNER_PARTS = 4


def probe(
    name: str | os.PathLike[str],
    corpus: str,
    folder: str | Path | None = None,
    *,
    folds: int | None = 5,
    head: str = "linear",
    pooling: str = "mean-max",
    clips: int | None = None,
    seed: int = 0,
    resamples: int = 1000,
    max_unreadable: float = 0.05,
    workers: int | None = None,
    progress: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Fit linear models or MLPs to one vector a song, and test them on songs of other groups.

    Tags get logistic regressions, exclusive groups a multinomial one, attributes ridge regressions, on standardised features;
    the strength of regularisation is chosen on inner validation songs. Vectors are cached: a second probe of the same songs takes
    seconds.

    Args:
        name: ``"mfcc"``, ``"features"``, a pretrained tagger, or the path of a saved one.
        corpus: one of :func:`tagging.list_corpora`.
        folder: where ``record.json``, ``predictions-test.npz`` and ``probe.npz`` are written; None writes nothing.
        folds: of the cross-validation over groups (artists), with about equal shares of classes; each song is tested once. None
            takes the splits of the corpus: fitted to train, regularised by validation, tested on test.
        head: ``"linear"``, or ``"mlp"``: a hidden layer of 32 units for each tag, exclusive group and attribute.
        pooling: of a tagger's features over the segments of a song: ``"mean-max"`` or ``"mean"``.
        clips: the first so many songs of each split; None takes all.
        seed: of the folds.
        resamples: of the intervals, over groups.
        max_unreadable: share of songs that may be unreadable; they are left out.
        workers: processes that compute vectors; by default one for each core.
        progress: show a progress bar.
        options: of the corpus, such as ``root`` and ``labels``.

    Returns:
        The record: as those of training runs, with ``kind`` ``"probe"``, and ``accuracy`` of each exclusive group.

    Raises:
        ConfigError: an unknown name or option, or too few groups.
        CorpusError: too many files are unreadable.

    >>> tagging.probe("msd-musicnn", "folder", root="music", labels="tags.csv")["test"]["means"]  # doctest: +SKIP
    """
    start, environment, name = time.perf_counter(), environment_info(), os.fspath(name)
    if folds is not None and folds < 2:
        raise ConfigError(f"folds={folds}: give at least 2, or None for the splits of the corpus")
    if head not in HEADS:
        raise unknown_name("head", head, HEADS)
    chosen = embedder(name, pooling)
    plain = {key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in options.items()}
    data = DataSettings(corpus=corpus, corpus_options=plain)
    corpora = [open_part(data, part) for part in _SPLITS]
    songs = _songs(corpora, chosen, name, clips, max_unreadable, workers, progress)
    vocabulary = corpora[0].vocabulary
    fit = partial(fit_probe, head=head, seed=seed)
    final, scores, tested = _fit_and_test(fit, songs, vocabulary, folds, seed, name, pooling)
    labels, groups = songs.labels[tested], songs.groups[tested]
    thresholds = _thresholds(final, songs, scores, tested, vocabulary, folds)
    final = with_thresholds(final, thresholds)
    evaluation = evaluate(
        labels, scores, vocabulary, groups=groups, parts=corpora[0].parts(), resamples=resamples
    )  # fmt: skip
    how = f"{folds}-folds" if folds else "splits"
    how += f"-{plain['split']}" if "split" in plain else ""
    model, versions = f"probe:{name}", [each.version for each in corpora]
    settings = Settings().override(
        {"models": [model], "seed": seed, "data.corpus": corpus, "data.num_clips": clips, "data.corpus_options": plain,
         "evaluation.num_resamples": resamples}
    )  # fmt: skip
    record = {
        "kind": "probe",
        "name": f"probe-{'mlp-' if head == 'mlp' else ''}{chosen.name}-{corpora[0].name}-{how}-s{seed}",
        "command": command_line("tagging.probe"),
        "model": model,
        "seed": seed,
        "settings": settings.to_dict(),
        "probe": {
            "embedder": chosen.name, "pooling": pooling, "head": head, "num_features": chosen.size, "folds": folds,
            "strengths": {", ".join(vocabulary.names[tag] for tag in target.tags): strength
                          for target, strength in zip(final.targets, final.strengths, strict=True)},
        },
        "corpus": {"name": corpora[0].name, **dict(zip(_SPLITS, versions, strict=True)), **corpora[0].provenance()},
        "num_clips": len(songs.vectors),
        "failed_tracks": len(songs.failed),
        "seconds": round(time.perf_counter() - start, 1),
        "test": evaluation.to_dict(),
        "accuracy": _accuracies(labels, scores, vocabulary, groups, resamples),
        **environment,
    }  # fmt: skip
    if folder is not None:
        target = Path(folder).expanduser()
        target.mkdir(parents=True, exist_ok=True)
        predictions = Predictions(scores, vocabulary, labels, None, groups, np.flatnonzero(tested))
        write_predictions(target / "predictions-test.npz", predictions)
        final.save(target / "probe.npz")
        write_record(target / "record.json", record)
    return record


@dataclass(frozen=True)
class _Songs:
    """The readable songs of all splits: vectors [songs, features], labels [songs, tags], groups, split of each; failures."""

    vectors: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    splits: np.ndarray
    failed: dict[tuple[str, int], str]


def _songs(
    corpora: list[Corpus],
    descriptor: Descriptor,
    name: str,
    clips: int | None,
    max_unreadable: float,
    workers: int | None,
    progress: bool,
) -> _Songs:
    parts: list[Features] = []
    for corpus in corpora:
        corpus.check_readable(max_unreadable)
        count = len(corpus) if clips is None else min(clips, len(corpus))
        if count == 0:
            raise CorpusError(f"the {corpus.split} split is empty; choose another corpus")
        parts.append(extract(corpus, np.arange(count), workers=workers, progress=progress, descriptor=descriptor))
    failed = {
        (corpus.split, index): text for corpus, part in zip(corpora, parts, strict=True) for index, text in part.failed.items()
    }  # fmt: skip
    total = sum(map(len, parts)) + len(failed)
    if len(failed) > max_unreadable * total:
        raise CorpusError(
            f"{len(failed)} of {total} songs cannot be read, more than {max_unreadable:.0%}; repair or remove them. The first: "
            f"{next(iter(failed.values()))}"
        )
    vectors = np.concatenate([part.values for part in parts])
    check_finite(vectors, name)
    splits = np.repeat(_SPLITS, [len(part) for part in parts])
    return _Songs(
        vectors, np.concatenate([part.labels for part in parts]), np.concatenate([part.groups for part in parts]), splits, failed
    )  # fmt: skip


def _fit_and_test(
    fit: Callable[..., Probe],
    songs: _Songs,
    vocabulary: Vocabulary,
    folds: int | None,
    seed: int,
    name: str,
    pooling: str,
) -> tuple[Probe, np.ndarray, np.ndarray]:
    """The probe for new songs, scores of the tested songs, and bool [songs]: which these are."""
    if folds is None:
        train, validation, test = (np.flatnonzero(songs.splits == split) for split in _SPLITS)
        final = fit(
            songs.vectors, songs.labels, vocabulary, (train, validation), embedder=name, pooling=pooling, refit=False
        )
        return final, final.scores(songs.vectors[test]), songs.splits == "test"
    scores = np.empty((len(songs.vectors), len(vocabulary)))
    everything = np.arange(len(scores))
    for fold in group_folds(songs.labels, vocabulary, songs.groups, folds, seed):
        others = np.setdiff1d(everything, fold)
        fitted = fit(songs.vectors, songs.labels, vocabulary, _inner(songs, vocabulary, others, seed))
        scores[fold] = fitted.scores(songs.vectors[fold])
    inner = _inner(songs, vocabulary, everything, seed)
    final = fit(songs.vectors, songs.labels, vocabulary, inner, embedder=name, pooling=pooling)
    return final, scores, np.ones(len(scores), bool)


def _inner(songs: _Songs, vocabulary: Vocabulary, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Songs to fit on and songs of other groups that choose the regularisation, among some songs."""
    groups = songs.groups[rows]
    parts = min(_INNER_PARTS, len(np.unique(groups)))
    if parts < 2:
        raise ConfigError("all songs that are fitted to are of one group: give artists, or fewer folds")
    second = group_folds(songs.labels[rows], vocabulary, groups, parts, seed)[0]
    return np.delete(rows, second), rows[second]


def _thresholds(
    final: Probe, songs: _Songs, scores: np.ndarray, tested: np.ndarray, vocabulary: Vocabulary, folds: int | None
) -> dict[str, float]:
    """Tag -> threshold, from songs that were not fitted to: validation songs, or all by cross-validation."""
    labels = songs.labels[tested]
    if folds is None:
        validation = songs.splits == "validation"
        labels, scores = songs.labels[validation], final.scores(songs.vectors[validation])
    fitted = fit_thresholds(labels, scores)
    is_class = vocabulary.classification & ~np.isnan(fitted)
    return {vocabulary.names[tag]: float(fitted[tag]) for tag in np.flatnonzero(is_class)}


def _accuracies(
    labels: np.ndarray, scores: np.ndarray, vocabulary: Vocabulary, groups: np.ndarray, resamples: int
) -> dict[str, dict[str, float | None]]:
    """Exclusive group -> share of songs whose highest score is that of their tag, with its interval over groups."""
    results = {}
    for name, members in vocabulary.exclusive_groups.items():
        values = labels[:, list(members)]
        known = np.nansum(values, axis=1) == 1
        if known.any():
            hits = known & (np.nan_to_num(values).argmax(axis=1) == scores[:, list(members)].argmax(axis=1))
            sums = Resampling(len(labels), groups, resamples=resamples).sums(np.stack([hits, known], axis=1))
            shares = sums[:, 0] / np.maximum(sums[:, 1], 1)
            results[name] = interval(shares[0], shares[1:], (0.0, 1.0)).to_dict()
    return results
