"""The runs of the laptop edition within sources: tables, curves and leads of the pages of results. Book: ``book/results``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import ConfigError
from ..evaluation.bootstrap import Interval
from ..evaluation.metrics import METRICS
from ..evaluation.seeds import SeedInterval
from ..plots.results import by_scale, differences
from ..plots.style import INK, MODEL_NAMES, figure_for
from ..training.endpoint_table import SOURCE_ALONE, EndpointRow, compare, endpoint_rows
from ..training.results_table import recipe_of
from ..training.settings import Settings
from ..utils.text import short_count
from .published import list_published, published_results
from .runs import training_records

if TYPE_CHECKING:
    import pandas

PAIR = ("waveform", "spectrogram")
# Parts of the vocabulary, as the pages name them.
KINDS = {
    "collection": "collection",
    "human": "people wrote",
    "computed": "from the notes",
    "instrument": "instruments",
}
# Not changes of an experiment: the trees of 100,000 clips are fewer and larger, to be made in one night, and the length of
# a segment decides how many cover a clip.
_NOT_CHANGES = {"model.tree_options.iterations", "model.tree_options.leaves", "evaluation.segments_per_clip"}


@dataclass(frozen=True)
class Point:
    """A model at one scale in one part of the vocabulary, as :func:`tagging.plots.by_scale` takes it."""

    model: str
    num_clips: int
    scores: dict[str, SeedInterval]


@cache
def all_rows() -> tuple[EndpointRow, ...]:
    """Every bundled experiment with its endpoints; runs that differ in their seed are one row."""
    return tuple(endpoint_rows(training_records(), models=None))


def changes_of(row: EndpointRow) -> dict[str, Any]:
    """The settings in which a row differs from the usual recipe; number of clips and of segments are none."""
    return recipe_changes(row.row.recipe)


def recipe_changes(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in which a recipe, of :func:`~tagging.training.results_table.recipe_of`, differs from the usual one."""
    usual = recipe_of(Settings().to_dict())
    names = sorted({*recipe, *usual} - _NOT_CHANGES)
    return {name: recipe.get(name) for name in names if recipe.get(name) != usual.get(name)}


def find(
    rows: Sequence[EndpointRow], model: str, clips: int, segments: int, changes: Mapping[str, Any] | None = None
) -> EndpointRow:
    """The row of a model at a scale, with the usual settings but for the changes.

    Raises:
        ConfigError: no such row.
    """
    for row in rows:
        scale = (row.row.model, row.row.num_clips, row.row.num_training_segments)
        if scale == (model, clips, segments) and changes_of(row) == dict(changes or {}):
            return row
    raise ConfigError(f"no run of {model} with {clips:,} clips, {segments:,} segments and {dict(changes or {})}")


@cache
def table_rows() -> tuple[EndpointRow, ...]:
    """The rows of the poster's four models with the usual recipe, by number of segments and of clips."""
    return tuple(row for row in all_rows() if row.row.model in MODEL_NAMES and not changes_of(row))


def find_row(model: str, clips: int, segments: int) -> EndpointRow:
    """The row of the table of one model at one scale."""
    scale = (model, clips, segments)
    return next(row for row in table_rows() if _scale(row) == scale)


def _scale(row: EndpointRow) -> tuple[str, int, int]:
    return row.row.model, row.row.num_clips, row.row.num_training_segments


def scales() -> list[tuple[int, int]]:
    """(clips, segments) at which both networks were trained alike, by segments."""
    trained = [{_scale(row)[1:] for row in table_rows() if row.row.model == model} for model in PAIR]
    return sorted(set.intersection(*trained), key=lambda scale: scale[::-1])


def passes(clips: int, segments: int) -> str:
    """A scale as clips times repetitions, which no line of a table breaks.

    >>> passes(100_000, 512_000).split()
    ['100k', 'x', '5']
    """
    return f"{short_count(clips)} x {round(segments / clips)}".replace(" ", "\N{NO-BREAK SPACE}")


def leads(part: str = "all", metric: str = "roc_auc") -> dict[tuple[int, int], SeedInterval]:
    """(clips, segments) -> spectrogram minus waveform within sources, with an interval over songs and seeds."""
    return {
        scale: compare(find_row("spectrogram", *scale), find_row("waveform", *scale))[part][metric]
        for scale in scales()
    }


def masked_changes() -> dict[str, dict[str, dict[str, SeedInterval]]]:
    """Model -> part of the tags -> metric within sources of training with masked labels, minus that with all labels; 10k clips.

    Book: ``book/results``.
    """
    changes = {}
    for model in ("mel-statistics", "spectrogram"):
        scale = 10_000, Settings().optimization.num_training_segments
        masked = find(all_rows(), model, *scale, {"data.mask_unannotated": True})
        changes[model] = compare(masked, find_row(model, *scale))
    return changes


def masked_table(metric: str = "roc_auc") -> pandas.DataFrame:
    """:func:`masked_changes` in one metric, one row a model.

    Book: ``book/results``.
    """
    import pandas

    rows = {
        MODEL_NAMES[model]: {
            name: f"{parts[part][metric]:+.3f}" for part, name in (("all", "all tags"), *KINDS.items())
        }
        for model, parts in masked_changes().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def source_alone(part: str, metric: str) -> Interval:
    """What a predictor reaches that knows the source of a clip and nothing else."""
    return Interval.from_dict(table_rows()[0].row.runs[0]["source_alone"][part][metric])


def results_table() -> pandas.DataFrame:
    """One row a model and scale: means over tags within sources, √MSE of the attributes.

    Book: ``book/results``.
    """
    return _table({METRICS[metric].title: ("all", metric) for metric in METRICS})


def kinds_table(metric: str = "roc_auc") -> pandas.DataFrame:
    """One row a model and scale, one column a kind of tags.

    Book: ``book/results``.
    """
    return _table({name: (part, metric) for part, name in KINDS.items()})


def _table(columns: dict[str, tuple[str, str]]) -> pandas.DataFrame:
    import pandas

    first: dict[str, Any] = {"model": SOURCE_ALONE, "clips": "", "runs": None}
    rows = [first | {name: source_alone(*column) for name, column in columns.items()}]
    for row in table_rows():
        model, clips, segments = _scale(row)
        scale: dict[str, Any] = {"clips": passes(clips, segments), "runs": row.row.num_seeds}
        scores = {name: row.endpoints[part].get(metric) for name, (part, metric) in columns.items()}
        rows.append({"model": MODEL_NAMES[model].partition(" +")[0], **scale, **scores})
    return pandas.DataFrame(rows, dtype=object).set_index("model")


def poster_table() -> pandas.DataFrame:
    """The table of the poster: models on other songs, with other tags.

    Book: ``book/results``.
    """
    import pandas

    rows = [
        {
            "model": MODEL_NAMES[row.model],
            "songs": short_count(row.num_clips),
            **{METRICS[metric].title: value for metric, value in row.scores.items()},
            "training time": row.training_time or "",
        }
        for row in published_results(list_published()[0]).rows
    ]
    return pandas.DataFrame(rows).set_index("model")


def points(part: str = "all", *, once: bool) -> list[Point]:
    """The curves of a figure: rows in which each clip was trained on once, or those of the shortest training.

    Trees are in both: all see each of their clips once; only the largest are in the first.
    """
    segments = min(_scale(row)[2] for row in table_rows() if row.row.model in PAIR)
    largest = max(row.row.num_clips for row in table_rows() if row.row.model == "gbt")
    shown = []
    for row in table_rows():
        model, clips, count = _scale(row)
        if model == "gbt":
            fits = clips == largest or not once
        else:
            fits = count // clips == 1 and model in PAIR if once else count == segments
        if fits:
            shown.append(Point(model, clips, dict(row.endpoints[part])))
    return shown


def draw_panel(ax: Axes, part: str, metric: str, title: str, *, once: bool) -> None:
    """Draw one metric of one part of the tags against the number of clips, beside the predictor that knows the source.

    Args:
        ax: where to draw.
        part: of the vocabulary.
        metric: one of ``METRICS``.
        title: of the panel.
        once: as in :func:`points`.
    """
    by_scale(points(part, once=once), metric, title=title, xlabel="training clips", legend=False, ax=ax)
    ax.axhline(source_alone(part, metric).value, color=INK, lw=1, ls="--", label=SOURCE_ALONE)
    ax.set_ylabel(METRICS[metric].title)


def draw_curves() -> Figure:
    """ROC-AUC and PR-AUC within sources against the number of clips: equal training on the left, each clip once on the right.

    Book: ``book/results``.
    """
    figure, panels = figure_for(2, 5.4, rows=2)
    for position, metric in enumerate(("roc_auc", "pr_auc")):
        left, right = panels[2 * position : 2 * position + 2]
        draw_panel(left, "all", metric, "equal training: 102k segments" if not position else "", once=False)
        draw_panel(right, "all", metric, "each clip once" if not position else "", once=True)
        right.sharey(left)
        right.set_ylabel("")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("Scores rise when training grows with the clips", x=0.01, ha="left")
    return figure


def draw_kinds() -> Figure:
    """ROC-AUC of four kinds of tags, each clip once.

    Book: ``book/results``.
    """
    figure, panels = figure_for(2, 5.4, rows=2)
    for ax, (part, name) in zip(panels, KINDS.items(), strict=True):
        draw_panel(ax, part, "roc_auc", name, once=True)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("One mean hides four tasks", x=0.01, ha="left")
    return figure


def draw_leads() -> Figure:
    """Spectrogram minus waveform at every scale, ROC-AUC and PR-AUC.

    Book: ``book/results``.
    """
    figure, panels = figure_for(2, 3.2)
    for ax, metric in zip(panels, ("roc_auc", "pr_auc"), strict=True):
        named = {passes(*scale): lead for scale, lead in leads("all", metric).items()}
        differences(named, xlabel=METRICS[metric].title, ax=ax)
        ax.locator_params(axis="x", nbins=4)
    panels[1].set_yticklabels([])
    figure.suptitle("Spectrogram minus waveform, within sources", x=0.01, ha="left")
    return figure
