"""Features as numbers of bins, found once for the trees of all tags. Book: ``book/baseline``."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError


class Binning:
    """Tells a few values of each feature apart, as many of the training clips in each bin.

    scikit-learn's trees find such bins themselves, anew for each tag and each time that its trees go on, which costs as much
    as growing many of them (``benchmarks/baseline_trees.py``). These are the same bins for a tag that is known in all clips;
    where it is unknown in some, scikit-learn would leave these out. They do not depend on the version of scikit-learn.

    Args:
        values: float [clips, features], of training clips.
        bins: at most so many for a feature.

    Raises:
        ConfigError: values that are not finite.

    Source: histograms of features in Ke et al. 2017 (LightGBM). Book: ``book/baseline``.
    """

    def __init__(self, values: np.ndarray, bins: int) -> None:
        self._edges = [_edges(feature.astype(np.float64), bins) for feature in _finite(values).T]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value: float64 [clips, features], feature after feature in memory, as scikit-learn reads them.

        Raises:
            ConfigError: another number of features, or values that are not finite.
        """
        values = np.asarray(values)
        if values.ndim != 2 or values.shape[1] != len(self._edges):
            raise ConfigError(f"values {values.shape}: these trees need [clips, {len(self._edges)}]")
        binned = np.empty(values.shape, np.float64, order="F")
        for place, (edges, feature) in enumerate(zip(self._edges, _finite(values).T, strict=True)):
            binned[:, place] = np.searchsorted(edges, feature.astype(np.float64))
        return binned


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ConfigError("features that are not finite; take them from tagging.baselines.features.extraction.extract")
    return values


def _edges(feature: np.ndarray, bins: int) -> np.ndarray:
    """float64 [bins - 1], or fewer: the upper edge of each bin but the last, which belongs to the bin."""
    distinct = np.unique(feature)
    if len(distinct) <= bins:
        return (distinct[:-1] + distinct[1:]) / 2
    edges = np.percentile(feature, np.linspace(0, 100, bins + 1)[1:-1], method="averaged_inverted_cdf")
    # where a value is frequent, a bin beside it can be empty; it is one with the next
    filled = np.bincount(np.searchsorted(edges, feature), minlength=bins)[:-1] > 0
    return edges[filled]
