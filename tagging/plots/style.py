"""The style of all figures: opaque, readable on light and dark pages and by colour-blind readers.

A colour means the same model on every page; what is no model takes a colour of :data:`CYCLE`, which no model has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font

from ..utils.text import printable, shortened

WIDTH = 7.2  # of a figure, in inches
# The colours of Okabe and Ito (2008), distinguishable with all common forms of colour blindness; pink and yellow darkened.
MODEL_COLOURS = {
    "waveform": "#0072B2",
    "spectrogram": "#D55E00",
    "mel-statistics": "#009E73",
    "gbt": "#5F5F5F",
    "musicnn": "#C0568F",
    "vgg": "#A67C00",
}
MODEL_MARKERS = {"waveform": "o", "spectrogram": "s", "mel-statistics": "v", "gbt": "D", "musicnn": "P", "vgg": "X"}
MODEL_NAMES = {
    "waveform": "waveform",
    "spectrogram": "spectrogram",
    "mel-statistics": "MLP + mel statistics",
    "gbt": "GBT + features",
}
# Violet, olive, wine, light blue, brown, lilac: for tags, sounds, parts, settings.
CYCLE = ("#7D5BA6", "#8A8D3B", "#882255", "#56B4E9", "#7F5539", "#B3A2C7")
# Both colour maps are perceptually uniform.
SOUND_MAP = "magma"
SCORE_MAP = "viridis"

PAPER = "#F8F6F1"
INK = "#26262B"
FAINT = "#D5D1C8"


# Fonts of other scripts, tried in this order where they are installed; matplotlib brings none.
FALLBACK_FONTS = (
    "Noto Sans CJK JP", "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai",
    "Noto Emoji", "Hiragino Sans", "Arial Unicode MS", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Segoe UI Symbol",
)  # fmt: skip


def lighter(colour: str) -> str:
    """A tint of a model's colour, for a second variant of this model in one figure.

    >>> lighter("#000000")
    '#706f6c'
    """
    ink, paper = np.array(to_rgb(colour)), np.array(to_rgb(PAPER))
    return to_hex(tuple(0.55 * ink + 0.45 * paper))


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
            "font.sans-serif": ["DejaVu Sans", *_installed(FALLBACK_FONTS)],
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


def drawable(text: str, length: int = 34) -> str:
    r"""A name of others, such as a tag or a file, as text that can be drawn in the fonts of now.

    Characters without a shape in them, and those that are no text (:func:`tagging.utils.text.printable`), are escaped.

    >>> print(drawable("b\u00e9b\u00e9 \udcff"))  # a file name with a byte that is not UTF-8
    bébé \xff
    """
    known = _shapes(tuple(mpl.rcParams["font.sans-serif"]))
    characters = (
        char if ord(char) in known else char.encode("unicode_escape").decode("ascii") for char in printable(text)
    )
    return shortened("".join(characters), length)


@lru_cache(maxsize=8)
def _shapes(families: tuple[str, ...]) -> frozenset[int]:
    """The characters for which one of these families has a shape."""
    paths = [fontManager.findfont(FontProperties(family=[family])) for family in _installed(families)]
    return frozenset(char for path in paths for char in get_font(path).get_charmap())


def _installed(families: tuple[str, ...]) -> list[str]:
    available = {font.name for font in fontManager.ttflist}
    return [family for family in families if family in available]


def figure_for(columns: int = 1, height: float = 2.8, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A new figure with its Axes, row by row.

    Args:
        columns: number of Axes in a row.
        height: of the figure, in inches.
        rows: of Axes.
    """
    figure, grid = plt.subplots(rows, columns, figsize=(WIDTH, height), layout="constrained", squeeze=False)
    # a notebook shows the returned figure; left open, the inline backend would show it a second time
    if "inline" in mpl.get_backend():
        plt.close(figure)
    return figure, list(grid.flat)


def axes_for(ax: Axes | None, height: float = 2.8) -> tuple[Figure, Axes]:
    """The given Axes with their figure, or those of a new figure of this height in inches."""
    if ax is not None:
        return cast(Figure, ax.figure), ax
    figure, (ax,) = figure_for(1, height)
    return figure, ax
