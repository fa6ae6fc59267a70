"""Each measure equals a slow, obvious computation, on the songs themselves and on resamples whose songs are really repeated."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from bias_models import resampled
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import average_precision_score

from tagging.errors import ConfigError
from tagging.evaluation.bias import (
    accuracy_by_popularity,
    agreement,
    bias_report,
    calibration,
    contradictions,
    cooccurrence,
    over_representation,
    text,
    top_precision,
    variety,
)
from tagging.evaluation.bias.common import highest, score_ranks, spearman
from tagging.evaluation.bootstrap import Resampling
from tagging.tags import REGRESSION, Tag, Vocabulary


@st.composite
def cases(draw):
    """Scores without ties, labels with unknowns, popularity, a resampling of groups."""
    songs, tags, seed = draw(st.integers(4, 30)), draw(st.integers(2, 7)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    scores = random.permutation(np.linspace(0.01, 0.99, songs * tags)).reshape(songs, tags)
    labels = (random.uniform(size=scores.shape) < random.uniform(0.1, 0.7, tags)).astype(np.float32)
    labels[random.uniform(size=labels.shape) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    popularity = random.integers(0, 50, tags) + np.eye(tags, dtype=int)[0]
    groups = random.integers(0, max(2, songs // 2), songs) if draw(st.booleans()) else None
    resampling = Resampling(songs, groups, resamples=5, seed=seed % 100)
    return scores, labels, popularity, resampling, draw(st.integers(1, tags - 1))


def check(measured, slow, resampling, limits=(-math.inf, math.inf), tolerance=1e-9):
    """An interval against a slow function of rows of songs, on the songs themselves and on every resample."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are missing, and means of nothing
        value, *series = (slow(rows) for rows in resampled(resampling))
    assert measured.value == pytest.approx(value, abs=tolerance, nan_ok=True)
    if np.isnan(series).all():
        assert math.isnan(measured.low)
        assert math.isnan(measured.high)
        return
    below, above = np.nanpercentile(series, [2.5, 97.5])
    assert measured.low == pytest.approx(min(value, max(limits[0], 2 * value - above)), abs=tolerance, nan_ok=True)
    assert measured.high == pytest.approx(max(value, min(limits[1], 2 * value - below)), abs=tolerance, nan_ok=True)


def top(scores, k):
    """The places of the k highest scores of one song; scores differ."""
    return sorted(range(len(scores)), key=lambda tag: -scores[tag])[:k]


def has_and_known(labels, rows, tag):
    known = [row for row in rows if not math.isnan(labels[row, tag])]
    return [row for row in known if labels[row, tag] == 1], known


@given(cases())
def test_over_representation_and_variety(case):
    scores, labels, popularity, resampling, k = case

    def lists(rows):
        counts = np.zeros(scores.shape[1])
        for row in rows:
            for tag in top(scores[row], k):
                counts[tag] += 1
        return counts / counts.sum()

    def annotated(rows):
        rates = []
        for tag in range(scores.shape[1]):
            has, known = has_and_known(labels, rows, tag)
            rates.append(len(has) / len(known) if known else 0)
        return np.array(rates) / sum(rates) if sum(rates) else np.full(len(rates), np.nan)

    def weighted(rows):
        return scores[rows].sum(axis=0) / scores[rows].sum()

    def ratio(shares, reference):
        return lambda rows: (shares(rows) @ popularity) / below if (below := reference(rows) @ popularity) else math.nan

    def hill(rows):
        return math.exp(-sum(share * math.log(share) for share in lists(rows) if share))

    every = np.arange(len(scores))
    assumed = ratio(lists, annotated)(every), not np.isnan(annotated(every)).any()
    measured = over_representation(scores, labels, popularity=popularity, top_k=k, resampling=resampling)
    if assumed[1] and all((annotated(rows) @ popularity) > 0 for rows in resampled(resampling)):
        check(measured.against_labels, ratio(lists, annotated), resampling, (0, math.inf))
        check(measured.scores_against_labels, ratio(weighted, annotated), resampling, (0, math.inf))
    check(measured.against_random, lambda rows: lists(rows) @ popularity / popularity.mean(), resampling, (0, math.inf))
    np.testing.assert_allclose(measured.predicted, lists(every))
    check(variety(scores, top_k=k, resampling=resampling), hill, resampling, (1, scores.shape[1]))


@given(cases())
def test_accuracy_by_popularity(case):
    scores, labels, popularity, resampling, _ = case

    def recall(rows, tag):
        """Over all orders of equal scores: each positive tied at the cut is found with the share of places left."""
        has, known = has_and_known(labels, rows, tag)
        if not 0 < len(has) < len(known):
            return math.nan
        hits = 0.0
        for row in has:
            higher = sum(scores[other, tag] > scores[row, tag] for other in known)
            equal = sum(scores[other, tag] == scores[row, tag] for other in known)
            hits += min(max((len(has) - higher) / equal, 0), 1)
        return hits / len(has)

    def lift(rows, tag):
        has, known = has_and_known(labels, rows, tag)
        if not 0 < len(has) < len(known):
            return math.nan
        return average_precision_score(labels[known, tag], scores[known, tag]) * len(known) / len(has)

    def rank(rows, tag):
        has, known = has_and_known(labels, rows, tag)
        if not 0 < len(has) < len(known):
            return math.nan
        return np.mean([np.mean([scores[row, tag] > score for score in np.delete(scores[row], tag)]) for row in has])

    accuracy = accuracy_by_popularity(scores, labels, popularity=popularity, resampling=resampling)
    every = np.arange(len(scores))
    for name, slow in (("recall", recall), ("lift", lift), ("rank", rank)):
        expected = [slow(every, tag) for tag in range(scores.shape[1])]
        np.testing.assert_allclose(getattr(accuracy, name), expected, atol=1e-11)

        def correlation(rows, slow=slow):
            values = np.array([slow(rows, tag) for tag in range(scores.shape[1])]).round(12)
            both = ~np.isnan(values)
            if both.sum() < 3 or len(set(values[both])) == 1 or len(set(popularity[both])) == 1:
                return math.nan
            return spearmanr(values[both], popularity[both]).statistic

        check(getattr(accuracy, f"{name}_correlation"), correlation, resampling, (-1, 1))


@given(cases())
def test_top_precision(case):
    scores, labels, popularity, resampling, k = case
    popularity = popularity + np.linspace(0, 0.5, len(popularity))  # without ties

    def precision(rows, rate):
        shares = []
        for row in rows:
            known = [tag for tag in range(scores.shape[1]) if not math.isnan(labels[row, tag])]
            if known:
                shares.append(rate(row, known, min(k, len(known))))
        return np.mean(shares) if shares else math.nan

    def by(values):
        def rate(row, known, length):
            chosen = sorted(known, key=lambda tag: -values(row)[tag])[:length]
            return sum(labels[row, tag] == 1 for tag in chosen) / length

        return lambda rows: precision(rows, rate)

    model, baseline = by(lambda row: scores[row]), by(lambda row: popularity)
    measured = top_precision(scores, labels, popularity=popularity, top_k=k, resampling=resampling)
    check(measured.model, model, resampling, (0, 1))
    check(measured.popularity, baseline, resampling, (0, 1))
    check(measured.gain, lambda rows: model(rows) - baseline(rows), resampling)
    ceiling = precision(
        range(len(scores)), lambda row, known, length: min(sum(labels[row, known] == 1), length) / length
    )
    assert measured.ceiling == pytest.approx(ceiling, nan_ok=True)


@given(cases(), st.integers(1, 12))
def test_calibration(case, bins):
    scores, labels, popularity, resampling, _ = case

    def error(rows, tag):
        _, known = has_and_known(labels, rows, tag)
        total = 0.0
        for low in range(bins):
            held = [row for row in known if min(int(scores[row, tag] * bins), bins - 1) == low]
            if held:
                total += len(held) * abs(np.mean(labels[held, tag], dtype=float) - np.mean(scores[held, tag]))
        return total / len(known) if known else math.nan

    def mean_of(tags):
        return lambda rows: np.nanmean([error(rows, tag) for tag in tags])

    calibrated = calibration(scores, labels, popularity=popularity, bins=bins, resampling=resampling)
    every = range(scores.shape[1])
    np.testing.assert_allclose(calibrated.error, [error(range(len(scores)), tag) for tag in every], atol=1e-12)
    check(calibrated.mean_error, mean_of(every), resampling, (0, 1))
    assert sorted(tag for band in calibrated.bands for tag in band.tags) == list(every)
    means = [popularity[list(band.tags)].mean() for band in calibrated.bands]
    assert means == sorted(means, reverse=True)
    for band in calibrated.bands:
        check(band.error, mean_of(band.tags), resampling, (0, 1))

        def ratio(rows, band=band):
            pairs = [(row, tag) for tag in band.tags for row in has_and_known(labels, rows, tag)[1]]
            positives = sum(labels[pair] for pair in pairs)
            return sum(scores[pair] for pair in pairs) / positives if positives else math.nan

        check(band.ratio, ratio, resampling, (0, math.inf))
        pairs = [(row, tag) for tag in band.tags for row in has_and_known(labels, range(len(scores)), tag)[1]]
        for low in range(bins):
            held = [pair for pair in pairs if min(int(scores[pair] * bins), bins - 1) == low]
            assert band.count[low] == len(held)
            for values, mean in ((scores, band.mean_score), (labels, band.observed)):
                expected = np.mean([values[pair] for pair in held], dtype=float) if held else math.nan
                assert mean[low] == pytest.approx(expected, nan_ok=True)


def test_the_error_of_true_probabilities_is_the_mean_error_of_drawn_labels():
    random = np.random.default_rng(0)
    scores = random.uniform(size=(300, 3)) ** 2
    calibrated = calibration(
        scores, (random.uniform(size=scores.shape) < scores) * 1.0, resampling=Resampling(300, resamples=1)
    )
    drawn = [
        calibration(
            scores, (random.uniform(size=scores.shape) < scores) * 1.0, resampling=Resampling(300, resamples=1)
        ).error
        for _ in range(100)
    ]
    np.testing.assert_allclose(calibrated.error_if_true, np.mean(drawn, axis=0), rtol=0.15)


@given(cases(), st.booleans(), st.booleans())
def test_contradictions(case, annotated, own_thresholds):
    scores, labels, _, resampling, k = case
    tags = scores.shape[1]
    exclusive = {"one": tuple(range(0, tags, 2)), "two": tuple(range(1, tags, 2)), "all": tuple(range(tags))}
    thresholds = np.linspace(0.2, 0.6, tags) if own_thresholds else 0.4
    given = labels if annotated else None
    violations = contradictions(scores, exclusive, given, thresholds=thresholds, top_k=k, resampling=resampling)
    limit = np.broadcast_to(thresholds, tags)

    def true_of(row, a, b):
        return annotated and labels[row, a] == 1 and labels[row, b] == 1

    def above(row, a, b):
        return scores[row, a] >= limit[a] and scores[row, b] >= limit[b] and not true_of(row, a, b)

    def listed(row, a, b):
        return {a, b} <= set(top(scores[row], k)) and not true_of(row, a, b)

    pairs = [(name, *pair) for name, members in exclusive.items() for pair in itertools.combinations(members, 2)]
    assert [(pair.group, pair.first, pair.second) for pair in violations.pairs] == pairs
    for result in violations.pairs:
        a, b = result.first, result.second
        assert result.num_labelled_both == sum(true_of(row, a, b) for row in range(len(scores)))
        for rule, share, confidence in (
            (above, result.by_threshold, result.by_threshold_confidence),
            (listed, result.in_top_k, result.in_top_k_confidence),
        ):

            def slow(rows, rule=rule, a=a, b=b):
                considered = [row for row in rows if not true_of(row, a, b)]
                return sum(rule(row, a, b) for row in considered) / len(considered) if considered else math.nan

            check(share, slow, resampling, (0, 1))
            lower = [min(scores[row, a], scores[row, b]) for row in range(len(scores)) if rule(row, a, b)]
            assert confidence == pytest.approx(np.mean(lower) if lower else math.nan, nan_ok=True)

    def anywhere(rule, groups):
        return lambda rows: np.mean([any(rule(row, a, b) for name, a, b in pairs if name in groups) for row in rows])

    for name in violations.groups:
        check(violations.groups[name][0], anywhere(above, [name]), resampling, (0, 1))
        check(violations.groups[name][1], anywhere(listed, [name]), resampling, (0, 1))
    check(violations.by_threshold, anywhere(above, exclusive), resampling, (0, 1))
    check(violations.in_top_k, anywhere(listed, exclusive), resampling, (0, 1))


def test_tags_are_given_as_often_as_annotated():
    """The rule where no thresholds are given: the highest scores of each tag, whatever their level."""
    scores = np.array([[0.9, 0.02], [0.8, 0.03], [0.7, 0.01], [0.6, 0.04]])
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, np.nan]])
    violations = contradictions(scores, {"pair": (0, 1)}, labels, top_k=1, resampling=Resampling(4, resamples=2))
    # two of four songs have the first tag, one of three known the second, of four so 1.33: rounded, one
    assert violations.pairs[0].by_threshold.value == 0
    labels[0, 1] = np.nan
    labels[1, 1] = np.nan  # now one of one: all four are given it
    violations = contradictions(scores, {"pair": (0, 1)}, labels, top_k=1, resampling=Resampling(4, resamples=2))
    assert violations.pairs[0].by_threshold.value == 0.5
    assert violations.pairs[0].by_threshold_confidence == pytest.approx(0.025)
    assert violations.thresholds.startswith("each tag is assigned as often")
    alone = contradictions(scores, {"pair": (0, 1)}, top_k=1, resampling=Resampling(4, resamples=2))
    assert alone.thresholds == "score of 0.5 or more"


@given(cases(), st.booleans())
def test_cooccurrence(case, annotated):
    scores, labels, _, resampling, _ = case
    tags = scores.shape[1]

    def joint_and_phi(values, rows, a, b):
        both = [r for r in rows if not annotated or not (math.isnan(labels[r, a]) or math.isnan(labels[r, b]))]
        if not both:
            return math.nan, math.nan
        joint = np.mean([values[r, a] * values[r, b] for r in both], dtype=float)
        first, second = (np.mean([values[r, tag] for r in both], dtype=float) for tag in (a, b))
        variance = first * (1 - first) * second * (1 - second)
        return joint, (joint - first * second) / math.sqrt(variance) if variance > 1e-9 else math.nan

    measured = cooccurrence(scores, labels if annotated else None, resampling=resampling)
    tables = [(scores, measured.predicted_joint, measured.predicted_phi)]
    if annotated:
        tables.append((labels, measured.labelled_joint, measured.labelled_phi))
    else:
        assert measured.labelled_joint is measured.labelled_phi is measured.reproduced is measured.distance is None
    for values, joint, phi in tables:
        for a, b in itertools.permutations(range(tags), 2):
            expected = joint_and_phi(values, range(len(scores)), a, b)
            assert [joint[a, b], phi[a, b]] == pytest.approx(expected, abs=1e-6, nan_ok=True)
        assert np.isnan(np.diag(phi)).all()
    if not annotated:
        np.testing.assert_allclose(np.diag(measured.predicted_joint), scores.mean(axis=0))
        return

    def compared(rows):
        pairs = [
            (joint_and_phi(scores, rows, a, b)[1], joint_and_phi(labels, rows, a, b)[1])
            for a, b in itertools.combinations(range(tags), 2)
        ]
        return [(x, y) for x, y in pairs if not (math.isnan(x) or math.isnan(y))]

    def slope(rows):
        below = sum(y * y for _, y in compared(rows))
        return sum(x * y for x, y in compared(rows)) / below if below > 1e-20 else math.nan

    def distance(rows):
        if math.isnan(slope(rows)):
            return math.nan
        return math.sqrt(np.mean([(x - y) ** 2 for x, y in compared(rows)]))

    # annotations without any association leave nothing to compare with but rounding
    if all(sum(y * y for _, y in compared(rows)) > 1e-6 or not compared(rows) for rows in resampled(resampling)):
        check(measured.reproduced, slope, resampling, tolerance=1e-6)
        check(measured.distance, distance, resampling, (0, math.inf), tolerance=1e-6)


# What the measures share


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 5))
def test_highest_takes_the_highest_and_draws_ties_by_lot(seed, columns, count):
    random = np.random.default_rng(seed)
    scores, known = random.integers(0, 3, (20, columns)), random.uniform(size=(20, columns)) < 0.7
    chosen = highest(scores.astype(float), count, known=known)
    assert not (chosen & ~known).any()
    for row in range(20):
        assert chosen[row].sum() == min(count, known[row].sum())
        left = known[row] & ~chosen[row]
        if chosen[row].any() and left.any():
            assert scores[row][chosen[row]].min() >= scores[row][left].max()


def test_no_place_is_preferred_among_equals():
    share = highest(np.zeros((6000, 6)), 2).mean(axis=0)
    np.testing.assert_allclose(share, 1 / 3, atol=0.03)
    assert (highest(np.zeros((50, 6)), 2) == highest(np.zeros((50, 6)), 2)).all()
    assert (highest(np.zeros((50, 6)), 2, seed=1) != highest(np.zeros((50, 6)), 2)).any()


@given(st.lists(st.integers(0, 4), min_size=2, max_size=8))
def test_score_ranks(scores):
    expected = (rankdata(scores) - 1) / (len(scores) - 1)
    np.testing.assert_allclose(score_ranks(np.array([scores], float))[0], expected)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=0, max_size=12))
def test_spearman_is_that_of_scipy(pairs):
    first, second = np.array(pairs, float).reshape(-1, 2).T
    correlation = spearman(np.append(first, np.nan), np.append(second, 3.0))
    if len(pairs) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        assert math.isnan(correlation)
    else:
        assert correlation == pytest.approx(spearmanr(first, second).statistic)


# The report

MIXED = Vocabulary(
    [
        Tag("slow", exclusive_group="pace"),
        Tag("energy", kind=REGRESSION, exclusive_group="pace"),
        Tag("fast", exclusive_group="pace"),
        Tag("rock"),
        Tag("alone", exclusive_group="nobody else"),
    ]
)


def mixed(songs=60, seed=0):
    random = np.random.default_rng(seed)
    scores = random.uniform(size=(songs, 5))
    labels = np.where(MIXED.regression, random.uniform(size=scores.shape), random.uniform(size=scores.shape) < scores)
    return scores, labels, random.integers(0, 20, songs)


def test_a_report_takes_all_measures_of_the_classification_tags():
    scores, labels, groups = mixed()
    positives = np.array([30, 7, 20, 10, 5])
    limits = np.array([0.3, 0.9, 0.4, 0.5, 0.5])
    report = bias_report(
        scores, MIXED, labels, positives, groups, top_k=2, thresholds=limits, bins=4, resamples=20, seed=3
    )
    chosen, resampling = [0, 2, 3, 4], Resampling(60, groups, resamples=20, seed=3)
    x, y, popularity = scores[:, chosen], labels[:, chosen], positives[chosen]
    assert report.tags == ("slow", "fast", "rock", "alone")
    assert (report.num_songs, report.num_groups, report.skipped) == (60, resampling.num_groups, {})
    lists = {"top_k": 2, "resampling": resampling}
    annotated = {"popularity": popularity, "resampling": resampling}
    assert report.variety == variety(x, **lists)
    expected = over_representation(x, y, popularity=popularity, **lists)
    assert report.over_representation.against_labels == expected.against_labels
    assert report.precision == top_precision(x, y, top_k=2, **annotated)
    expected = accuracy_by_popularity(x, y, **annotated)
    assert report.accuracy.recall_correlation == expected.recall_correlation
    assert report.calibration.mean_error == calibration(x, y, bins=4, **annotated).mean_error
    expected = contradictions(x, {"pace": [0, 1]}, y, thresholds=limits[chosen], **lists)
    assert report.contradictions.by_threshold == expected.by_threshold
    assert list(report.contradictions.groups) == ["pace"]
    assert report.cooccurrence.reproduced == cooccurrence(x, y, resampling=resampling).reproduced
    page = text(report)
    assert "frequency in training" in page
    assert "slow + fast" in page
    assert max(map(len, page.splitlines())) <= 125


def test_a_report_compares_words_for_the_same():
    scores, labels, groups = mixed()
    scores[:, 4] = scores[:, 0] ** 2
    synonyms = {"calm": ["alone", "slow"]}
    report = bias_report(scores, MIXED, labels, None, groups, top_k=2, synonyms=synonyms, resamples=20)
    x, y = scores[:, [0, 2, 3, 4]], labels[:, [0, 2, 3, 4]]
    expected = agreement(x, {"calm": [3, 0]}, y, top_k=2, resampling=Resampling(60, groups, resamples=20))
    assert report.agreement == expected
    page = text(report)
    assert "alone + slow: rank correlation" in page
    assert "(slow has higher scores)" in page
    assert max(map(len, page.splitlines())) <= 125
    bare = bias_report(scores, MIXED, labels, top_k=2, resamples=5)
    assert bare.agreement is None
    assert "synonyms" not in text(bare)


def test_a_report_without_annotations_says_what_it_lacks():
    scores, labels, _ = mixed()
    bare = bias_report(scores, Vocabulary(["a", "b", "c", "d", "e"]), top_k=2, resamples=5)
    assert (
        bare.over_representation is bare.accuracy is bare.precision is bare.calibration is bare.contradictions is None
    )
    assert len(bare.skipped) == 3
    for phrase in ("effective number", "Not measured: contradictions", "unknown"):
        assert phrase in text(bare)
    given = bias_report(scores, MIXED, train_positives=[1, 2, 3, 4, 5], top_k=2, resamples=5)
    assert given.over_representation is not None
    assert given.contradictions.thresholds == "score of 0.5 or more"
    assert set(given.skipped) == {"accuracy by popularity, precision of the lists, calibration"}
    full = bias_report(scores, MIXED, labels, top_k=2, resamples=5)
    assert "frequency in the labels" in text(full)


def test_a_report_of_one_song_says_what_one_song_can_say():
    page = text(bias_report(SCORES[:1], MIXED, np.round(LABELS[:1]), top_k=2, resamples=3))
    assert "With one group, intervals have no width." in page
    assert "undefined: no two tags vary in these songs" in page
    assert "nan" not in page


def test_a_report_is_plain_data():
    import json

    scores, labels, _ = mixed()
    labels[:, 3] = np.nan
    data = json.loads(json.dumps(bias_report(scores, MIXED, labels, top_k=2, resamples=5).to_dict(), allow_nan=False))
    assert data["tags"] == ["slow", "fast", "rock", "alone"]
    assert set(data["variety"]) == {"value", "low", "high"}
    assert data["accuracy"]["recall"][2] is None
    assert len(data["cooccurrence"]["predicted_phi"]) == 4


SCORES, LABELS, _ = mixed(6)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bias_report(SCORES * 2, MIXED), r"outside \[0, 1\].*probabilities, not logits"),
        (
            lambda: bias_report(changed(SCORES, (2, 3), np.nan), MIXED),
            "not finite.*row 2, tag rock",
        ),
        (lambda: bias_report(SCORES[:, :3], MIXED), "6, 3.*5 tags"),
        (lambda: bias_report(SCORES, MIXED, LABELS[:4]), "differ"),
        (lambda: bias_report(SCORES, MIXED, changed(LABELS, (0, 0), 0.5)), "0, 1 or nan"),
        (lambda: bias_report(SCORES, MIXED, np.zeros((6, 5))), "no song has any tag"),
        (lambda: bias_report(SCORES, MIXED, LABELS, top_k=4), "top_k=4.*1 to 3"),
        (lambda: bias_report(SCORES, MIXED, LABELS, top_k=0), "top_k=0"),
        (
            lambda: bias_report(SCORES, MIXED, LABELS, [1, 2], top_k=2),
            r"train_positives \(2,\).*5",
        ),
        (lambda: bias_report(SCORES, MIXED, LABELS, [-1, 1, 1, 1, 1], top_k=2), "popularity"),
        (lambda: bias_report(SCORES, MIXED, LABELS, groups=[1, 2], top_k=2), "groups"),
        (lambda: bias_report(SCORES, MIXED, LABELS, top_k=2, bins=0, resamples=2), "bins=0"),
        (lambda: bias_report(SCORES, MIXED, LABELS, top_k=2, thresholds=[0.1, 0.2], resamples=2), r"thresholds \(2,\)"),
        (lambda: bias_report(SCORES, MIXED, LABELS, top_k=2, thresholds=math.nan, resamples=2), "thresholds"),
        (lambda: bias_report(SCORES, MIXED, top_k=2, synonyms={"x": ["slow", "slwo"]}), "did you mean 'slow'"),
        (
            lambda: bias_report(SCORES, MIXED, top_k=2, synonyms={"x": ["slow", "energy"]}),
            "'energy' is a regression tag",
        ),
        (lambda: bias_report(SCORES, MIXED, top_k=2, synonyms={}), "synonyms: no group of two"),
        (lambda: bias_report(SCORES[:, :1], Vocabulary(["a"])), "two classification tags"),
        (lambda: over_representation(SCORES, top_k=2), "without labels give popularity"),
        (
            lambda: variety(SCORES, top_k=2, resampling=Resampling(3)),
            "3 songs.*6",
        ),
        (lambda: variety(SCORES[:, :1], top_k=1), "two tags"),
        (lambda: contradictions(SCORES, {"a": (1,)}, top_k=2), "no group of two"),
        (lambda: contradictions(SCORES, {"a": (1, 5)}, top_k=2), "1, 5.*0 to 4"),
        (lambda: contradictions(SCORES, {"a": (1, 1)}, top_k=2), "1, 1"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
