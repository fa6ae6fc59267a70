"""ROC-AUC and PR-AUC of classification tags, root mean squared error of regression tags. Book: ``book/glossary``."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..tags import CLASSIFICATION, REGRESSION
from .validation import check_arrays, check_binary


class Metric(NamedTuple):
    """A metric of a tag.

    Attributes:
        title: for tables and figures.
        kind: of the tags it is defined for, ``"classification"`` or ``"regression"``.
        limits: the smallest and the largest possible value.
        higher_is_better: the direction.
    """

    title: str
    kind: str
    limits: tuple[float, float]
    higher_is_better: bool


METRICS = {
    "roc_auc": Metric("ROC-AUC", CLASSIFICATION, (0.0, 1.0), True),
    "pr_auc": Metric("PR-AUC", CLASSIFICATION, (0.0, 1.0), True),
    "sqrt_mse": Metric("√MSE", REGRESSION, (0.0, math.inf), False),
}


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each tag: how often a positive song outscores a negative one; ties count one half.

    Args:
        labels: float [songs, tags], 0 or 1; nan where unknown, which is left out.
        scores: float [songs, tags], finite.

    Returns:
        float64 [tags] in [0, 1]; nan for a tag with one class only.

    Raises:
        ConfigError: shapes that differ, no songs, labels or scores outside their range.

    Book: ``book/glossary``.
    """
    return _areas(labels, scores)[0]


def pr_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve of each tag, as average precision without interpolation.

    Arguments, result and errors are those of :func:`roc_auc`. Random scores reach the share of positives.
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
    """Root mean squared error of each regression tag.

    Args:
        labels: float [songs, tags] in [0, 1]; nan where unknown, which is left out.
        scores: float [songs, tags], finite.

    Returns:
        float64 [tags]; nan for a tag without labels.

    Raises:
        ConfigError: shapes that differ, no songs, labels or scores outside their range.

    Source: Pons et al. 2018, section 4. Book: ``book/glossary``.
    """
    squares, known = squared_errors(*check_arrays(labels, scores))
    return np.sqrt(mean_squares(squares, known, np.ones((1, len(known))))[0])


def squared_errors(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors (0 where unknown) and whether the label is known (1 or 0), float64 [songs, tags] each."""
    known = ~np.isnan(labels)
    return np.where(known, np.subtract(scores, labels, dtype=np.float64), 0.0) ** 2, known.astype(np.float64)


def mean_squares(squares: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean squared errors, float64 [resamples, tags], of songs that occur ``counts`` [resamples, songs] times."""
    counts = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0 where no label is known
        return (counts @ squares) / (counts @ known)


class Ranking:
    """The labelled songs of one tag, sorted by score once, so that ranking metrics of many resamples are cheap.

    Both areas follow from four counts at each positive song: how many positives and negatives have a higher score, and how
    many at least the same. The order is found here; each resample then costs two cumulative sums instead of a sort.

    Args:
        labels: float [songs]: 1 or 0, nan where unknown.
        scores: float [songs], finite.

    Attributes:
        positives: int [positives], the songs with the tag, highest score first.
        negatives: int [negatives], the songs without it, highest score first.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        self.positives, high = _descending(np.flatnonzero(labels == 1), scores)
        self.negatives, low = _descending(np.flatnonzero(labels == 0), scores)
        # for each positive: how many negatives, and positives, have a higher score (above) or at least the same (reached)
        self._negatives_above = np.searchsorted(-low, -high, side="left")
        self._negatives_reached = np.searchsorted(-low, -high, side="right")
        self._positives_above = np.searchsorted(-high, -high, side="left")
        self._positives_reached = np.searchsorted(-high, -high, side="right")

    @property
    def defined(self) -> bool:
        """Whether there are songs of both classes."""
        return len(self.positives) > 0 and len(self.negatives) > 0

    def areas(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ROC-AUC and PR-AUC of each resample.

        A positive and a negative with equal scores count one half in ROC-AUC. PR-AUC is average precision: the mean over
        positives of the precision at their score, without interpolation (Davis & Goadrich 2006).

        Args:
            counts: unsigned int [resamples, songs], how often each song occurs.

        Returns:
            Two float64 [resamples] in [0, 1]; nan where a resample has one class only.
        """
        if not self.defined:
            undefined = np.full(len(counts), np.nan)
            return undefined, undefined.copy()
        true, false = self._cumulated(counts)
        all_true, all_false = true[:, -1].astype(np.float64), false[:, -1].astype(np.float64)
        above, reached = false.take(self._negatives_above, axis=1), false.take(self._negatives_reached, axis=1)
        true = true.take(self._positives_reached, axis=1)
        weight = counts.take(self.positives, axis=1).astype(np.float64)  # [resamples, positives]
        with np.errstate(invalid="ignore"):  # 0 / 0 where the resample lacks a class
            lost = np.einsum("rp,rp->r", weight, above + reached)  # twice the pairs that a positive loses; a tie is one
            roc = 1 - lost / (2 * all_true * all_false)
            # where the resample has no song down to here, the weight is zero too
            precision = true / np.maximum(true + reached, 1)
            pr = np.einsum("rp,rp->r", weight, precision) / all_true
        pr[all_false == 0] = np.nan
        return roc, pr

    def break_even_recall(self, counts: np.ndarray) -> np.ndarray:
        """Recall when as many songs are given the tag as have it, which is where precision equals recall.

        Songs tied at the cut, copies of a song included, count by the fraction of them that is above it: the mean over
        all orders of the tied songs.

        Args:
            counts: unsigned int [resamples, songs], how often each song occurs.

        Returns:
            float64 [resamples] in [0, 1]; nan where a resample has one class only.
        """
        recall = np.full(len(counts), np.nan)
        if not self.defined:
            return recall
        true, false = self._cumulated(counts)
        # for each distinct positive score: songs and positives above it and down to it; between these lie only negatives
        distinct = np.flatnonzero(self._positives_above == np.arange(len(self.positives)))
        above, reached = self._positives_above[distinct], self._positives_reached[distinct]
        positives = np.stack([true[:, above], true[:, reached]], axis=2)  # [resamples, scores, 2]
        negatives = [false[:, index[distinct]] for index in (self._negatives_above, self._negatives_reached)]
        songs = positives + np.stack(negatives, axis=2)
        for row, all_true in enumerate(true[:, -1]):
            if all_true and false[row, -1]:
                recall[row] = np.interp(all_true, songs[row].ravel(), positives[row].ravel()) / all_true
        return recall

    def _cumulated(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Songs among the first 0, 1, 2, ... positives and negatives: int32 [resamples, positives + 1], [.., negatives + 1]."""
        sums = []
        for songs in (self.positives, self.negatives):
            sums.append(np.zeros((len(counts), len(songs) + 1), np.int32))
            np.cumsum(counts.take(songs, axis=1), axis=1, out=sums[-1][:, 1:])
        return sums[0], sums[1]


def _descending(songs: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = songs[np.argsort(-scores[songs], kind="stable")]
    return order, scores[order]
