"""Figures in one style. Every function draws on the given Axes, or on a new figure, and returns the Figure.

Book: ``book/how_to_use``.
"""

from . import bias, labels, spectra
from .audio import log_mel, taggram, top_tags, waveform
from .ranking import curves
from .results import by_scale, differences, learning, versions
from .style import CYCLE, FAINT, INK, MODEL_COLOURS, MODEL_MARKERS, MODEL_NAMES, PAPER, SCORE_MAP, SOUND_MAP, use_style

__all__ = [
    "CYCLE", "FAINT", "INK", "MODEL_COLOURS", "MODEL_MARKERS", "MODEL_NAMES", "PAPER", "SCORE_MAP", "SOUND_MAP", "bias",
    "by_scale", "curves", "differences", "labels", "learning", "log_mel", "spectra", "taggram", "top_tags", "use_style",
    "versions", "waveform",
]  # fmt: skip
