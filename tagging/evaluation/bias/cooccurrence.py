"""Co-occurrence: whether tags that go together in the labels also go together in the predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bootstrap import Interval, Resampling, interval_of
from .common import DRAWS, prepare


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Joint probabilities and associations of all pairs of tags.

    Attributes:
        predicted_joint: float64 [tags, tags], expected share of songs with both tags if each tag of a song is drawn
            independently from its score; on the diagonal, the share with the tag.
        predicted_phi: float64 [tags, tags], phi coefficient in [-1, 1] of labels drawn in this way; nan on the diagonal and
            for a tag that all songs have, or none.
        labelled_joint, labelled_phi: the same for the labels, over songs where both tags are known; None without labels.
        reproduced: slope through 0 of predicted over labelled phi, over pairs. 0: the scores contain no association. Even
            true probabilities stay below 1, since the association in the labels of few songs is partly noise. None
            without labels.
        distance: root mean squared difference of the two phi; None without labels.
        reproduced_if_true, distance_if_true: the same for scores that are true probabilities of each tag, on as many songs:
            the mean over labels drawn from the scores; None without labels.

    Book: ``book/popular_tags``.
    """

    predicted_joint: np.ndarray
    predicted_phi: np.ndarray
    labelled_joint: np.ndarray | None = None
    labelled_phi: np.ndarray | None = None
    reproduced: Interval | None = None
    distance: Interval | None = None
    reproduced_if_true: float | None = None
    distance_if_true: float | None = None


def cooccurrence(
    scores: np.ndarray, labels: np.ndarray | None = None, *, resampling: Resampling | None = None
) -> Cooccurrence:
    """Compare the co-occurrence of tags in the predictions with that in the labels.

    Scores of different tags are taken as independent: the joint probability is the mean over songs of the product of two
    scores. For true probabilities it equals the share of songs labelled with both, unless the tags of a song depend on
    each other beyond what can be heard, as exclusive tags do.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags]; with labels, predictions are also restricted to songs where both tags are known.
        resampling: of the songs. Memory and time grow with songs x pairs of tags x resamples: with 100,000 songs use fewer
            than the default 1,000.

    Raises:
        ConfigError: arguments outside their range.

    Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    scores = scores.astype(np.float64)
    if labels is None:
        return Cooccurrence(*_associations(scores, np.ones_like(scores)))
    known = (~np.isnan(labels)).astype(np.float64)
    scores, labels = scores * known, np.nan_to_num(labels).astype(np.float64)
    predicted, labelled = _associations(scores, known), _associations(labels, known)
    upper = np.triu_indices(scores.shape[1], k=1)
    phis = [_resampled_phi(table, known, upper, resampling) for table in (scores, labels)]
    fits = np.array([_fit(*row) for row in zip(*phis, strict=True)])
    random = np.random.default_rng(0)
    drawn = [_associations((random.random(scores.shape) < scores).astype(np.float64), known)[1] for _ in range(DRAWS)]
    if_true = np.mean([_fit(predicted[1][upper], phi[upper]) for phi in drawn], axis=0)
    return Cooccurrence(
        *predicted,
        *labelled,
        reproduced=interval_of(fits[:, 0]),
        distance=interval_of(fits[:, 1], (0.0, np.inf)),
        reproduced_if_true=float(if_true[0]),
        distance_if_true=float(if_true[1]),
    )


def _associations(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joint probability and phi of each pair of tags, both float64 [tags, tags].

    Args:
        values: probabilities [songs, tags], 0 where unknown.
        known: 1 or 0 [songs, tags].
    """
    songs = known.T @ known  # songs where both are known
    alone = values.T @ known  # [tags, tags]: the first tag, where the second is known
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = values.T @ values / songs
        first, second = alone / songs, alone.T / songs
        variance = first * (1 - first) * second * (1 - second)
        phi = (joint - first * second) / np.sqrt(variance)
        np.fill_diagonal(joint, np.diag(first))
    phi[~(variance > 1e-12)] = np.nan  # a constant tag, up to rounding
    np.fill_diagonal(phi, np.nan)
    return joint, phi


def _resampled_phi(
    values: np.ndarray, known: np.ndarray, upper: tuple[np.ndarray, np.ndarray], resampling: Resampling
) -> np.ndarray:
    """Phi of each pair of different tags on every resample: float64 [1 + resamples, pairs].

    One large matrix product over all resamples instead of thousands of small ones, which threads would slow down.
    """
    first, second = upper
    songs = resampling.sums(known[:, first] * known[:, second])
    with np.errstate(invalid="ignore", divide="ignore"):
        joint = resampling.sums(values[:, first] * values[:, second]) / songs
        a = resampling.sums(values[:, first] * known[:, second]) / songs
        b = resampling.sums(known[:, first] * values[:, second]) / songs
        variance = a * (1 - a) * b * (1 - b)
        phi = (joint - a * b) / np.sqrt(variance)
    phi[~(variance > 1e-12)] = np.nan  # a constant tag, up to rounding
    return phi


def _fit(predicted: np.ndarray, labelled: np.ndarray) -> tuple[float, float]:
    """Slope through 0 of predicted over labelled phi, and root of their mean squared difference; nan without pairs."""
    both = ~(np.isnan(predicted) | np.isnan(labelled))
    predicted, labelled = predicted[both], labelled[both]
    norm = labelled @ labelled
    if not norm:
        return np.nan, np.nan
    return predicted @ labelled / norm, np.sqrt(np.mean((predicted - labelled) ** 2))
