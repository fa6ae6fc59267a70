"""The one style of this book: opaque, quiet, readable on light and dark pages and by colour-blind readers.

A colour means the same model on every page. Book: ``book/how_to_use``.
"""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The colours of Okabe and Ito (2008), told apart with every common form of colour blindness.
MODEL_COLOURS = {"waveform": "#0072B2", "spectrogram": "#D55E00", "mel-statistics": "#009E73", "gbt": "#5F5F5F"}
MODEL_MARKERS = {"waveform": "o", "spectrogram": "s", "mel-statistics": "v", "gbt": "D"}
MODEL_NAMES = {
    "waveform": "waveform",
    "spectrogram": "spectrogram",
    "mel-statistics": "MLP + mel statistics",
    "gbt": "GBT + features",
}
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8860B", "#5F5F5F")
# Equal steps of the value look like equal steps of lightness in both maps.
SOUND_MAP = "magma"
SCORE_MAP = "viridis"

PAPER = "#F8F6F1"
INK = "#26262B"
FAINT = "#D5D1C8"


def use_style() -> None:
    """Set matplotlib's defaults to the style of the book, for this process. Book: ``book/how_to_use``."""
    mpl.rcParams.update(
        {
            "figure.figsize": (7.2, 2.8),
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
            "axes.prop_cycle": mpl.cycler(color=CYCLE),
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


def axes_for(ax: Axes | None, height: float = 2.8) -> tuple[Figure, Axes]:
    """The Axes to draw on, new ones if none were given."""
    if ax is not None:
        return ax.figure, ax
    figure, ax = plt.subplots(figsize=(7.2, height), layout="constrained")
    # a notebook shows the returned figure; left open, the inline backend would show it a second time
    if "inline" in mpl.get_backend():
        plt.close(figure)
    return figure, ax
