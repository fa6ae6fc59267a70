"""From the scores of segments to one of a song."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tagging.evaluation.pooling import POOLINGS, maximum, mean, noisy_or

SCORES = arrays_of.arrays(
    np.float32, st.tuples(*[st.integers(1, 5)] * 3), elements=st.floats(0, 1, width=32, allow_subnormal=False)
)


@given(SCORES)
def test_each_is_between_0_and_1_and_they_are_in_order(scores):
    results = [POOLINGS[name](scores) for name in ("mean", "maximum", "noisy-or")]
    assert all(result.shape == (scores.shape[0], scores.shape[2]) for result in results)
    assert all(((result >= 0) & (result <= 1)).all() for result in results)
    assert (results[0] <= results[1] + 1e-6).all()
    assert (results[1] <= results[2] + 1e-6).all()
    single = scores[:, :1]
    for pooling in (mean, maximum, noisy_or):
        np.testing.assert_allclose(pooling(single), single[:, 0], atol=1e-6)


def test_noisy_or_of_rare_tags_keeps_their_order():
    scores = np.array([[[1e-9], [2e-9]], [[1e-9], [1e-9]]])
    assert noisy_or(scores).ravel() == pytest.approx([3e-9, 2e-9])
    assert noisy_or(np.array([[[0.5], [0.75]]]))[0, 0] == pytest.approx(1 - 0.5 * 0.25)
