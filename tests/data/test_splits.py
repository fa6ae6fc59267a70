"""Splits by group: no group is in two, sizes are met, rare tags are in all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging import ConfigError
from tagging.data.splits import split_by_group

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


@given(st.integers(3, 60), st.integers(1, 4), st.integers(0, 5), st.integers(0, 99))
def test_groups_stay_together_and_every_split_has_one(groups, size, tags, seed):
    names = [f"g{song // size}" for song in range(groups * size)]
    labels = np.random.default_rng(seed).choice([0, 1, np.nan], (len(names), tags))
    assigned = split_by_group(names, labels, SHARES, seed)
    assert set(assigned) == set(SHARES)
    assert all(len(set(assigned[np.array(names) == name])) == 1 for name in set(names))
    assert (assigned == split_by_group(names, labels, SHARES, seed)).all()


@pytest.mark.parametrize(("songs", "size", "tags", "share"), [(200, 3, 10, 0.1), (200, 1, 30, 0.05), (30, 2, 3, 0.5)])
def test_rare_tags_are_in_all_splits(songs, size, tags, share):
    """A random split of the same size lacks a tag several times as often."""
    missing = {"by tags": 0, "at random": 0}
    for seed in range(10):
        random = np.random.default_rng(seed)
        labels = (random.random((songs, tags)) < share).astype(float)
        assigned = split_by_group([str(song // size) for song in range(songs)], labels, SHARES, seed)
        for name, share_of_songs in SHARES.items():
            inside = assigned == name
            assert abs(inside.mean() - share_of_songs) < 0.02 + 2 * size / songs
            missing["by tags"] += int((~(labels[inside] == 1).any(axis=0)).sum())
            drawn = random.random(songs) < share_of_songs
            missing["at random"] += int((~(labels[drawn] == 1).any(axis=0)).sum())
    assert missing["by tags"] <= missing["at random"] / 5


def test_too_few_groups_and_wrong_shares_are_refused():
    with pytest.raises(ConfigError, match="2 groups cannot be split into train, validation, test"):
        split_by_group(["a", "b", "b"], np.zeros((3, 1)), SHARES)
    with pytest.raises(ConfigError, match="each must be positive"):
        split_by_group(list("abc"), np.zeros((3, 1)), {"train": 1.0, "test": 0.0})
