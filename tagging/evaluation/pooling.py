"""One score per tag and song from those of its segments: the mean, and what multiple-instance learning takes instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def mean(scores: np.ndarray) -> np.ndarray:
    """float [songs, segments, tags] in [0, 1] -> float [songs, tags]: what musicnn and this package do."""
    return scores.mean(axis=1)


def maximum(scores: np.ndarray) -> np.ndarray:
    """float [songs, segments, tags] in [0, 1] -> float [songs, tags]: the segment where a tag is surest."""
    return scores.max(axis=1)


def noisy_or(scores: np.ndarray) -> np.ndarray:
    """float [songs, segments, tags] in [0, 1] -> float [songs, tags]: at least one segment has the tag.

    As if segments were independent.

    >>> noisy_or(np.array([[[0.5], [0.5]]])).tolist()
    [[0.75]]

    Source: Zhang, Platt and Viola 2005, for the name and the idea in pictures.
    """
    # in logarithms, so that many segments of scores near 0 keep their order
    return -np.expm1(np.log1p(-np.clip(scores.astype(np.float64), 0, 1 - 1e-12)).sum(axis=1))


POOLINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"mean": mean, "maximum": maximum, "noisy-or": noisy_or}
