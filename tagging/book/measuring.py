"""Small experiments on bundled predictions, for the page on metrics. Book: ``book/how_measured``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.sheet_music.sources import tag_groups
from ..evaluation.bootstrap import PERCENTILES
from ..evaluation.evaluate import evaluate
from ..evaluation.metrics import pr_auc, roc_auc
from ..evaluation.predictions import Predictions
from ..evaluation.stratified import source_alone
from ..evaluation.thresholds import fit_thresholds
from ..plots.style import CYCLE, INK, figure_for
from ..tags import Vocabulary
from .runs import load_predictions, tag_parts

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


def base_rates(clips: Predictions, tags: Sequence[str], seed: int = 0) -> pandas.DataFrame:
    """ROC-AUC and PR-AUC of random scores and of a model, for tags that differ in how common they are.

    Args:
        clips: predictions with labels.
        tags: names of tags.
        seed: of the random scores.

    Book: ``book/how_measured``.
    """
    import pandas

    columns = [clips.vocabulary.names.index(tag) for tag in tags]
    labels, scores = labels_of(clips)[:, columns], clips.scores[:, columns]
    random = np.random.default_rng(seed).random(scores.shape)
    return pandas.DataFrame(
        {
            "clips with the tag, %": 100 * np.nanmean(labels, axis=0),
            "ROC-AUC, random": roc_auc(labels, random),
            "ROC-AUC, model": roc_auc(labels, scores),
            "PR-AUC, random": pr_auc(labels, random),
            "PR-AUC, model": pr_auc(labels, scores),
        },
        index=pandas.Index(tags, name="tag"),
    )


def labels_of(clips: Predictions) -> np.ndarray:
    """The labels of bundled predictions, which all have them."""
    assert clips.labels is not None
    return clips.labels


def kinds_of_tags(vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """Four kinds of tags of the corpus ``sheet-music``, named as a page shows them: bool [tags] each.

    Book: ``book/how_measured``.
    """
    groups = tag_groups(vocabulary)
    return {
        "instruments": tag_parts(vocabulary)["instrument"],
        "the collection decides": groups["collection"],
        "metre and mode": groups["computed"],
        "people wrote": groups["human"],
    }


def collection_check(runs: Mapping[str, str], resamples: int = 200) -> pandas.DataFrame:
    """ROC-AUC of the composition tags over all songs and within sources, of models and of a predictor that knows the source.

    Args:
        runs: name on the page -> bundled run.
        resamples: of the intervals.

    Book: ``book/how_measured``.
    """
    import pandas

    tests = {name: load_predictions(run) for name, run in runs.items()}
    first, validation = next(iter(tests.values())), load_predictions(next(iter(runs.values())), "validation")
    vocabulary, labels = first.vocabulary, labels_of(first)
    parts = {**tag_parts(vocabulary), **tag_groups(vocabulary)}
    assert validation.strata is not None
    assert first.strata is not None
    known = source_alone(labels_of(validation), validation.strata, first.strata)
    rows = {}
    for name, scores in {"knows only the source": known, **{name: test.scores for name, test in tests.items()}}.items():
        shared: dict[str, Any] = {"groups": first.groups, "parts": parts, "resamples": resamples}
        over_all = evaluate(labels, scores, vocabulary, **shared)
        within = evaluate(labels, scores, vocabulary, strata=first.strata, annotated=first.annotated, **shared)
        rows[name] = {
            "over all songs": over_all.parts["composition"]["roc_auc"],
            "within sources": within.parts["composition"]["roc_auc"],
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def coverage(clips: Predictions, samples: int = 80, resamples: int = 100, seed: int = 0) -> dict[str, float]:
    """How often two kinds of 95 % interval for the mean PR-AUC of composition tags hold the true value.

    The test clips play the population. Each sample draws as many families from them, with replacement, and gets an interval as
    a test set would.

    Args:
        clips: predictions with labels and groups.
        samples: test sets to draw.
        resamples: of each interval.
        seed: of the samples.

    Returns:
        ``"basic"`` and ``"percentile"``: shares in [0, 1]; ``"too high"``: mean value on samples minus the true one.

    Book: ``book/how_measured``.
    """
    tags = np.flatnonzero(tag_parts(clips.vocabulary)["composition"] & clips.vocabulary.classification)
    labels, scores = labels_of(clips)[:, tags], clips.scores[:, tags]
    vocabulary = Vocabulary([clips.vocabulary.names[tag] for tag in tags])
    true = float(np.nanmean(pr_auc(labels, scores)))
    assert clips.groups is not None
    _, family = np.unique(clips.groups, return_inverse=True)
    members = [np.flatnonzero(family == index) for index in range(family.max() + 1)]
    random = np.random.default_rng(seed)
    held = {"basic": 0, "percentile": 0}
    above = 0.0
    for _ in range(samples):
        drawn = [members[index] for index in random.integers(0, len(members), len(members))]
        songs, groups = np.concatenate(drawn), np.repeat(np.arange(len(drawn)), [len(one) for one in drawn])
        mean = evaluate(labels[songs], scores[songs], vocabulary, groups=groups, resamples=resamples).means["pr_auc"]
        assert mean.resampled is not None
        low, high = np.percentile(mean.resampled, PERCENTILES)
        held["basic"] += mean.low <= true <= mean.high
        held["percentile"] += bool(low <= true <= high)
        above += (mean.value - true) / samples
    return {**{name: count / samples for name, count in held.items()}, "too high": above}


def draw_coverage(shares: Mapping[str, float]) -> Figure:
    """Draw what :func:`coverage` found beside the 95 % that an interval promises. Book: ``book/how_measured``."""
    figure, (ax,) = figure_for(1, 1.6)
    names = ("basic", "percentile")
    bars = ax.barh(names, [100 * shares[name] for name in names], color=CYCLE[:2], height=0.6)
    ax.bar_label(bars, fmt="%.0f %%", padding=4)
    ax.axvline(95, color=INK, ls=":")
    ax.invert_yaxis()
    ax.set(xlim=(0, 108), xlabel="intervals that hold the true value, % (promised: 95)")
    ax.set_title("The basic interval keeps its promise better", loc="left")
    return figure


def threshold_table(run: str, tags: Sequence[str]) -> pandas.DataFrame:
    """Thresholds fitted on the validation clips, and what they give on the test clips.

    Args:
        run: a bundled run.
        tags: names of tags.

    Book: ``book/how_measured``.
    """
    import pandas

    fitted, test = load_predictions(run, "validation"), load_predictions(run)
    thresholds = fit_thresholds(labels_of(fitted), fitted.scores)
    rows = {}
    for tag in tags:
        column = test.vocabulary.names.index(tag)
        given, has = test.scores[:, column] >= thresholds[column], labels_of(test)[:, column] == 1
        hits = int((given & has).sum())
        rows[tag] = {
            "threshold": float(thresholds[column]),
            "clips that get it": int(given.sum()),
            "clips that have it": int(has.sum()),
            "precision": hits / max(int(given.sum()), 1),
            "recall": hits / int(has.sum()),
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tag")
