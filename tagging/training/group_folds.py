"""Folds of a cross-validation that share no group of songs. Book: ``book/baseline``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError
from ..tags import Vocabulary


def strata_of(labels: np.ndarray, vocabulary: Vocabulary, folds: int) -> np.ndarray:
    """int [songs]: what folds are stratified by: the class of the first exclusive group, else the rarest tag a song has."""
    groups = list(vocabulary.exclusive_groups.values())
    columns = list(groups[0]) if groups else np.flatnonzero(vocabulary.classification).tolist()
    if not columns:
        return np.zeros(len(labels), np.int64)
    present = labels[:, columns] == 1
    rarest = np.where(present, present.sum(axis=0), len(labels) + 1).argmin(axis=1)
    strata = np.where(present.any(axis=1), rarest, -1)
    names, counts = np.unique(strata, return_counts=True)
    strata[np.isin(strata, names[counts < folds])] = names[counts.argmax()]  # too few to be in every fold
    return strata


def group_folds(
    labels: np.ndarray, vocabulary: Vocabulary, groups: Sequence[str] | np.ndarray, folds: int, seed: int
) -> list[np.ndarray]:
    """Parts of the songs that share no group, with about equal shares of each class: int indices of each.

    Raises:
        ConfigError: fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if (count := len(np.unique(groups))) < folds:
        raise ConfigError(
            f"{folds} folds need at least {folds} groups of songs, there are {count}; give --folds {count}"
        )
    strata = strata_of(labels, vocabulary, folds)
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32).split(strata, strata, groups)
    return [test for _, test in split]
