"""Contradictions: how often, and how confidently, a model assigns mutually exclusive tags to the same song."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from .common import assigned_tags, check_groups, highest, list_length, prepare


@dataclass(frozen=True)
class Contradiction:
    """Two exclusive tags, and how often both are assigned to one song.

    Attributes:
        group: name of the group of exclusive tags.
        first, second: indices of the two tags.
        num_labelled_both: songs labelled with both; they are left out.
        by_threshold: share of the other songs in which both are assigned.
        by_threshold_confidence: mean over these songs of the lower of the two scores; nan if there are none.
        by_threshold_if_independent: the share if the two tags were assigned independently of each other.
        in_top_k: share of the songs in which both are in the top k.
        in_top_k_confidence: mean over these songs of the lower score; nan if there are none.

    Book: ``book/exclusive_tags``.
    """

    group: str
    first: int
    second: int
    num_labelled_both: int
    by_threshold: Interval
    by_threshold_confidence: float
    by_threshold_if_independent: float
    in_top_k: Interval
    in_top_k_confidence: float


@dataclass(frozen=True)
class Contradictions:
    """Contradictions of a model, for each pair of exclusive tags, for each group and overall.

    Attributes:
        top_k: length of a song's list.
        thresholds: the rule by which tags are assigned, in words.
        pairs: every pair of every group.
        groups: name of a group -> share of songs with a contradiction in it, by threshold and in the top k.
        by_threshold, in_top_k: share of songs with a contradiction in any group.

    Book: ``book/exclusive_tags``.
    """

    top_k: int
    thresholds: str
    pairs: list[Contradiction]
    groups: dict[str, tuple[Interval, Interval]]
    by_threshold: Interval
    in_top_k: Interval


def contradictions(
    scores: np.ndarray,
    exclusive: Mapping[str, Sequence[int]],
    labels: np.ndarray | None = None,
    *,
    thresholds: float | np.ndarray | None = None,
    top_k: int | None = None,
    resampling: Resampling | None = None,
) -> Contradictions:
    """Measure how often two mutually exclusive tags are both assigned, or both in the top k.

    A song that is labelled with both tags of a pair does not count as a contradiction.

    Args:
        scores: float [songs, tags] in [0, 1].
        exclusive: name of a group -> indices of tags of which a song has at most one.
        labels: 0, 1 or nan [songs, tags]; may be None.
        thresholds: one number or one per tag [tags]; a tag is assigned where its score is at least that. By default each tag
            is assigned to as many songs as are labelled with it, so that higher scores of frequent tags do not count;
            without labels the threshold is 0.5.
        top_k: length of a song's list; by default 10, at most half of the tags.
        resampling: of the songs; thresholds and lists are not resampled.

    Raises:
        ConfigError: no group of two tags, an index outside the tags, arguments outside their range.

    Source: the poster, "East Coast" and "West Coast". Book: ``book/exclusive_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    top_k = list_length(top_k, scores.shape[1])
    groups = check_groups("exclusive", exclusive, scores.shape[1])
    assigned, rule = assigned_tags(scores, labels, thresholds)
    masks = assigned, highest(scores, top_k)
    pairs, group_shares = [], {}
    any_group = np.zeros((len(scores), 2), bool)
    for name, members in groups.items():
        group_pairs, violated = _group(name, members, scores, labels, masks, resampling)
        pairs += group_pairs
        group_shares[name] = _shares(violated, resampling)
        any_group |= violated
    by_threshold, in_top_k = _shares(any_group, resampling)
    return Contradictions(top_k, rule, pairs, group_shares, by_threshold, in_top_k)


def _group(
    name: str,
    members: tuple[int, ...],
    scores: np.ndarray,
    labels: np.ndarray | None,
    masks: tuple[np.ndarray, np.ndarray],
    resampling: Resampling,
) -> tuple[list[Contradiction], np.ndarray]:
    """Every pair of one group, and bool [songs, 2]: songs with a contradiction, by threshold and in the top k."""
    pairs = list(combinations(members, 2))
    first, second = np.array(pairs).T
    considered = np.ones((len(scores), len(pairs)), bool)
    if labels is not None:
        considered = ~((labels[:, first] == 1) & (labels[:, second] == 1))
    lower = np.minimum(scores[:, first], scores[:, second])
    violated = [mask[:, first] & mask[:, second] & considered for mask in masks]
    songs = resampling.sums(considered)
    with np.errstate(invalid="ignore"):  # a resample in which all songs are labelled with both
        shares = [resampling.sums(violation) / songs for violation in violated]
    confidence = [
        [float(lower[song, pair].mean()) if song.any() else math.nan for pair, song in enumerate(violation.T)]
        for violation in violated
    ]
    frequency = masks[0].mean(axis=0)
    results = [
        Contradiction(
            group=name,
            first=a,
            second=b,
            num_labelled_both=int((~considered[:, pair]).sum()),
            by_threshold=interval_of(shares[0][:, pair], (0.0, 1.0)),
            by_threshold_confidence=confidence[0][pair],
            by_threshold_if_independent=float(frequency[a] * frequency[b]),
            in_top_k=interval_of(shares[1][:, pair], (0.0, 1.0)),
            in_top_k_confidence=confidence[1][pair],
        )
        for pair, (a, b) in enumerate(pairs)
    ]
    return results, np.stack([violation.any(axis=1) for violation in violated], axis=1)


def _shares(violated: np.ndarray, resampling: Resampling) -> tuple[Interval, Interval]:
    sums = resampling.sums(np.column_stack([violated, np.ones(len(violated))]))
    by_threshold, in_top_k = (sums[:, :2] / sums[:, 2:]).T
    return interval_of(by_threshold, (0.0, 1.0)), interval_of(in_top_k, (0.0, 1.0))
