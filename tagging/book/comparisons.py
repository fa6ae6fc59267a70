"""Runs of one scale beside each other: over all songs with every seed, and groups of tags within sources.

Book: ``book/parts``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..evaluation.bootstrap import Interval
from ..evaluation.evaluate import Evaluation, evaluate
from ..evaluation.metrics import METRICS
from ..evaluation.seeds import SeedInterval, over_seeds
from ..evaluation.stratified import source_alone
from ..training.results_table import recipe_of, table_runs
from ..training.settings import Settings
from .measuring import labels_of
from .results_study import all_rows, find, recipe_changes
from .runs import load_predictions, training_records

if TYPE_CHECKING:
    import pandas

CLIPS = 10_000
GROUPS = {"human": "people wrote", "computed": "from the notes", "instrument": "instruments"}
SOURCE_ALONE = "knows only the source"
OVER_ALL = "over all songs"


@cache
def _records() -> tuple[dict[str, Any], ...]:
    return tuple(training_records())


def usual_segments(model: str, clips: int) -> int:
    """Training segments of a run of the laptop edition; trees have each clip once."""
    return clips if model == "gbt" else Settings().optimization.num_training_segments


def runs_of(model: str, clips: int = CLIPS) -> list[dict[str, Any]]:
    """The records of a model with the usual training, by seed.

    Book: ``book/parts``.
    """
    scale = clips, usual_segments(model, clips)
    chosen = [
        run
        for run in table_runs(_records(), "laptop", [model])
        if (run["num_clips"], run["num_training_segments"]) == scale and not recipe_changes(recipe_of(run["settings"]))
    ]
    return sorted(chosen, key=lambda run: run["seed"])


def scores_of(model: str, metric: str = "roc_auc", clips: int = CLIPS) -> list[Interval]:
    """A metric over all songs in each run of a model.

    Book: ``book/parts``.
    """
    return [Evaluation.from_dict(run["test"]).means[metric] for run in runs_of(model, clips)]


def changes(
    names: Mapping[str, str], reference: str, metric: str = "roc_auc", clips: int = CLIPS
) -> dict[str, SeedInterval]:
    """Name on the page -> a model's metric over all songs minus the reference's, with its interval over songs and seeds.

    Args:
        names: model -> name; the reference is left out.
        reference: the model to subtract.
        metric: one of ``METRICS``.
        clips: to learn from.

    Book: ``book/parts``.
    """
    usual = scores_of(reference, metric, clips)
    others = {model: name for model, name in names.items() if model != reference}
    return {name: over_seeds(scores_of(model, metric, clips), usual) for model, name in others.items()}


def endpoints_of(model: str, clips: int = CLIPS, segments: int | None = None) -> dict[str, dict[str, SeedInterval]]:
    """Part of the tags -> metric within sources, over the runs whose predictions were kept.

    Args:
        model: its name.
        clips: to learn from.
        segments: trained on; None is the usual training.

    Raises:
        ConfigError: no such run.

    Book: ``book/parts``.
    """
    segments = usual_segments(model, clips) if segments is None else segments
    return find(all_rows(), model, clips, segments).endpoints


def evaluations_of(model: str, clips: int = CLIPS) -> list[Evaluation]:
    """What each run of a model, with the usual training and kept predictions, scored within sources.

    Book: ``book/parts``.
    """
    return list(find(all_rows(), model, clips, usual_segments(model, clips)).evaluations)


def groups_table(
    names: Mapping[str, str], clips: int = CLIPS, groups: Iterable[str] = tuple(GROUPS)
) -> pandas.DataFrame:
    """ROC-AUC over all songs and of groups of tags within sources: one row a model, first a predictor that knows the source.

    Args:
        names: model -> name on the page.
        clips: to learn from.
        groups: of tags, within sources; keys of :data:`GROUPS`.

    Book: ``book/parts``.
    """
    import pandas

    alone = next(run for run in _records() if "source_alone" in run)["source_alone"]
    rows: dict[str, dict[str, Interval]] = {
        SOURCE_ALONE: {
            OVER_ALL: source_over_all(),
            **{GROUPS[group]: Interval.from_dict(alone[group]["roc_auc"]) for group in groups},
        }
    }
    for model, name in names.items():
        within = endpoints_of(model, clips)
        rows[name] = {
            OVER_ALL: over_seeds(scores_of(model, clips=clips)),
            **{GROUPS[group]: within[group]["roc_auc"] for group in groups},
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


@cache
def source_over_all(run: str = "laptop-spectrogram-10k-s0", resamples: int = 200) -> Interval:
    """ROC-AUC over all songs of a predictor that knows the source alone, on the test songs of a run.

    Book: ``book/parts``.
    """
    test, validation = load_predictions(run), load_predictions(run, "validation")
    assert test.strata is not None
    assert validation.strata is not None
    scores = source_alone(labels_of(validation), validation.strata, test.strata)
    return evaluate(labels_of(test), scores, test.vocabulary, groups=test.groups, resamples=resamples).means["roc_auc"]


def changes_table(
    names: Mapping[str, str], reference: str, metrics: Iterable[str] = ("roc_auc", "pr_auc")
) -> pandas.DataFrame:
    """:func:`changes` of several metrics, one row a model.

    Book: ``book/parts``.
    """
    import pandas

    columns = {METRICS[metric].title: changes(names, reference, metric) for metric in metrics}
    rows = {title: {name: f"{one:+.3f}" for name, one in column.items()} for title, column in columns.items()}
    return pandas.DataFrame(rows).rename_axis("model")
