"""Figures of results: over the number of training examples, differences, and how a run learnt. Book: ``book/results``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import unknown_name
from ..evaluation.bootstrap import Interval
from .style import CYCLE, INK, MODEL_COLOURS, MODEL_MARKERS, MODEL_NAMES, PAPER, axes_for

METRICS = {
    "roc_auc": ("ROC-AUC", "higher is better"),
    "pr_auc": ("PR-AUC", "higher is better"),
    "sqrt_mse": (r"$\sqrt{\mathrm{MSE}}$", "lower is better"),
}


def by_scale(
    rows: Iterable[Any],
    metric: str = "pr_auc",
    *,
    title: str = "",
    xlabel: str = "songs to learn from",
    legend: bool = True,
    ax: Axes | None = None,
) -> Figure:
    """Draw one metric against the number of training examples, one line for each model.

    A model that was trained at one scale only is drawn as a level line with its marker: a baseline.

    Args:
        rows: results with ``model``, ``examples`` and the metric, as objects or as mappings. The metric is a number, or a
            :class:`~tagging.evaluation.bootstrap.Interval`, which is drawn as a bar.
        metric: ``"roc_auc"``, ``"pr_auc"`` or ``"sqrt_mse"``.

    Book: ``book/welcome``.
    """
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    figure, ax = axes_for(ax, 3.2)
    points: dict[str, list[tuple[float, Interval]]] = {}
    for row in rows:
        fields = row if isinstance(row, Mapping) else vars(row)
        value = fields[metric]
        value = value if isinstance(value, Interval) else Interval(value, value, value)
        points.setdefault(fields["model"], []).append((fields["examples"], value))
    scales = sorted({examples for pairs in points.values() if len(pairs) > 1 for examples, _ in pairs})
    for model, pairs in sorted(points.items(), key=lambda item: _model_order(item[0])):
        examples, intervals = zip(*sorted(pairs, key=lambda pair: pair[0]), strict=True)
        values = [interval.value for interval in intervals]
        look = {"color": MODEL_COLOURS.get(model, INK), "marker": MODEL_MARKERS.get(model, "^")}
        label = MODEL_NAMES.get(model, model)
        if len(examples) == 1:
            ax.axhline(values[0], color=look["color"], lw=1, ls=":")
            ax.plot(examples, values, ls="none", label=label, **look)
        else:
            ax.plot(examples, values, label=label, **look)
        if any(interval.low < interval.high for interval in intervals):
            below = [interval.value - interval.low for interval in intervals]
            above = [interval.high - interval.value for interval in intervals]
            ax.errorbar(examples, values, (below, above), fmt="none", ecolor=look["color"], elinewidth=1, capsize=3)
    name, direction = METRICS[metric]
    ax.set_xscale("log")
    scales = scales or sorted({examples for pairs in points.values() for examples, _ in pairs})
    ax.set_xticks(scales, [_short(scale) for scale in scales])
    ax.minorticks_off()
    ax.grid(axis="y")
    ax.set(xlabel=xlabel, ylabel=f"{name}\n({direction})", title=title)
    if legend:
        ax.legend()
    return figure


def differences(named: Mapping[str, Interval], *, xlabel: str = "", title: str = "", ax: Axes | None = None) -> Figure:
    """Draw differences below each other, each a point in its 95 % interval, beside a line at zero.

    Those whose interval holds zero are drawn hollow: they may be chance.

    Args:
        named: what differs -> by how much; the first at the top.

    Book: ``book/parts``.
    """
    figure, ax = axes_for(ax, 0.8 + 0.3 * len(named))
    ax.axvline(0, color=INK, lw=1, ls=":")
    for place, found in enumerate(named.values()):
        ax.hlines(place, found.low, found.high, color=CYCLE[0], lw=1.2)
        ax.plot(found.value, place, "o", color=CYCLE[0], markerfacecolor=CYCLE[0] if found.sign else PAPER)
    ax.set_yticks(range(len(named)), named)
    ax.set_ylim(max(len(named), 1) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.set(xlabel=xlabel, title=title)
    return figure


def learning(history: Sequence[Mapping[str, Any]], batch: int, axes: Sequence[Axes] | None = None) -> Figure:
    """Draw how a run learnt: the training loss, and the ROC-AUC on the validation split.

    Args:
        history: entries of a run's history, each with ``update`` and ``loss``, some with ``validation``; as the events of
            :func:`tagging.training.train` (a loss for each model) or as in a record (one model).
        batch: segments in an update, to count in clips.
        axes: two of them, new ones if none were given.

    Book: ``book/recipe``.
    """
    if axes is None:
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
        if "inline" in mpl.get_backend():
            plt.close(figure)
    left, right = axes
    first = history[0]["loss"] if history else {}
    for model in list(first) if isinstance(first, Mapping) else [None]:
        own = (lambda value: value) if model is None else (lambda value, model=model: value[model])
        look = {"color": MODEL_COLOURS.get(model or "", CYCLE[0]), "label": MODEL_NAMES.get(model or "", model)}
        left.plot([entry["update"] * batch for entry in history], [own(entry["loss"]) for entry in history], **look)
        checked = [entry for entry in history if "validation" in entry]
        scores = [own(entry["validation"])["roc_auc"] for entry in checked]
        right.plot([entry["update"] * batch for entry in checked], scores, marker="o", **look)
    left.set(xlabel="clips seen", ylabel="training loss", title="what is minimised")
    right.set(xlabel="clips seen", ylabel="ROC-AUC", title="what is wanted, on the validation split")
    right.axhline(0.5, color=INK, lw=1, ls=":")
    if isinstance(first, Mapping) and len(first) > 1:
        left.legend()
    for ax in axes:
        ax.grid(axis="y")
        ax.set_xlim(left=0)
    return left.figure


def _model_order(model: str) -> tuple[int, str]:
    known: Sequence[str] = list(MODEL_COLOURS)
    return (known.index(model) if model in known else len(known), model)


def _short(count: float) -> str:
    """100000 -> ``100k``, 1000000 -> ``1M``."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return f"{count:g}"
