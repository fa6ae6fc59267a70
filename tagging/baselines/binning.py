"""Binning of features, computed once for the trees of all tags."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError


class Binning:
    """Quantizes each feature into bins with equally many training clips.

    The trees of scikit-learn bin the features again for each tag and each time trees are added, which costs as much as
    growing many trees (``benchmarks/baseline_trees.py``). For a tag that is known in all clips the bins are the same.
    scikit-learn leaves out the clips in which a tag is unknown; these bins use all clips.

    Args:
        values: float [clips, features], of training clips.
        bins: the most bins for a feature.

    Raises:
        ConfigError: values that are not finite.

    Source: histograms of features in Ke et al. 2017 (LightGBM).
    """

    def __init__(self, values: np.ndarray, bins: int) -> None:
        self._edges = [_edges(feature.astype(np.float64), bins) for feature in _finite(values).T]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value: float64 [clips, features], in the memory order that scikit-learn reads.

        Args:
            values: float [clips, features].

        Raises:
            ConfigError: another number of features, or values that are not finite.
        """
        values = np.asarray(values)
        if values.ndim != 2 or values.shape[1] != len(self._edges):
            raise ConfigError(f"values {values.shape}: these trees need [clips, {len(self._edges)}]")
        binned = np.empty(values.shape, np.float64, order="F")
        for column, (edges, feature) in enumerate(zip(self._edges, _finite(values).T, strict=True)):
            binned[:, column] = np.searchsorted(edges, feature.astype(np.float64))
        return binned


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ConfigError("NaN or infinite features; use those of tagging.baselines.extract")
    return values


def _edges(feature: np.ndarray, bins: int) -> np.ndarray:
    """float64 [at most bins - 1]: the upper edges of all bins but the last; a value at an edge is in the lower bin."""
    distinct = np.unique(feature)
    if len(distinct) <= bins:
        return (distinct[:-1] + distinct[1:]) / 2
    edges = np.percentile(feature, np.linspace(0, 100, bins + 1)[1:-1], method="averaged_inverted_cdf")
    # a bin beside a frequent value can be empty; it is joined with the next
    filled = np.bincount(np.searchsorted(edges, feature), minlength=bins)[:-1] > 0
    return edges[filled]
