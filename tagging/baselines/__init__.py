"""Two baselines that the networks must beat: gradient-boosted trees on hand-made features, and a small network on mel statistics.

Book: ``book/baseline``.
"""

from .features.descriptors import describe, feature_names
from .features.extraction import Features, extract
from .trees import TreeFitter, Trees, TreeSettings, fit_trees

__all__ = [
    "BASELINES",
    "Features",
    "TreeFitter",
    "TreeSettings",
    "Trees",
    "describe",
    "extract",
    "feature_names",
    "fit_trees",
    "list_baselines",
]

# What `tagging train` takes beside the names of networks, with a line about each.
BASELINES = {
    "gbt": 'Gradient-boosted trees on hand-made features: the poster\'s "GBT + features".',
    "mel-statistics": "A small network on statistics of the log-mel spectrogram.",
}


def list_baselines() -> list[str]:
    """Names of the baselines, which ``tagging train`` takes beside the names of networks. Book: ``book/baseline``."""
    return list(BASELINES)
