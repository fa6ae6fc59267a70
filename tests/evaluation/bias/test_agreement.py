"""Self-agreement: known answers, and each number equals a slow, obvious computation on songs that are really repeated."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from bias_models import resampled
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tagging.errors import ConfigError
from tagging.evaluation.bias import agreement
from tagging.evaluation.bootstrap import Resampling


def close(measured, slow, resampling, limits):
    """An interval against a slow function of rows of songs."""
    value, *series = (slow(rows) for rows in resampled(resampling))
    assert measured.value == pytest.approx(value, abs=1e-9, nan_ok=True)
    if np.isnan(series).all():
        assert math.isnan(measured.low)
        return
    below, above = np.nanpercentile(series, [2.5, 97.5])
    assert measured.low == pytest.approx(min(value, max(limits[0], 2 * value - above)), abs=1e-9, nan_ok=True)
    assert measured.high == pytest.approx(max(value, min(limits[1], 2 * value - below)), abs=1e-9, nan_ok=True)


@st.composite
def cases(draw):
    """Scores, with ties or without, groups of synonyms, a threshold a tag, a resampling of groups of songs."""
    songs, tags, seed = draw(st.integers(3, 25)), draw(st.integers(3, 6)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    scores = random.permutation(np.linspace(0.01, 0.99, songs * tags)).reshape(songs, tags)
    if draw(st.booleans()):
        # lists draw ties by lot, so only the first two tags are made equal in places, and these lie far from a list's end
        scores[:, :2] = np.array([0.995, 0.999]) if draw(st.booleans()) else scores[:, :2].round(1)
    groups = random.integers(0, max(2, songs // 2), songs) if draw(st.booleans()) else None
    synonyms = {"all": tuple(range(tags)), "some": (tags - 1, 0)}
    return scores, synonyms, random.uniform(0.2, 0.8, tags), Resampling(songs, groups, resamples=6, seed=seed % 99)


@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
@given(cases(), st.integers(1, 2))
def test_agreement_is_what_a_slow_computation_finds(case, k):
    scores, synonyms, limits, resampling = case
    agreements = agreement(scores, synonyms, thresholds=limits, top_k=k, resampling=resampling)
    names = [(name, *pair) for name, members in synonyms.items() for pair in itertools.combinations(members, 2)]
    assert [(pair.group, pair.first, pair.second) for pair in agreements.pairs] == names

    def correlation(a, b):
        def slow(rows):
            if len(rows) < 2:
                return math.nan
            return spearmanr(scores[rows, a], scores[rows, b]).statistic

        return slow

    def gap(a, b, size):
        return lambda rows: np.mean([size(scores[row, a] - scores[row, b]) for row in rows])

    def above(row, tag):
        return scores[row, tag] >= limits[tag]

    def listed(row, tag):
        return (scores[row] > scores[row, tag]).sum() < k

    def counts(rule, rows, pairs):
        given = [(rule(row, a), rule(row, b)) for row in rows for a, b in pairs]
        return sum(x != y for x, y in given), sum(x or y for x, y in given)

    def apart(rule, pairs):
        def slow(rows):
            single, either = counts(rule, rows, pairs)
            return single / either if either else math.nan

        return slow

    ties_in_lists = any(len(set(row)) < len(row) for row in scores)
    every = range(len(scores))
    for pair in agreements.pairs:
        a, b = pair.first, pair.second
        close(pair.correlation, correlation(a, b), resampling, (-1, 1))
        close(pair.difference, gap(a, b, abs), resampling, (0, 1))
        close(pair.offset, gap(a, b, float), resampling, (-1, 1))
        for rule, disagreement in ((above, pair.by_threshold), (listed, pair.in_top_k)):
            if rule is listed and ties_in_lists:
                continue
            close(disagreement.rate, apart(rule, [(a, b)]), resampling, (0, 1))
            assert disagreement.num_songs == counts(rule, every, [(a, b)])[1]
            p, q = (sum(rule(row, tag) for row in every) / len(scores) for tag in (a, b))
            if p or q:
                either = p + q - p * q
                assert disagreement.if_independent == pytest.approx((p * (1 - q) + q * (1 - p)) / either)
                assert disagreement.minimum == pytest.approx(abs(p - q) / max(p, q))
                assert disagreement.minimum <= disagreement.rate.value + 1e-9
            else:
                assert math.isnan(disagreement.if_independent)
                assert math.isnan(disagreement.minimum)
    pairs = [name[1:] for name in names]
    close(agreements.by_threshold, apart(above, pairs), resampling, (0, 1))
    if not ties_in_lists:
        close(agreements.in_top_k, apart(listed, pairs), resampling, (0, 1))
    close(
        agreements.correlation,
        lambda rows: np.mean([correlation(a, b)(rows) for a, b in pairs]),
        resampling,
        (-1, 1),
    )


# Known answers. Words 0 and 1 mean the same; 2 to 5 are there to fill lists.
RANDOM = np.random.default_rng(0)
FILL = RANDOM.uniform(0, 0.3, (2000, 4))
VOICE = RANDOM.uniform(size=2000)
SYNONYMS = {"voice": (0, 1)}


def measured(first, second, **options):
    scores = np.column_stack([first, second, FILL])
    options = {"resampling": Resampling(2000, resamples=200), "top_k": 2, **options}
    return agreement(scores, SYNONYMS, **options)


def test_a_model_that_knows_the_words_are_the_same():
    (pair,) = measured(VOICE, VOICE).pairs
    assert [pair.correlation.value, pair.difference.value, pair.offset.value] == [pytest.approx(1), 0, 0]
    share = pair.by_threshold.rate
    assert (share.value, share.low, share.high, pair.by_threshold.minimum) == (0, 0, 0, 0)
    assert pair.by_threshold.if_independent > 0.1
    # a list of two that one other tag leads has room for one of them only
    both = (VOICE[:, None] > FILL).all(axis=1)
    cut = ~both & ((VOICE[:, None] < FILL).sum(axis=1) == 1)
    assert pair.in_top_k.num_songs == (both | cut).sum()
    assert pair.in_top_k.rate.value == pytest.approx(cut.sum() / (both | cut).sum())
    assert pair.by_threshold.num_songs == (VOICE >= 0.5).sum()


def test_a_model_that_uses_one_word_less_agrees_in_order_and_parts_no_more_than_it_must():
    agreements = measured(VOICE, VOICE / 2, thresholds=0.3)
    (pair,) = agreements.pairs
    assert pair.correlation.value == pytest.approx(1)
    assert pair.offset.value == pytest.approx(pair.difference.value) == pytest.approx(VOICE.mean() / 2)
    assert pair.offset.low > 0
    assert pair.by_threshold.rate.value == pytest.approx(pair.by_threshold.minimum)
    assert pair.by_threshold.rate.value == pytest.approx(0.3 / 0.7, abs=0.03)
    assert pair.by_threshold.if_independent > pair.by_threshold.rate.high
    assert agreements.by_threshold == pair.by_threshold.rate
    assert agreements.correlation == pair.correlation
    # the same with the words the other way round
    (other,) = measured(VOICE / 2, VOICE, thresholds=0.3).pairs
    assert other.offset.value == -pair.offset.value
    assert other.by_threshold == pair.by_threshold


def test_a_model_that_does_not_know_is_as_far_apart_as_chance():
    (pair,) = measured(VOICE, RANDOM.permutation(VOICE)).pairs
    assert pair.correlation.low < 0 < pair.correlation.high
    assert pair.by_threshold.rate.value == pytest.approx(2 / 3, abs=0.03)  # half each: one of three songs has both
    assert pair.by_threshold.if_independent == pytest.approx(2 / 3, abs=0.01)
    assert pair.by_threshold.rate.low < pair.by_threshold.if_independent < pair.by_threshold.rate.high
    assert pair.by_threshold.minimum == pytest.approx(0, abs=0.001)
    assert pair.difference.value == pytest.approx(1 / 3, abs=0.02)


def test_a_model_that_takes_the_words_for_opposites():
    (pair,) = measured(VOICE, 1 - VOICE).pairs
    assert pair.correlation.value == pytest.approx(-1)
    assert pair.by_threshold.rate.value == pytest.approx(1)
    assert pair.by_threshold.num_songs == 2000


def test_a_word_that_is_never_given_leaves_shares_undefined():
    (pair,) = measured(np.full(2000, 0.4), np.full(2000, 0.4)).pairs
    assert pair.by_threshold.num_songs == 0
    assert all(
        map(math.isnan, (pair.by_threshold.rate.value, pair.by_threshold.if_independent, pair.by_threshold.minimum))
    )
    assert math.isnan(pair.correlation.value)
    assert pair.difference.value == 0


def test_labels_set_the_thresholds_and_nothing_else():
    labels = np.zeros((2000, 6))
    labels[:200, :2] = 1
    (pair,) = measured(VOICE, VOICE / 2, labels=labels).pairs
    assert pair.by_threshold.num_songs == 200  # a tenth of the songs for either word: the same ones
    assert pair.by_threshold.rate.value == 0
    (without,) = measured(VOICE, VOICE / 2).pairs
    assert without.in_top_k == pair.in_top_k
    assert without.correlation == pair.correlation


def test_songs_of_one_group_are_resampled_together():
    alone = measured(VOICE, RANDOM.permutation(VOICE)).pairs[0]
    copies = np.repeat(np.arange(500), 4)  # each song four times: 500 songs' worth of evidence
    other = RANDOM.permutation(VOICE[:500])
    scores = np.column_stack([VOICE[copies], other[copies], FILL])
    together = agreement(scores, SYNONYMS, top_k=2, resampling=Resampling(2000, copies, resamples=200)).pairs[0]
    width = [pair.correlation.high - pair.correlation.low for pair in (alone, together)]
    assert width[1] == pytest.approx(2 * width[0], rel=0.25)


@pytest.mark.parametrize(
    ("synonyms", "message"),
    [
        ({}, "synonyms: no group of two"),
        ({"voice": (0,)}, "synonyms: no group of two"),
        ({"voice": (0, 6)}, r"'voice'.*0, 6.*0 to 5"),
        ({"voice": (0, 0)}, "'voice'.*0, 0"),
    ],
)
def test_wrong_synonyms_are_refused(synonyms, message):
    with pytest.raises(ConfigError, match=message):
        agreement(np.column_stack([VOICE, VOICE, FILL]), synonyms, top_k=2)


def test_other_wrong_arguments_are_refused():
    with pytest.raises(ConfigError, match="thresholds"):
        measured(VOICE, VOICE, thresholds=np.zeros(3))
    with pytest.raises(ConfigError, match="top_k=6"):
        measured(VOICE, VOICE, top_k=6)
    with pytest.raises(ConfigError, match=r"outside|\[0, 1\]"):
        measured(VOICE + 1, VOICE)
