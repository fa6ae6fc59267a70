"""Figures of tag bias, each with a text alternative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import ConfigError
from ..evaluation.bias import BiasReport
from .style import CYCLE, FAINT, INK, drawable, figure_for

T = TypeVar("T")

MARKERS = ("o", "s", "D")
# Diverging: white at no association.
PHI_MAP = "RdBu_r"
# The most characters of a tag beside an axis.
TAG_LENGTH = 24


def figures(report: BiasReport) -> dict[str, tuple[Figure, str]]:
    """All figures that a report has data for.

    Returns:
        Name of the figure -> the figure and its text alternative.

    Book: ``book/popular_tags``.
    """
    drawn = {}
    if (over := report.over_representation) is not None:
        perfect = "" if np.isnan(over.if_perfect) else f"; of a perfect list {over.if_perfect:.2f} times"
        drawn["over-representation"] = (
            over_representation(report),
            f"Share of each tag in the predicted top {report.top_k} beside its share in the labels, most popular tag first; "
            f"listed tags are {over.against_labels:.2f} times as popular as labelled ones{perfect}.",
        )
    if (accuracy := report.accuracy) is not None:
        drawn["accuracy-by-popularity"] = (
            accuracy_by_popularity(report),
            "Recall, PR-AUC lift and rank of each tag over its popularity; rank correlations "
            f"{accuracy.recall_correlation:.2f}, {accuracy.lift_correlation:.2f} and {accuracy.rank_correlation:.2f}.",
        )
    if (calibrated := report.calibration) is not None:
        ratios = ", ".join(f"{band.ratio.value:.2f} for {band.name} tags" for band in calibrated.bands)
        drawn["reliability"] = (
            reliability(report),
            f"Share of songs that have a tag over its score, by popularity of tags; predicted / labelled is {ratios}.",
        )
    if (violated := report.contradictions) is not None:
        drawn["contradictions"] = (
            contradictions(report),
            f"Pairs of exclusive tags assigned to the same song; {violated.by_threshold:.3f} of songs get any such pair, "
            f"{violated.in_top_k:.3f} have one in their top {violated.top_k}.",
        )
    reproduced = report.cooccurrence.reproduced
    drawn["co-occurrence"] = (
        cooccurrence(report),
        "Predicted association (phi) of all pairs of tags."
        if reproduced is None
        else "Labelled and predicted association (phi) of all pairs of tags; slope of predicted over labelled phi "
        f"{reproduced:.2f}.",
    )
    return drawn


def _needed(measure: T | None, name: str) -> T:
    if measure is None:
        raise ConfigError(f"this report has no {name} to draw; its `skipped` says why")
    return measure


def over_representation(report: BiasReport) -> Figure:
    """Draw the share of each tag in the predicted top k beside its share in the labels, most popular first.

    Args:
        report: made with labels or training positives.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    measure = _needed(report.over_representation, "over-representation")
    figure, (ax,) = figure_for(1, 3.4)
    order = np.argsort(-measure.popularity, kind="stable")
    x = np.arange(len(order))
    ax.vlines(x, measure.labelled[order], measure.predicted[order], color=FAINT, lw=1.2, zorder=1)
    ax.plot(x, measure.labelled[order], "o", ms=4, color=INK, label="in the labels")
    ax.plot(x, measure.predicted[order], "s", ms=4, color=CYCLE[1], label=f"in the predicted top {report.top_k}")
    ax.axhline(1 / len(order), color=INK, lw=1, ls=":", label="at random")
    _tag_ticks(ax, [report.tags[tag] for tag in order], 30)
    ax.set(ylabel="share of all tags given", xlabel="tags, most popular first")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure


def _tag_ticks(ax: Axes, names: Sequence[str], most: int) -> None:
    """Tag names below the x axis; with more than ``most`` only every second, third, ... one."""
    step = -(-len(names) // most)
    ticks = range(0, len(names), step)
    labels = [drawable(names[tick], TAG_LENGTH) for tick in ticks]
    ax.set_xticks(ticks, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize="small", parse_math=False)


def accuracy_by_popularity(report: BiasReport) -> Figure:
    """Draw recall, PR-AUC lift and score rank of each tag over its popularity.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    measure = _needed(report.accuracy, "accuracy by popularity")
    figure, panels = figure_for(3, 2.9)
    rarest = measure.popularity[measure.popularity > 0].min()
    for ax, values, correlation, label in (
        (panels[0], measure.recall, measure.recall_correlation, "recall, assigned as labelled"),
        (panels[1], measure.lift, measure.lift_correlation, "PR-AUC / share of positives"),
        (panels[2], measure.rank, measure.rank_correlation, "rank in songs with the tag"),
    ):
        ax.plot(measure.popularity, values, "o", ms=4, color=CYCLE[0], alpha=0.8)
        ax.set_xscale("symlog", linthresh=rarest)  # not log: a tag may have no training example
        ax.set(xlabel="popularity of the tag")
        ax.set_title(f"{label}\nrank correlation\n{correlation:.2f}", fontsize="small")
    panels[1].set_yscale("log")
    panels[1].yaxis.set_major_formatter("{x:g}")
    panels[1].yaxis.set_minor_formatter("{x:g}")
    for ax in (panels[0], panels[2]):
        ax.set_ylim(-0.03, 1.03)
    return figure


def reliability(report: BiasReport) -> Figure:
    """Draw the share of songs that have a tag over its score, one curve per popularity band.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    measure = _needed(report.calibration, "calibration")
    figure, (ax,) = figure_for(1, 3.4)
    ax.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", label="calibrated scores")
    for band, colour, marker in zip(measure.bands, CYCLE, MARKERS, strict=False):
        bins = band.count > 0
        label = f"{band.name} tags"
        ax.plot(
            band.mean_score[bins], band.observed[bins], marker=marker, ms=4, color=colour, label=label, clip_on=False
        )
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of songs with the tag")
    ax.set_title("Above the line, scores are too low; below it, too high")
    ax.legend()
    return figure


def contradictions(report: BiasReport, count: int = 15) -> Figure:
    """Draw how often exclusive tags are assigned to one song, most frequent pairs first, with 95 % intervals.

    Args:
        report: of a vocabulary with exclusive groups.
        count: number of pairs.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    measure = _needed(report.contradictions, "contradictions")
    worst = sorted(measure.pairs, key=lambda pair: -max(pair.by_threshold.value, pair.in_top_k.value))[:count]
    figure, (ax,) = figure_for(1, 1.2 + 0.3 * len(worst))
    for offset, colour, marker, shares, label in (
        (-0.14, CYCLE[0], "o", [pair.by_threshold for pair in worst], "both assigned"),
        (0.14, CYCLE[1], "s", [pair.in_top_k for pair in worst], f"both in the top {measure.top_k}"),
    ):
        y = np.arange(len(worst)) + offset
        ax.hlines(y, [share.low for share in shares], [share.high for share in shares], color=colour, lw=1)
        ax.plot([share.value for share in shares], y, marker, ms=4, color=colour, label=label)
    names = [" + ".join(drawable(report.tags[tag], TAG_LENGTH) for tag in (pair.first, pair.second)) for pair in worst]
    ax.set_yticks(range(len(worst)), names, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set(xlabel="share of songs with both tags")
    ax.legend()
    return figure


def cooccurrence(report: BiasReport) -> Figure:
    """Draw the association of all pairs of tags, labelled beside predicted, most popular tags first.

    Without labels only the predicted ones are drawn, in the order of the vocabulary.

    Book: ``book/popular_tags``.
    """
    measure = report.cooccurrence
    order = np.arange(len(report.tags))
    if report.over_representation is not None:
        order = np.argsort(-report.over_representation.popularity, kind="stable")
    tables = [("predicted", measure.predicted_phi)]
    if measure.labelled_phi is not None:
        tables.insert(0, ("labelled", measure.labelled_phi))
    figure, panels = figure_for(len(tables), 4.0)
    for ax, (title, phi) in zip(panels, tables, strict=True):
        image = ax.imshow(phi[np.ix_(order, order)], cmap=PHI_MAP, vmin=-1, vmax=1, interpolation="nearest")
        ax.set(title=title, yticks=[])
        _tag_ticks(ax, [report.tags[tag] for tag in order], 15)
    figure.colorbar(image, ax=panels, label="phi: -1 never together, 1 always together", shrink=0.8)
    return figure
