"""Every measure has known answers for true probabilities and for a model that gives popular tags."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bias_models import LIKELY, TOP, VOCABULARY, by_popularity, songs

from tagging.evaluation.bias import (
    accuracy_by_popularity,
    bias_report,
    calibration,
    contradictions,
    cooccurrence,
    over_representation,
    text,
    top_precision,
    variety,
)
from tagging.evaluation.bootstrap import Resampling

TRUTH, LABELS = songs()
POPULAR = by_popularity(LABELS)
RATES = LABELS.mean(axis=0, dtype=np.float64)
RESAMPLING = Resampling(len(LABELS), resamples=200)
LISTS = {"top_k": TOP, "resampling": RESAMPLING}


def test_the_popular_model_lists_the_three_most_frequent_tags():
    """On which the answers below rest: two modes are among them."""
    assert set(np.argsort(-RATES)[:TOP]) == {0, 3, 1}
    assert np.diff(np.sort(RATES)).min() > 0


def test_yardsticks_are_the_measures_of_the_annotations():
    """What a perfect model would get is what the annotations get, taken as scores; lists longer than songs have tags."""
    for top_k in (1, TOP, 7):
        measured = over_representation(POPULAR, LABELS, top_k=top_k, resampling=RESAMPLING)
        same = over_representation(LABELS, LABELS, top_k=top_k, resampling=RESAMPLING)
        assert measured.if_perfect == pytest.approx(same.against_labels.value)
    accuracy = accuracy_by_popularity(POPULAR, LABELS, resampling=RESAMPLING)
    perfect = accuracy_by_popularity(LABELS, LABELS, resampling=RESAMPLING)
    assert accuracy.rank_if_perfect == pytest.approx(perfect.rank_correlation.value)
    lot = accuracy_by_popularity(np.random.default_rng(0).random(LABELS.shape), LABELS, resampling=RESAMPLING)
    assert accuracy.recall_if_random == pytest.approx(lot.recall_correlation.value, abs=0.1)


def test_a_perfect_list_with_places_to_spare_is_filled_by_lot():
    """Two tags a song, four places: the other two are any of the three that are left."""
    labels = np.array([[1, 1, 0, 0, 0]] * 3)
    measured = over_representation(np.full((3, 5), 0.5), labels, popularity=np.array([5, 5, 1, 1, 1]), top_k=4)
    assert measured.if_perfect == pytest.approx((5 + 5 + 1 + 1) / 4 / 5)
    assert over_representation(np.full((3, 5), 0.5), labels, top_k=2).if_perfect == pytest.approx(1)
    assert math.isnan(over_representation(np.full((3, 5), 0.5), popularity=np.ones(5), top_k=2).if_perfect)


def test_over_representation():
    true = over_representation(TRUTH, LABELS, **LISTS)
    popular = over_representation(POPULAR, LABELS, **LISTS)
    assert true.against_labels.value == pytest.approx(1, abs=0.01)
    assert true.against_labels.low <= 1 <= true.against_labels.high
    assert true.scores_against_labels.low <= 1 <= true.scores_against_labels.high
    top = np.sort(RATES)[-TOP:]
    assert popular.against_labels.value == pytest.approx(top.mean() / ((RATES / RATES.sum()) @ RATES))
    assert popular.against_random.value == pytest.approx(top.mean() / RATES.mean())
    assert popular.against_labels.low > 1.2
    assert sorted(popular.predicted) == pytest.approx([0] * 9 + [1 / 3] * 3)
    np.testing.assert_allclose(true.predicted, (TRUTH > 0).sum(axis=0) / (TOP * len(TRUTH)))
    # against a frequency that is given, without annotations
    given = over_representation(POPULAR, popularity=RATES, **LISTS)
    assert given.against_labels.value == pytest.approx(popular.against_labels.value)
    np.testing.assert_allclose(given.labelled, RATES / RATES.sum())


def test_variety():
    share = (TRUTH > 0).sum(axis=0) / (TOP * len(TRUTH))
    assert variety(TRUTH, **LISTS).value == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    popular = variety(POPULAR, **LISTS)
    assert [popular.value, popular.low, popular.high] == pytest.approx([TOP] * 3)
    lot = np.random.default_rng(0).uniform(size=TRUTH.shape)
    assert variety(lot, **LISTS).value == pytest.approx(12, abs=0.05)


def test_accuracy_by_popularity():
    true = accuracy_by_popularity(TRUTH, LABELS, resampling=RESAMPLING)
    popular = accuracy_by_popularity(POPULAR, LABELS, resampling=RESAMPLING)
    # a tenth of the songs that are given a tag lack it, whatever the tag
    np.testing.assert_allclose(true.recall, LIKELY, atol=0.06)
    np.testing.assert_allclose(true.lift * RATES, LABELS.sum(axis=0) / (TRUTH > 0).sum(axis=0))
    np.testing.assert_allclose(true.rank, 1 - (TOP - 1) / 2 / 11)  # one of three equals among twelve
    assert true.recall_correlation.value < 0.6
    assert math.isnan(true.rank_correlation.value)  # all tags are alike
    # all songs alike: of each tag as many are found as by lot
    np.testing.assert_allclose(popular.recall, RATES)
    np.testing.assert_allclose(popular.lift, 1)
    np.testing.assert_allclose(popular.rank, np.argsort(np.argsort(RATES)) / 11)
    assert popular.recall_correlation.value == pytest.approx(1)
    assert popular.rank_correlation.value == pytest.approx(1)
    assert math.isnan(popular.lift_correlation.value)
    assert true.lift_correlation.value == pytest.approx(-1, abs=0.05)


def test_top_precision():
    true = top_precision(TRUTH, LABELS, **LISTS)
    popular = top_precision(POPULAR, LABELS, **LISTS)
    assert true.model.value == pytest.approx(LIKELY, abs=0.01)
    assert true.ceiling == pytest.approx(true.model.value)  # every tag that a song has is on its list
    assert true.gain.low > 0.3
    assert popular.model == popular.popularity
    assert [popular.gain.value, popular.gain.low, popular.gain.high] == pytest.approx([0, 0, 0], abs=1e-12)
    assert popular.model.value == pytest.approx(np.sort(RATES)[-TOP:].sum() / TOP)
    assert true.popularity.value == pytest.approx(popular.model.value)


def test_calibration():
    true = calibration(TRUTH, LABELS, resampling=RESAMPLING)
    popular = calibration(POPULAR, LABELS, resampling=RESAMPLING)
    assert true.mean_error.value == pytest.approx(true.mean_error_if_true, rel=0.5)
    assert true.mean_error.value < 0.005
    np.testing.assert_allclose(popular.error, np.sqrt(RATES) - RATES, rtol=1e-6)
    assert popular.mean_error.low > 10 * true.mean_error.high
    for band, members in zip(popular.bands, np.split(np.argsort(-RATES), 3), strict=True):
        assert set(band.tags) == set(members)
        assert band.ratio.value == pytest.approx(np.sqrt(RATES[members]).sum() / RATES[members].sum())
        assert band.ratio.low > 1.3
    assert all(band.ratio.low <= 1 <= band.ratio.high for band in true.bands)
    assert [band.name for band in true.bands] == ["frequent", "middle", "rare"]


def test_contradictions():
    true = contradictions(TRUTH, VOCABULARY.exclusive_groups, LABELS, **LISTS)
    popular = contradictions(POPULAR, VOCABULARY.exclusive_groups, LABELS, **LISTS)
    for share in (true.by_threshold, true.in_top_k, *true.groups["mode"]):
        assert (share.value, share.low, share.high) == (0, 0, 0)
    assert all(pair.num_labelled_both == 0 and math.isnan(pair.by_threshold_confidence) for pair in true.pairs)
    listed = set(np.argsort(-RATES)[:TOP])
    for pair in popular.pairs:
        both = {pair.first, pair.second} <= listed
        assert pair.in_top_k.value == both
        assert (pair.in_top_k_confidence == pytest.approx(np.sqrt(RATES[[pair.first, pair.second]]).min())) == both
        # as many songs as have each, drawn by lot
        by_chance = RATES[pair.first] * RATES[pair.second]
        assert pair.by_threshold_if_independent == pytest.approx(by_chance)
        assert pair.by_threshold.value == pytest.approx(by_chance, abs=4 * math.sqrt(by_chance / len(LABELS)))
        assert pair.by_threshold.low > 0
    assert popular.in_top_k.value == 1
    assert popular.by_threshold.low > 0.15


def test_cooccurrence():
    true = cooccurrence(TRUTH, LABELS, resampling=RESAMPLING)
    popular = cooccurrence(POPULAR, LABELS, resampling=RESAMPLING)
    assert true.reproduced.value == pytest.approx(true.reproduced_if_true, abs=0.02)
    assert true.reproduced.low > 0.9
    assert true.distance.value == pytest.approx(true.distance_if_true, rel=0.2)
    np.testing.assert_allclose(true.labelled_phi, true.predicted_phi, atol=0.06)
    assert popular.reproduced.value == pytest.approx(0, abs=1e-9)
    assert popular.reproduced.high < 1e-9
    off = ~np.eye(12, dtype=bool)
    np.testing.assert_allclose(popular.predicted_phi[off], 0, atol=1e-9)
    np.testing.assert_allclose(popular.predicted_joint[off], np.outer(np.sqrt(RATES), np.sqrt(RATES))[off])
    assert popular.distance.value == pytest.approx(np.sqrt(np.mean(popular.labelled_phi[off] ** 2)))
    assert popular.distance.low > 2 * true.distance.value
    assert true.labelled_joint[0, 1] == 0


def test_reports_tell_the_two_apart():
    texts = [
        text(bias_report(scores, VOCABULARY, LABELS, top_k=TOP, resamples=50)).splitlines()
        for scores in (TRUTH, POPULAR)
    ]

    def value(lines, start):
        (line,) = [line for line in lines if line.strip().startswith(start)]
        return float(line[52:].split()[0])

    for start, true, popular in (
        ("any exclusive pair in the top 3", 0, 1),
        ("gain over popularity", LIKELY - np.sort(RATES)[-TOP:].mean(), 0),
        ("slope of predicted over labelled phi", 1, 0),
        (
            "popularity by scores / of labelled tags",
            1,
            POPULAR[0] @ RATES / POPULAR[0].sum() / (RATES @ RATES / RATES.sum()),
        ),
    ):
        assert [value(lines, start) for lines in texts] == pytest.approx([true, popular], abs=0.03)
