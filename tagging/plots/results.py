"""Figures of results: metrics by number of training clips, differences between models, learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import unknown_name
from ..evaluation.bootstrap import Interval
from ..evaluation.metrics import METRICS
from ..evaluation.seeds import VERDICTS, SeedInterval
from ..utils.text import short_count
from .style import CYCLE, INK, MODEL_COLOURS, MODEL_MARKERS, MODEL_NAMES, PAPER, axes_for, figure_for


class Result(Protocol):
    """A model at one scale: a :class:`~tagging.training.results_table.Row`, a published result, or anything alike."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def num_clips(self) -> int:
        """Number of training clips."""

    @property
    def scores(self) -> Mapping[str, Any]:
        """Metric -> number or :class:`~tagging.evaluation.bootstrap.Interval`."""


def by_scale(
    rows: Iterable[Result],
    metric: str = "pr_auc",
    *,
    title: str = "",
    xlabel: str = "training songs",
    legend: bool = True,
    ax: Axes | None = None,
) -> Figure:
    """Draw a metric against the number of training clips, one line per model.

    A model with a single result is drawn as a baseline: a marker on a horizontal line.

    Args:
        rows: results; one whose metric is an :class:`~tagging.evaluation.bootstrap.Interval` gets an error bar, one without
            the metric is left out.
        metric: ``"roc_auc"``, ``"pr_auc"`` or ``"sqrt_mse"``.
        title: of the figure.
        xlabel: label of the x axis.
        legend: whether to draw a legend.
        ax: where to draw; a new figure by default.

    Raises:
        ConfigError: an unknown metric.

    Book: ``book/welcome``.
    """
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    figure, ax = axes_for(ax, 3.2)
    points: dict[str, dict[int, Interval]] = {}
    for row in rows:
        if (value := row.scores.get(metric)) is not None:
            value = value if isinstance(value, Interval) else Interval(value, value, value)
            points.setdefault(row.model, {})[row.num_clips] = value
    order = {model: index for index, model in enumerate(MODEL_COLOURS)}
    for model in sorted(points, key=lambda model: (order.get(model, len(order)), model)):
        counts = sorted(points[model])
        intervals = [points[model][count] for count in counts]
        values = [interval.value for interval in intervals]
        colour, marker = MODEL_COLOURS.get(model, INK), MODEL_MARKERS.get(model, "^")
        if len(counts) == 1:
            ax.axhline(values[0], color=colour, lw=1, ls=":")
        line = "none" if len(counts) == 1 else "-"
        ax.plot(counts, values, color=colour, marker=marker, ls=line, label=MODEL_NAMES.get(model, model))
        if any(interval.low < interval.high for interval in intervals):
            below = [interval.value - interval.low for interval in intervals]
            above = [interval.high - interval.value for interval in intervals]
            ax.errorbar(counts, values, (below, above), fmt="none", ecolor=colour, elinewidth=1, capsize=3)
    lines = [counts for counts in points.values() if len(counts) > 1] or list(points.values())
    ticks = sorted({count for counts in lines for count in counts})
    ax.set_xscale("log")
    ax.set_xticks(ticks, [short_count(tick) for tick in ticks])
    ax.minorticks_off()
    ax.grid(axis="y")
    direction = "higher" if METRICS[metric].higher_is_better else "lower"
    ax.set(xlabel=xlabel, ylabel=f"{METRICS[metric].title}\n({direction} is better)", title=title)
    if legend:
        ax.legend()
    return figure


def versions(tables: Mapping[str, Iterable[Result]], metric: str = "pr_auc", *, title: str = "") -> Figure:
    """Draw :func:`by_scale` of several tables side by side, with one y axis and one legend.

    Args:
        tables: title of a panel -> its results.
        metric: as in :func:`by_scale`.
        title: of the figure.

    Raises:
        ConfigError: an unknown metric.

    Book: ``book/welcome``.
    """
    figure, axes = figure_for(len(tables), 3.5)
    for position, (ax, (name, rows)) in enumerate(zip(axes, tables.items(), strict=True)):
        by_scale(rows, metric, title=name.replace(", ", ",\n"), legend=False, ax=ax)  # narrow panels
        if position:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
    ends = [ax.get_ylim() for ax in axes]
    for ax in axes:  # of all panels, not of the first
        ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
    figure.suptitle(title, x=0.01, ha="left")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def differences(
    named: Mapping[str, Interval],
    *,
    xlabel: str = "",
    title: str = "",
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw differences with their 95 % intervals, one per row, beside a line at zero.

    A difference whose interval includes zero has a hollow marker, and so has one of too few seeds for a verdict
    (:class:`~tagging.evaluation.seeds.SeedInterval`).

    Args:
        named: what differs -> the difference; the first at the top.
        xlabel: label of the x axis.
        title: of the figure.
        colours: name -> colour, where a difference is of one model.
        ax: where to draw; a new figure by default.

    Book: ``book/parts``.
    """
    figure, ax = axes_for(ax, 0.8 + 0.3 * len(named))
    ax.axvline(0, color=INK, lw=1, ls=":")
    for row, (name, difference) in enumerate(named.items()):
        colour = (colours or {}).get(name, CYCLE[0])
        ax.hlines(row, difference.low, difference.high, color=colour, lw=1.2)
        is_sure = difference.verdict in VERDICTS[:2] if isinstance(difference, SeedInterval) else bool(difference.sign)
        ax.plot(difference.value, row, "o", color=colour, markerfacecolor=colour if is_sure else PAPER)
    ax.set_yticks(range(len(named)), list(named))
    ax.set_ylim(max(len(named), 1) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.set(xlabel=xlabel, title=title)
    return figure


def learning(history: Sequence[Mapping[str, Any]], batch_size: int, axes: Sequence[Axes] | None = None) -> Figure:
    """Draw learning curves: the training loss, and the ROC-AUC on the validation split.

    Args:
        history: entries with ``step`` and ``loss``, some with ``validation``: the events of :func:`tagging.training.train`
            (a loss per model) or the history in a run record (one model).
        batch_size: segments per step, for an x axis in segments.
        axes: two Axes; a new figure by default.

    Book: ``book/recipe``.
    """
    left, right = figure_for(2)[1] if axes is None else axes
    losses = history[0]["loss"] if history else {}
    models = list(losses) if isinstance(losses, Mapping) else [None]
    validated = [entry for entry in history if "validation" in entry]
    for model in models:
        loss = [entry["loss"] if model is None else entry["loss"][model] for entry in history]
        results = [entry["validation"] if model is None else entry["validation"][model] for entry in validated]
        colour, label = MODEL_COLOURS.get(model or "", CYCLE[0]), MODEL_NAMES.get(model or "", model)
        left.plot([entry["step"] * batch_size for entry in history], loss, color=colour, label=label)
        steps = [entry["step"] * batch_size for entry in validated]
        right.plot(steps, [result["roc_auc"] for result in results], marker="o", color=colour, label=label)
    left.set(xlabel="training segments", ylabel="training loss", title="training")
    right.set(xlabel="training segments", ylabel="ROC-AUC", title="validation")
    right.axhline(0.5, color=INK, lw=1, ls=":")
    if len(models) > 1:
        left.legend()
    for ax in (left, right):
        ax.grid(axis="y")
        ax.set_xlim(left=0)
    return cast(Figure, left.figure)
