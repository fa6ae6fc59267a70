"""Remedies do what they say: on scores whose fault is known, it goes; and what they must not touch stays."""

from __future__ import annotations

import numpy as np
import pytest
from bias_models import LIKELY, VOCABULARY, by_popularity, songs
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import ConfigError
from tagging.evaluation.bias import bias_report, over_representation
from tagging.evaluation.bias.compare import paired_differences, summary_metrics
from tagging.evaluation.bias.remedies import (
    Recalibration,
    adjusted_scores,
    exclusive_scores,
    fit_recalibration,
    fit_thresholds,
)

TRUTH, LABELS = songs()
RATES = LABELS.mean(axis=0, dtype=np.float64)
MODES = [0, 1, 2]

arrays = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(size=(30, 5)))


def logit(share):
    return np.log(share / (1 - share))


def test_what_only_knows_popularity_knows_nothing_once_it_is_taken_away():
    scores = RATES[None].repeat(len(LABELS), axis=0)
    np.testing.assert_allclose(adjusted_scores(scores, RATES), 0.5)


def test_a_head_start_is_taken_away_and_nothing_else():
    """Evidence plus popularity, minus popularity, is evidence; half of the strength leaves half of the head start."""
    evidence = np.random.default_rng(0).normal(size=(50, 12))
    scores = 1 / (1 + np.exp(-evidence - logit(RATES)))
    np.testing.assert_allclose(logit(adjusted_scores(scores, RATES)), evidence, atol=1e-6)
    np.testing.assert_allclose(logit(adjusted_scores(scores, RATES, 0.5)), evidence + logit(RATES) / 2, atol=1e-6)


def test_a_tag_that_was_never_seen_does_not_lead_every_list():
    """Its logit is 0 / 0; it counts as rare, not as infinitely special."""
    adjusted = adjusted_scores(np.array([[0.0001, 0.4]]), np.array([0.0, 0.1]))
    assert adjusted[0].argmax() == 1


def test_adjusting_makes_lists_less_popular():
    """Of scores that are mostly popularity and a little truth."""
    mixed = 1 / (1 + np.exp(-(0.15 * logit(np.clip(TRUTH, 0.02, 0.9)) + logit(RATES))))
    adjusted = adjusted_scores(mixed, RATES)
    popularity = [over_representation(scores, LABELS, top_k=3).against_labels for scores in (mixed, adjusted)]
    assert popularity[1].high < popularity[0].low


@given(scores=arrays)
def test_exclusive_scores_sum_to_one_at_most_and_keep_their_order(scores):
    exclusive = exclusive_scores(scores, [(0, 3), (1, 4)])
    np.testing.assert_array_equal(exclusive[:, 2], scores[:, 2])
    for group in ([0, 3], [1, 4]):
        odds = scores[:, group] / (1 - scores[:, group])
        np.testing.assert_allclose(exclusive[:, group], odds / (1 + odds.sum(1, keepdims=True)), rtol=1e-6)
        assert (exclusive[:, group].sum(1) <= 1).all()
        np.testing.assert_array_equal(exclusive[:, group].argmax(1), scores[:, group].argmax(1))


@given(scores=arrays, seed=st.integers(0, 99))
def test_no_threshold_has_a_better_f1_than_the_fitted_one(scores, seed):
    labels = (np.random.default_rng(seed).uniform(size=scores.shape) < 0.3).astype(float)
    thresholds = fit_thresholds(scores, labels)
    for tag in range(5):
        if not labels[:, tag].any():
            assert thresholds[tag] > 1
            continue
        cuts = np.append(scores[:, tag], thresholds[tag])
        taken = scores[:, tag][:, None] >= cuts  # [songs, cuts]
        f1 = 2 * (taken & (labels[:, tag] == 1)[:, None]).sum(0) / (taken.sum(0) + labels[:, tag].sum())
        assert f1[-1] == pytest.approx(f1.max())


@given(scores=arrays, seed=st.integers(0, 99))
def test_thresholds_by_prevalence_assign_tags_as_often_as_annotated(scores, seed):
    random = np.random.default_rng(seed)
    labels = (random.uniform(size=scores.shape) < 0.3).astype(float)
    labels[random.uniform(size=scores.shape) < 0.2] = np.nan
    thresholds = fit_thresholds(scores, labels, "prevalence")
    known = ~np.isnan(labels)
    given_tags = (scores >= thresholds) & known
    np.testing.assert_array_equal(given_tags.sum(0), np.nansum(labels, axis=0))


def test_ties_are_cut_together():
    thresholds = fit_thresholds(np.full((10, 2), 0.4), np.array([[1, 0]] * 5 + [[0, 1]] * 5), "prevalence")
    np.testing.assert_allclose(thresholds, 0.2)


def test_a_known_miscalibration_is_undone():
    """Logits twice too large, and shifted: the slope and the offsets that were used come back."""
    random = np.random.default_rng(0)
    evidence = random.normal(0, 1.5, (20_000, 4)) - 1
    labels = (random.uniform(size=evidence.shape) < 1 / (1 + np.exp(-evidence))).astype(float)
    offset = np.array([0.0, 0.5, -1.0, 2.0])
    shown = 1 / (1 + np.exp(-2 * (evidence + offset)))
    recalibration = fit_recalibration(shown, labels)
    assert recalibration.slope == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(recalibration.offset, -offset, atol=0.1)
    np.testing.assert_allclose(recalibration(shown), 1 / (1 + np.exp(-evidence)), atol=0.03)


def test_recalibration_leaves_true_scores_and_the_order_of_songs():
    scores = np.clip(TRUTH, 0.02, LIKELY)
    labels = (np.random.default_rng(3).uniform(size=scores.shape) < scores).astype(float)
    recalibration = fit_recalibration(scores, labels)
    assert recalibration.slope == pytest.approx(1, abs=0.1)
    assert isinstance(recalibration, Recalibration)
    for tag in range(scores.shape[1]):
        pairs = np.unique(np.column_stack([scores[:, tag], recalibration(scores)[:, tag]]), axis=0)
        assert (np.diff(pairs[:, 1]) > 0).all()


# What changed


def test_differences_are_paired():
    """The two models' own intervals overlap widely; song by song one is ahead by a little, always."""
    options = {"labels": LABELS[:300], "top_k": 3, "resamples": 200}
    before = bias_report(TRUTH[:300], VOCABULARY, **options)
    after = bias_report(exclusive_scores(TRUTH[:300] * 0.999, [MODES]), VOCABULARY, **options)
    differences = paired_differences(before, after)
    assert set(differences) == set(summary_metrics(before))
    value = differences["calibration error"]
    assert value.value == pytest.approx(
        summary_metrics(after)["calibration error"].value - summary_metrics(before)["calibration error"].value
    )
    unpaired = summary_metrics(before)["variety"]
    assert differences["variety"].high - differences["variety"].low < unpaired.high - unpaired.low


def test_a_model_does_not_differ_from_itself():
    report = bias_report(by_popularity(LABELS), VOCABULARY, LABELS, top_k=3, resamples=50)
    for value in paired_differences(report, report).values():
        assert (np.array([value.value, value.low, value.high]) == 0).all() or np.isnan(value.value)


def test_without_annotations_less_is_compared():
    report = bias_report(TRUTH[:50], VOCABULARY, top_k=3, resamples=20)
    assert set(summary_metrics(report)) == {"variety", "contradictions assigned", "contradictions listed"}


def test_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match=r"tag_prior \(2,\).*12"):
        adjusted_scores(TRUTH, np.array([0.1, 0.2]))
    with pytest.raises(ConfigError, match="'f2'.*'f1'"):
        fit_thresholds(TRUTH, LABELS, "f2")
    with pytest.raises(ConfigError, match="all 0 or all 1"):
        fit_recalibration(TRUTH, np.zeros_like(TRUTH))
    with pytest.raises(ConfigError, match="score"):
        exclusive_scores(2 * TRUTH, [])
    for groups in ([(0, 12)], [(0, -1)], [(0, 1), (1, 2)]):
        with pytest.raises(ConfigError, match="one group"):
            exclusive_scores(TRUTH, groups)
    with pytest.raises(ConfigError, match="strength=nan"):
        adjusted_scores(TRUTH, RATES, float("nan"))
    report = [bias_report(TRUTH[:count], VOCABULARY, top_k=3, resamples=20) for count in (50, 60)]
    with pytest.raises(ConfigError, match="different songs"):
        paired_differences(*report)
    report = [bias_report(TRUTH[:50], VOCABULARY, top_k=3, resamples=20, seed=seed) for seed in (0, 1)]
    with pytest.raises(ConfigError, match="different labels, groups, resamples or seed"):
        paired_differences(*report)
