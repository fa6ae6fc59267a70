"""Figures of rankings: ROC and precision-recall curves of every tag and their mean, and a metric of every tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import ConfigError
from ..evaluation import METRICS, Evaluation
from .style import CYCLE, FAINT, INK, drawable, figure_for

_GRID = np.linspace(0, 1, 201)
# So many tags have a colour and a place in the legend; more are grey.
_NAMED = 6


def curves(labels: np.ndarray, scores: np.ndarray, tags: Sequence[str], axes: Sequence[Axes] | None = None) -> Figure:
    """Draw the ROC curve (left) and the precision-recall curve (right) of every tag, and their means over tags.

    Args:
        labels: float [songs, tags]: 0 or 1, nan where unknown.
        scores: float [songs, tags].
        tags: their names; tags with one class only are left out.
        axes: two Axes; a new figure by default.

    Raises:
        ConfigError: no tag has two classes.
    """
    left, right = figure_for(2, 3.4)[1] if axes is None else axes
    drawn = {}
    for column, tag in enumerate(tags):
        known = ~np.isnan(labels[:, column])
        if 0 < (labels[known, column] == 1).sum() < known.sum():
            curve = ranking_curve(labels[known, column], scores[known, column])
            complete = int(np.argmax(curve[1] >= 1)) + 1  # beyond it, precision alone falls
            drawn[tag] = curve[0], curve[1], np.append(curve[2][:complete], np.full(len(curve[2]) - complete, np.nan))
    if not drawn:
        raise ConfigError("no tag has both positive and negative songs: there is no curve to draw")
    few = len(drawn) <= _NAMED
    for position, (tag, (false_positives, recall, precision)) in enumerate(drawn.items()):
        style = {"color": CYCLE[position % len(CYCLE)], "label": tag} if few else {"color": FAINT, "lw": 0.8}
        left.plot(false_positives, recall, **style)
        right.plot(recall[1:], precision[1:], **style)
    if len(drawn) > 1:
        mean_recall = np.mean([np.interp(_GRID, curve[0], curve[1]) for curve in drawn.values()], axis=0)
        shown = [(recall[1:], precision[1:], ~np.isnan(precision[1:])) for _, recall, precision in drawn.values()]
        mean_precision = np.mean([np.interp(_GRID, x[known], y[known]) for x, y, known in shown], axis=0)
        label = f"mean of {len(drawn)} tags"
        left.plot(_GRID, mean_recall, color=INK, lw=2.2, label=label)
        right.plot(_GRID, mean_precision, color=INK, lw=2.2, label=label)
    left.plot([0, 1], [0, 1], color=INK, lw=1, ls=":")
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    right.set(xlabel="recall", ylabel="precision", title="precision and recall", ylim=(0, 1.02))
    left.legend(loc="lower right")
    return cast(Figure, left.figure)


def by_tag(
    evaluation: Evaluation, groups: Mapping[str, np.ndarray], metric: str = "roc_auc", *, title: str = ""
) -> Figure:
    """Draw a metric of every tag as a dot, one row for each group of tags, and the mean over all tags as a line.

    Args:
        evaluation: of a model.
        groups: name -> bool [tags]; a group without results is left out.
        metric: one of :data:`tagging.evaluation.METRICS`.
        title: of the figure.

    Book: ``book/how_measured``.
    """
    results = {name: [evaluation.tags[tag] for tag in np.flatnonzero(mask)] for name, mask in groups.items()}
    rows = {
        name: [(getattr(tag, metric).value, tag.name) for tag in tags if getattr(tag, metric)]
        for name, tags in results.items()
    }
    rows = {name: sorted(row) for name, row in rows.items() if row}
    ends = min(row[0][0] for row in rows.values()), max(row[-1][0] for row in rows.values())
    figure, (ax,) = figure_for(1, 1.2 + 0.75 * len(rows))
    for position, (row, colour) in enumerate(zip(rows.values(), CYCLE, strict=False)):
        ax.plot([value for value, _ in row], [position] * len(row), "o", color=colour, alpha=0.6)
        lowest, highest = row[0], row[-1]
        far = highest[0] - lowest[0] > 0.08 * (ends[1] - ends[0])
        for value, name in (lowest, highest) if far else (lowest,):
            left = (value, name) == lowest and far
            # above and below the dots, so that two long names do not meet
            ax.annotate(
                drawable(name), (value, position), xytext=(0, 9 if left or not far else -16), textcoords="offset points",
                fontsize=9, ha="left" if left else "right",
            )  # fmt: skip
    mean = evaluation.means[metric].value
    ax.axvline(mean, color=INK, ls=":", label=f"mean of all tags, {mean:.3f}")
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.3, -0.7)
    ax.set(xlabel=METRICS[metric].title, title=title)
    figure.legend(loc="outside lower center")
    return figure


def bars(values: Mapping[str, float], label: str, *, title: str = "", chance: float | None = None) -> Figure:
    """Draw one bar for each name, highest at the top.

    Args:
        values: name -> value.
        label: of the values.
        title: of the figure.
        chance: where a dotted line marks what guessing gives; None for no line.

    Book: ``book/training_loop``.
    """
    figure, (ax,) = figure_for(1, 0.8 + 0.27 * len(values))
    names = sorted(values, key=lambda name: values[name])
    drawn = ax.barh([drawable(name) for name in names], [values[name] for name in names], color=CYCLE[0], height=0.65)
    ax.bar_label(drawn, fmt="%.2f", padding=3, fontsize="small")
    if chance is not None:
        ax.axvline(chance, color=INK, ls=":")
    ax.set(xlabel=label, title=title)
    ax.set_xlim(right=1.12 * max(values.values()))
    return figure


def ranking_curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False positive rate, true positive rate (recall) and precision at every threshold, from none to all songs.

    Args:
        labels: float [songs], 0 or 1, both at least once.
        scores: float [songs]; songs with equal scores are on the same side of every threshold.

    Returns:
        float64 [thresholds + 1] each, beginning at (0, 0, 1).
    """
    order = np.argsort(-scores, kind="stable")
    positives, ranked = labels[order] == 1, scores[order]
    cuts = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True))
    hits = np.cumsum(positives)[cuts]
    count = cuts + 1.0
    false_positives = (count - hits) / (~positives).sum()
    return (
        np.append(0.0, false_positives),
        np.append(0.0, hits / positives.sum()),
        np.append(1.0, hits / count),
    )
