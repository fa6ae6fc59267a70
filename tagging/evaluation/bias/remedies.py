"""What can be done about bias without training anew: other scores, or other thresholds, from what a model has said.

Each takes float [songs, tags] in [0, 1] of classification tags. What is fitted is fitted on songs that the model was neither
trained on nor will be judged on. Book: ``book/remedies``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError, unknown_name
from .common import prepare

# Scores are kept this far from 0 and 1, where their logits would be infinite.
EDGE = 1e-6
AIMS = ("f1", "share")
# A tag that was rarer than this in training counts as so rare: one that was never seen would else lead every list.
RAREST = 1e-3


def adjusted_scores(scores: np.ndarray, share: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Scores without the head start that frequent tags have: from each logit, that of the tag's share is taken away.

    What is left says how much more likely a tag is for this song than for any song. A song's list then holds what is
    special about it; the scores are no probabilities any more. The order of songs within a tag stays as it is.

    Args:
        scores: float [songs, tags] in [0, 1].
        share: float [tags] in [0, 1]: of training songs that have each tag; taken as 0.001 to 0.999.
        strength: 0 changes nothing, 1 takes all of the head start.

    Returns:
        float64 [songs, tags] in [0, 1].

    Raises:
        ConfigError: anything outside its range.

    Source: Menon et al. 2021, section 4 (adjustment after training), taken from classes to tags. Book: ``book/remedies``.
    """
    scores, share = _checked(scores), np.asarray(share, np.float64)
    if share.shape != scores.shape[1:] or not ((share >= 0) & (share <= 1)).all():
        raise ConfigError(f"share {share.shape}: give one in [0, 1] for each of {scores.shape[1]} tags")
    if not np.isfinite(strength):
        raise ConfigError(f"strength={strength}: a number is needed, usually from 0 to 1")
    return _sigmoid(_logit(scores) - strength * _logit(np.clip(share, RAREST, 1 - RAREST)))


def exclusive_scores(scores: np.ndarray, groups: Iterable[Sequence[int]]) -> np.ndarray:
    """Scores of exclusive tags that leave room for one: within each group, a softmax of logits and of a 0 for none of it.

    Args:
        scores: float [songs, tags] in [0, 1].
        groups: places of tags that exclude each other; all other scores stay as they are.

    Returns:
        float64 [songs, tags] in [0, 1]; those of a group sum to at most 1.

    Raises:
        ConfigError: scores outside their range, places that are none, a tag in two groups.

    Book: ``book/remedies``.
    """
    scores = _checked(scores)
    groups = [list(members) for members in groups]
    every = [place for members in groups for place in members]
    if len(set(every)) < len(every) or not all(0 <= place < scores.shape[1] for place in every):
        raise ConfigError(
            f"exclusive groups {groups}: give each place, from 0 to {scores.shape[1] - 1}, in one group at most"
        )
    found = scores.copy()
    for members in groups:
        odds = np.exp(_logit(scores[:, members]))
        found[:, members] = odds / (1 + odds.sum(axis=1, keepdims=True))
    return found


def fit_thresholds(scores: np.ndarray, labels: np.ndarray, aim: str = "f1") -> np.ndarray:
    """A threshold for each tag, chosen on songs set apart.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        aim: ``"f1"`` (precision and recall at once) or ``"share"`` (a tag is given as often as annotated).

    Returns:
        float64 [tags]: a tag is given where its score is at least that. Halfway between two scores; above 1 for a tag that
        no song has, which is then never given.

    Raises:
        ConfigError: anything outside its range, an unknown aim.

    Book: ``book/remedies``.
    """
    if aim not in AIMS:
        raise unknown_name("aim", aim, AIMS)
    scores, labels, _ = prepare(scores, labels, None)
    thresholds = np.full(scores.shape[1], 2.0)
    for tag in range(scores.shape[1]):
        known = ~np.isnan(labels[:, tag])
        order = np.argsort(-scores[known, tag], kind="stable")
        found, truth = scores[known, tag][order], labels[known, tag][order]
        if not truth.any():
            continue
        # after how many songs a cut is possible: only where the next score is lower
        cuts = np.flatnonzero(np.append(np.diff(found) < 0, True)) + 1
        hits = np.cumsum(truth)[cuts - 1]
        worth = 2 * hits / (cuts + truth.sum()) if aim == "f1" else -np.abs(cuts - truth.sum())
        best = cuts[np.argmax(worth)]
        thresholds[tag] = (found[best - 1] + (found[best] if best < len(found) else 0.0)) / 2
    return thresholds


@dataclass(frozen=True, eq=False)
class Recalibration:
    """Makes scores mean what they say, as far as one slope for all tags and one offset for each can.

    Attributes:
        slope: of the logits; below 1 for a model that is too sure.
        offset: float64 [tags].

    Book: ``book/remedies``.
    """

    slope: float
    offset: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """float [songs, tags] in [0, 1] -> float64 [songs, tags] in [0, 1]."""
        return _sigmoid(self.slope * _logit(_checked(scores)) + self.offset)


def fit_recalibration(scores: np.ndarray, labels: np.ndarray) -> Recalibration:
    """Fit :class:`Recalibration` on songs set apart: one logistic regression for all tags.

    A slope of each tag's own would need more positives than rare tags have; offsets are drawn a little towards each other
    for the same reason.

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].

    Raises:
        ConfigError: anything outside its range, labels of one class only.

    Source: Platt 1999, with a slope that tags share. Book: ``book/remedies``.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression

    scores, labels, _ = prepare(scores, labels, None)
    song, tag = np.nonzero(~np.isnan(labels))
    truth = labels[song, tag]
    if len(np.unique(truth)) < 2:
        raise ConfigError("labels: all alike; a calibration needs songs with and without tags")
    which = csr_matrix((np.ones(len(tag)), (np.arange(len(tag)), tag)), shape=(len(tag), scores.shape[1]))
    logits = csr_matrix(_logit(scores[song, tag])[:, None])
    fitted = LogisticRegression(max_iter=1000).fit(hstack([logits, which]).tocsr(), truth)
    slope, *offset = fitted.coef_[0]
    return Recalibration(float(slope), np.array(offset) + fitted.intercept_[0])


def _checked(scores: np.ndarray) -> np.ndarray:
    return prepare(scores, None, None)[0]


def _logit(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, EDGE, 1 - EDGE)
    return np.log(share / (1 - share))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
