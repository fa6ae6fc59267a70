"""Remedies against tag bias that need no training: adjusted scores, exclusive scores, thresholds, recalibration.

All work on scores [songs, tags] in [0, 1] of classification tags. Fit on songs that the model was not trained on and that it
is not evaluated on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, unknown_name
from .common import prepare, prepare_labelled

# Scores are clipped this far from 0 and 1, where their logits are infinite.
EPSILON = 1e-6
AIMS = ("f1", "prevalence")
# Tag priors are clipped here: a tag without a training example would otherwise lead every adjusted list.
MIN_PRIOR = 1e-3


def adjusted_scores(scores: np.ndarray, tag_prior: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Logit adjustment: subtract the logit of each tag's prior from its logits, so that frequent tags have no advantage.

    The rest says how much more likely a tag is for this song than for any song, so a song's list holds what is special
    about it. Adjusted scores are not probabilities. The order of songs within a tag does not change.

    Args:
        scores: float [songs, tags] in [0, 1].
        tag_prior: float [tags] in [0, 1], share of training clips with each tag; clipped to 0.001 ... 0.999.
        strength: 0 changes nothing, 1 subtracts the whole logit.

    Returns:
        float64 [songs, tags] in [0, 1].

    Raises:
        ConfigError: arguments outside their range.

    Source: Menon et al. 2021, section 4 (post-hoc adjustment), applied to tags. Book: ``book/remedies``.
    """
    scores, tag_prior = prepare(scores, None, None)[0], np.asarray(tag_prior, np.float64)
    if tag_prior.shape != scores.shape[1:] or not ((tag_prior >= 0) & (tag_prior <= 1)).all():
        raise ConfigError(f"tag_prior {tag_prior.shape}: give a number in [0, 1] for each of {scores.shape[1]} tags")
    if not np.isfinite(strength):
        raise ConfigError(f"strength={strength}: give a finite number, usually from 0 to 1")
    return _sigmoid(_logit(scores) - strength * _logit(np.clip(tag_prior, MIN_PRIOR, 1 - MIN_PRIOR)))


def exclusive_scores(scores: np.ndarray, groups: Iterable[Sequence[int]]) -> np.ndarray:
    """Scores of exclusive tags that sum to at most 1: within each group, a softmax over its logits and a 0 for "none".

    The head ``exclusive`` computes the same from a network's logits, in PyTorch; this one needs NumPy only.

    Args:
        scores: float [songs, tags] in [0, 1].
        groups: indices of tags that exclude each other; all other scores are unchanged.

    Returns:
        float [songs, tags] in [0, 1].

    Raises:
        ConfigError: scores or indices outside their range, a tag in two groups.

    Book: ``book/remedies``.
    """
    exclusive = prepare(scores, None, None)[0].copy()
    groups = [list(members) for members in groups]
    indices = [index for members in groups for index in members]
    if len(set(indices)) < len(indices) or not all(0 <= index < exclusive.shape[1] for index in indices):
        raise ConfigError(
            f"exclusive groups {groups}: give each index, from 0 to {exclusive.shape[1] - 1}, in one group at most"
        )
    for members in groups:
        odds = np.exp(_logit(exclusive[:, members]))
        exclusive[:, members] = odds / (1 + odds.sum(axis=1, keepdims=True))
    return exclusive


def fit_thresholds(scores: np.ndarray, labels: np.ndarray, aim: str = "f1") -> np.ndarray:
    """Fit a threshold for each tag on a validation set.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        aim: ``"f1"`` maximizes F1; ``"prevalence"`` assigns a tag as often as it is labelled.

    Returns:
        float64 [tags]; a tag is assigned where its score is at least that. Thresholds lie halfway between two scores; a tag
        without a positive song gets one above 1, and is never assigned.

    Raises:
        ConfigError: arguments outside their range, an unknown aim.

    Book: ``book/remedies``.
    """
    if aim not in AIMS:
        raise unknown_name("aim", aim, AIMS)
    scores, labels, _ = prepare_labelled(scores, labels)
    thresholds = np.full(scores.shape[1], 2.0)
    for tag in range(scores.shape[1]):
        known = ~np.isnan(labels[:, tag])
        order = np.argsort(-scores[known, tag], kind="stable")
        ranked, positive = scores[known, tag][order], labels[known, tag][order]
        if not positive.any():
            continue
        # numbers of assigned songs that a threshold can give: ties are assigned together
        cuts = np.flatnonzero(np.append(np.diff(ranked) < 0, True)) + 1
        hits = np.cumsum(positive)[cuts - 1]
        quality = 2 * hits / (cuts + positive.sum()) if aim == "f1" else -np.abs(cuts - positive.sum())
        best = cuts[np.argmax(quality)]
        thresholds[tag] = (ranked[best - 1] + (ranked[best] if best < len(ranked) else 0.0)) / 2
    return thresholds


@dataclass(frozen=True, eq=False)
class Recalibration:
    """Platt scaling with one slope for all tags and an offset per tag; call it on scores.

    Attributes:
        slope: of the logits; below 1 for an overconfident model.
        offset: float64 [tags].

    Book: ``book/remedies``.
    """

    slope: float
    offset: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """float [songs, tags] in [0, 1] -> float64 [songs, tags] in [0, 1]."""
        return _sigmoid(self.slope * _logit(prepare(scores, None, None)[0]) + self.offset)


def fit_recalibration(scores: np.ndarray, labels: np.ndarray) -> Recalibration:
    """Fit a :class:`Recalibration` on a validation set: one logistic regression for all tags; needs scikit-learn.

    A slope per tag would need more positives than rare tags have; offsets are regularized for the same reason.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].

    Raises:
        ConfigError: arguments outside their range, labels of one class only.

    Source: Platt 1999, with a slope that all tags share. Book: ``book/remedies``.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    scores, labels, _ = prepare_labelled(scores, labels)
    song, tag = np.nonzero(~np.isnan(labels))
    targets = labels[song, tag]
    if len(np.unique(targets)) < 2:
        raise ConfigError("labels are all 0 or all 1: recalibration needs songs with and without tags")
    one_hot = csr_matrix((np.ones(len(tag)), (np.arange(len(tag)), tag)), shape=(len(tag), scores.shape[1]))
    logits = csr_matrix(_logit(scores[song, tag])[:, None])
    fitted = LogisticRegression(max_iter=1000).fit(hstack([logits, one_hot]).tocsr(), targets)
    slope, *offset = fitted.coef_[0]
    return Recalibration(float(slope), np.array(offset) + fitted.intercept_[0])


def _logit(probability: np.ndarray) -> np.ndarray:
    probability = np.clip(probability, EPSILON, 1 - EPSILON)
    return np.log(probability / (1 - probability))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
