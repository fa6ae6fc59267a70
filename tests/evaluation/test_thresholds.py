"""Thresholds maximise F1 or match rates on the songs they are fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging import ConfigError
from tagging.evaluation.thresholds import fit_thresholds

LABELS = st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=2, max_size=12)


def f1(labels, scores, threshold):
    known = ~np.isnan(labels)
    present, positive = scores[known] >= threshold, labels[known] == 1
    return 2 * (present & positive).sum() / (present.sum() + positive.sum())


@given(LABELS, st.integers(0, 99), st.integers(2, 20))
def test_no_threshold_has_a_better_f1(labels, seed, levels):
    labels = np.array(labels)
    scores = np.random.default_rng(seed).integers(0, levels, len(labels)) / levels
    (threshold,) = fit_thresholds(labels[:, None], scores[:, None])
    if not ((labels == 1).any() and (labels == 0).any()):
        assert np.isnan(threshold)
        return
    assert f1(labels, scores, threshold) == pytest.approx(max(f1(labels, scores, value) for value in scores))


@given(LABELS, st.integers(0, 99))
def test_a_tag_is_assigned_as_often_as_it_is_there(labels, seed):
    labels = np.array(labels)
    scores = np.random.default_rng(seed).permutation(len(labels)) / len(labels)  # no two are equal
    (threshold,) = fit_thresholds(labels[:, None], scores[:, None], "rate")
    known = ~np.isnan(labels)
    if not np.isnan(threshold):
        assert (scores[known] >= threshold).sum() == (labels == 1).sum()


def test_mistakes_are_refused():
    with pytest.raises(ConfigError, match="unknown method 'f2'"):
        fit_thresholds(np.zeros((2, 1)), np.zeros((2, 1)), "f2")
    with pytest.raises(ConfigError, match="both must be"):
        fit_thresholds(np.zeros((2, 1)), np.zeros((2, 2)))
