"""What remedies against tag bias give and cost, after training and in training. Book: ``book/remedies``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..data.sheet_music.sources import tag_groups
from ..evaluation.bias import calibration, over_representation
from ..evaluation.bias.common import highest
from ..evaluation.bias.remedies import (
    Recalibration,
    adjusted_scores,
    exclusive_scores,
    fit_recalibration,
    fit_thresholds,
)
from ..evaluation.bootstrap import Interval, Resampling, interval_of
from ..evaluation.evaluate import evaluate
from ..evaluation.metrics import METRICS, pr_auc, roc_auc
from ..evaluation.seeds import SeedInterval
from ..plots.results import differences
from ..plots.style import FAINT, INK, MODEL_COLOURS, WIDTH, figure_for
from ..training.endpoint_table import compare
from ..training.results_table import cell
from .measuring import labels_of
from .popularity_study import (
    LONG,
    PERFECT,
    POPULARITY,
    SPECTROGRAM,
    classes,
    list_popularity,
    list_precision,
    models,
    resampling,
    training_share,
)
from .results_study import all_rows
from .runs import bundled_record, tag_parts

if TYPE_CHECKING:
    import pandas

AS_IT_IS, TOGETHER = "as it is", "all tags together"
# what is done in training -> run; seeds 0 to 2 of each have records
TRAINED = {
    TOGETHER: "laptop-mel-statistics-10k-s0",
    "each tag alone": "laptop-mel-statistics+per-tag-10k-s0",
    "exclusive head": "laptop-mel-statistics+exclusive-10k-s0",
    "balanced loss": "laptop-mel-statistics-10k-balanced-s0",
    "focal loss": "laptop-mel-statistics-10k-focal-s0",
}
SEEDS = (0, 1, 2)
MEASURES = ("popularity of the top 5", "precision of the top 10", "calibration error", "contradicting lists")
CHOICES = ("0.5 for every tag", "each as often as annotated", "best F1 of each tag")


@cache
def recalibration() -> Recalibration:
    """Fitted on the validation clips of the spectrogram."""
    validation = classes(SPECTROGRAM, "validation")
    return fit_recalibration(validation.scores, labels_of(validation))


def _groups() -> list[tuple[int, ...]]:
    return list(classes(SPECTROGRAM).vocabulary.exclusive_groups.values())


@cache
def after_training() -> dict[str, np.ndarray]:
    """Scores of the spectrogram on the test clips, as they are and after each remedy that needs no training."""
    scores = classes(SPECTROGRAM).scores
    return {
        AS_IT_IS: scores,
        "adjusted by half": adjusted_scores(scores, training_share(), 0.5),
        "adjusted": adjusted_scores(scores, training_share()),
        "exclusive": exclusive_scores(scores, _groups()),
        "recalibrated": recalibration()(scores),
    }


@cache
def like_balanced() -> float:
    """The strength of the adjustment with which the plain network lists tags as rare as the balanced one.

    Fitted on the validation clips, by the popularity of the top five.
    """
    plain, balanced = (classes(TRAINED[name], "validation") for name in (TOGETHER, "balanced loss"))
    alone = Resampling(len(plain.scores), resamples=1)  # no interval is needed
    shared: dict[str, Any] = {"popularity": training_share(), "top_k": 5, "resampling": alone}
    target = over_representation(balanced.scores, labels_of(balanced), **shared).against_labels.value

    def distance(strength: float) -> float:
        scores = adjusted_scores(plain.scores, training_share(), strength)
        return abs(over_representation(scores, labels_of(plain), **shared).against_labels.value - target)

    return min(np.arange(0, 1.51, 0.1).tolist(), key=distance)


@cache
def in_training() -> dict[str, np.ndarray]:
    """Scores of the small network on the test clips, trained in each way, and of the first after two remedies."""
    plain = classes(TRAINED[TOGETHER]).scores
    return {
        **{name: classes(run).scores for name, run in TRAINED.items()},
        f"adjusted by {like_balanced():.1f} afterwards": adjusted_scores(plain, training_share(), like_balanced()),
        "exclusive afterwards": exclusive_scores(plain, _groups()),
    }


def yardsticks() -> dict[str, np.ndarray]:
    """Scores of the predictors that know the annotations, and only how frequent tags are."""
    return {name: models()[name] for name in (PERFECT, POPULARITY)}


@cache
def _fewer() -> Resampling:
    """Fewer resamples, for calibration: it takes as long as all other measures."""
    test = classes(SPECTROGRAM)
    return Resampling(len(test.scores), test.groups, resamples=300)


@cache
def _of_yardstick(name: str) -> dict[str, Interval]:
    return bias_of(yardsticks()[name])


def bias_of(scores: np.ndarray) -> dict[str, Interval]:
    """The :data:`MEASURES` of scores [clips, tags] on the test clips."""
    labels = labels_of(classes(SPECTROGRAM))
    error = calibration(scores, labels, popularity=training_share(), resampling=_fewer()).mean_error
    measured = list_popularity(scores), list_precision(scores), error, contradicting_lists(scores)
    return dict(zip(MEASURES, measured, strict=True))


def contradicting_lists(scores: np.ndarray) -> Interval:
    """The share of top tens with two exclusive tags that are not both annotated."""
    listed, positive = highest(scores, LONG), labels_of(classes(SPECTROGRAM)) == 1
    violated = np.zeros(len(scores), bool)
    for members in map(list, _groups()):
        both, right = (mask[:, members].sum(axis=1) for mask in (listed, listed & positive))
        violated |= both * (both - 1) > right * (right - 1)
    sums = resampling().sums(np.column_stack([violated, np.ones(len(scores))]))
    return interval_of(sums[:, 0] / sums[:, 1], (0.0, 1.0))


def within_sources(scores: np.ndarray) -> float:
    """The mean ROC-AUC within collections, of tags that the collection does not decide."""
    test = classes(SPECTROGRAM)
    parts = {**tag_parts(test.vocabulary), **tag_groups(test.vocabulary)}
    shared: dict[str, Any] = {"groups": test.groups, "strata": test.strata, "annotated": test.annotated, "resamples": 1}
    return evaluate(labels_of(test), scores, test.vocabulary, parts=parts, **shared).means["roc_auc"].value


@cache
def measured(where: str) -> dict[str, dict[str, Interval]]:
    """Remedy -> :data:`MEASURES`, of ``"after training"`` or ``"in training"``."""
    remedies = after_training() if where == "after training" else in_training()
    return {name: bias_of(scores) for name, scores in remedies.items()}


def remedies_table(where: str) -> pandas.DataFrame:
    """One row a remedy, and the yardsticks: ROC-AUC over all clips and within collections, PR-AUC, and the :data:`MEASURES`.

    Args:
        where: ``"after training"`` or ``"in training"``.

    Book: ``book/remedies``.
    """
    import pandas

    labels, rows = labels_of(classes(SPECTROGRAM)), {}
    of = {**(after_training() if where == "after training" else in_training()), **yardsticks()}
    for name, scores in of.items():
        bias = measured(where)[name] if name in measured(where) else _of_yardstick(name)
        rows[name] = {
            "ROC-AUC": float(np.nanmean(roc_auc(labels, scores))),
            "ROC-AUC within collections": within_sources(scores),
            "PR-AUC": float(np.nanmean(pr_auc(labels, scores))),
            **{measure: interval.value for measure, interval in bias.items()},
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("remedy")


def changes(where: str) -> dict[str, dict[str, Interval]]:
    """Measure -> remedy -> change against the first row, paired."""
    (_, first), *others = measured(where).items()
    return {m: {name: one[m].paired_difference(first[m]) for name, one in others} for m in MEASURES}


def draw_changes(where: str, title: str) -> Figure:
    """What each remedy changes in each measure, with 95 % intervals. Book: ``book/remedies``."""
    of = changes(where)
    height = 2.0 + 0.5 * len(next(iter(of.values())))
    figure, panels = plt.subplots(2, 2, figsize=(WIDTH, height), sharey=True, layout="constrained")
    for panel, (measure, named) in zip(panels.flat, of.items(), strict=True):
        differences(named, ax=panel)
        panel.set_title(measure, fontsize="medium")
        panel.locator_params(axis="x", nbins=4)
    figure.supxlabel("change; hollow: the interval includes zero", fontsize="medium")
    figure.suptitle(title, x=0.01, ha="left")
    plt.close(figure)
    return figure


@cache
def price() -> dict[float, tuple[float, float]]:
    """Strength of the adjustment -> popularity of the top five and precision of the top ten."""
    adjusted = {
        strength: adjusted_scores(classes(SPECTROGRAM).scores, training_share(), strength)
        for strength in np.arange(0, 1.01, 0.125).tolist()
    }
    return {strength: (list_popularity(one).value, list_precision(one).value) for strength, one in adjusted.items()}


def draw_price() -> Figure:
    """How often lists are right, over how popular they are, for strengths of the adjustment. Book: ``book/remedies``."""
    figure, (ax,) = figure_for(1, 3.6)
    ax.plot(*np.transpose(list(price().values())), "o-", color=MODEL_COLOURS["spectrogram"])
    for strength, offset in ((0.0, (-24, 8)), (0.5, (-24, -16)), (1.0, (10, -6))):
        ax.annotate(f"strength {strength:g}", price()[strength], xytext=offset, textcoords="offset points")
    ax.axvline(list_popularity(models()[PERFECT]).value, color=FAINT, lw=3, label="as popular as the annotations")
    ax.axhline(list_precision(models()[POPULARITY]).value, color=INK, lw=1, ls=":", label="popularity only")
    ax.set(xlabel="popularity of the top 5", ylabel="precision of the top 10")
    ax.set_ylim(top=0.52)
    ax.set_title("One setting moves lists from popular to special, at a price")
    ax.grid()
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def thresholds(choice: str, exclusive: bool = False) -> np.ndarray:
    """float64 [tags]: thresholds of one of the :data:`CHOICES`, fitted on the validation clips.

    Args:
        choice: how to choose them.
        exclusive: of the scores with a softmax over exclusive groups.
    """
    validation = classes(SPECTROGRAM, "validation")
    if choice == CHOICES[0]:
        return np.full(len(validation.vocabulary), 0.5)
    scores = exclusive_scores(validation.scores, _groups()) if exclusive else validation.scores
    return fit_thresholds(scores, labels_of(validation), "prevalence" if choice == CHOICES[1] else "f1")


def thresholds_table() -> pandas.DataFrame:
    """What each choice of thresholds gives on the test clips, with and without a softmax over exclusive groups.

    Book: ``book/remedies``.
    """
    import pandas

    labels, rows = labels_of(classes(SPECTROGRAM)), []
    positive = labels == 1
    for choice in CHOICES:
        for exclusive in (False, True):
            scores = after_training()["exclusive" if exclusive else AS_IT_IS]
            given = (scores >= thresholds(choice, exclusive)) & ~np.isnan(labels)
            two = [given[:, list(members)].sum(axis=1) > 1 for members in _groups()]
            hits = (given & positive).sum()
            rows.append(
                {
                    "thresholds": choice,
                    "softmax": "yes" if exclusive else "no",
                    "tags a clip": float(given.sum(axis=1).mean()),
                    "precision": float(hits / given.sum()),
                    "recall": float(hits / positive.sum()),
                    "exclusive pair, % of clips": float(100 * np.any(two, axis=0).mean()),
                }
            )
    return pandas.DataFrame(rows).set_index("thresholds")


def seeds_table() -> pandas.DataFrame:
    """Three seeds of each way of training minus three of the first: ROC-AUC and PR-AUC over all clips, seed by seed.

    Book: ``book/remedies``.
    """
    import pandas

    rows = {}
    for name in list(TRAINED)[1:]:
        rows[name] = {
            METRICS[metric].title: ", ".join(f"{value:+.3f}" for value in seed_changes(name, metric))
            for metric in ("roc_auc", "pr_auc")
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("change in each of 3 seeds")


def seed_changes(name: str, metric: str) -> list[float]:
    """The change in each seed of one way of :data:`TRAINED` against the first: ``"roc_auc"`` or ``"pr_auc"``."""

    def mean(run: str, seed: int) -> float:
        return bundled_record(run.replace("-s0", f"-s{seed}"))["test"]["means"][metric]["value"]

    return [mean(TRAINED[name], seed) - mean(TRAINED[TOGETHER], seed) for seed in SEEDS]


def within_changes(name: str) -> dict[str, SeedInterval]:
    """Part of the tags -> ROC-AUC within sources of one way of :data:`TRAINED` minus that of the first, over songs and seeds."""
    ways = [
        next(row for row in all_rows() if TRAINED[way] in [run["name"] for run in row.row.runs])
        for way in (name, TOGETHER)
    ]
    return {part: change["roc_auc"] for part, change in compare(*ways).items()}


def within_table() -> pandas.DataFrame:
    """:func:`within_changes` of each way of training, by kind of tags.

    Book: ``book/remedies``.
    """
    import pandas

    parts = {"all": "all tags", "human": "people wrote", "meter": "metre", "mode": "mode", "instrument": "instruments"}
    rows = {
        name: {title: cell(changed[part], "+.3f") for part, title in parts.items()}
        for name in list(TRAINED)[1:]
        for changed in [within_changes(name)]
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("trained with")
