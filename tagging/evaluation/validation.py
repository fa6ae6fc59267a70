"""Labels and scores as users give them: arrays [songs, tags] in their range, or an error that says what is wrong."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError
from ..tags import Vocabulary


def check_arrays(
    labels: np.ndarray, scores: np.ndarray, vocabulary: Vocabulary | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores as floating-point arrays [songs, tags].

    Args:
        labels: 0 or 1 for classification tags, [0, 1] for attributes, nan where unknown.
        scores: finite; any range.
        vocabulary: the tags, if their number, their names and their kinds matter.

    Raises:
        ConfigError: shapes that differ from each other or from the vocabulary, no songs, scores that are not finite, labels
            outside [0, 1], with a vocabulary also classification labels other than 0, 1 or nan.

    Book: ``book/glossary``.
    """
    labels, scores = _floating("labels", labels), check_scores(scores, vocabulary)
    if labels.shape != scores.shape:
        raise ConfigError(f"labels {labels.shape} and scores {scores.shape} differ: both must be [songs, tags]")
    if (bad := (labels < 0) | (labels > 1)).any():
        raise ConfigError(f"labels outside [0, 1]: {bad.sum()}, the first {_first(bad, labels, vocabulary)}")
    if vocabulary is not None:
        check_binary(labels, vocabulary)
    return labels, scores


def check_scores(scores: np.ndarray, vocabulary: Vocabulary | None = None, *, unit: bool = False) -> np.ndarray:
    """Scores as a floating-point array [songs, tags].

    Args:
        scores: float [songs, tags].
        vocabulary: the tags, if their number and names matter.
        unit: whether scores must be probabilities, in [0, 1].

    Raises:
        ConfigError: another shape, no songs, scores that are not finite or not within the range.

    Book: ``book/glossary``.
    """
    scores = _floating("scores", scores)
    if scores.ndim != 2:
        raise ConfigError(f"scores {scores.shape}: expected [songs, tags]")
    if vocabulary is not None and scores.shape[1] != len(vocabulary):
        raise ConfigError(f"scores {scores.shape} do not fit a vocabulary of {len(vocabulary)} tags: [songs, tags]")
    if not len(scores):
        raise ConfigError("scores of no songs: there is nothing to measure")
    if (bad := ~np.isfinite(scores)).any():
        raise ConfigError(f"scores that are not finite: {bad.sum()}, the first {_first(bad, scores, vocabulary)}")
    if unit and (bad := (scores < 0) | (scores > 1)).any():
        raise ConfigError(
            f"scores outside [0, 1]: {bad.sum()}, the first {_first(bad, scores, vocabulary)}; give probabilities, not logits"
        )
    return scores


def check_binary(labels: np.ndarray, vocabulary: Vocabulary | None = None) -> None:
    """Refuse labels of classification tags that are neither 0 nor 1 nor nan.

    Args:
        labels: float [songs, tags].
        vocabulary: says which tags are classification tags; without one all are.

    Raises:
        ConfigError: such a label; the message says where.
    """
    bad = ~((labels == 0) | (labels == 1) | np.isnan(labels))
    if vocabulary is not None:
        bad &= vocabulary.classification
    if bad.any():
        raise ConfigError(
            f"labels of classification tags must be 0, 1 or nan: {bad.sum()} are not, the first "
            f"{_first(bad, labels, vocabulary)}"
        )


def _floating(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise ConfigError(f"{name} of type {values.dtype}: expected numbers")
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _first(bad: np.ndarray, values: np.ndarray, vocabulary: Vocabulary | None) -> str:
    song, tag = np.argwhere(bad)[0]
    return f"{values[song, tag]:g} in row {song}, tag {vocabulary[tag].name if vocabulary else tag!s}"
