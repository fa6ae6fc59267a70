"""Do tags that go together in the annotations go together in the predictions?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from .common import DRAWS, prepare


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Joint probabilities and associations of all pairs of tags.

    Attributes:
        predicted_joint: float64 [tags, tags]: expected share of songs with both tags, were every tag of a song drawn from
            its own score; on the diagonal the share with the tag.
        predicted_phi: float64 [tags, tags]: phi coefficient in [-1, 1] of labels so drawn; nan on the diagonal and for a
            tag that all songs have, or none.
        annotated_joint, annotated_phi: the same of the annotations, over the songs where both tags are known; None
            without labels.
        reproduced: slope of predicted over annotated phi, pair by pair, through 0: 0 if the scores hold no association,
            below 1 even for true probabilities, since the annotations of few songs are part noise; None without labels.
        distance: root of the mean squared difference of the two phi; None without labels.
        reproduced_if_true, distance_if_true: what scores that are true probabilities, tag by tag, show on as many songs:
            the mean over labels drawn from them; None without labels.

    Book: ``book/popular_tags``.
    """

    predicted_joint: np.ndarray
    predicted_phi: np.ndarray
    annotated_joint: np.ndarray | None = None
    annotated_phi: np.ndarray | None = None
    reproduced: Interval | None = None
    distance: Interval | None = None
    reproduced_if_true: float | None = None
    distance_if_true: float | None = None


def cooccurrence(
    scores: np.ndarray, labels: np.ndarray | None = None, *, resampling: Resampling | None = None
) -> Cooccurrence:
    """Co-occurrence of tags as predicted, beside that of the annotations.

    A score says nothing about another tag: the joint probability is the mean over songs of the product of two scores. For
    scores that are true probabilities it is the annotated one, unless tags of a song depend on each other beyond what can
    be heard, as exclusive tags do.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags]; with them, predictions too are counted where both tags are known.
        resampling: what intervals resample. A resample multiplies matrices of songs and tags: with 100,000 songs take
            fewer than the usual 1,000.

    Raises:
        ConfigError: anything outside its range.

    Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    scores = scores.astype(np.float64)
    every = np.ones(len(scores))
    if labels is None:
        joint, phi = _associations(scores, np.ones_like(scores), every)
        return Cooccurrence(joint, phi)
    known = (~np.isnan(labels)).astype(np.float64)
    scores, labels = scores * known, np.nan_to_num(labels).astype(np.float64)
    predicted, annotated = _associations(scores, known, every), _associations(labels, known, every)
    upper = np.triu_indices(scores.shape[1], k=1)
    phi = [_resampled_phi(table, known, upper, resampling) for table in (scores, labels)]
    agreement = np.array([_agreement(*row) for row in zip(*phi, strict=True)])
    random = np.random.default_rng(0)
    drawn = [_associations(np.float64(random.random(scores.shape) < scores), known, every)[1] for _ in range(DRAWS)]
    if_true = np.mean([_agreement(predicted[1][upper], phi[upper]) for phi in drawn], axis=0)
    return Cooccurrence(
        *predicted,
        *annotated,
        reproduced=interval_of(agreement[:, 0]),
        distance=interval_of(agreement[:, 1], (0.0, np.inf)),
        reproduced_if_true=float(if_true[0]),
        distance_if_true=float(if_true[1]),
    )


def _associations(values: np.ndarray, known: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joint probability and phi of each pair of tags, float64 [tags, tags] both.

    Args:
        values: probabilities [songs, tags], 0 where unknown.
        known: 1 or 0 [songs, tags].
        weight: of each song.
    """
    weighted = weight[:, None] * known
    songs = weighted.T @ known  # how often both are known
    alone = (weight[:, None] * values).T @ known  # [tags, tags]: the first tag, where the second is known
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = (weight[:, None] * values).T @ values / songs
        first, second = alone / songs, alone.T / songs
        spread = first * (1 - first) * second * (1 - second)
        phi = (joint - first * second) / np.sqrt(spread)
        np.fill_diagonal(joint, np.diag(first))
    phi[~(spread > 1e-12)] = np.nan  # always or never there, but for rounding
    np.fill_diagonal(phi, np.nan)
    return joint, phi


def _resampled_phi(
    values: np.ndarray, known: np.ndarray, upper: tuple[np.ndarray, np.ndarray], resampling: Resampling
) -> np.ndarray:
    """Phi of each pair of different tags, float64 [1 + resamples, pairs]; as :func:`_associations` has it, of all resamples.

    Sums of products over all resamples at once: one large product of matrices in the place of thousands of small ones,
    which threads would slow down.
    """
    first, second = upper
    songs = resampling.sums(known[:, first] * known[:, second])
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = resampling.sums(values[:, first] * values[:, second]) / songs
        a = resampling.sums(values[:, first] * known[:, second]) / songs
        b = resampling.sums(known[:, first] * values[:, second]) / songs
        spread = a * (1 - a) * b * (1 - b)
        phi = (joint - a * b) / np.sqrt(spread)
    phi[~(spread > 1e-12)] = np.nan  # always or never there, but for rounding
    return phi


def _agreement(predicted: np.ndarray, annotated: np.ndarray) -> tuple[float, float]:
    """Slope through 0 of predicted over annotated phi, and root of their mean squared difference; nan without pairs."""
    both = ~(np.isnan(predicted) | np.isnan(annotated))
    predicted, annotated = predicted[both], annotated[both]
    length = annotated @ annotated
    if not length:
        return np.nan, np.nan
    return predicted @ annotated / length, np.sqrt(np.mean((predicted - annotated) ** 2))
