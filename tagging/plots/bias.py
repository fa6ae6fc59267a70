"""Figures of tag bias, each with a sentence that says what it shows to those who cannot see it. Book: ``book/popular_tags``."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import ConfigError
from ..evaluation.bias import BiasReport
from .style import CYCLE, FAINT, INK

MARKERS = ("o", "s", "D")
# White at no association, equally dark for as much of either sign.
PHI_MAP = "RdBu_r"


def figures(report: BiasReport) -> dict[str, tuple[Figure, str]]:
    """All figures that a report has data for.

    Returns:
        Name of the figure -> the figure, and a sentence for readers who cannot see it.

    Book: ``book/popular_tags``.
    """
    drawn = {}
    if (found := report.over_representation) is not None:
        drawn["over-representation"] = (
            over_representation(report),
            f"Share of each tag in the predicted top {report.top_k} beside its share in the annotations, most popular tag "
            f"first; listed tags are {found.against_annotations:.2f} times as popular as annotated ones"
            + (f", those of a perfect list {found.if_perfect:.2f} times." if not np.isnan(found.if_perfect) else "."),
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
            f"Share of songs that have a tag over its score, by popularity of tags; predicted / annotated is {ratios}.",
        )
    if (violated := report.contradictions) is not None:
        drawn["contradictions"] = (
            contradictions(report),
            f"Pairs of exclusive tags given to the same song; {violated.above:.3f} of songs get any such pair, "
            f"{violated.listed:.3f} have one in their top {violated.top_k}.",
        )
    together = report.cooccurrence
    drawn["co-occurrence"] = (
        cooccurrence(report),
        "Association (phi) of all pairs of tags as predicted."
        if together.reproduced is None
        else "Association (phi) of all pairs of tags as annotated and as predicted; the scores hold "
        f"{together.reproduced:.2f} of what is annotated.",
    )
    return drawn


def _needed(measure, name: str):
    if measure is None:
        raise ConfigError(f"this report has no {name} to draw; its `skipped` says why")
    return measure


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure, panels = plt.subplots(1, count, figsize=(7.2, height), layout="constrained", squeeze=False)
    # a notebook shows the returned figure; left open, the inline backend would show it a second time
    if "inline" in mpl.get_backend():
        plt.close(figure)
    return figure, panels[0].tolist()


def over_representation(report: BiasReport) -> Figure:
    """Draw the share of each tag in the predicted top k beside its share in the annotations, most popular first.

    Args:
        report: made with labels or training positives.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    found = _needed(report.over_representation, "over-representation")
    figure, (ax,) = _panels(1, 3.4)
    order = np.argsort(-found.popularity, kind="stable")
    places = np.arange(len(order))
    ax.vlines(places, found.annotated[order], found.predicted[order], color=FAINT, lw=1.2, zorder=1)
    ax.plot(places, found.annotated[order], "o", ms=4, color=INK, label="in the annotations")
    ax.plot(places, found.predicted[order], "s", ms=4, color=CYCLE[1], label=f"in the predicted top {report.top_k}")
    ax.axhline(1 / len(order), color=CYCLE[6], lw=1, ls=":", label="by chance")
    _name_places(ax, [report.tags[tag] for tag in order], 30)
    ax.set(ylabel="share of all given tags", xlabel="tags, most popular first")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure


def _name_places(ax: Axes, names: Sequence[str], most: int) -> None:
    """Names under every place while there is room for so many, else under some."""
    step = -(-len(names) // most)
    places = range(0, len(names), step)
    labels = [_short(names[place]) for place in places]
    ax.set_xticks(places, labels, rotation=60, ha="right", rotation_mode="anchor", fontsize="small", parse_math=False)


def _short(name: str, length: int = 24) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def accuracy_by_popularity(report: BiasReport) -> Figure:
    """Draw recall, PR-AUC lift and score rank of each tag over its popularity.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    found = _needed(report.accuracy, "accuracy by popularity")
    figure, panels = _panels(3, 2.9)
    rarest = found.popularity[found.popularity > 0].min()
    for ax, values, correlation, label in (
        (panels[0], found.recall, found.recall_correlation, "recall at the annotated rate"),
        (panels[1], found.lift, found.lift_correlation, "PR-AUC / share of positives"),
        (panels[2], found.rank, found.rank_correlation, "rank in songs that have the tag"),
    ):
        ax.plot(found.popularity, values, "o", ms=4, color=CYCLE[0], alpha=0.8)
        ax.set_xscale("symlog", linthresh=rarest)  # a tag that training never gave has no logarithm
        ax.set(xlabel="popularity of the tag", ylabel=label)
        ax.set_title(f"rank correlation\n{correlation:.2f}", fontsize="small")
    panels[1].set_yscale("log")
    panels[1].yaxis.set_major_formatter("{x:g}")
    panels[1].yaxis.set_minor_formatter("{x:g}")
    for ax in (panels[0], panels[2]):
        ax.set_ylim(-0.03, 1.03)
    return figure


def reliability(report: BiasReport) -> Figure:
    """Draw the share of songs that have a tag over the score it got, one curve for each band of popularity.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    found = _needed(report.calibration, "calibration")
    figure, (ax,) = _panels(1, 3.4)
    ax.plot([0, 1], [0, 1], color=CYCLE[6], lw=1, ls=":", label="scores that mean what they say")
    for band, colour, marker in zip(found.bands, CYCLE, MARKERS, strict=False):
        held = band.count > 0
        ax.plot(
            band.mean_score[held], band.observed[held], marker=marker, ms=4, color=colour, label=f"{band.name} tags"
        )
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share of songs that have the tag")
    ax.legend()
    return figure


def contradictions(report: BiasReport, count: int = 15) -> Figure:
    """Draw how often exclusive tags are given to one song, the worst pairs first, with 95 % intervals.

    Args:
        report: of a vocabulary with exclusive groups.
        count: how many pairs.

    Raises:
        ConfigError: the report lacks this measure.

    Book: ``book/popular_tags``.
    """
    found = _needed(report.contradictions, "contradictions")
    worst = sorted(found.pairs, key=lambda pair: -max(pair.above.value, pair.listed.value))[:count]
    figure, (ax,) = _panels(1, 1.2 + 0.3 * len(worst))
    for shift, colour, marker, name, label in (
        (-0.14, CYCLE[0], "o", "above", "given by their thresholds"),
        (0.14, CYCLE[1], "s", "listed", f"both in the top {found.top_k}"),
    ):
        places = np.arange(len(worst)) + shift
        shares = [getattr(pair, name) for pair in worst]
        ax.hlines(places, [share.low for share in shares], [share.high for share in shares], color=colour, lw=1)
        ax.plot([share.value for share in shares], places, marker, ms=4, color=colour, label=label)
    names = [f"{_short(report.tags[pair.first])} + {_short(report.tags[pair.second])}" for pair in worst]
    ax.set_yticks(range(len(worst)), names, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set(xlabel="share of songs that are given both")
    ax.legend()
    return figure


def cooccurrence(report: BiasReport) -> Figure:
    """Draw the association of all pairs of tags, annotated beside predicted, most popular tags first.

    Without labels the predicted ones stand alone, in the order of the vocabulary.

    Book: ``book/popular_tags``.
    """
    found = report.cooccurrence
    order = np.arange(len(report.tags))
    if report.over_representation is not None:
        order = np.argsort(-report.over_representation.popularity, kind="stable")
    tables = [("predicted", found.predicted_phi)]
    if found.annotated_phi is not None:
        tables.insert(0, ("annotated", found.annotated_phi))
    figure, panels = _panels(len(tables), 4.0)
    for ax, (title, phi) in zip(panels, tables, strict=True):
        image = ax.imshow(phi[np.ix_(order, order)], cmap=PHI_MAP, vmin=-1, vmax=1, interpolation="nearest")
        ax.set(title=title, yticks=[])
        _name_places(ax, [report.tags[tag] for tag in order], 15)
    figure.colorbar(image, ax=panels, label="phi: -1 never together, 1 always together", shrink=0.8)
    return figure
