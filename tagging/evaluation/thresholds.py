"""From which score on a tag counts as present: one threshold per tag, fitted on songs with labels. Book: ``book/glossary``."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError, unknown_name

METHODS = ("f1", "rate")


def fit_thresholds(labels: np.ndarray, scores: np.ndarray, method: str = "f1") -> np.ndarray:
    """Fit a threshold for each tag: a song has the tag if its score is at least the threshold.

    Args:
        labels: float [songs, tags]: 0, 1, or nan where unknown.
        scores: float [songs, tags] in [0, 1], of songs that were not trained on.
        method: ``"f1"`` maximises the F1 score; of equally good thresholds the highest. ``"rate"`` assigns a tag to as many songs
            as have it.

    Returns:
        float64 [tags], midway between two scores; nan where a tag has not both songs with it and songs without it.

    Raises:
        ConfigError: an unknown method, or arrays that do not fit.

    >>> fit_thresholds(np.array([[0], [0], [1], [1]]), np.array([[0.1], [0.3], [0.5], [0.6]])).tolist()
    [0.4]
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if labels.shape != scores.shape or labels.ndim != 2:
        raise ConfigError(f"labels {labels.shape} and scores {scores.shape}: both must be [songs, tags]")
    return np.array([_fit(labels[:, tag], scores[:, tag], method) for tag in range(labels.shape[1])])


def _fit(labels: np.ndarray, scores: np.ndarray, method: str) -> float:
    known = ~np.isnan(labels) & ~np.isnan(scores)
    labels, scores = labels[known] == 1, scores[known]
    positives = int(labels.sum())
    if not 0 < positives < len(labels):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    labels, scores = labels[order], scores[order]
    # after how many songs one may cut: between equal scores there is no threshold
    cuts = np.flatnonzero(np.append(scores[:-1] > scores[1:], True)) + 1
    if method == "f1":
        f1 = 2 * np.cumsum(labels)[cuts - 1] / (cuts + positives)
        count = int(cuts[np.argmax(f1)])
    else:
        count = int(cuts[np.argmin(np.abs(cuts - positives))])
    # all songs have the tag: as far below the lowest score as makes no difference
    return float((scores[count - 1] + scores[count]) / 2) if count < len(scores) else float(scores[-1])
