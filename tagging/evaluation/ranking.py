"""ROC-AUC and PR-AUC of one tag: sorted once, then counted for any number of resamples."""

from __future__ import annotations

import numpy as np


class Ranking:
    """The songs of one tag in order of score, as far as it is known which of them have the tag.

    Both areas under curve follow from a few counts at each positive song: how many positives and how many negatives lie
    at its score or above. Their order is found here, once; a resample then costs two cumulative sums, over the
    positives and over the negatives, instead of a new sort.

    Args:
        labels: float [songs]: 1 where a song has the tag, 0 where not, nan where unknown.
        scores: float [songs], finite.

    Attributes:
        positives: int [positives]: the songs with the tag, highest score first.
        negatives: int [negatives]: those without it, highest score first.

    Book: ``book/glossary``.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        self.positives, high = _descending(np.flatnonzero(labels == 1), scores)
        self.negatives, low = _descending(np.flatnonzero(labels == 0), scores)
        # for each positive: how many negatives, and how many positives, score more (above) or at least as much (reach)
        self._negatives_above = np.searchsorted(-low, -high, side="left")
        self._negatives_reach = np.searchsorted(-low, -high, side="right")
        self._positives_above = np.searchsorted(-high, -high, side="left")
        self._positives_reach = np.searchsorted(-high, -high, side="right")

    @property
    def defined(self) -> bool:
        """Whether there are songs of both classes."""
        return len(self.positives) > 0 and len(self.negatives) > 0

    def areas(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ROC-AUC and PR-AUC, with each song counted as often as a resample holds it.

        A positive and a negative of equal score count as half in order for ROC-AUC. PR-AUC is average precision: the
        mean over positives of the precision at their score, without interpolation (Davis & Goadrich 2006).

        Args:
            counts: int [resamples, songs], 0 or more.

        Returns:
            Two float64 [resamples] in [0, 1]; nan where a resample holds one class only.
        """
        if not self.defined:
            nothing = np.full(len(counts), np.nan)
            return nothing, nothing.copy()
        true, false = self._cumulated(counts)
        all_true, all_false = true[:, -1].astype(np.float64), false[:, -1].astype(np.float64)
        above, reach = false.take(self._negatives_above, axis=1), false.take(self._negatives_reach, axis=1)
        true = true.take(self._positives_reach, axis=1)
        weight = counts.take(self.positives, axis=1).astype(np.float64)  # [resamples, positives]
        with np.errstate(invalid="ignore"):  # 0 / 0 where a class is not in the resample
            passed = np.einsum("rp,rp->r", weight, above + reach)  # twice the negatives that a positive does not beat
            roc = 1 - passed / (2 * all_true * all_false)
            # where the resample holds none of the songs down to here, the weight is zero too
            precision = true / np.maximum(true + reach, 1)
            pr = np.einsum("rp,rp->r", weight, precision) / all_true
        pr[all_false == 0] = np.nan
        return roc, pr

    def recall_at_rate(self, counts: np.ndarray) -> np.ndarray:
        """Recall where as many songs are given the tag as have it: the break-even point of precision and recall.

        Songs of equal score at this place count by the share of them that still fits in, which is the mean over all their
        orders. A resample's copies of a song are such songs.

        Args:
            counts: int [resamples, songs], 0 or more.

        Returns:
            float64 [resamples] in [0, 1]; nan where a resample holds one class only.
        """
        recall = np.full(len(counts), np.nan)
        if not self.defined:
            return recall
        true, false = self._cumulated(counts)
        # one positive of each score: songs and positives down to its start and to its end; in between lie negatives only
        some = np.flatnonzero(self._positives_above == np.arange(len(self.positives)))
        above, reach = self._positives_above[some], self._positives_reach[some]
        positives = np.stack([true[:, above], true[:, reach]], axis=2)  # [resamples, scores, 2]
        negatives = np.stack([false[:, self._negatives_above[some]], false[:, self._negatives_reach[some]]], axis=2)
        songs = positives + negatives
        for row, all_true in enumerate(true[:, -1]):
            if all_true and false[row, -1]:
                recall[row] = np.interp(all_true, songs[row].ravel(), positives[row].ravel()) / all_true
        return recall

    def _cumulated(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many the first 0, 1, 2, ... positives and negatives are: int32 [resamples, positives + 1], [.., negatives + 1]."""
        sums = []
        for songs in (self.positives, self.negatives):
            sums.append(np.zeros((len(counts), len(songs) + 1), np.int32))
            np.cumsum(counts.take(songs, axis=1), axis=1, out=sums[-1][:, 1:])
        return sums[0], sums[1]


def _descending(songs: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = songs[np.argsort(-scores[songs], kind="stable")]
    return order, scores[order]
