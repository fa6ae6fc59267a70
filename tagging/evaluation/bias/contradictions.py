"""Are exclusive tags given together? Baroque and classic period, major and minor, for one song, and with which confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from .common import check_groups, check_top_k, given_tags, highest, prepare


@dataclass(frozen=True)
class Contradiction:
    """Two exclusive tags, and the songs that were given both.

    Attributes:
        group: the group of exclusive tags.
        first, second: places of the two tags.
        coincide: songs that are annotated with both; they are left out.
        above: share of the other songs in which both are above their thresholds.
        above_confidence: mean over these songs of the lower of the two scores; nan if there is no such song.
        above_by_chance: share in which both would be, were the two given independently of each other.
        listed: share of the songs in which both are in the top k.
        listed_confidence: mean over these of the lower score; nan if there is none.

    Book: ``book/exclusive_tags``.
    """

    group: str
    first: int
    second: int
    coincide: int
    above: Interval
    above_confidence: float
    above_by_chance: float
    listed: Interval
    listed_confidence: float


@dataclass(frozen=True)
class Contradictions:
    """Violations of exclusive groups, pair by pair and together.

    Attributes:
        top_k: length of the list.
        thresholds: how they were set, in words.
        pairs: every pair of every group.
        groups: name of a group -> shares of songs with a violating pair of it, by thresholds and in the top k.
        above, listed: share of songs with a violating pair of any group, by thresholds and in the top k.

    Book: ``book/exclusive_tags``.
    """

    top_k: int
    thresholds: str
    pairs: list[Contradiction]
    groups: dict[str, tuple[Interval, Interval]]
    above: Interval
    listed: Interval


def contradictions(
    scores: np.ndarray,
    exclusive: Mapping[str, Sequence[int]],
    labels: np.ndarray | None = None,
    *,
    thresholds: float | np.ndarray | None = None,
    top_k: int = 10,
    resampling: Resampling | None = None,
) -> Contradictions:
    """How often two tags that exclude each other are both above their thresholds, or both in the top k.

    A pair that the annotations of a song hold together is no violation in that song.

    Args:
        scores: float [songs, tags] in [0, 1].
        exclusive: name of a group -> places of tags of which a song has one at most.
        labels: 0, 1 or nan [songs, tags]; may be None.
        thresholds: one, or one a tag [tags]: a tag is given where its score is at least that. By default as many songs are
            given a tag as are annotated with it, so that frequent tags gain nothing from their higher scores; without
            labels 0.5.
        top_k: length of the list.
        resampling: what intervals resample; thresholds and lists stay as they are.

    Raises:
        ConfigError: no group of two tags, a place outside the scores, anything outside its range.

    Source: the poster, "East Coast" and "West Coast". Book: ``book/exclusive_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    check_top_k(top_k, scores.shape[1])
    groups = check_groups("exclusive", exclusive, scores.shape[1])
    above, how = given_tags(scores, labels, thresholds)
    listed = highest(scores, top_k)
    pairs, shares = [], {}
    anywhere = np.zeros((len(scores), 2), bool)
    for name, members in groups.items():
        found, violated = _group(name, members, scores, labels, above, listed, resampling)
        pairs += found
        shares[name] = _share(violated, resampling)
        anywhere |= violated
    both = _share(anywhere, resampling)
    return Contradictions(top_k=top_k, thresholds=how, pairs=pairs, groups=shares, above=both[0], listed=both[1])


def _group(
    name: str,
    members: tuple[int, ...],
    scores: np.ndarray,
    labels: np.ndarray | None,
    above: np.ndarray,
    listed: np.ndarray,
    resampling: Resampling,
) -> tuple[list[Contradiction], np.ndarray]:
    """Every pair of one group, and bool [songs, 2]: where any of them is violated, by thresholds and in the top k."""
    pairs = list(combinations(members, 2))
    first, second = np.array(pairs).T
    considered = np.ones((len(scores), len(pairs)), bool)
    if labels is not None:
        considered = ~((labels[:, first] == 1) & (labels[:, second] == 1))
    confidence = np.minimum(scores[:, first], scores[:, second])
    violated = [given[:, first] & given[:, second] & considered for given in (above, listed)]
    songs = resampling.sums(considered)
    with np.errstate(invalid="ignore"):  # a resample in which all songs are annotated with both
        shares = [resampling.sums(violation) / songs for violation in violated]
    confidences = [
        [
            float(confidence[violation[:, pair], pair].mean()) if violation[:, pair].any() else math.nan
            for pair in range(len(pairs))
        ]
        for violation in violated
    ]
    rates = above.mean(axis=0)
    found = [
        Contradiction(
            group=name,
            first=a,
            second=b,
            coincide=int((~considered[:, pair]).sum()),
            above=interval_of(shares[0][:, pair], (0.0, 1.0)),
            above_confidence=confidences[0][pair],
            above_by_chance=float(rates[a] * rates[b]),
            listed=interval_of(shares[1][:, pair], (0.0, 1.0)),
            listed_confidence=confidences[1][pair],
        )
        for pair, (a, b) in enumerate(pairs)
    ]
    return found, np.stack([violation.any(axis=1) for violation in violated], axis=1)


def _share(violated: np.ndarray, resampling: Resampling) -> tuple[Interval, Interval]:
    sums = resampling.sums(np.column_stack([violated, np.ones(len(violated))]))
    above, listed = (sums[:, :2] / sums[:, 2:]).T
    return interval_of(above, (0.0, 1.0)), interval_of(listed, (0.0, 1.0))
