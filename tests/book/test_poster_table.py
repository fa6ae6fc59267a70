"""The poster's table: any run's record prints, and rows and parts are those of the bundled records."""

from __future__ import annotations

import copy

import pytest
from tagging.book.poster_table import rows_of, table, table_runs, text_table

from tagging.book.runs import bundled_record, training_records
from tagging.errors import ConfigError
from tagging.evaluation.metrics import METRICS


@pytest.fixture
def record():
    return bundled_record("laptop-waveform-1k-s0")


def of_another_corpus(record):
    """As a run on a folder of one's own, without regression tags and without parts, would leave it."""
    other = copy.deepcopy(record)
    other["corpus"]["name"] = other["settings"]["corpus"] = "folder"
    other["settings"]["corpus_options"] = {"root": "music"}
    other["test"]["parts"] = {"all": {metric: other["test"]["means"][metric] for metric in ("roc_auc", "pr_auc")}}
    return other


def test_a_run_of_another_corpus_prints(record):
    text = text_table([of_another_corpus(record)])
    assert "laptop edition, folder" in text
    (row,) = rows_of([of_another_corpus(record)])
    assert f"{row.scores['roc_auc']:.4f}" in text
    assert set(row.scores) == {"roc_auc", "pr_auc"}
    assert rows_of([of_another_corpus(record)], "laptop") == []  # but it is not in the poster's table
    with pytest.raises(ConfigError, match="laptop"):
        text_table([of_another_corpus(record)], "laptop")


def test_runs_of_two_corpora_are_told_apart(record):
    rows = rows_of([record, of_another_corpus(record)])
    assert ["corpus=folder" in row.variant for row in rows] in ([True, False], [False, True])


def test_a_table_has_a_row_for_each_model_and_scale():
    records = training_records()
    rows = rows_of(records, "laptop")
    assert len(table_runs(records, "laptop")) > len(rows) > 15
    frame = table(rows)
    assert list(frame.columns) == ["model", "clips", "segments", "seeds", *(m.title for m in METRICS.values()), "time"]
    assert list(frame["model"]) == [row.model for row in rows]
    assert frame.loc[0, "ROC-AUC"] == f"{rows[0].scores['roc_auc']:.3f}"


def test_parts_are_rows_of_their_own_without_resamples():
    for part in ("composition", "instrument"):
        rows = rows_of(training_records(), "laptop", part)
        assert all(set(row.scores) == set(METRICS) and not row.resampled for row in rows)
