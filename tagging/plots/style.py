"""The style of all figures: opaque, readable on light and dark pages and by colour-blind readers.

A colour means the same model on every page.
"""

from __future__ import annotations

from typing import cast

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.2  # of a figure, in inches
# The colours of Okabe and Ito (2008), distinguishable with all common forms of colour blindness.
MODEL_COLOURS = {"waveform": "#0072B2", "spectrogram": "#D55E00", "mel-statistics": "#009E73", "gbt": "#5F5F5F"}
MODEL_MARKERS = {"waveform": "o", "spectrogram": "s", "mel-statistics": "v", "gbt": "D"}
MODEL_NAMES = {
    "waveform": "waveform",
    "spectrogram": "spectrogram",
    "mel-statistics": "MLP + mel statistics",
    "gbt": "GBT + features",
}
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8860B", "#5F5F5F")
# Both colour maps are perceptually uniform.
SOUND_MAP = "magma"
SCORE_MAP = "viridis"

PAPER = "#F8F6F1"
INK = "#26262B"
FAINT = "#D5D1C8"


def use_style() -> None:
    """Set matplotlib's defaults to this style, for the current process. Book: ``book/how_to_use``."""
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 2.8),
            "figure.dpi": 150,  # 1080 pixels: sharp at the width of a page
            "figure.facecolor": PAPER,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": PAPER,
            "font.size": 10.5,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.facecolor": PAPER,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "grid.color": FAINT,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "image.cmap": SOUND_MAP,
        }
    )


def figure_for(columns: int = 1, height: float = 2.8) -> tuple[Figure, list[Axes]]:
    """A new figure with one row of Axes.

    Args:
        columns: number of Axes.
        height: of the figure, in inches.
    """
    figure, grid = plt.subplots(1, columns, figsize=(WIDTH, height), layout="constrained", squeeze=False)
    # a notebook shows the returned figure; left open, the inline backend would show it a second time
    if "inline" in mpl.get_backend():
        plt.close(figure)
    return figure, list(grid[0])


def axes_for(ax: Axes | None, height: float = 2.8) -> tuple[Figure, Axes]:
    """The given Axes with their figure, or those of a new figure of this height in inches."""
    if ax is not None:
        return cast(Figure, ax.figure), ax
    figure, (ax,) = figure_for(1, height)
    return figure, ax
