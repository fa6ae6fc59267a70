"""Areas under curve of classification tags and errors of attributes, tag by tag. Book: ``book/glossary``."""

from __future__ import annotations

import numpy as np

from .ranking import Ranking
from .validation import check_arrays, check_binary


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each tag: how often a song with the tag scores above one without it, ties as half.

    Args:
        labels: float [songs, tags], 0 or 1, nan where unknown, which is left out.
        scores: float [songs, tags], finite.

    Returns:
        float64 [tags] in [0, 1]; nan where a tag has one class only.

    Raises:
        ConfigError: shapes that differ, no songs, labels or scores that are not as above.

    Book: ``book/glossary``.
    """
    return _areas(labels, scores)[0]


def pr_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve of each tag, as average precision, without interpolation.

    Takes, returns and raises what :func:`roc_auc` does. A model that knows nothing reaches the share of positives.
    Book: ``book/glossary``.
    """
    return _areas(labels, scores)[1]


def _areas(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    labels, scores = check_arrays(labels, scores)
    check_binary(labels)
    once = np.ones((1, len(labels)), np.uint8)
    columns = [Ranking(*pair).areas(once) for pair in zip(labels.T, scores.T, strict=True)]
    return np.array(columns, np.float64).reshape(-1, 2).T


def sqrt_mse(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Root of the mean squared error of each attribute.

    Args:
        labels: float [songs, tags] in [0, 1], nan where unknown, which is left out.
        scores: float [songs, tags], finite.

    Returns:
        float64 [tags]; nan where nothing is known.

    Raises:
        ConfigError: shapes that differ, no songs, labels or scores that are not as above.

    Source: Pons et al. 2018, section 4. Book: ``book/glossary``.
    """
    squares, known = squared_errors(*check_arrays(labels, scores))
    return np.sqrt(mean_squares(squares, known, np.ones((1, len(known))))[0])


def squared_errors(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors, 0 where unknown, and 1 where known: float64 [songs, tags] each. Book: ``book/glossary``."""
    known = ~np.isnan(labels)
    return np.where(known, np.subtract(scores, labels, dtype=np.float64), 0.0) ** 2, known.astype(np.float64)


def mean_squares(squares: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean squared errors, float64 [resamples, tags], where ``counts`` [resamples, songs] says how often a song is held.

    Book: ``book/glossary``.
    """
    counts = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is known
        return (counts @ squares) / (counts @ known)
