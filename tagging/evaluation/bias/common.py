"""What the measures of bias share: checked arrays, the highest of each row, given tags, ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import ConfigError
from ..bootstrap import Resampling
from ..validation import check_arrays, check_binary, check_scores

# How often labels are drawn from the scores, to see what a measure shows of true probabilities on as few songs.
DRAWS = 20
# From here on a tag counts as given where nothing says how often it should be.
THRESHOLD = 0.5


def prepare(
    scores: np.ndarray, labels: np.ndarray | None, resampling: Resampling | None
) -> tuple[np.ndarray, np.ndarray | None, Resampling]:
    """Scores, labels and resampling as the measures need them.

    Args:
        scores: float [songs, tags] in [0, 1], of classification tags.
        labels: 0, 1 or nan (unknown) [songs, tags]; None if there are no annotations.
        resampling: what intervals resample; None for 1,000 resamples of single songs.

    Raises:
        ConfigError: fewer than two tags, a resampling of another number of songs, arrays outside the ranges above.

    Book: ``book/popular_tags``.
    """
    scores = check_scores(scores, unit=True)
    if scores.shape[1] < 2:
        raise ConfigError(f"scores {scores.shape}: bias towards some tags can only be measured with two tags or more")
    if labels is not None:
        labels, scores = check_arrays(labels, scores)
        check_binary(labels)
    resampling = resampling or Resampling(len(scores))
    if resampling.songs != len(scores):
        raise ConfigError(f"a resampling of {resampling.songs} songs does not fit scores of {len(scores)}")
    return scores, labels, resampling


def check_top_k(top_k: int, tags: int) -> None:
    """Refuse a list that has no room, or room for every tag.

    Raises:
        ConfigError: ``top_k`` is not in 1 ... tags - 1.

    Book: ``book/popular_tags``.
    """
    if not 1 <= top_k < tags:
        raise ConfigError(f"top_k={top_k}: with {tags} classification tags give 1 to {tags - 1}")


def check_groups(name: str, groups: Mapping[str, Sequence[int]], tags: int) -> dict[str, tuple[int, ...]]:
    """The groups of two tags or more.

    Args:
        name: of the argument, for errors.
        groups: name of a group -> places of its tags.
        tags: how many there are.

    Raises:
        ConfigError: no such group, a place given twice in one or outside 0 ... tags - 1.

    Book: ``book/popular_tags``.
    """
    held = {group: tuple(members) for group, members in groups.items() if len(members) > 1}
    if not held:
        raise ConfigError(f"{name}: no group of two tags or more, so there is nothing to compare")
    for group, members in held.items():
        if len(set(members)) < len(members) or min(members) < 0 or max(members) >= tags:
            raise ConfigError(
                f"{name}, group {group!r}, tags {members}: expected different places from 0 to {tags - 1}"
            )
    return held


def check_popularity(
    popularity: np.ndarray | None, labels: np.ndarray | None, tags: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """How frequent each tag is, and how frequent it is annotated.

    Args:
        popularity: 0 or more [tags], such as numbers of training positives; None for the frequencies in the labels.
        labels: float [songs, tags], or None.
        tags: how many there are.

    Returns:
        Two float64 [tags]: popularity as given or annotated, and the annotated share of songs (nan where nothing is known;
        None without labels).

    Raises:
        ConfigError: neither is given, or popularity is not as above.

    Book: ``book/popular_tags``.
    """
    rates = None if labels is None else annotated_rates(labels)
    if popularity is None:
        if rates is None:
            raise ConfigError("popularity is needed where there are no labels: how frequent each tag is, in training")
        return np.nan_to_num(rates), rates
    popularity = np.asarray(popularity, np.float64)
    if (
        popularity.shape != (tags,)
        or not np.isfinite(popularity).all()
        or (popularity < 0).any()
        or not popularity.any()
    ):
        raise ConfigError(
            f"popularity {popularity.shape}: give 0 or a positive number for each of {tags} tags, not all of them 0"
        )
    return popularity, rates


def annotated_rates(labels: np.ndarray) -> np.ndarray:
    """float64 [tags]: the share of songs that have a tag, of those where it is known; nan where it is known of none.

    Book: ``book/popular_tags``.
    """
    known = (~np.isnan(labels)).sum(axis=0)
    return np.divide(
        np.nansum(labels, axis=0, dtype=np.float64), known, out=np.full(len(known), np.nan), where=known > 0
    )


def highest(
    scores: np.ndarray, count: int | np.ndarray, *, known: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """Where the highest scores of each row lie. Ties are drawn by lot, so that no place in the row is preferred.

    Args:
        scores: float [rows, columns].
        count: how many; one number or int [rows].
        known: bool [rows, columns]: what may be chosen; by default everything. A row with less than ``count`` gives all.
        seed: of the lot.

    Returns:
        bool [rows, columns].

    Book: ``book/popular_tags``.
    """
    if known is not None:
        scores = np.where(known, scores, -np.inf)
        count = np.minimum(count, known.sum(axis=1))
    lot = np.random.default_rng(seed).random(scores.shape, np.float32)
    order = np.lexsort((lot, -scores), axis=1)
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, order, np.arange(scores.shape[1]) < np.reshape(count, (-1, 1)), axis=1)
    return chosen


def given_tags(
    scores: np.ndarray, labels: np.ndarray | None, thresholds: float | np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Which tags are given to which songs.

    Args:
        scores: float [songs, tags].
        labels: 0, 1 or nan [songs, tags]; None if there are no annotations.
        thresholds: one, or one a tag [tags]: a tag is given where its score is at least that. None: as many songs are given
            a tag as are annotated with it; without labels a threshold of 0.5.

    Returns:
        bool [songs, tags], and the rule in words.

    Raises:
        ConfigError: thresholds of another shape, or not numbers.

    Book: ``book/popular_tags``.
    """
    if thresholds is None and labels is not None:
        count = np.round(np.nan_to_num(annotated_rates(labels)) * len(scores)).astype(int)
        return highest(scores.T, count).T, "as many songs are given a tag as are annotated with it"
    thresholds = np.asarray(THRESHOLD if thresholds is None else thresholds, np.float64)
    if thresholds.shape not in ((), scores.shape[1:]) or not np.isfinite(thresholds).all():
        raise ConfigError(f"thresholds {thresholds.shape}: give one number, or one for each of {scores.shape[1]} tags")
    how = f"score of {thresholds:g} or more" if thresholds.ndim == 0 else "score of a tag's own threshold or more"
    return scores >= thresholds, how


def score_ranks(scores: np.ndarray) -> np.ndarray:
    """float64 [songs, tags]: of a song's other tags, the share that scores lower, ties as half; 1 is the top.

    Book: ``book/popular_tags``.
    """
    ranks = np.empty(scores.shape)
    for tag, own in enumerate(scores.T):
        lower, equal = scores < own[:, None], scores == own[:, None]
        ranks[:, tag] = lower.sum(axis=1) + (equal.sum(axis=1) - 1) / 2
    return ranks / (scores.shape[1] - 1)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation in [-1, 1] of two float [n], ties with their mean rank; where either is nan, both are left out.

    Returns:
        nan for fewer than three pairs, or where one side has no differences.

    Source: Spearman 1904. Book: ``book/popular_tags``.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    if both.sum() < 3:
        return math.nan
    ranks = [_mean_ranks(values[both]) for values in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    length = math.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1]))
    return float(centred[0] @ centred[1] / length) if length else math.nan


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]
