"""Ranking within sources: whether a model hears more than which collection a song is from. Book: ``book/results``.

Most tags of a collection occur in that collection only, so over all songs their ROC-AUC mostly measures who recognises the
collection. Within the sources of songs, to know the source alone is chance.
"""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from .bootstrap import sorted_groups
from .metrics import Ranking

# The part of a vocabulary that the source of a song decides (see Corpus.parts): measured over all songs, not within sources.
COLLECTION = "collection"
# A stratum counts for a tag if so many groups have a song with it, and so many one without: of fewer, one more or less would
# move the mean, and average precision is too high by chance.
MIN_GROUPS = 5


class StratifiedRanking:
    """The ranking metrics of one tag within strata: a weighted mean of the areas within each.

    A stratum with p positive and n negative songs weighs p n / (p + n), which is the inverse variance of the ROC-AUC of a
    model that knows nothing (Mann and Whitney 1947), up to a constant. Strata with a positive or a negative song in fewer
    than 5 groups are left out, for every model and in every resample.

    Args:
        labels: float [songs]: 1 or 0, nan where unknown.
        scores: float [songs], finite.
        strata: int [songs], from 0.
        groups: int [songs], what is resampled together.

    Attributes:
        num_strata: strata that count.

    Source: van Elteren 1960, for the weights.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray, strata: np.ndarray, groups: np.ndarray) -> None:
        self._rankings = []
        for stratum in np.unique(strata).tolist():
            inside = np.where(strata == stratum, labels, np.nan)
            if min(len(np.unique(groups[inside == value])) for value in (0, 1)) >= MIN_GROUPS:
                self._rankings.append(Ranking(inside, scores))
        self.num_strata = len(self._rankings)

    def areas(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ROC-AUC and PR-AUC of each resample; a stratum without one of the classes in a resample is left out of it.

        Args:
            counts: unsigned int [resamples, songs], how often each song occurs.

        Returns:
            Two float64 [resamples] in [0, 1]; nan where no stratum has both classes. Random scores reach 0.5 in the first, and
            in the second the weighted mean of the strata's shares of positives.
        """
        sums, weights = np.zeros((2, len(counts))), np.zeros(len(counts))
        for ranking in self._rankings:
            positives, negatives = (
                counts.take(songs, axis=1).sum(axis=1, dtype=np.float64)
                for songs in (ranking.positives, ranking.negatives)
            )
            weight = positives * negatives / np.maximum(positives + negatives, 1)
            weights += weight
            sums += weight * np.nan_to_num(np.stack(ranking.areas(counts)))
        with np.errstate(invalid="ignore"):  # 0 / 0 where no stratum has both classes
            roc, pr = sums / weights
        return roc, pr


def source_alone(
    labels: np.ndarray, strata: np.ndarray, wanted: np.ndarray, annotated: np.ndarray | None = None
) -> np.ndarray:
    """Scores of a predictor that knows the source of a song and nothing else: how often each tag occurs in that source.

    >>> labels, strata = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), np.array(["songs", "songs", "dances"])
    >>> source_alone(labels, strata, np.array(["dances", "songs"])).tolist()
    [[0.0, 1.0], [1.0, 0.5]]

    Args:
        labels: float [songs, tags] of the songs to learn from, of which none is tested; nan where unknown.
        strata: [songs], their sources.
        wanted: [tested songs], the sources of the songs to score.
        annotated: bool [songs, tags], whether the source of the songs to learn from annotates a tag; None if all do.

    Returns:
        float64 [tested songs, tags]: the mean label in the source; of a source in which a tag is not known, that over all;
        0 if it is nowhere known.

    Raises:
        ConfigError: shapes that differ.
    """
    labels = mask_unannotated(np.asarray(labels, np.float64), annotated)
    strata, wanted = np.asarray(strata), np.asarray(wanted)
    if strata.shape != labels.shape[:1]:
        raise ConfigError(f"strata of shape {strata.shape}: give one source for each of the {len(labels)} songs")
    overall = np.nan_to_num(_means(labels))
    scores = np.empty((len(wanted), labels.shape[1]))
    for stratum in np.unique(wanted).tolist():
        means = _means(labels[strata == stratum])
        scores[wanted == stratum] = np.where(np.isnan(means), overall, means)
    return scores


def mask_unannotated(labels: np.ndarray, annotated: np.ndarray | None) -> np.ndarray:
    """Labels with nan where the source of a song does not annotate a tag.

    Args:
        labels: float [songs, tags].
        annotated: bool [songs, tags]; None if every source annotates every tag.

    Raises:
        ConfigError: a mask of another shape, or not of bool.
    """
    if annotated is None:
        return labels
    annotated = np.asarray(annotated)
    if annotated.dtype != bool or annotated.shape != labels.shape:
        raise ConfigError(
            f"annotated, {annotated.dtype} {annotated.shape}: give a bool mask of labels {labels.shape}: [songs, tags]"
        )
    return np.where(annotated, labels, labels.dtype.type(np.nan))


def stratum_index(strata: np.ndarray, num_songs: int) -> np.ndarray:
    """int [songs]: each song's index among the sorted strata.

    Raises:
        ConfigError: strata that do not fit the songs, or contain NaN.
    """
    return sorted_groups(strata, num_songs, "strata")[1]


def _means(labels: np.ndarray) -> np.ndarray:
    """Mean over the known labels, nan where there are none."""
    known = ~np.isnan(labels)
    with np.errstate(invalid="ignore"):
        return np.where(known, labels, 0).sum(axis=0) / known.sum(axis=0)
