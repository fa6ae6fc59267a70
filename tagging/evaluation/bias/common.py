"""Shared by the measures of tag bias: checked inputs, top-k selection, assignment of tags, rank correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ConfigError
from ..bootstrap import Resampling
from ..validation import check_arrays, check_binary, check_scores

# How often labels are drawn from the scores, to find what a measure shows for true probabilities on as few songs.
DRAWS = 20
# Where nothing says how often a tag should be assigned.
THRESHOLD = 0.5


def prepare(
    scores: np.ndarray, labels: np.ndarray | None, resampling: Resampling | None
) -> tuple[np.ndarray, np.ndarray | None, Resampling]:
    """Checked scores and labels, and the resampling or a default one.

    Args:
        scores: float [songs, tags] in [0, 1], of classification tags.
        labels: 0, 1 or nan (unknown) [songs, tags]; None without labels.
        resampling: of the songs; None for 1,000 resamples of single songs.

    Raises:
        ConfigError: fewer than two tags, a resampling of another number of songs, arrays outside their range.
    """
    scores = check_scores(scores, probabilities=True)
    if scores.shape[1] < 2:
        raise ConfigError(f"scores {scores.shape}: tag bias needs two tags or more")
    if labels is not None:
        labels, scores = check_arrays(labels, scores)
        check_binary(labels)
    resampling = resampling or Resampling(len(scores))
    if resampling.num_songs != len(scores):
        raise ConfigError(f"a resampling of {resampling.num_songs} songs does not fit scores of {len(scores)}")
    return scores, labels, resampling


def prepare_labelled(
    scores: np.ndarray, labels: np.ndarray, resampling: Resampling | None = None
) -> tuple[np.ndarray, np.ndarray, Resampling]:
    """As :func:`prepare`, for a measure that needs labels."""
    checked_scores, checked_labels, resampling = prepare(scores, labels, resampling)
    if checked_labels is None:
        raise ConfigError("labels=None: this measure needs labels")
    return checked_scores, checked_labels, resampling


def list_length(top_k: int | None, num_tags: int) -> int:
    """The length of a song's list of tags: by default 10, at most half of the tags.

    Raises:
        ConfigError: ``top_k`` is not between 1 and ``num_tags - 1``.
    """
    if top_k is None:
        return min(10, num_tags // 2)
    if not 1 <= top_k < num_tags:
        raise ConfigError(f"top_k={top_k}: with {num_tags} classification tags give 1 to {num_tags - 1}")
    return top_k


def check_groups(name: str, groups: Mapping[str, Sequence[int]], num_tags: int) -> dict[str, tuple[int, ...]]:
    """The groups that have two tags or more.

    Args:
        name: of the argument, for messages.
        groups: name of a group -> indices of its tags.
        num_tags: number of tags.

    Raises:
        ConfigError: no such group; an index given twice in a group, or outside the tags.
    """
    pairable = {group: tuple(members) for group, members in groups.items() if len(members) > 1}
    if not pairable:
        raise ConfigError(f"{name}: no group of two tags or more, so there is nothing to compare")
    for group, members in pairable.items():
        if len(set(members)) < len(members) or min(members) < 0 or max(members) >= num_tags:
            raise ConfigError(
                f"{name}, group {group!r}, tags {members}: expected distinct indices from 0 to {num_tags - 1}"
            )
    return pairable


def check_popularity(popularity: np.ndarray | None, labels: np.ndarray | None, num_tags: int) -> np.ndarray:
    """The popularity of each tag: as given, else the share of songs labelled with it.

    Args:
        popularity: 0 or more [tags], such as numbers of training positives; None to take it from the labels.
        labels: float [songs, tags], or None.
        num_tags: number of tags.

    Returns:
        float64 [tags].

    Raises:
        ConfigError: neither is given, or popularity is not as above.
    """
    if popularity is None:
        if labels is None:
            raise ConfigError("without labels give popularity: how often each tag occurs in training")
        return np.nan_to_num(prevalence(labels))
    popularity = np.asarray(popularity, np.float64)
    if (
        popularity.shape != (num_tags,)
        or not np.isfinite(popularity).all()
        or (popularity < 0).any()
        or not popularity.any()
    ):
        raise ConfigError(
            f"popularity {popularity.shape}: give 0 or a positive number for each of {num_tags} tags, not all of them 0"
        )
    return popularity


def prevalence(labels: np.ndarray) -> np.ndarray:
    """float64 [tags]: share of the labelled songs that have each tag; nan for a tag without labels."""
    known = (~np.isnan(labels)).sum(axis=0)
    return np.divide(
        np.nansum(labels, axis=0, dtype=np.float64), known, out=np.full(len(known), np.nan), where=known > 0
    )


def highest(
    scores: np.ndarray, count: int | np.ndarray, *, known: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """A mask of the highest scores of each row; ties are broken at random, so that no column is preferred.

    Args:
        scores: float [rows, columns].
        count: number of entries per row, one number or int [rows].
        known: bool [rows, columns], which entries may be chosen; all by default. A row with fewer than ``count`` gives all.
        seed: for ties.

    Returns:
        bool [rows, columns].
    """
    if known is not None:
        scores = np.where(known, scores, -np.inf)
        count = np.minimum(count, known.sum(axis=1))
    tie_breaker = np.random.default_rng(seed).random(scores.shape, np.float32)
    order = np.lexsort((tie_breaker, -scores), axis=1)
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, order, np.arange(scores.shape[1]) < np.reshape(count, (-1, 1)), axis=1)
    return chosen


def assigned_tags(
    scores: np.ndarray, labels: np.ndarray | None, thresholds: float | np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Which tags are assigned to which songs.

    Args:
        scores: float [songs, tags].
        labels: 0, 1 or nan [songs, tags]; None without labels.
        thresholds: one number or one per tag [tags]; a tag is assigned where its score is at least that. None: each tag is
            assigned to as many songs as are labelled with it; without labels, a threshold of 0.5.

    Returns:
        bool [songs, tags], and the rule in words.

    Raises:
        ConfigError: thresholds of another shape, or not finite.
    """
    if thresholds is None and labels is not None:
        count = np.round(np.nan_to_num(prevalence(labels)) * len(scores)).astype(int)
        return highest(scores.T, count).T, "each tag is assigned as often as it is labelled"
    thresholds = np.asarray(THRESHOLD if thresholds is None else thresholds, np.float64)
    if thresholds.shape not in ((), scores.shape[1:]) or not np.isfinite(thresholds).all():
        raise ConfigError(f"thresholds {thresholds.shape}: give one number, or one for each of {scores.shape[1]} tags")
    rule = f"score of {thresholds:g} or more" if thresholds.ndim == 0 else "score at or above the tag's own threshold"
    return scores >= thresholds, rule


def score_ranks(scores: np.ndarray) -> np.ndarray:
    """float64 [songs, tags]: the share of a song's other tags with a lower score, ties as half; 1 is the top."""
    ranks = np.empty(scores.shape)
    for tag, column in enumerate(scores.T):
        lower, equal = scores < column[:, None], scores == column[:, None]
        ranks[:, tag] = lower.sum(axis=1) + (equal.sum(axis=1) - 1) / 2
    return ranks / (scores.shape[1] - 1)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two float [n], over the pairs without nan; needs SciPy (extra ``train``).

    Returns:
        A number in [-1, 1]; nan for fewer than three pairs, or if one side is constant.
    """
    from scipy.stats import spearmanr

    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan
    return float(spearmanr(first, second).statistic)
