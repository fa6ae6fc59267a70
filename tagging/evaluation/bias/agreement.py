"""Self-agreement: whether a model assigns synonyms, such as "female vocal" and "female voice", to the same songs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from .common import assigned_tags, check_groups, highest, list_length, prepare


@dataclass(frozen=True)
class Disagreement:
    """Songs that are assigned one of two synonyms without the other.

    Attributes:
        num_songs: songs that are assigned at least one of the two.
        rate: share of these that are assigned only one; nan if there are none.
        if_independent: the rate if the two tags were assigned as often as they are, but independently of each other.
        minimum: the lowest possible rate when tags are assigned as often as these: ``1 - rarer / more frequent``. The
            difference between ``rate`` and ``minimum`` is disagreement about songs, not about how often to use a word.

    Book: ``book/self_agreement``.
    """

    num_songs: int
    rate: Interval
    if_independent: float
    minimum: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of the scores of two synonyms.

    Attributes:
        group: name of the group of synonyms.
        first, second: indices of the two tags.
        correlation: Spearman's rank correlation of the two scores over songs; nan if one of them is constant.
        difference: mean absolute difference of the two scores.
        offset: mean of the first score minus mean of the second. Its absolute value is the part of ``difference`` that a
            constant explains.
        by_threshold: disagreement of assigned tags.
        in_top_k: disagreement of the top k.

    Book: ``book/self_agreement``.
    """

    group: str
    first: int
    second: int
    correlation: Interval
    difference: Interval
    offset: Interval
    by_threshold: Disagreement
    in_top_k: Disagreement


@dataclass(frozen=True)
class Agreements:
    """Self-agreement of a model, for each pair of synonyms and over all pairs.

    Attributes:
        top_k: length of a song's list.
        thresholds: the rule by which tags are assigned, in words.
        pairs: every pair of every group.
        correlation: mean of the pairs' rank correlations; nan if one of them is.
        by_threshold, in_top_k: disagreement rate over all songs and pairs.

    Book: ``book/self_agreement``.
    """

    top_k: int
    thresholds: str
    pairs: list[Agreement]
    correlation: Interval
    by_threshold: Interval
    in_top_k: Interval


def agreement(
    scores: np.ndarray,
    synonyms: Mapping[str, Sequence[int]],
    labels: np.ndarray | None = None,
    *,
    thresholds: float | np.ndarray | None = None,
    top_k: int | None = None,
    resampling: Resampling | None = None,
) -> Agreements:
    """Measure how well the scores of synonyms agree; no labels are needed.

    Agreement is not accuracy: a model that gives all tags the same score agrees perfectly. Synonyms that annotators use
    with different frequencies rightly get different scores; ``correlation`` and ``Disagreement.minimum`` allow for that.

    Args:
        scores: float [songs, tags] in [0, 1].
        synonyms: name of a group -> indices of tags with the same meaning.
        labels: 0, 1 or nan [songs, tags]; used for thresholds only.
        thresholds: as in :func:`tagging.evaluation.bias.contradictions`.
        top_k: length of a song's list; by default 10, at most half of the tags.
        resampling: of the songs; thresholds and lists are not resampled.

    Raises:
        ConfigError: no group of two tags, an index outside the tags, arguments outside their range.

    Source: the tag vocabularies of MagnaTagATune and of last.fm, which contain "vocal", "vocals" and "voice", or "chill" and
    "chillout", as separate tags. Book: ``book/self_agreement``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    top_k = list_length(top_k, scores.shape[1])
    groups = check_groups("synonyms", synonyms, scores.shape[1])
    assigned, rule = assigned_tags(scores, labels, thresholds)
    named = [(name, *pair) for name, members in groups.items() for pair in combinations(members, 2)]
    first, second = np.array([pair[1:] for pair in named]).T
    correlations = _correlations(scores, first, second, resampling)  # [1 + resamples, pairs]
    gap = scores[:, first] - scores[:, second]
    gaps = resampling.sums(np.column_stack([np.abs(gap), gap, np.ones(len(gap))]))
    differences, offsets = np.split(gaps[:, :-1] / gaps[:, -1:], 2, axis=1)
    by_threshold, in_top_k = (
        _disagreements(mask, first, second, resampling) for mask in (assigned, highest(scores, top_k))
    )
    pairs = [
        Agreement(
            group=group,
            first=a,
            second=b,
            correlation=interval_of(correlations[:, pair], (-1.0, 1.0)),
            difference=interval_of(differences[:, pair], (0.0, 1.0)),
            offset=interval_of(offsets[:, pair], (-1.0, 1.0)),
            by_threshold=by_threshold[0][pair],
            in_top_k=in_top_k[0][pair],
        )
        for pair, (group, a, b) in enumerate(named)
    ]
    return Agreements(
        top_k=top_k,
        thresholds=rule,
        pairs=pairs,
        correlation=interval_of(correlations.mean(axis=1), (-1.0, 1.0)),
        by_threshold=by_threshold[1],
        in_top_k=in_top_k[1],
    )


def _correlations(scores: np.ndarray, first: np.ndarray, second: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Spearman's correlation of pairs of tags: float64 [1 + resamples, pairs]; nan where a tag is constant.

    Each tag is sorted once; a resample then needs weighted ranks only. SciPy would sort every resample again.
    """
    tags, columns = np.unique([first, second], return_inverse=True)
    first, second = columns.reshape(2, -1)
    # of each tag: its songs from low to high, and where each run of equal scores begins and ends
    runs = []
    for values in scores[:, tags].T:
        order = np.argsort(values, kind="stable")
        runs.append((order, *(np.searchsorted(values[order], values, side) for side in ("left", "right"))))
    correlations = np.full((1 + resampling.resamples, len(first)), np.nan)
    for rows, counts in resampling.chunks():
        weight = counts.astype(np.float64)  # [resamples, songs]
        total = weight.sum(axis=1, keepdims=True)
        ranks = np.empty((len(tags), *weight.shape))
        for rank, (order, start, end) in zip(ranks, runs, strict=True):
            below = np.concatenate([np.zeros((len(weight), 1)), weight[:, order].cumsum(axis=1)], axis=1)
            # the mean position of a song, its copies and its ties, centred so that the mean over all songs is 0
            rank[:] = (below[:, start] + below[:, end] - total) / 2
        variance = np.einsum("trs,rs->tr", ranks**2, weight)
        covariance = np.stack(
            [np.einsum("rs,rs,rs->r", ranks[a], ranks[b], weight) for a, b in zip(first, second, strict=True)]
        )
        scale = np.sqrt(variance[first] * variance[second])
        correlations[rows] = np.divide(covariance, scale, out=np.full(covariance.shape, np.nan), where=scale > 0).T
    return np.clip(correlations, -1, 1)


def _disagreements(
    assigned: np.ndarray, first: np.ndarray, second: np.ndarray, resampling: Resampling
) -> tuple[list[Disagreement], Interval]:
    """The disagreement of every pair and the rate over all pairs, from bool [songs, tags]."""
    one, other = assigned[:, first], assigned[:, second]
    sums = resampling.sums(np.column_stack([one ^ other, one | other]))
    single, either = np.split(sums, 2, axis=1)  # [1 + resamples, pairs]
    with np.errstate(invalid="ignore"):  # 0 / 0 where neither tag is assigned in a resample
        rates = single / either
        overall = single.sum(axis=1) / either.sum(axis=1)
        frequencies = np.stack([one.mean(axis=0), other.mean(axis=0)])
        minimum = 1 - frequencies.min(axis=0) / frequencies.max(axis=0)
        both = frequencies.prod(axis=0)
        if_independent = 1 - both / (frequencies.sum(axis=0) - both)
    pairs = [
        Disagreement(
            num_songs=int(either[0, pair]),
            rate=interval_of(rates[:, pair], (0.0, 1.0)),
            if_independent=float(if_independent[pair]),
            minimum=float(minimum[pair]),
        )
        for pair in range(len(first))
    ]
    return pairs, interval_of(overall, (0.0, 1.0))
