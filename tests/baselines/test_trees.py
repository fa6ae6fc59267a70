"""Boosted trees: they learn, stop in time, name tags they cannot predict, and follow their seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging.baselines.binning import Binning
from tagging.baselines.features.extraction import Features
from tagging.baselines.trees import FIRST_CHECK, TreeSettings, fit_trees
from tagging.errors import ConfigError
from tagging.tags import Tag, Vocabulary

VOCABULARY = Vocabulary(["learnable", "noise", "always", "never", "unknown", Tag("level", "regression"), "unheard"])
LEARNABLE, NOISE, ALWAYS, NEVER, UNKNOWN, LEVEL, UNHEARD = range(7)


def clips(count: int, seed: int) -> Features:
    """The first tag is a product of signs, the level a bent line, of some of eight features; some labels are missing."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 8)).astype(np.float32)
    labels = np.zeros((count, 7), np.float32)
    labels[:, LEARNABLE] = x[:, 0] * x[:, 1] > 0
    labels[:, NOISE] = random.random(count) < 0.3
    labels[:, ALWAYS], labels[:, UNKNOWN] = 1, np.nan
    labels[:, LEVEL] = 1 / (1 + np.exp(-2 * x[:, 2]))
    labels[:, UNHEARD] = x[:, 3] > 0 if seed == 0 else np.nan
    labels[random.random((count, 7)) < 0.1] = np.nan
    return Features(x, labels, np.arange(count).astype(str), np.arange(count))


TRAIN, VALIDATION, TEST = clips(600, 0), clips(200, 1), clips(300, 2)


def fit(train=TRAIN, validation=VALIDATION, workers=1, **chosen):
    chosen = TreeSettings(**{"iterations": 100, "learning_rate": 0.1, "share": 1.0, **chosen})
    return fit_trees(train, validation, VOCABULARY, chosen, workers=workers, progress=False)


@pytest.fixture(scope="module")
def trees():
    return fit()


def known(tag: int) -> np.ndarray:
    return ~np.isnan(TEST.labels[:, tag])


def test_they_learn_what_can_be_learnt(trees):
    scores = trees.predict(TEST.values)
    assert scores.shape == (300, 7)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    right = (scores[:, LEARNABLE] > 0.5) == (TEST.labels[:, LEARNABLE] > 0.5)
    assert right[known(LEARNABLE)].mean() > 0.85
    error = (scores - TEST.labels)[known(LEVEL), LEVEL]
    assert np.sqrt(np.mean(error**2)) < 0.3 * np.nanstd(TEST.labels[:, LEVEL])


def test_noise_gets_few_trees(trees):
    assert trees.iterations[NOISE] <= 25 < FIRST_CHECK // 2 < trees.iterations[LEARNABLE]
    scores = trees.predict(TEST.values)[:, NOISE]
    # near its prevalence for every clip
    assert abs(scores - 0.3).max() < 0.25


def test_the_number_of_trees_is_the_best_on_validation():
    """Compared with models of scikit-learn of each size, with its own bins, fitted at once."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss

    rows, tested = ~np.isnan(TRAIN.labels[:, LEARNABLE]), ~np.isnan(VALIDATION.labels[:, LEARNABLE])
    known = Features(TRAIN.values[rows], TRAIN.labels[rows], TRAIN.groups[rows], TRAIN.indices[rows])
    trees = fit(train=known)
    model = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=15, max_bins=64, early_stopping=False)
    model.fit(known.values, known.labels[:, LEARNABLE])
    labels = VALIDATION.labels[tested, LEARNABLE]
    losses = [log_loss(labels, p[:, 1]) for p in model.staged_predict_proba(VALIDATION.values[tested])]
    best = trees.iterations[LEARNABLE]
    assert best == np.argmin(losses) + 1
    expected = list(model.staged_predict_proba(TEST.values))[best - 1][:, 1]
    np.testing.assert_allclose(trees.predict(TEST.values)[:, LEARNABLE], expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5, 64]), st.sampled_from([1, 3, 40, 1000]))
def test_trees_of_binned_features_are_those_of_scikit_learn(seed, bins, levels):
    """On other clips too: with fewer values than bins, a frequent value, a constant feature.

    From scikit-learn 1.9 on; earlier versions use other quantiles.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    random = np.random.default_rng(seed)

    def clips(count):
        values = (random.normal(size=(count, 3)) * levels).round() / levels
        values[random.random(count) < 0.3, 0] = 0.5  # a frequent value
        return (values * [1, 1e-6, 0] + [0, 1e3, 7]).astype(np.float32)

    values, others = clips(320), clips(3000) + random.normal(size=(3000, 3)).astype(np.float32) / 10
    labels = values[:, 0] + random.normal(size=320)
    binning = Binning(values, bins)
    model = HistGradientBoostingRegressor(max_iter=10, max_bins=bins, early_stopping=False)
    expected = model.fit(values, labels).predict(others)
    np.testing.assert_array_equal(model.fit(binning(values), labels).predict(binning(others)), expected)


def test_tags_of_one_class_or_unknown_are_constant_and_named(trees):
    assert trees.constant == {
        "always": "always 1 in training",
        "never": "always 0 in training",
        "unknown": "nothing is known in training",
        "unheard": "nothing is known in validation",
    }
    assert (trees.iterations[[ALWAYS, NEVER, UNKNOWN, UNHEARD]] == 0).all()
    scores = trees.predict(TEST.values)
    share = np.nanmean(TRAIN.labels[:, UNHEARD])
    np.testing.assert_allclose(scores[:, [ALWAYS, NEVER, UNKNOWN, UNHEARD]], [[1, 0, 0.5, share]] * 300, rtol=1e-6)


def test_workers_change_nothing_and_seeds_do(trees):
    options = {"share": 0.5, "iterations": 30}
    one, two, other = fit(**options), fit(**options, workers=2), fit(**options, seed=1)
    np.testing.assert_array_equal(one.predict(TEST.values), two.predict(TEST.values))
    np.testing.assert_array_equal(one.iterations, two.iterations)
    assert (one.predict(TEST.values) != other.predict(TEST.values)).any()
    assert trees.predict(TEST.values[:0]).shape == (0, 7)


def test_rare_tags_of_a_few_clips():
    """Two positives in training and none in validation: scores stay low and finite."""
    labels = TRAIN.labels.copy()
    labels[:, NEVER] = 0
    labels[[3, 77], NEVER] = 1
    rare = fit(train=Features(TRAIN.values, labels, TRAIN.groups, TRAIN.indices), iterations=20)
    scores = rare.predict(TEST.values)[:, NEVER]
    assert "never" not in rare.constant
    assert ((scores >= 0) & (scores < 0.1)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "iterations=0"),
        ({"leaves": 1}, "leaves=1"),
        ({"learning_rate": 0.0}, "learning_rate=0"),
        ({"share": 1.5}, "share=1.5"),
        ({"bins": 256}, "bins=256"),
        ({"workers": 0}, "workers=0"),
        (
            {"train": Features(TRAIN.values[:0], TRAIN.labels[:0], TRAIN.groups[:0], TRAIN.indices[:0])},
            "train: no clips",
        ),
        ({"train": Features(TRAIN.values, TRAIN.labels[:, :3], TRAIN.groups, TRAIN.indices)}, r"labels \(600, 3\)"),
        (
            {"validation": Features(TEST.values[:, :5], TEST.labels, TEST.groups, TEST.indices)},
            "8 features in training, 5 in validation",
        ),
        (
            {"validation": Features(TEST.values * np.nan, TEST.labels, TEST.groups, TEST.indices)},
            "NaN or infinite",
        ),
    ],
)
def test_impossible_requests(options, message):
    with pytest.raises(ConfigError, match=message):
        fit(**options)


def test_other_features_are_refused(trees):
    with pytest.raises(ConfigError, match="NaN or infinite"):
        trees.predict(TEST.values * np.nan)
    with pytest.raises(ConfigError, match=r"\(300, 7\).*8"):
        trees.predict(TEST.values[:, :7])
