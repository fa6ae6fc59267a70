"""Do popular tags win? Their share of the top of the list, how well rare tags do, and what popularity alone would reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from ..ranking import Ranking
from .common import annotated_rates, check_popularity, check_top_k, highest, prepare, score_ranks, spearman


def variety(scores: np.ndarray, *, top_k: int = 10, resampling: Resampling | None = None) -> Interval:
    """How many tags the top of the list makes use of: the exponential of the entropy of their shares.

    It is ``top_k`` if every song gets the same list, and the number of tags if all tags come up equally often. It needs
    neither annotations nor frequencies.

    Args:
        scores: float [songs, tags] in [0, 1].
        top_k: length of the list.
        resampling: what the interval resamples.

    Raises:
        ConfigError: scores or ``top_k`` outside their range.

    Source: Hill 1973 (the number of order 1). Book: ``book/popular_tags``.
    """
    scores, _, resampling = prepare(scores, None, resampling)
    check_top_k(top_k, scores.shape[1])
    share = resampling.sums(highest(scores, top_k))
    share /= share.sum(axis=1, keepdims=True)
    entropy = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(axis=1)
    return interval_of(np.exp(entropy), (1.0, scores.shape[1]))


@dataclass(frozen=True, eq=False)
class OverRepresentation:
    """How much of the predicted lists goes to frequent tags.

    The popularity of a set of tags is the mean frequency of its members: a ratio of 2 says that a tag in the predicted top
    k is twice as frequent as a tag that an annotator gave. Cutting at the top k prefers frequent tags by itself, even where
    scores are true probabilities; ``scores_against_annotations`` takes the scores without a cut, and is 1 for those.

    Attributes:
        top_k: length of the list.
        popularity: float64 [tags]: share of each tag of all frequencies; sums to 1.
        predicted: float64 [tags]: its share of all places in the predicted lists; sums to 1.
        annotated: float64 [tags]: its share of all annotations; that of ``popularity`` if there are none.
        against_annotations: popularity of the predicted top k / popularity of annotated tags.
        against_chance: popularity of the predicted top k / that of a list drawn by lot.
        scores_against_annotations: popularity of all tags, each weighted with its score / popularity of annotated tags.
        if_perfect: ``against_annotations`` of a model that knows the annotations. It is below 1 where songs have fewer tags
            than the list has places, which it then fills by lot; nan without annotations.

    Book: ``book/popular_tags``.
    """

    top_k: int
    popularity: np.ndarray
    predicted: np.ndarray
    annotated: np.ndarray
    against_annotations: Interval
    against_chance: Interval
    scores_against_annotations: Interval
    if_perfect: float


def over_representation(
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    popularity: np.ndarray | None = None,
    top_k: int = 10,
    resampling: Resampling | None = None,
) -> OverRepresentation:
    """How far the predicted top k over-represents frequent tags, against the annotations and against chance.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags]; without them, ``popularity`` stands for what would be annotated.
        popularity: how frequent each tag is, 0 or more [tags], such as training positives; by default as annotated.
        top_k: length of the list.
        resampling: what intervals resample.

    Raises:
        ConfigError: neither labels nor popularity; anything outside its range.

    Source: average recommendation popularity, Abdollahpouri et al. 2019, taken from items to tags. Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    check_top_k(top_k, scores.shape[1])
    popularity, _ = check_popularity(popularity, labels, scores.shape[1])
    predicted = _shares(resampling.sums(highest(scores, top_k)))  # [1 + resamples, tags]
    weighted = _shares(resampling.sums(scores))
    if labels is None:
        annotated = _shares(popularity[None])  # [1, tags]
        if_perfect = np.nan
    else:
        positives, known = resampling.sums(np.nan_to_num(labels)), resampling.sums(~np.isnan(labels))
        annotated = _shares(np.divide(positives, known, out=np.zeros_like(positives), where=known > 0))
    listed, scored, truth = predicted @ popularity, weighted @ popularity, annotated @ popularity
    truth = np.where(truth > 0, truth, np.nan)  # a resample may lack annotations
    if labels is not None:
        best = _shares(highest(_perfect(labels), top_k).sum(axis=0, keepdims=True))
        if_perfect = (best @ popularity)[0] / truth[0]
    against = {
        "against_annotations": listed / truth,
        "against_chance": listed / popularity.mean(),
        "scores_against_annotations": scored / truth,
    }
    return OverRepresentation(
        top_k=top_k,
        popularity=popularity / popularity.sum(),
        predicted=predicted[0],
        annotated=annotated[0],
        if_perfect=float(if_perfect),
        **{name: interval_of(series, (0.0, np.inf)) for name, series in against.items()},
    )


def _perfect(labels: np.ndarray) -> np.ndarray:
    """Scores of a model that knows the annotations, and where there is none how frequent the tag is."""
    return np.where(np.isnan(labels), np.nan_to_num(annotated_rates(labels)), labels)


def _shares(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sums / sums.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class AccuracyByPopularity:
    """How well each tag is predicted, against how frequent it is; rank correlations from -1 to 1, 0 for no relation.

    Attributes:
        popularity: float64 [tags]: as given.
        recall: float64 [tags]: of the songs with a tag, the share found if as many songs are given it as have it.
        lift: float64 [tags]: PR-AUC / share of positives, which is what scores that know nothing reach.
        rank: float64 [tags]: in songs that have the tag, the mean share of the other tags that score lower; 1 is the top.
        recall_correlation, lift_correlation, rank_correlation: Spearman's, of each with popularity; nan where all tags are
            alike. The lift of a tag in half of the songs cannot exceed 2: its correlation is negative for most good models.
        recall_if_random: ``recall_correlation`` of scores drawn by lot, which find of each tag the share that has it.
        rank_if_perfect: ``rank_correlation`` of a model that knows the annotations: tags of songs with many tags share the
            top with them.

    All are nan for a tag with one class only. Book: ``book/popular_tags``.
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
    """Recall, PR-AUC lift and score rank of each tag against its popularity.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        popularity: 0 or more [tags], such as training positives; by default the annotated share of songs.
        resampling: what intervals resample; popularity is not resampled.

    Raises:
        ConfigError: anything outside its range.

    Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    popularity, _ = check_popularity(popularity, labels, scores.shape[1])
    rankings = [Ranking(*columns) for columns in zip(labels.T, scores.T, strict=True)]
    recall = np.full((1 + resampling.resamples, len(rankings)), np.nan)
    precision = recall.copy()
    for rows, counts in resampling.chunks():
        for tag, ranking in enumerate(rankings):
            recall[rows, tag] = ranking.recall_at_rate(counts)
            precision[rows, tag] = ranking.areas(counts)[1]
    positives, known = resampling.sums(labels == 1), resampling.sums(~np.isnan(labels))
    with np.errstate(invalid="ignore", divide="ignore"):  # a tag that a resample leaves without songs
        lift = precision * known / positives
        rank = resampling.sums(np.where(labels == 1, score_ranks(scores), 0)) / positives
        best = np.where(labels == 1, score_ranks(_perfect(labels)), 0).sum(axis=0) / positives[0]
    rank[np.isnan(precision)] = np.nan  # the same tags for all three
    judged = ~np.isnan(rank[0])
    # differences of rounding are none: tags that are alike shall not be ranked by them
    tables = {name: table.round(12) for name, table in (("recall", recall), ("lift", lift), ("rank", rank))}
    return AccuracyByPopularity(
        popularity=popularity,
        recall_if_random=spearman(np.where(judged, annotated_rates(labels), np.nan), popularity),
        rank_if_perfect=spearman(np.where(judged, best.round(12), np.nan), popularity),
        **{name: table[0] for name, table in tables.items()},
        **{
            f"{name}_correlation": interval_of(np.array([spearman(row, popularity) for row in table]), (-1.0, 1.0))
            for name, table in tables.items()
        },
    )


@dataclass(frozen=True)
class TopPrecision:
    """How much of a song's list is right, beside the list that every song would get by popularity.

    Attributes:
        top_k: length of the list.
        model: mean over songs of the share of their top k that is annotated.
        popularity: the same for the most frequent tags, equal for all songs.
        gain: model minus popularity, paired.
        ceiling: what a model that knows the annotations would reach, since a song may have fewer tags than ``top_k``.

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
    top_k: int = 10,
    resampling: Resampling | None = None,
) -> TopPrecision:
    """Per-song precision of the top k, against a baseline that knows the popularity of tags and nothing of the song.

    A song's list is drawn from the tags that are known of it; a song of which nothing is known is left out.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        popularity: 0 or more [tags], such as training positives; by default the annotated share of songs.
        top_k: length of the list.
        resampling: what intervals resample.

    Raises:
        ConfigError: anything outside its range.

    Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    check_top_k(top_k, scores.shape[1])
    popularity, _ = check_popularity(popularity, labels, scores.shape[1])
    known, has = ~np.isnan(labels), labels == 1
    length = np.minimum(top_k, known.sum(axis=1))
    lists = [
        highest(scores, top_k, known=known),
        # the same list for all: one lot decides between tags of equal popularity
        highest(_distinct(popularity)[None].repeat(len(scores), axis=0), top_k, known=known),
    ]
    hits = np.stack([*((chosen & has).sum(axis=1) for chosen in lists), np.minimum(has.sum(axis=1), length)], axis=1)
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
    """The same order with ties drawn by lot: float64 [n], 0 ... n - 1."""
    lot = np.random.default_rng(0).random(len(values))
    return np.lexsort((lot, values)).argsort().astype(np.float64)
