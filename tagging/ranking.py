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
        # for each positive: how many negatives score more, how many at least as much, how many positives at least as much
        self._above = np.searchsorted(-low, -high, side="left")
        self._reach = np.searchsorted(-low, -high, side="right")
        self._until = np.searchsorted(-high, -high, side="right") - 1

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
        weight = counts.take(self.positives, axis=1)  # [resamples, positives]
        true = np.cumsum(weight, axis=1, dtype=np.int32)
        false = np.zeros((len(counts), len(self.negatives) + 1), np.int32)  # [resamples, negatives + 1]: of the first k
        np.cumsum(counts.take(self.negatives, axis=1), axis=1, out=false[:, 1:])
        all_true, all_false = true[:, -1].astype(np.float64), false[:, -1].astype(np.float64)
        above, reach = false.take(self._above, axis=1), false.take(self._reach, axis=1)
        true = true.take(self._until, axis=1)
        weight = weight.astype(np.float64)
        with np.errstate(invalid="ignore"):  # 0 / 0 where a class is not in the resample
            passed = np.einsum("rp,rp->r", weight, above + reach)  # twice the negatives that a positive does not beat
            roc = 1 - passed / (2 * all_true * all_false)
            # where the resample holds none of the songs down to here, the weight is zero too
            precision = true / np.maximum(true + reach, 1)
            pr = np.einsum("rp,rp->r", weight, precision) / all_true
        pr[all_false == 0] = np.nan
        return roc, pr


def _descending(songs: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = songs[np.argsort(-scores[songs], kind="stable")]
    return order, scores[order]
