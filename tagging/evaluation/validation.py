"""Checks of labels and scores, arrays [songs, tags], with errors that name the first bad entry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ConfigError
from ..tags import Vocabulary


def check_arrays(
    labels: np.ndarray, scores: np.ndarray, vocabulary: Vocabulary | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores as floating-point arrays [songs, tags].

    Args:
        labels: 0 or 1 for classification tags, [0, 1] for regression tags, nan where unknown.
        scores: finite, any range.
        vocabulary: the tags; None to check neither their number nor their kinds.

    Raises:
        ConfigError: shapes that differ from each other or from the vocabulary, no songs, scores that are not finite, labels
            outside their range.
    """
    labels, scores = _floating("labels", labels), check_scores(scores, vocabulary)
    if labels.shape != scores.shape:
        raise ConfigError(f"labels {labels.shape} and scores {scores.shape} differ: both must be [songs, tags]")
    if (bad := (labels < 0) | (labels > 1)).any():
        raise ConfigError(f"{bad.sum()} labels outside [0, 1], the first {_first(bad, labels, vocabulary)}")
    if vocabulary is not None:
        check_binary(labels, vocabulary)
    return labels, scores


def check_scores(
    scores: np.ndarray, vocabulary: Vocabulary | None = None, *, probabilities: bool = False
) -> np.ndarray:
    """Scores as a floating-point array [songs, tags].

    Args:
        scores: float [songs, tags].
        vocabulary: the tags; None not to check their number.
        probabilities: whether scores must lie in [0, 1].

    Raises:
        ConfigError: another shape, no songs, scores that are not finite or outside the range.
    """
    scores = _floating("scores", scores)
    if scores.ndim != 2:
        raise ConfigError(f"scores {scores.shape}: expected [songs, tags]")
    if vocabulary is not None and scores.shape[1] != len(vocabulary):
        raise ConfigError(f"scores {scores.shape} do not fit a vocabulary of {len(vocabulary)} tags: [songs, tags]")
    if not len(scores):
        raise ConfigError("scores of no songs: there is nothing to measure")
    if (bad := ~np.isfinite(scores)).any():
        raise ConfigError(f"{bad.sum()} scores are not finite, the first {_first(bad, scores, vocabulary)}")
    if probabilities and (bad := (scores < 0) | (scores > 1)).any():
        raise ConfigError(
            f"{bad.sum()} scores outside [0, 1], the first {_first(bad, scores, vocabulary)}; give probabilities, not logits"
        )
    return scores


def check_binary(labels: np.ndarray, vocabulary: Vocabulary | None = None) -> None:
    """Raise ConfigError if the label of a classification tag is not 0, 1 or nan.

    Args:
        labels: float [songs, tags].
        vocabulary: says which tags are classification tags; None if all are.
    """
    bad = ~((labels == 0) | (labels == 1) | np.isnan(labels))
    if vocabulary is not None:
        bad &= vocabulary.classification
    if bad.any():
        raise ConfigError(
            f"labels of classification tags must be 0, 1 or nan: {bad.sum()} are not, the first "
            f"{_first(bad, labels, vocabulary)}"
        )


def check_parts(parts: Mapping[str, np.ndarray], num_tags: int) -> dict[str, np.ndarray]:
    """The parts of the vocabulary that have tags, as masks bool [tags]; ``"all"``, the whole of it, first.

    Raises:
        ConfigError: a part that is not such a mask, or is called ``"all"``.
    """
    masks = {"all": np.ones(num_tags, bool)}
    for name, part in parts.items():
        mask = np.asarray(part)
        if name == "all" or mask.dtype != bool or mask.shape != (num_tags,):
            raise ConfigError(
                f"part {name!r}, {mask.dtype} {mask.shape}: give a bool mask of the {num_tags} tags, not named 'all'"
            )
        if mask.any():
            masks[name] = mask
    return masks


def _floating(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise ConfigError(f"{name} of type {values.dtype}: expected numbers")
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _first(bad: np.ndarray, values: np.ndarray, vocabulary: Vocabulary | None) -> str:
    song, tag = np.argwhere(bad)[0]
    return f"{values[song, tag]:g} in row {song}, tag {vocabulary[tag].name if vocabulary else tag!s}"
