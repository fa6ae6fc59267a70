"""Figures of labels: how often each tag occurs, and what its values are. Book: ``book/what_is_tagging``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .style import CYCLE, INK, drawable, figure_for


def popularity(shares: np.ndarray, names: Sequence[str], *, title: str = "", shown: int = 6) -> Figure:
    """Draw the share of songs that have each tag, most common first, on a logarithmic scale.

    Args:
        shares: float [tags], in (0, 1].
        names: of the tags.
        title: of the figure.
        shown: how many tags are named, evenly spaced over the ranks.

    Book: ``book/what_is_tagging``.
    """
    figure, (ax,) = figure_for(1, 2.8)
    order = np.argsort(-np.asarray(shares), kind="stable")
    ranks = np.arange(1, len(order) + 1)
    ax.plot(ranks, 100 * np.asarray(shares)[order], "o", ms=4, color=CYCLE[0])
    for rank in np.unique(np.linspace(0, len(order) - 1, shown).astype(int)):
        text = drawable(names[order[rank]])
        point = (rank + 1, 100 * shares[order[rank]])
        last = rank == len(order) - 1
        offset = (4, -14) if last else (5, 5)  # of the last, under the curve: over it are other points
        ax.annotate(
            text,
            point,
            xytext=offset,
            textcoords="offset points",
            fontsize=9,
            color=INK,
            ha="right" if last else "left",
        )
    ax.set_yscale("log")
    ax.set_yticks([tick for tick in (0.1, 0.3, 1, 3, 10, 30, 100) if tick >= 80 * float(np.min(shares))])
    ax.yaxis.set_major_formatter("{x:g} %")
    ax.set_ylim(bottom=60 * float(np.min(shares)))
    ax.minorticks_off()
    ax.set(xlabel="rank of the tag", ylabel="songs that have it", title=title)
    ax.grid(axis="y")
    return figure


def values(labels: Mapping[str, np.ndarray], *, title: str = "") -> Figure:
    """Draw histograms of the values of tags, side by side.

    Args:
        labels: name of a tag -> float [songs] in [0, 1]; nan is left out.
        title: of the figure.

    Book: ``book/what_is_tagging``.
    """
    figure, axes = figure_for(len(labels), 2.4)
    for ax, (name, column), colour in zip(axes, labels.items(), CYCLE, strict=False):
        known = column[~np.isnan(column)]
        ax.hist(known, bins=20, range=(0, 1), weights=np.full(len(known), 100 / len(known)), color=colour)
        ax.set(xlabel="label", title=drawable(name))
        ax.yaxis.set_major_formatter("{x:g} %")
    axes[0].set_ylabel("songs")
    figure.suptitle(title, x=0.01, ha="left")
    return figure
