"""Baselines: gradient-boosted trees on hand-made features (GBT), and a small network on mel statistics.

Book: ``book/baseline``.
"""

from .features.descriptors import describe, feature_names
from .features.extraction import Features, extract
from .trees import TreeFitter, Trees, TreeSettings, fit_trees

__all__ = [
    "Features",
    "TreeFitter",
    "TreeSettings",
    "Trees",
    "describe",
    "extract",
    "feature_names",
    "fit_trees",
]
