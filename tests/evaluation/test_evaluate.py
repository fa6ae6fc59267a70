"""Metrics equal scikit-learn's, resamples equal an obvious loop, intervals cover, and pairs of models are comparable."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from helpers import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tagging.book.runs import BUNDLED_RUNS, load_predictions
from tagging.errors import ConfigError
from tagging.evaluation.bootstrap import Interval, Resampling
from tagging.evaluation.evaluate import Evaluation, difference, evaluate
from tagging.evaluation.metrics import pr_auc, roc_auc, sqrt_mse
from tagging.evaluation.segments import song_scores
from tagging.tags import CLASSIFICATION, REGRESSION, Tag, Vocabulary

MIXED = Vocabulary([Tag("rock"), Tag("energy", kind=REGRESSION), Tag("flute", source="arranger"), Tag("slow")])
PARTS = {"composition": np.array([True, True, False, True]), "instrument": np.array([False, False, True, False])}


def judged(weights, function, labels, scores):
    """One metric of scikit-learn over the known songs in a resample; nan with one class only."""
    defined = ~np.isnan(labels) & (weights > 0)
    if len(set(labels[defined])) < 2:
        return math.nan
    return function(labels[defined], scores[defined], sample_weight=weights[defined])


@st.composite
def judgements(draw, vocabulary=None):
    """Labels with unknowns and scores with many ties, few ties, or all equal; often a class is missing."""
    songs, seed = draw(st.integers(1, 40)), draw(st.integers(0, 2**32 - 1))
    tags = draw(st.integers(1, 6)) if vocabulary is None else len(vocabulary)
    random = np.random.default_rng(seed)
    labels = (random.uniform(size=(songs, tags)) < draw(st.sampled_from([0.05, 0.3, 0.9]))).astype(np.float32)
    if vocabulary is not None:
        labels = np.where(vocabulary.regression, random.uniform(size=labels.shape), labels).astype(np.float32)
    labels[random.uniform(size=labels.shape) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    levels = draw(st.sampled_from([0, 2, 1000]))
    scores = random.normal(size=labels.shape) if levels == 1000 else random.integers(0, levels + 1, labels.shape)
    return labels, scores.astype(draw(st.sampled_from([np.float32, np.float64])))


@given(judgements())
def test_areas_are_those_of_scikit_learn(case):
    labels, scores = case
    once = np.ones(len(labels))
    for areas, function in (
        (roc_auc(labels, scores), roc_auc_score),
        (pr_auc(labels, scores), average_precision_score),
    ):
        assert areas.dtype == np.float64
        expected = [judged(once, function, *columns) for columns in zip(labels.T, scores.T, strict=True)]
        np.testing.assert_allclose(areas, expected, rtol=0, atol=1e-9)


def test_areas_of_many_songs_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.uniform(size=(20_000, 2)) < (0.001, 0.6)
    for scores in (random.normal(size=labels.shape) + labels, np.round(random.normal(size=labels.shape) + labels, 1)):
        expected = [roc_auc_score(labels[:, tag], scores[:, tag]) for tag in range(2)]
        np.testing.assert_allclose(roc_auc(labels, scores), expected, rtol=0, atol=1e-9)
        expected = [average_precision_score(labels[:, tag], scores[:, tag]) for tag in range(2)]
        np.testing.assert_allclose(pr_auc(labels, scores), expected, rtol=0, atol=1e-9)


def test_known_answers():
    labels = np.array([[1], [0], [1], [0]], np.float32)
    assert roc_auc(labels, np.array([[0.9], [0.8], [0.7], [0.1]])) == [0.75]
    assert pr_auc(labels, np.array([[0.9], [0.8], [0.7], [0.1]])) == pytest.approx([(1 + 2 / 3) / 2])
    assert roc_auc(labels, np.zeros((4, 1))) == [0.5]
    assert pr_auc(labels, np.zeros((4, 1))) == [0.5]  # the share of positives
    assert np.isnan(roc_auc(np.ones((4, 1)), np.zeros((4, 1)))).all()
    assert np.isnan(pr_auc(np.ones((4, 1)), np.zeros((4, 1)))).all()


@given(judgements(Vocabulary([Tag("a", kind=REGRESSION), Tag("b", kind=REGRESSION)])))
def test_sqrt_mse_is_the_obvious_one(case):
    labels, scores = case
    for tag, error in enumerate(sqrt_mse(labels, scores)):
        known = ~np.isnan(labels[:, tag])
        errors = labels[known, tag].astype(float) - scores[known, tag].astype(float)
        expected = math.sqrt((errors**2).mean()) if known.any() else math.nan
        assert error == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_song_scores_are_means_over_segments(songs, tags, seed):
    random = np.random.default_rng(seed)
    belongs = random.permutation(np.concatenate([np.arange(songs), random.integers(0, songs, 3 * songs)]))
    scores = random.uniform(size=(len(belongs), tags)).astype(np.float32)
    means = song_scores(scores, belongs)
    assert means.dtype == np.float32
    expected = [scores[belongs == song].astype(float).mean(axis=0) for song in range(songs)]
    np.testing.assert_allclose(means, expected, rtol=1e-6)


# Resamples


def obvious(labels, scores, vocabulary, groups, resamples, seed):
    """The same resamples with one loop for everything and songs really repeated; tag by tag, then the means."""
    names = sorted(set(groups.tolist()))
    random = np.random.default_rng([seed, len(names)])
    tables = {"roc_auc": [], "pr_auc": [], "sqrt_mse": []}
    for _ in range(resamples):
        drawn = random.integers(0, len(names), len(names))
        rows = np.concatenate([np.flatnonzero(groups == names[group]) for group in drawn])
        once = np.ones(len(rows))
        line = {metric: [] for metric in tables}
        for tag, about in enumerate(vocabulary):
            y, x = labels[rows, tag], scores[rows, tag]
            if about.kind == REGRESSION:
                known = ~np.isnan(y)
                squares = (y[known].astype(float) - x[known].astype(float)) ** 2
                line["sqrt_mse"].append(math.sqrt(squares.mean()) if known.any() else math.nan)
            else:
                line["roc_auc"].append(judged(once, roc_auc_score, y, x))
                line["pr_auc"].append(judged(once, average_precision_score, y, x))
        for metric, values in line.items():
            tables[metric].append(values)
    return {metric: np.array(table) for metric, table in tables.items()}


def ends(value, resampled, least=0.0, most=math.inf):
    """Both ends of a basic bootstrap interval, which holds its value."""
    below, above = np.nanpercentile(resampled, [2.5, 97.5])
    return [min(value, max(least, 2 * value - above)), max(value, min(most, 2 * value - below))]


@given(case=judgements(MIXED), seed=st.integers(0, 1000), families=st.sampled_from([1, 3, 100]))
def test_resamples_are_those_of_an_obvious_loop(case, seed, families):
    labels, scores = case
    groups = np.array([f"family {n}" for n in np.random.default_rng(seed).integers(0, families, len(labels))])
    evaluation = evaluate(labels, scores, MIXED, groups=groups, resamples=10, seed=seed)
    tables = obvious(labels, scores, MIXED, groups, 10, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means and percentiles of nothing
        for metric, table in tables.items():
            power = 2 if metric == "sqrt_mse" else 1
            mean = np.nanmean(table**power, axis=1) ** (1 / power)
            if metric in evaluation.means:
                np.testing.assert_allclose(evaluation.resampled[metric], mean, rtol=0, atol=1e-9)
                interval, most = evaluation.means[metric], math.inf if metric == "sqrt_mse" else 1.0
                if np.isnan(mean).all():
                    assert np.isnan([interval.low, interval.high]).all()
                else:
                    expected = ends(interval.value, mean, most=most)
                    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=0, atol=1e-9)
            else:
                assert np.isnan(table).all()
            tags = [tag for tag in evaluation.tags if (tag.kind == REGRESSION) == (metric == "sqrt_mse")]
            for tag, column in zip(tags, table.T, strict=True):
                if (result := getattr(tag, metric)) is None:
                    assert tag.name in evaluation.undefined
                    assert np.isnan(column).all()
                elif np.isnan(column).all():
                    assert np.isnan([result.low, result.high]).all()
                else:
                    expected = ends(result.value, column, most=most)
                    np.testing.assert_allclose([result.low, result.high], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("chunk_bytes", [1, 70, 1 << 20])
def test_resamples_do_not_depend_on_the_size_of_chunks(chunk_bytes):
    resampling = Resampling(10, np.array(list("abbcdeefga")), resamples=23, seed=4)
    table = np.zeros((24, 10))
    for rows, counts in resampling.chunks(chunk_bytes):
        table[rows] = counts
    random = np.random.default_rng([4, 7])
    drawn = [np.bincount(random.integers(0, 7, 7), minlength=7) for _ in range(23)]
    assert (table[0] == 1).all()  # the songs themselves
    table = table[1:]
    expected = np.array(drawn)[:, [0, 1, 1, 2, 3, 4, 4, 5, 6, 0]]
    np.testing.assert_array_equal(table, expected)
    assert (table[:, 1] == table[:, 2]).all()  # a group is drawn whole
    assert (table[:, 0] == table[:, 9]).all()
    np.testing.assert_array_equal(table[:, [0, 1, 3, 4, 5, 7, 8]].sum(axis=1), 7)  # as many draws as groups


def test_resamples_depend_on_seed_and_number_of_groups_only():
    def first(groups, seed=0):
        resampling = Resampling(len(groups), np.array(groups), resamples=5, seed=seed)
        return [counts for _, counts in resampling.chunks()][1]

    np.testing.assert_array_equal(first([3, 1, 2, 1]), first(["c", "a", "b", "a"]))
    np.testing.assert_array_equal(first([0, 1, 2])[:, [2, 0, 1]], first([9, 4, 7]))
    assert (first(range(50)) != first(range(50), seed=1)).any()


def simulated(random, songs, groups, separation):
    """Scores whose true ROC-AUC is known: a score is normal, higher by ``separation`` with the tag; groups share it all."""
    label = random.uniform(size=groups) < 0.4
    score = random.normal(size=groups) + separation * label
    member = np.arange(songs) % groups
    return label[member, None].astype(np.float32), score[member, None], member


def test_intervals_cover_the_truth_and_groups_matter():
    """150 data sets, each of 120 independent groups, every group three songs that are copies of each other."""
    random, separation = np.random.default_rng(5), 1.0
    expected = 0.5 * (1 + math.erf(separation / 2))  # of two normals that lie 1 apart
    covered = {"groups": 0, "songs": 0}
    for _ in range(150):
        labels, scores, member = simulated(random, 360, 120, separation)
        for name, groups in (("groups", member), ("songs", None)):
            measured = evaluate(labels, scores, Vocabulary(["a"]), groups=groups, resamples=200).means["roc_auc"]
            covered[name] += measured.low <= expected <= measured.high
    assert 0.90 <= covered["groups"] / 150 <= 0.99
    assert covered["songs"] / 150 < 0.85  # copies taken for independent evidence


def test_intervals_of_rare_tags_cover_the_truth_where_percentiles_do_not():
    """A resample holds positives twice, which raises PR-AUC: 60 data sets of 500 songs, 20 tags of 3 % of the songs."""
    random, vocabulary = np.random.default_rng(6), Vocabulary([f"tag {n}" for n in range(20)])

    def songs(count):
        labels = random.uniform(size=(count, 20)) < 0.03
        return labels.astype(np.float32), random.normal(size=labels.shape) + 0.8 * labels

    expected = pr_auc(*songs(200_000)).mean()
    covered = {"basic": 0, "percentiles": 0}
    for _ in range(60):
        evaluation = evaluate(*songs(500), vocabulary, resamples=200)
        covered["basic"] += evaluation.means["pr_auc"].low <= expected <= evaluation.means["pr_auc"].high
        below, above = np.percentile(evaluation.resampled["pr_auc"], [2.5, 97.5])
        covered["percentiles"] += below <= expected <= above
    assert covered["basic"] / 60 >= 0.85
    assert covered["percentiles"] / 60 <= 0.3


# Evaluations


def example(songs=200, seed=0, noise=1.0):
    random = np.random.default_rng(7)
    labels = np.where(MIXED.regression, random.uniform(size=(songs, 4)), random.uniform(size=(songs, 4)) < 0.3)
    labels = labels.astype(np.float32)
    labels[random.uniform(size=labels.shape) < 0.1] = np.nan
    noise = noise * np.random.default_rng(seed).normal(size=labels.shape)
    return labels, (np.nan_to_num(labels, nan=0.5) + noise).astype(np.float32), random.integers(0, 60, songs)


def test_means_parts_and_counts():
    labels, scores, groups = example()
    evaluation = evaluate(labels, scores, MIXED, groups=groups, parts=PARTS, resamples=50)
    assert [tag.name for tag in evaluation.tags] == list(MIXED.names)
    rock, energy, flute, slow = evaluation.tags
    binary = labels[:, MIXED.classification], scores[:, MIXED.classification]
    roc, pr = roc_auc(*binary), pr_auc(*binary)
    assert [tag.roc_auc.value for tag in (rock, flute, slow)] == pytest.approx(roc)
    assert [tag.pr_auc.value for tag in (rock, flute, slow)] == pytest.approx(pr)
    assert energy.sqrt_mse.value == pytest.approx(sqrt_mse(labels[:, [1]], scores[:, [1]])[0])
    assert energy.roc_auc is energy.pr_auc is rock.sqrt_mse is None
    assert evaluation.means["roc_auc"].value == pytest.approx(roc.mean())
    assert evaluation.means == evaluation.parts["all"]
    assert evaluation.parts["composition"]["pr_auc"].value == pytest.approx(pr[[0, 2]].mean())
    assert evaluation.parts["instrument"]["pr_auc"].value == pytest.approx(pr[1])
    assert set(evaluation.parts["instrument"]) == {"roc_auc", "pr_auc"}
    assert set(evaluation.parts) == {"all", "composition", "instrument"}
    has = labels[:, 0] == 1
    assert (rock.known, rock.positives) == ((~np.isnan(labels[:, 0])).sum(), has.sum())
    assert rock.positive_groups == len(set(groups[has]))
    assert (evaluation.num_songs, evaluation.num_groups) == (200, len(set(groups)))
    assert all(tag.roc_auc.low < tag.roc_auc.value < tag.roc_auc.high for tag in (rock, flute, slow))


def test_parts_are_masks_of_tags_and_those_without_tags_are_left_out():
    labels, scores, _ = example()
    parts = {"none": np.zeros(4, bool), "fast": np.array([True, False, False, True])}
    evaluation = evaluate(labels, scores, MIXED, parts=parts, resamples=2)
    assert set(evaluation.parts) == {"all", "fast"}
    assert set(evaluation.parts["fast"]) == {"roc_auc", "pr_auc"}
    assert set(evaluate(labels, scores, MIXED, resamples=2).parts) == {"all"}


def test_a_list_of_names_stands_for_classification_tags():
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    scores = np.array([[0.9, 0.2], [0.3, 0.6], [0.7, 0.8], [0.8, 0.4]])
    evaluation = evaluate(labels, scores, ["guitar", "slow"], resamples=10)
    assert evaluation.means["roc_auc"].value == 0.875
    assert evaluation == evaluate(labels, scores, Vocabulary(["guitar", "slow"]), resamples=10)


def test_a_table_has_a_row_for_each_tag():
    labels, scores, _ = example()
    evaluation = evaluate(labels, scores, MIXED, resamples=20)
    table = evaluation.table()
    assert list(table.index) == list(MIXED.names)
    assert table.loc["rock", "roc_auc"] == evaluation.tags[0].roc_auc.value
    assert table.loc["rock", "roc_auc_low"] == evaluation.tags[0].roc_auc.low
    assert np.isnan(table.loc["energy", "roc_auc"])
    assert table.loc["energy", "sqrt_mse"] == evaluation.tags[1].sqrt_mse.value
    assert repr(evaluation).startswith("Evaluation(4 tags, 200 songs, roc_auc 0.")
    assert len(repr(evaluation)) < 150


def test_the_mean_error_is_the_root_of_the_mean_square():
    """As published: one root over all attributes, not the mean of several roots."""
    vocabulary = Vocabulary([Tag("a", kind=REGRESSION), Tag("b", kind=REGRESSION)])
    evaluation = evaluate(np.zeros((5, 2)), np.tile([0.1, 0.7], (5, 1)), vocabulary, resamples=3)
    assert [tag.sqrt_mse.value for tag in evaluation.tags] == pytest.approx([0.1, 0.7])
    assert evaluation.means["sqrt_mse"].value == pytest.approx(0.5)
    assert set(evaluation.means) == {"sqrt_mse"}


def test_undefined_tags_are_named_and_in_no_mean():
    labels, scores, _ = example()
    labels[:, 0] = np.where(np.isnan(labels[:, 0]), np.nan, 0)
    labels[:, 1] = np.nan
    evaluation = evaluate(labels, scores, MIXED, parts=PARTS, resamples=30)
    assert evaluation.undefined == ["rock", "energy"]
    assert (evaluation.tags[0].positives, evaluation.tags[1].known) == (0, 0)
    assert evaluation.tags[0].roc_auc is evaluation.tags[1].sqrt_mse is None
    assert "sqrt_mse" not in evaluation.means
    assert evaluation.means["roc_auc"].value == pytest.approx(roc_auc(labels[:, 2:], scores[:, 2:]).mean())
    assert evaluation.parts["composition"]["roc_auc"].value == pytest.approx(evaluation.tags[3].roc_auc.value)
    labels[:, 0] = 1
    assert evaluate(labels, scores, MIXED, resamples=3).undefined == ["rock", "energy"]


def test_difference_is_paired():
    """Two models that err alike: each interval is wide, that of their difference is narrow."""
    labels, scores, groups = example()
    worse = scores + 0.1 * np.random.default_rng(3).normal(size=scores.shape).astype(np.float32)
    first = evaluate(labels, scores, MIXED, groups=groups, parts=PARTS, resamples=300)
    second = evaluate(labels, worse, MIXED, groups=groups, parts=PARTS, resamples=300)
    for metric in ("roc_auc", "pr_auc", "sqrt_mse"):
        gap = difference(first, second, metric)
        assert gap.value == pytest.approx(first.means[metric].value - second.means[metric].value)
        resampled = first.resampled[metric] - second.resampled[metric]
        assert [gap.low, gap.high] == pytest.approx(ends(gap.value, resampled, least=-1))
        width = first.means[metric].high - first.means[metric].low
        assert gap.high - gap.low < 0.7 * width
    parts = [difference(first, second, "roc_auc", part) for part in ("composition", "instrument")]
    for part, gap in zip(("composition", "instrument"), parts, strict=True):
        assert gap.value == first.parts[part]["roc_auc"].value - second.parts[part]["roc_auc"].value
        assert gap.low < gap.value < gap.high
    same = difference(first, first, "pr_auc")
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_records_are_enough_for_a_paired_difference():
    labels, _, groups = example()
    models = [evaluate(labels, example(seed=seed)[1], MIXED, groups=groups, resamples=100) for seed in (1, 2)]
    records = [Evaluation.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False))) for model in models]
    assert records == models
    for metric in models[0].means:
        fresh, recorded = difference(*models, metric), difference(*records, metric)
        assert recorded.value == fresh.value
        assert (recorded.low, recorded.high) == pytest.approx((fresh.low, fresh.high), abs=1.1e-5)
        assert all(len(str(value)) <= 8 for value in records[0].to_dict()["resampled"][metric])


@given(vocabularies, st.integers(0, 2**32 - 1))
def test_any_evaluation_survives_json(vocabulary, seed):
    random = np.random.default_rng(seed)
    labels = random.uniform(size=(4, len(vocabulary)))
    labels[:, vocabulary.classification] = labels[:, vocabulary.classification] < 0.3
    evaluation = evaluate(labels, random.normal(size=labels.shape), vocabulary, resamples=3)
    again = Evaluation.from_dict(json.loads(json.dumps(evaluation.to_dict(), allow_nan=False)))
    # as plain data: nan as an end of an interval does not equal itself
    assert again.to_dict() == evaluation.to_dict()
    for metric, series in evaluation.resampled.items():
        np.testing.assert_allclose(again.resampled[metric], series, atol=1e-5)


def test_old_records_are_read_and_comparable():
    """Their names of kinds, parts and counts are of the first version; so is the fingerprint of a new evaluation."""
    path = BUNDLED_RUNS / "laptop-waveform-1k-s0.json"
    stored = json.loads(path.read_text(encoding="utf-8"))["test"]
    record = Evaluation.from_dict(stored)
    assert (record.num_songs, record.num_groups) == (stored["songs"], stored["groups"])
    assert set(record.parts) == {"all", "composition", "instrument"}
    assert {tag.kind for tag in record.tags} == {CLASSIFICATION, REGRESSION}
    assert Evaluation.from_dict(record.to_dict()).to_dict() == record.to_dict()
    predictions = load_predictions(path.stem)
    evaluation = evaluate(
        predictions.labels, predictions.scores, predictions.vocabulary, groups=predictions.groups, resamples=100
    )
    # as version 0.1 gave it for these labels, which are in half precision and so not quite those of the record
    assert evaluation.fingerprint == "554a05810125"
    for metric, mean in record.means.items():
        assert evaluation.means[metric].value == pytest.approx(mean.value, abs=1e-3)


def test_fingerprints_say_what_is_paired():
    labels, scores, groups = example()
    base = evaluate(labels, scores, MIXED, groups=groups, parts=PARTS, resamples=5)
    assert (
        evaluate(labels.astype(np.float64), 2 * scores, MIXED, groups=groups, resamples=5).fingerprint
        == base.fingerprint
    )
    other = labels.copy()
    other[0, 0] = 1 - np.nan_to_num(other[0, 0])
    described = Vocabulary([Tag("rock", description="x"), *list(MIXED)[1:]])
    renamed = Vocabulary([Tag("rook"), *list(MIXED)[1:]])
    assert evaluate(labels, scores, described, groups=groups, resamples=5).fingerprint == base.fingerprint
    different = [
        evaluate(other, scores, MIXED, groups=groups, resamples=5),
        evaluate(labels, scores, MIXED, resamples=5),
        evaluate(labels, scores, MIXED, groups=groups[::-1], resamples=5),
        evaluate(labels, scores, MIXED, groups=groups, resamples=6),
        evaluate(labels, scores, MIXED, groups=groups, resamples=5, seed=1),
        evaluate(labels, scores, renamed, groups=groups, resamples=5),
        evaluate(labels[::-1], scores[::-1], MIXED, groups=groups[::-1], resamples=5),
    ]
    assert len({evaluation.fingerprint for evaluation in [base, *different]}) == 8
    for evaluation in different:
        with pytest.raises(ConfigError, match=f"{base.fingerprint}.*{evaluation.fingerprint}"):
            difference(base, evaluation, "roc_auc")
    with pytest.raises(ConfigError, match="'roc-auc'.*'roc_auc'"):
        difference(base, base, "roc-auc")
    with pytest.raises(ConfigError, match="'compositions'.*'composition'"):
        difference(base, base, "roc_auc", "compositions")
    recorded = Evaluation.from_dict(base.to_dict())
    with pytest.raises(ConfigError, match="resamples"):
        difference(recorded, recorded, "roc_auc", "composition")


def test_another_way_of_drawing_shows_in_the_fingerprint(monkeypatch):
    """As another version of NumPy might draw: the same seed, other resamples."""
    labels, scores, _ = example()
    usual = evaluate(labels, scores, MIXED, resamples=2)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: np.random.Generator(np.random.MT19937(seed)))
    other = evaluate(labels, scores, MIXED, resamples=2)
    assert (other.resampled["roc_auc"] != usual.resampled["roc_auc"]).any()
    assert other.fingerprint != usual.fingerprint


def test_intervals_can_be_printed():
    labels, scores, _ = example()
    mean = evaluate(labels, scores, MIXED, resamples=20).means["roc_auc"]
    assert f"{mean:.2f}" == f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]"


# Errors

L, S = np.float32([[1, 0.5, 0, 1], [0, 0.5, 1, 1]]), np.float32([[0.1, 0.2, 0.3, 0.4]] * 2)


def changed(array, value, index=(1, 2)):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((L[:1], S), {}, r"\(1, 4\).*\(2, 4\)"),
        ((L[:, :3], S[:, :3]), {}, r"\(2, 3\).*4 tags"),
        ((L[0], S[0]), {}, r"\(4,\)"),
        ((L[:0], S[:0]), {}, "no songs"),
        ((L, changed(S, np.nan)), {}, "nan in row 1, tag flute"),
        ((L, changed(S, -np.inf)), {}, "-inf in row 1, tag flute"),
        ((changed(L, 1.5), S), {}, "1.5 in row 1, tag flute"),
        ((changed(L, -1), S), {}, "-1 in row 1, tag flute"),
        ((changed(L, 0.5), S), {}, "0.5 in row 1, tag flute"),
        ((L, S.astype(str)), {}, "<U32"),
        ((L, S), {"groups": [1, 2, 3]}, r"groups.*\(3,\).*2 songs"),
        ((L, S), {"groups": [1, np.nan]}, "groups.*NaN"),
        ((L, S), {"resamples": 0}, "resamples=0"),
        ((L, S), {"seed": -1}, "seed=-1"),
        ((L, S), {"parts": {"slow": np.array([True, False])}}, r"'slow'.*\(2,\).*4 tags"),
        ((L, S), {"parts": {"slow": [0, 0, 0, 1]}}, "'slow'.*int"),
        ((L, S), {"parts": {"all": np.ones(4, bool)}}, "'all'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, options, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(*arguments, MIXED, **options)


def test_wrong_arguments_of_the_metrics_are_refused():
    for function in (roc_auc, pr_auc, sqrt_mse):
        with pytest.raises(ConfigError, match="differ"):
            function(L[:1], S)
        with pytest.raises(ConfigError, match="inf in row 1, tag 2"):
            function(L, changed(S, np.inf))
    for function in (roc_auc, pr_auc):
        with pytest.raises(ConfigError, match="0.5 in row 0, tag 1"):
            function(L, S)


@pytest.mark.parametrize(
    ("scores", "songs", "count", "message"),
    [
        (S, [0], None, r"\(2, 4\).*\(1,\)"),
        (S[:0], np.zeros(0, int), None, "at least one segment"),
        (S, [0, -1], None, "from -1 to 0"),
        (S, [0, 2], 2, "0 to 2 - 1"),
        (S, [0.0, 1.0], None, "float64"),
        (S, [0, 2], None, "1 songs.*number 1"),
        (S, [0, 1], 4, "2 songs.*number 2"),
    ],
)
def test_segments_that_fit_no_song_are_refused(scores, songs, count, message):
    with pytest.raises(ConfigError, match=message):
        song_scores(scores, songs, count)


@pytest.mark.parametrize(
    "spoil", [lambda d: d.pop("fingerprint"), lambda d: d.update(tags=[1]), lambda d: d.update(means=3)]
)
def test_a_record_of_something_else_is_refused(spoil):
    data = evaluate(L, S, MIXED, resamples=2).to_dict()
    spoil(data)
    with pytest.raises(ConfigError, match="Evaluation.to_dict"):
        Evaluation.from_dict(data)


@given(value=st.floats(-1, 1), below=st.floats(0, 1), above=st.floats(0, 1))
def test_the_sign_of_an_interval_is_that_of_both_its_ends(value, below, above):
    interval = Interval(value, value - below, value + above)
    assert interval.sign == np.sign(interval.low) == np.sign(interval.high) or (
        interval.sign == 0 and interval.low <= 0 <= interval.high
    )
    assert Interval(value, math.nan, math.nan).sign == 0
