"""Does a model agree with itself? Words for one thing, "female vocal" and "female voice", should be given to the same songs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from .common import check_groups, check_top_k, given_tags, highest, prepare


@dataclass(frozen=True)
class Disagreement:
    """Of the songs that are given at least one of two words, how many are given one of them only.

    Attributes:
        songs: how many are given at least one.
        share: of these, the part that is given one only; nan if there are none.
        by_chance: the share if the words were given as often as they are, but independently of each other.
        at_least: the least share that is possible with words given as often as these: ``1 - rarer / more frequent``. What
            lies between this and ``share`` is disagreement on songs, not on how often a word is to be used.

    Book: ``book/exclusive_tags``.
    """

    songs: int
    share: Interval
    by_chance: float
    at_least: float


@dataclass(frozen=True)
class Agreement:
    """Two words for the same, and how far their scores differ.

    Attributes:
        group: the group of synonyms.
        first, second: places of the two tags.
        correlation: Spearman's rank correlation of the two scores over songs, from -1 to 1; nan where one has no differences.
        difference: mean over songs of the absolute difference of the two scores.
        offset: mean of the first score less mean of the second: above 0 where the model uses the first word more. Its
            size is the part of ``difference`` that a constant explains.
        above: songs that are given one word only, by thresholds.
        listed: the same for the top k.

    Book: ``book/exclusive_tags``.
    """

    group: str
    first: int
    second: int
    correlation: Interval
    difference: Interval
    offset: Interval
    above: Disagreement
    listed: Disagreement


@dataclass(frozen=True)
class Agreements:
    """How consistent a model is with itself, pair by pair and together.

    Attributes:
        top_k: length of the list.
        thresholds: how they were set, in words.
        pairs: every pair of every group of synonyms.
        correlation: mean of the pairs' rank correlations; nan where a pair's is.
        above, listed: share of one word only, over all songs and pairs that are given at least one.

    Book: ``book/exclusive_tags``.
    """

    top_k: int
    thresholds: str
    pairs: list[Agreement]
    correlation: Interval
    above: Interval
    listed: Interval


def agreement(
    scores: np.ndarray,
    synonyms: Mapping[str, Sequence[int]],
    labels: np.ndarray | None = None,
    *,
    thresholds: float | np.ndarray | None = None,
    top_k: int = 10,
    resampling: Resampling | None = None,
) -> Agreements:
    """How far the scores of synonyms go together. It needs no annotations: the model is measured against itself.

    Agreement is no accuracy: a model that gives all tags the same score agrees with itself. Synonyms that annotators use
    with different frequency rightly get different scores; ``correlation`` and ``Disagreement.at_least`` leave that aside.

    Args:
        scores: float [songs, tags] in [0, 1].
        synonyms: name of a group -> places of tags that mean the same.
        labels: 0, 1 or nan [songs, tags]; used for the thresholds alone.
        thresholds: as in :func:`tagging.evaluation.bias.contradictions`.
        top_k: length of the list.
        resampling: what intervals resample; thresholds and lists stay as they are.

    Raises:
        ConfigError: no group of two tags, a place outside the scores, anything outside its range.

    Source: the vocabularies of MagnaTagATune and of last.fm, which hold "vocal", "vocals" and "voice", or "chill" and
    "chillout", as tags of their own. Book: ``book/exclusive_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    check_top_k(top_k, scores.shape[1])
    groups = check_groups("synonyms", synonyms, scores.shape[1])
    above, how = given_tags(scores, labels, thresholds)
    named = [(name, *pair) for name, members in groups.items() for pair in combinations(members, 2)]
    first, second = np.array([pair[1:] for pair in named]).T
    correlations = _correlations(scores, first, second, resampling)  # [1 + resamples, pairs]
    gap = scores[:, first] - scores[:, second]
    gaps = resampling.sums(np.column_stack([np.abs(gap), gap, np.ones(len(gap))]))
    differences, offsets = np.split(gaps[:, :-1] / gaps[:, -1:], 2, axis=1)
    rules = [_apart(given, first, second, resampling) for given in (above, highest(scores, top_k))]
    pairs = [
        Agreement(
            group=group,
            first=a,
            second=b,
            correlation=interval_of(correlations[:, pair], (-1.0, 1.0)),
            difference=interval_of(differences[:, pair], (0.0, 1.0)),
            offset=interval_of(offsets[:, pair], (-1.0, 1.0)),
            above=rules[0][0][pair],
            listed=rules[1][0][pair],
        )
        for pair, (group, a, b) in enumerate(named)
    ]
    return Agreements(
        top_k=top_k,
        thresholds=how,
        pairs=pairs,
        correlation=interval_of(correlations.mean(axis=1), (-1.0, 1.0)),
        above=rules[0][1],
        listed=rules[1][1],
    )


def _correlations(scores: np.ndarray, first: np.ndarray, second: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Spearman's correlation of pairs of tags: float64 [1 + resamples, pairs]; nan where a tag has no differences."""
    tags, places = np.unique([first, second], return_inverse=True)
    first, second = places.reshape(2, -1)
    # what the ranks of a resample need of each tag: its songs from low to high, and where each set of equals begins and ends
    sets = []
    for values in scores[:, tags].T:
        order = np.argsort(values, kind="stable")
        sets.append((order, *(np.searchsorted(values[order], values, side) for side in ("left", "right"))))
    found = np.full((1 + resampling.resamples, len(first)), np.nan)
    for rows, counts in resampling.chunks():
        weight = counts.astype(np.float64)  # [resamples, songs]
        total = weight.sum(axis=1, keepdims=True)
        ranks = np.empty((len(tags), *weight.shape))
        for rank, (order, start, end) in zip(ranks, sets, strict=True):
            below = np.concatenate([np.zeros((len(weight), 1)), weight[:, order].cumsum(axis=1)], axis=1)
            # the middle of the places that a song, its copies and its equals take; the mean over all songs is 0
            rank[:] = (below[:, start] + below[:, end] - total) / 2
        spread = np.einsum("trs,rs->tr", ranks**2, weight)
        both = np.stack(
            [np.einsum("rs,rs,rs->r", ranks[a], ranks[b], weight) for a, b in zip(first, second, strict=True)]
        )
        lengths = np.sqrt(spread[first] * spread[second])
        found[rows] = np.divide(both, lengths, out=np.full(both.shape, np.nan), where=lengths > 0).T
    return np.clip(found, -1, 1)


def _apart(
    given: np.ndarray, first: np.ndarray, second: np.ndarray, resampling: Resampling
) -> tuple[list[Disagreement], Interval]:
    """Every pair's songs with one word only, of bool [songs, tags] that are given; and the share over all pairs."""
    one, other = given[:, first], given[:, second]
    sums = resampling.sums(np.column_stack([one ^ other, one | other]))
    single, either = np.split(sums, 2, axis=1)  # [1 + resamples, pairs]
    with np.errstate(invalid="ignore"):  # 0 / 0 where neither word is given in a resample
        shares = single / either
        together = single.sum(axis=1) / either.sum(axis=1)
        rates = np.stack([one.mean(axis=0), other.mean(axis=0)])
        at_least = 1 - rates.min(axis=0) / rates.max(axis=0)
        meeting = rates.prod(axis=0)
        by_chance = 1 - meeting / (rates.sum(axis=0) - meeting)
    pairs = [
        Disagreement(
            songs=int(either[0, pair]),
            share=interval_of(shares[:, pair], (0.0, 1.0)),
            by_chance=float(by_chance[pair]),
            at_least=float(at_least[pair]),
        )
        for pair in range(len(first))
    ]
    return pairs, interval_of(together, (0.0, 1.0))
