"""Popularity bias: how much of the top k goes to frequent tags, and how accuracy depends on popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from ..metrics import Ranking
from .common import (
    check_popularity,
    highest,
    list_length,
    prepare,
    prepare_labelled,
    prevalence,
    score_ranks,
    spearman,
)


def variety(scores: np.ndarray, *, top_k: int | None = None, resampling: Resampling | None = None) -> Interval:
    """The effective number of tags in the top k of all songs: the exponential of the entropy of their shares.

    It is ``top_k`` if every song gets the same list, and the number of tags if all tags are listed equally often. No labels
    are needed.

    Args:
        scores: float [songs, tags] in [0, 1].
        top_k: length of a song's list; by default 10, at most half of the tags.
        resampling: of the songs.

    Raises:
        ConfigError: scores or ``top_k`` outside their range.

    Source: Hill 1973 (the number of order 1). Book: ``book/popular_tags``.
    """
    scores, _, resampling = prepare(scores, None, resampling)
    top_k = list_length(top_k, scores.shape[1])
    share = resampling.sums(highest(scores, top_k))
    share /= share.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(axis=1)
    return interval_of(np.exp(entropy), (1.0, scores.shape[1]))


@dataclass(frozen=True, eq=False)
class OverRepresentation:
    """How much of the predicted lists goes to frequent tags.

    The popularity of a set of tags is the mean frequency of its members: a ratio of 2 means that a tag in the predicted top
    k is twice as frequent as a labelled tag. Cutting a list at k prefers frequent tags even if scores are true
    probabilities; ``scores_against_labels`` uses the scores without a cut and is 1 for true probabilities.

    Attributes:
        top_k: length of a song's list.
        popularity: float64 [tags], each tag's share of all frequencies; sums to 1.
        predicted: float64 [tags], its share of all entries of the predicted lists; sums to 1.
        labelled: float64 [tags], its share of all positive labels; ``popularity`` without labels.
        against_labels: popularity of the predicted top k / popularity of labelled tags.
        against_random: popularity of the predicted top k / popularity of a random list.
        scores_against_labels: popularity of all tags, weighted by their scores / popularity of labelled tags.
        if_perfect: ``against_labels`` of a model that knows the labels. It is below 1 if songs have fewer tags than the list
            has entries, which are then filled at random; nan without labels.

    Book: ``book/popular_tags``.
    """

    top_k: int
    popularity: np.ndarray
    predicted: np.ndarray
    labelled: np.ndarray
    against_labels: Interval
    against_random: Interval
    scores_against_labels: Interval
    if_perfect: float


def over_representation(
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    popularity: np.ndarray | None = None,
    top_k: int | None = None,
    resampling: Resampling | None = None,
) -> OverRepresentation:
    """Measure how much the predicted top k over-represents frequent tags, relative to the labels and to random lists.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags]; without them ``popularity`` stands in for the labels.
        popularity: 0 or more [tags], such as training positives; by default the prevalence in the labels.
        top_k: length of a song's list; by default 10, at most half of the tags.
        resampling: of the songs.

    Raises:
        ConfigError: neither labels nor popularity; arguments outside their range.

    Source: average recommendation popularity, Abdollahpouri et al. 2019, applied to tags. Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    top_k = list_length(top_k, scores.shape[1])
    popularity = check_popularity(popularity, labels, scores.shape[1])
    predicted = _shares(resampling.sums(highest(scores, top_k)))  # [1 + resamples, tags]
    weighted = _shares(resampling.sums(scores))
    if labels is None:
        labelled = _shares(popularity[None])  # [1, tags]
    else:
        positives, known = resampling.sums(np.nan_to_num(labels)), resampling.sums(~np.isnan(labels))
        labelled = _shares(np.divide(positives, known, out=np.zeros_like(positives), where=known > 0))
    of_lists, of_scores, of_labels = predicted @ popularity, weighted @ popularity, labelled @ popularity
    of_labels = np.where(of_labels > 0, of_labels, np.nan)  # a resample may lack positives
    if_perfect = np.nan
    if labels is not None:
        best = _shares(highest(_perfect(labels), top_k).sum(axis=0, keepdims=True))
        if_perfect = (best @ popularity)[0] / of_labels[0]
    return OverRepresentation(
        top_k=top_k,
        popularity=popularity / popularity.sum(),
        predicted=predicted[0],
        labelled=labelled[0],
        against_labels=interval_of(of_lists / of_labels, (0.0, np.inf)),
        against_random=interval_of(of_lists / popularity.mean(), (0.0, np.inf)),
        scores_against_labels=interval_of(of_scores / of_labels, (0.0, np.inf)),
        if_perfect=float(if_perfect),
    )


def _perfect(labels: np.ndarray) -> np.ndarray:
    """Scores of a model that knows the labels; the tag's prevalence where a label is unknown."""
    return np.where(np.isnan(labels), np.nan_to_num(prevalence(labels)), labels)


def _shares(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sums / sums.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class AccuracyByPopularity:
    """Accuracy of each tag, and its rank correlation with popularity (-1 to 1, 0 for none).

    All are nan for a tag with one class only.

    Attributes:
        popularity: float64 [tags], as given.
        recall: float64 [tags], recall when as many songs are assigned the tag as have it.
        lift: float64 [tags], PR-AUC / share of positives, which is the PR-AUC of random scores.
        rank: float64 [tags], in songs with the tag, the mean share of other tags with a lower score; 1 is the top.
        recall_correlation, lift_correlation, rank_correlation: Spearman's, of each with popularity; nan if it is the same
            for all tags. The lift of a tag that half of the songs have is at most 2, so its correlation is negative for most
            good models.
        recall_if_random: ``recall_correlation`` of random scores, whose recall is the share of positives.
        rank_if_perfect: ``rank_correlation`` of a model that knows the labels: tags of songs with many tags share the top.

    Book: ``book/popular_tags``.
    """

    popularity: np.ndarray
    recall: np.ndarray
    lift: np.ndarray
    rank: np.ndarray
    recall_correlation: Interval
    lift_correlation: Interval
    rank_correlation: Interval
    recall_if_random: float
    rank_if_perfect: float


def accuracy_by_popularity(
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    popularity: np.ndarray | None = None,
    resampling: Resampling | None = None,
) -> AccuracyByPopularity:
    """Measure recall, PR-AUC lift and score rank of each tag, and their rank correlation with popularity.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        popularity: 0 or more [tags], such as training positives; by default the prevalence in the labels.
        resampling: of the songs; popularity is not resampled.

    Raises:
        ConfigError: arguments outside their range.

    Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare_labelled(scores, labels, resampling)
    popularity = check_popularity(popularity, labels, scores.shape[1])
    rankings = [Ranking(*columns) for columns in zip(labels.T, scores.T, strict=True)]
    recall = np.full((1 + resampling.resamples, len(rankings)), np.nan)
    precision = recall.copy()
    for rows, counts in resampling.chunks():
        for tag, ranking in enumerate(rankings):
            recall[rows, tag] = ranking.break_even_recall(counts)
            precision[rows, tag] = ranking.areas(counts)[1]
    positives, known = resampling.sums(labels == 1), resampling.sums(~np.isnan(labels))
    with np.errstate(invalid="ignore", divide="ignore"):  # a tag without songs in a resample
        lift = precision * known / positives
        rank = resampling.sums(np.where(labels == 1, score_ranks(scores), 0)) / positives
        best = np.where(labels == 1, score_ranks(_perfect(labels)), 0).sum(axis=0) / positives[0]
    rank[np.isnan(precision)] = np.nan  # the same tags for all three
    defined = ~np.isnan(rank[0])
    # rounded, so that rounding errors do not rank tags that are equal
    recall, lift, rank, best = (table.round(12) for table in (recall, lift, rank, best))

    def correlation(table: np.ndarray) -> Interval:
        return interval_of(np.array([spearman(row, popularity) for row in table]), (-1.0, 1.0))

    return AccuracyByPopularity(
        popularity=popularity,
        recall=recall[0],
        lift=lift[0],
        rank=rank[0],
        recall_correlation=correlation(recall),
        lift_correlation=correlation(lift),
        rank_correlation=correlation(rank),
        recall_if_random=spearman(np.where(defined, prevalence(labels), np.nan), popularity),
        rank_if_perfect=spearman(np.where(defined, best, np.nan), popularity),
    )


@dataclass(frozen=True)
class TopPrecision:
    """Precision of a song's top k, and of the list of most frequent tags that a baseline gives to every song.

    Attributes:
        top_k: length of a song's list.
        model: mean over songs of the share of their top k that is labelled.
        popularity: the same for the most frequent tags, one list for all songs.
        gain: model minus popularity, paired.
        ceiling: the precision of a model that knows the labels, since a song may have fewer tags than ``top_k``.

    Book: ``book/popular_tags``.
    """

    top_k: int
    model: Interval
    popularity: Interval
    gain: Interval
    ceiling: float


def top_precision(
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    popularity: np.ndarray | None = None,
    top_k: int | None = None,
    resampling: Resampling | None = None,
) -> TopPrecision:
    """Measure the precision of each song's top k, against a baseline that knows only the popularity of tags.

    A song's list is taken from its labelled tags; a song without labels is left out.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        popularity: 0 or more [tags], such as training positives; by default the prevalence in the labels.
        top_k: length of a song's list; by default 10, at most half of the tags.
        resampling: of the songs.

    Raises:
        ConfigError: arguments outside their range.

    Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare_labelled(scores, labels, resampling)
    top_k = list_length(top_k, scores.shape[1])
    popularity = check_popularity(popularity, labels, scores.shape[1])
    known, positive = ~np.isnan(labels), labels == 1
    length = np.minimum(top_k, known.sum(axis=1))
    lists = [
        highest(scores, top_k, known=known),
        # one list for all songs: ties in popularity are broken once
        highest(_distinct(popularity)[None].repeat(len(scores), axis=0), top_k, known=known),
    ]
    best = np.minimum(positive.sum(axis=1), length)
    hits = np.stack([*((chosen & positive).sum(axis=1) for chosen in lists), best], axis=1)
    rated = length > 0
    shares = np.divide(hits, length[:, None], out=np.zeros(hits.shape), where=rated[:, None])
    sums = resampling.sums(np.column_stack([shares, rated]))
    with np.errstate(invalid="ignore"):
        model, baseline, ceiling = (sums[:, :3] / sums[:, 3:]).T
    return TopPrecision(
        top_k=top_k,
        model=interval_of(model, (0.0, 1.0)),
        popularity=interval_of(baseline, (0.0, 1.0)),
        gain=interval_of(model - baseline),
        ceiling=float(ceiling[0]),
    )


def _distinct(values: np.ndarray) -> np.ndarray:
    """Ranks 0 ... n - 1 of float64 [n], ties broken at random."""
    tie_breaker = np.random.default_rng(0).random(len(values))
    return np.lexsort((tie_breaker, values)).argsort().astype(np.float64)
