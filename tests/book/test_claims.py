"""The table of claims: each has its runs, differences of differences are what they say, and two runs are no verdict."""

from __future__ import annotations

import numpy as np
import pytest

from tagging.book.claims import Claim, claims, verdict_table
from tagging.book.results_study import find
from tagging.book.runs import training_records
from tagging.errors import ConfigError
from tagging.evaluation.bootstrap import interval
from tagging.evaluation.seeds import SeedInterval, combined
from tagging.training.endpoint_table import compare, endpoint_rows


@pytest.fixture(scope="module")
def rows():
    return endpoint_rows(training_records(), models=None)


def test_every_claim_is_measured(rows):
    table = verdict_table()
    assert len(table) == len(claims()) == len({one.sentence for one in claims()})
    for one, (_, cells) in zip(claims(), table.iterrows(), strict=True):
        effect = one.effect(rows)
        assert cells["verdict"] == one.verdict(effect)
        assert effect.low < effect.value < effect.high
        assert (cells["verdict"] in ("supported", "contradicted", "undecided")) == (effect.num_seeds >= 3)


def test_effects_are_differences_of_the_rows(rows):
    ends = {
        (model, clips): find(rows, model, clips, segments)
        for model in ("spectrogram", "waveform")
        for clips, segments in ((100_000, 102_400), (1_000_000, 1_024_000))
    }
    leads = [
        compare(ends["spectrogram", clips], ends["waveform", clips])["all"]["roc_auc"] for clips in (100_000, 1_000_000)
    ]
    change = next(one for one in claims() if "shrinks" in one.sentence).effect(rows)
    assert change.value == pytest.approx(leads[0].value - leads[1].value)
    assert claims()[0].effect(rows) == leads[0]
    with pytest.raises(ConfigError, match="no run of waveform with 7 clips"):
        find(rows, "waveform", 7, 1)


def measured(value: float, deviation: float = 0.01):
    return interval(value, value + deviation * np.random.default_rng(0).standard_normal(1000))


def test_signs_and_runs_of_a_sum_count():
    terms = [(1, [measured(0.9), measured(0.8)]), (-1, [measured(0.5)]), (-1, [measured(0.1)]), (1, [measured(0.2)])]
    effect = combined(terms)
    assert effect.value == pytest.approx(0.85 - 0.5 - 0.1 + 0.2)
    assert (effect.num_seeds, effect.over_seeds) == (1, False)
    # equal draws of equal songs cancel
    assert effect.high - effect.low < 1e-9
    with pytest.raises(ConfigError, match="at least one run"):
        combined([(1, [])])


@pytest.mark.parametrize(
    ("value", "seeds", "expected", "verdict"),
    [
        (0.1, 3, "higher", "supported"),
        (0.1, 3, "lower", "contradicted"),
        (-0.1, 3, "lower", "supported"),
        (0.001, 3, "higher", "undecided"),
        (0.1, 1, "higher", "too few runs; points the same way"),
        (0.01, 1, "higher", "too few runs; no direction"),
        (0.1, 2, "lower", "too few runs; points the other way"),
    ],
)
def test_verdicts(value, seeds, expected, verdict):
    effect = SeedInterval(value, value - 0.02, value + 0.02, num_seeds=seeds)
    assert Claim("us", "a claim", (), (), expected).verdict(effect) == verdict
