"""Intervals over songs and seeds cover what they should, and a verdict needs three seeds."""

from __future__ import annotations

import numpy as np
import pytest

from tagging.errors import ConfigError
from tagging.evaluation.bootstrap import Interval, interval
from tagging.evaluation.seeds import MIN_SEEDS, VERDICTS, SeedInterval, over_seeds

RESAMPLES = 400


def runs(random, songs_sd, seeds_sd, num_seeds, mean=0.7):
    """Measurements of runs on the same songs, whose sampling error they share, as resamples would have them."""
    shared = mean + random.normal(0, songs_sd)
    resampled = songs_sd * random.standard_normal(RESAMPLES)
    values = shared + random.normal(0, seeds_sd, num_seeds)
    return [interval(value, value + resampled) for value in values]


@pytest.mark.parametrize(
    ("songs_sd", "seeds_sd", "num_seeds"),
    [(0.005, 0.0001, 3), (0.005, 0.005, 3), (0.0005, 0.01, 3), (0.003, 0.01, 5), (0.003, 0.01, 2)],
)
def test_95_percent_intervals_hold_the_mean_over_songs_and_seeds_about_as_often(songs_sd, seeds_sd, num_seeds):
    random = np.random.default_rng(0)
    tries = 300
    covered = 0
    for _ in range(tries):
        result = over_seeds(runs(random, songs_sd, seeds_sd, num_seeds))
        assert result.over_seeds
        covered += result.low <= 0.7 <= result.high
    assert 0.92 <= covered / tries <= 0.995


@pytest.mark.parametrize("sds", [(0.007, 0.007), (0.01, 0.001)])
def test_equal_models_differ_in_about_5_percent_of_the_comparisons(sds):
    """Also when one model depends far more on its seed; with the songs' error shared, as it is between models."""
    random = np.random.default_rng(1)
    verdicts = []
    for _ in range(300):
        resampled = 0.01 * random.standard_normal(RESAMPLES)
        sides = [[interval(value, value + resampled) for value in random.normal(0.7, seeds_sd, 3)] for seeds_sd in sds]
        verdicts.append(over_seeds(*sides).verdict)
    assert 0.005 <= np.mean([verdict in ("higher", "lower") for verdict in verdicts]) <= 0.08
    # an interval over songs alone would say so most of the time
    assert abs(verdicts.count("higher") - verdicts.count("lower")) <= 15


def test_the_mean_of_one_run_is_that_run():
    (run,) = runs(np.random.default_rng(0), 0.01, 0.01, 1)
    result = over_seeds([run])
    assert (result.value, result.low, result.high) == (run.value, run.low, run.high)
    assert (result.num_seeds, result.over_seeds) == (1, False)


def test_runs_without_spread_have_the_interval_of_their_songs():
    run = runs(np.random.default_rng(0), 0.01, 0.0, 1)[0]
    result = over_seeds([run, run, run])
    assert (result.value, result.low, result.high) == pytest.approx((run.value, run.low, run.high))
    assert over_seeds([run] * 3, [run] * 3).verdict == "undecided"


@pytest.mark.parametrize(
    ("low", "high", "num_seeds", "verdict"),
    [
        (0.01, 0.03, 3, "higher"), (-0.03, -0.01, 4, "lower"), (-0.01, 0.03, 3, "undecided"), (0.0, 0.1, 3, "undecided"),
        (0.01, 0.03, 2, "too few seeds"), (0.2, 0.3, 1, "too few seeds"), (float("nan"), float("nan"), 3, "undecided"),
    ],
)  # fmt: skip
def test_verdicts_need_three_seeds_and_an_interval_without_zero(low, high, num_seeds, verdict):
    assert SeedInterval((low + high) / 2, low, high, num_seeds=num_seeds).verdict == verdict
    assert verdict in VERDICTS
    assert MIN_SEEDS == 3


def test_the_side_with_fewer_runs_counts():
    random = np.random.default_rng(0)
    three, one = runs(random, 0.001, 0.001, 3, 0.9), runs(random, 0.001, 0.001, 1, 0.5)
    result = over_seeds(three, one)
    assert (result.num_seeds, result.verdict, result.over_seeds) == (1, "too few seeds", False)
    assert result.value == pytest.approx(np.mean([run.value for run in three]) - one[0].value)
    assert over_seeds(three, runs(random, 0.001, 0.001, 3, 0.5)).verdict == "higher"


def test_the_order_of_runs_and_the_limits():
    three = runs(np.random.default_rng(3), 0.01, 0.2, 3)
    wide = over_seeds(three, limits=(0.0, 1.0))
    assert wide == over_seeds(three[::-1], limits=(0.0, 1.0))
    assert 0 <= wide.low < wide.value < wide.high <= 1


def test_what_cannot_be_averaged_is_refused():
    run = runs(np.random.default_rng(0), 0.01, 0.01, 1)
    short = [interval(0.5, np.zeros(3))]
    with pytest.raises(ConfigError, match="at least one run"):
        over_seeds([])
    for sides in ([[Interval(0.5, 0.4, 0.6)]], [run, short], [run + short]):
        with pytest.raises(ConfigError, match="evaluate all runs in the same way"):
            over_seeds(*sides)
