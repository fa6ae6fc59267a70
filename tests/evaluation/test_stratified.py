"""Within sources, to know the source is chance; areas equal an obvious loop over strata; sources and masks that do not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tagging.errors import ConfigError
from tagging.evaluation.evaluate import Evaluation, difference, evaluate
from tagging.evaluation.stratified import MIN_GROUPS, StratifiedRanking, mask_unannotated, source_alone
from tagging.tags import REGRESSION, Tag, Vocabulary

VOCABULARY = Vocabulary(["songbook", "dance", "legend", "piano", Tag("tempo", kind=REGRESSION)])
PARTS = {
    "collection": np.array([True, False, False, False, False]),
    "human": np.array([False, True, True, False, False]),
    "instrument": np.array([False, False, False, True, False]),
}
# how often "dance", "legend" and "piano" occur in each source
SHARES = {"songbook": (0.1, 0.6, 0.5), "dances": (0.7, 0.0, 0.5), "masses": (0.3, 0.2, 0.5)}


def corpus(songs=900, seed=0):
    """Labels, strata and annotated of songs of three sources; no source but the first annotates "legend"."""
    random = np.random.default_rng(seed)
    strata = random.choice(list(SHARES), songs)
    tags = random.random((songs, 3)) < np.array([SHARES[source] for source in strata])
    labels = np.column_stack([strata == "songbook", tags, random.random(songs)]).astype(np.float32)
    annotated = np.ones(labels.shape, bool)
    annotated[strata != "songbook", 2] = False
    return labels, strata, annotated


def reference(function, labels, scores, strata, groups, weights):
    """The stratified metric of one tag, by a loop over strata and scikit-learn; strata are chosen from all songs."""
    total, result = 0.0, 0.0
    for stratum in set(strata.tolist()):
        inside = (strata == stratum) & ~np.isnan(labels)
        if min(len(set(groups[inside & (labels == value)].tolist())) for value in (0, 1)) < MIN_GROUPS:
            continue
        inside &= weights > 0
        positives, negatives = (weights[inside & (labels == value)].sum() for value in (1, 0))
        if positives and negatives:
            weight = positives * negatives / (positives + negatives)
            area = function(labels[inside], scores[inside], sample_weight=weights[inside])
            total, result = total + weight, result + weight * area
    return result / total if total else math.nan


@given(
    songs=st.integers(1, 120),
    strata=st.integers(1, 4),
    levels=st.sampled_from([1, 3, 1000]),
    seed=st.integers(0, 2**32),
)
def test_areas_are_those_of_a_loop_over_strata(songs, strata, levels, seed):
    random = np.random.default_rng(seed)
    labels = (random.random(songs) < random.choice([0.1, 0.5])).astype(float)
    labels[random.random(songs) < 0.1] = np.nan
    scores = random.integers(0, levels, songs).astype(float)
    strata, groups = random.integers(0, strata, songs), random.integers(0, max(1, songs // 2), songs)
    counts = random.integers(0, 4, (5, songs)).astype(np.uint8)
    counts[0] = 1
    areas = StratifiedRanking(labels, scores, strata, groups).areas(counts)
    for values, function in zip(areas, (roc_auc_score, average_precision_score), strict=True):
        expected = [reference(function, labels, scores, strata, groups, row.astype(float)) for row in counts]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_constructed_predictors_get_what_they_must(seed):
    """The source alone: perfect over all songs where the source decides, chance within. Perfect within: 1. Random: one half."""
    labels, strata, annotated = corpus(seed=seed)
    learnt_labels, learnt_strata, learnt_annotated = corpus(seed=seed + 10)
    random = np.random.default_rng(seed)
    alone = source_alone(learnt_labels, learnt_strata, strata, learnt_annotated)
    # right about each song within its source, and otherwise as wrong as can be: the sources are in the wrong order
    order = {"songbook": 0.0, "dances": 2.0, "masses": 1.0}
    within = labels.astype(float) + 10 * np.array([order[source] for source in strata])[:, None]
    models = {"alone": alone, "within": within, "random": random.random(labels.shape)}
    results = {
        name: evaluate(labels, scores, VOCABULARY, parts=PARTS, strata=strata, annotated=annotated, resamples=50)
        for name, scores in models.items()
    }
    for part in ("human", "instrument", "all"):
        means = {name: result.parts[part]["roc_auc"] for name, result in results.items()}
        assert means["alone"].value == pytest.approx(0.5, abs=1e-12)
        assert (means["alone"].low, means["alone"].high) == pytest.approx((0.5, 0.5), abs=1e-12)
        assert means["within"].value == results["within"].parts[part]["pr_auc"].value == 1
        assert means["random"].value == pytest.approx(0.5, abs=0.06)
    # over all songs
    assert results["alone"].parts["collection"]["roc_auc"].value == 1
    assert results["within"].parts["collection"]["roc_auc"].value < 0.2
    pooled = evaluate(labels, alone, VOCABULARY, resamples=5)
    assert pooled.tags[VOCABULARY.position("dance")].roc_auc.value > 0.7
    # PR-AUC of a model that knows nothing more than the source: the shares of positives within, by the strata's weights
    tags = {tag.name: tag for tag in results["alone"].tags}
    assert [tags[name].num_strata for name in VOCABULARY.names] == [None, 3, 1, 3, None]
    legend = labels[strata == "songbook", 2]
    assert tags["legend"].pr_auc.value == pytest.approx(legend.mean(), abs=1e-6)
    assert tags["legend"].known == len(legend)
    positives, negatives = (
        np.array([(labels[strata == source, 1] == value).sum() for source in SHARES]) for value in (1, 0)
    )
    sizes = positives + negatives
    weights = positives * negatives / sizes
    assert tags["dance"].pr_auc.value == pytest.approx((weights * positives / sizes).sum() / weights.sum(), abs=1e-6)


def test_without_strata_or_with_one_it_is_the_evaluation_over_all_songs():
    labels, strata, _ = corpus(200)
    scores = np.random.default_rng(0).random(labels.shape)
    options = {"parts": {"human": PARTS["human"]}, "resamples": 40, "groups": np.arange(200) // 3}
    over_all = evaluate(labels, scores, VOCABULARY, **options)
    one = evaluate(labels, scores, VOCABULARY, strata=np.full(200, "only"), **options)
    for metric in ("roc_auc", "pr_auc", "sqrt_mse"):
        for part in one.parts.keys() & {"all"} if metric == "sqrt_mse" else one.parts:
            ends = [result.parts[part][metric] for result in (one, over_all)]
            assert ends[0].to_dict() == pytest.approx(ends[1].to_dict(), abs=1e-12)
    assert one.fingerprint != over_all.fingerprint  # small strata do not count: another measurement
    with pytest.raises(ConfigError, match="differ in songs"):
        difference(one, over_all, "roc_auc")
    within = evaluate(labels, scores, VOCABULARY, strata=strata, **options)
    assert within.fingerprint != one.fingerprint
    assert within.means["sqrt_mse"] == over_all.means["sqrt_mse"]  # errors are not ranked


def test_predictions_may_be_compared_with_the_same_in_half_precision():
    labels, strata, _ = corpus(200)
    scores = np.random.default_rng(1).random(labels.shape)
    exact, stored = (
        evaluate(array, scores, VOCABULARY, strata=strata, resamples=40)
        for array in (labels, labels.astype(np.float16).astype(np.float64))
    )
    assert abs(difference(exact, stored, "sqrt_mse").value) < 1e-3


def test_small_strata_are_left_out_for_every_model():
    """Four families have the dance in the second source: whatever a model does there, it does not count."""
    groups = np.arange(40)
    strata = np.repeat(["large", "small"], 20)
    labels = np.array([[0.0, 1.0] * 10 + [1.0] * 4 + [0.0] * 16]).T
    wrong = labels.copy()
    wrong[20:] = 1 - wrong[20:]
    results = [
        evaluate(labels, scores, ["dance"], strata=strata, groups=groups, resamples=5) for scores in (labels, wrong)
    ]
    assert [result.means["roc_auc"].value for result in results] == [1, 1]
    assert results[0].tags[0].num_strata == 1
    # songs of one family are one piece of evidence
    joined = np.where(strata == "large", groups // 8, groups)
    undefined = evaluate(labels, labels, ["dance"], strata=strata, groups=joined, resamples=5)
    assert undefined.undefined == ["dance"]
    assert undefined.means == {}


def test_a_stratified_evaluation_is_what_its_record_says():
    labels, strata, annotated = corpus(120)
    evaluation = evaluate(labels, labels, VOCABULARY, parts=PARTS, strata=strata, annotated=annotated, resamples=7)
    assert Evaluation.from_dict(evaluation.to_dict()) == evaluation


def test_the_source_alone_falls_back_to_what_is_known():
    labels = np.array([[1.0, np.nan, 0.0], [0.0, 1.0, np.nan], [1.0, 0.0, np.nan]])
    scores = source_alone(labels, np.array(["a", "b", "b"]), np.array(["b", "a", "c"]))
    np.testing.assert_allclose(scores, [[0.5, 0.5, 0.0], [1.0, 0.5, 0.0], [2 / 3, 0.5, 0.0]])
    nothing = source_alone(np.full((2, 1), np.nan), np.array(["a", "b"]), np.array(["a"]))
    assert nothing.tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strata": np.zeros(3)}, r"strata of shape \(3,\): give one stratum for each of the 4 songs"),
        ({"strata": np.array([0, 1, np.nan, 0])}, "strata contain NaN"),
        ({"annotated": np.ones((4, 3), bool)}, r"annotated, bool \(4, 3\): give a bool mask of labels \(4, 2\)"),
        ({"annotated": np.ones((4, 2))}, "annotated, float64"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(np.eye(4, 2), np.eye(4, 2), ["a", "b"], **options)
    with pytest.raises(ConfigError, match="one source for each of the 2 songs"):
        source_alone(np.eye(2), np.zeros(3), np.zeros(1))


def test_a_mask_keeps_the_precision_of_labels():
    labels = np.ones((2, 2), np.float32)
    assert mask_unannotated(labels, None) is labels
    masked = mask_unannotated(labels, np.array([[True, False], [True, True]]))
    assert masked.dtype == np.float32
    np.testing.assert_array_equal(masked, [[1, np.nan], [1, 1]])
