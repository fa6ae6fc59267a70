"""The poster's table from run records: every cell, seeds averaged, differences paired."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from tones import small

from tagging.book.runs import BUNDLED_RUNS, bundled_record, training_records
from tagging.cli import main
from tagging.errors import ConfigError
from tagging.evaluation.bootstrap import Interval
from tagging.evaluation.metrics import METRICS
from tagging.training import Settings, train
from tagging.training.records import read_training_records, write_record
from tagging.training.results_table import cell, complete_records, gaps, rows_of, table, table_runs, text_table


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a run of two models."""
    folder = tmp_path_factory.mktemp("run")
    options = {"models": ["waveform", "spectrogram"], "num_training_segments": 80, "validation_interval": 40}
    settings = Settings().override(small(tmp_path_factory.mktemp("sounds"), **options))
    for record in train(settings, folder / "run", cpu_only=True, progress=False):
        write_record(folder / "records" / f"{record['name']}.json", record)
    return folder


def as_table_run(record, **changes):
    """A record as it would be of the plain corpus, which is what the table shows; settings changed by dotted names."""
    settings = Settings.from_dict(record["settings"])
    plain = replace(settings, data=replace(settings.data, corpus_options={}))
    return {
        **record,
        "settings": plain.override({name.replace("__", "."): value for name, value in changes.items()}).to_dict(),
    }


def test_the_table_shows_every_cell_with_its_interval(trained):
    records = [as_table_run(record) for record in read_training_records([trained / "records"])]
    rows = rows_of(records, "laptop")
    assert [row.model for row in rows] == ["waveform", "spectrogram"]
    text = text_table(records, "laptop")
    for record, row in zip(sorted(records, key=lambda record: record["model"], reverse=True), rows, strict=True):
        for metric in ("roc_auc", "pr_auc", "sqrt_mse"):
            mean = record["test"]["means"][metric]
            assert f"{mean['value']:.4f} [{row.scores[metric].low:.4f}, {row.scores[metric].high:.4f}]" in text
            assert row.scores[metric].low == pytest.approx(mean["low"], abs=2e-5)
    ((clips, _), measurement) = next(iter(gaps(rows).items()))
    assert clips == 40
    between = measurement["roc_auc"]
    assert between.value == pytest.approx(rows[1].scores["roc_auc"].value - rows[0].scores["roc_auc"].value)
    assert between.low <= between.value <= between.high


def test_a_single_run_has_the_numbers_of_its_record():
    """Bundled resamples are rounded, so an interval made from them would now and then end in another digit."""
    for record in training_records():
        (row,) = rows_of([record])
        shown = {metric: f"{value:.4f}" for metric, value in row.scores.items()}
        assert shown == {name: f"{Interval.from_dict(mean):.4f}" for name, mean in record["test"]["means"].items()}


def fields_of(record, path=()):
    """The paths of all fields of a record, but those of its single tags."""
    for name, value in record.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from fields_of(value, (*path, name))


def test_a_record_that_lacks_a_field_stops_nothing():
    """It has its row all the same, or a warning names it; the others have theirs in any case."""
    whole, other = training_records()[:2]
    for record in (whole, other):  # what is large and not in the table
        record["history"], record["test"]["tags"], record["tag_prior"] = [], [], []
        record["test"]["resampled"] = {metric: means[:5] for metric, means in record["test"]["resampled"].items()}
    skipped = 0
    for *parents, last in fields_of(whole):
        record = copy.deepcopy(whole)
        inner = record
        for name in parents:
            inner = inner[name]
        del inner[last]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            complete = complete_records([record, other])
        assert other in complete
        if record not in complete:
            skipped += 1
            (message,) = [str(warning.message) for warning in caught]
            assert message.startswith(f"skipped: {record.get('name') or 'a record without a name'}: incomplete record")
        elif not parents:
            text_table([record, other])
    assert skipped > 20


def test_seeds_are_averaged(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    (one,) = rows_of([record], "laptop")
    luckier = copy.deepcopy({**record, "seed": 1})
    luckier["test"]["parts"]["all"]["roc_auc"]["value"] += 0.1
    luckier["test"]["resampled"]["roc_auc"] = [value + 0.1 for value in luckier["test"]["resampled"]["roc_auc"]]
    (two,) = rows_of([luckier, record], "laptop")
    assert (one.num_seeds, two.num_seeds) == (1, 2)
    measurement, mean = one.scores["roc_auc"], two.scores["roc_auc"]
    assert [mean.value, mean.low, mean.high] == pytest.approx(
        [measurement.value + 0.05, measurement.low + 0.05, measurement.high + 0.05], abs=2e-5
    )
    assert two.scores["pr_auc"].to_dict() == pytest.approx(one.scores["pr_auc"].to_dict(), abs=2e-5)
    assert two.by_run["roc_auc"] == pytest.approx((measurement.value, measurement.value + 0.1))
    assert f"{measurement.value:.4f} to {measurement.value + 0.1:.4f}" in text_table([luckier, record], "laptop")
    assert "lowest to highest" not in text_table([record], "laptop")


def test_a_record_given_twice_counts_once_and_the_newest_of_a_run_counts(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    assert [row.num_seeds for row in rows_of([record, record], "laptop")] == [1]
    newer = {**record, "date": "2099-01-01", "device": "the newer one"}
    for order in ([record, newer], [newer, record]):
        assert [(row.num_seeds, row.device) for row in rows_of(order, "laptop")] == [(1, "the newer one")]


def test_runs_of_different_recipes_are_not_averaged(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    slower = as_table_run(record, optimization__learning_rate=0.002, runtime__log_interval=7)
    same = {**record, "seed": 1}
    rows = rows_of([record, slower, same], "laptop")
    assert [(row.variant, row.num_seeds) for row in rows] == [
        ("optimization.learning_rate=0.002", 1),
        ("optimization.learning_rate=0.008", 2),
    ]
    assert " (optimization.learning_rate=0.002)\n" in text_table([record, slower], "laptop")


def test_a_row_says_in_what_it_is_not_like_those_of_other_scales(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    trees = {**as_table_run(record, models=["gbt"]), "model": "gbt"}
    more = {**as_table_run(trees, model__tree_options={"leaves": 31}), "num_clips": 80, "num_training_segments": 90}
    assert [row.variant for row in rows_of([trees, more], "laptop")] == ["", "model.tree_options.leaves=31"]
    finer = {**as_table_run(record, model__frontend_options__mel__hop_length=64), "num_clips": 80}
    assert [row.variant for row in rows_of([record, finer], "laptop")] == [
        f"model.frontend_options.mel.hop_length={hop}" for hop in (256, 64)
    ]
    assert [row.variant for row in rows_of([trees, {**trees, "num_clips": 80}, record], "laptop")] == ["", "", ""]


def test_runs_tested_on_other_songs_have_a_row_of_their_own(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    lost = {**record, "seed": 1, "test": {**record["test"], "fingerprint": "of fewer songs", "num_songs": 39}}
    rows = rows_of([record, lost], "laptop")
    assert [(row.variant, row.num_seeds) for row in rows] == [
        ("39 test songs, of few", 1),
        (f"40 test songs, {record['test']['fingerprint'][:6]}", 1),
    ]
    assert "(39 test songs, of few)" in text_table([record, lost], "laptop")


def test_times_hold_the_features_of_trees_and_name_the_company_of_networks(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    assert rows_of([record], "laptop")[0].time.endswith(" s for 2 models")
    alone = {**as_table_run(record, models=["waveform"]), "seed": 1, "seconds": 300.0}
    assert rows_of([record, alone, {**alone, "seed": 2, "seconds": 900.0}], "laptop")[0].time == "10 min"
    trees = {**as_table_run(record, models=["gbt"]), "model": "gbt", "seconds": 100.0, "seconds_for_features": 3600.0}
    assert rows_of([trees], "laptop")[0].time == "62 min"


def test_controls_and_other_editions_stay_out_of_the_table(trained):
    (record,) = (as_table_run(r) for r in read_training_records([trained / "records"]) if r["model"] == "waveform")
    shuffled = as_table_run(record, data__shuffle_labels=True)
    assert rows_of([shuffled], "laptop") == []
    assert rows_of([record], "poster") == []


def test_report_prints_every_cell_of_the_shipped_records(capsys):
    """Row by row: what was trained on what, and three scores with their intervals."""
    assert main(["report", str(BUNDLED_RUNS), "--edition", "laptop"]) == 0
    lines = capsys.readouterr().out.partition("laptop edition, sheet-music: ")[2].splitlines()
    rows = rows_of(training_records(), "laptop")
    assert len(rows) > 15
    assert {row.model for row in rows} == {"gbt", "mel-statistics", "waveform", "spectrogram"}
    for row, line in zip(rows, lines[2:], strict=False):
        assert line.split()[:3] == [row.model, f"{row.num_clips:,}", f"{row.num_training_segments:,}"]
        for measurement in (row.scores[metric] for metric in ("roc_auc", "pr_auc", "sqrt_mse")):
            assert f" {measurement.value:.4f} [{measurement.low:.4f}, {measurement.high:.4f}]" in line


def test_what_was_not_trained_and_tested_alike_is_not_compared(trained):
    records = {r["model"]: as_table_run(r) for r in read_training_records([trained / "records"])}
    waveform, spectrogram = records["waveform"], records["spectrogram"]
    for other in (
        as_table_run(spectrogram, optimization__learning_rate=0.002),
        {**spectrogram, "test": {**spectrogram["test"], "fingerprint": "of other songs"}},
    ):
        assert gaps(rows_of([waveform, other], "laptop")) == {}
        assert "not comparable: other settings, or other test songs" in text_table([waveform, other], "laptop")


def test_report_of_nothing_says_so(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "make one with `tagging train`" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    write_record(tmp_path / "other.json", {"date": "2026-01-01", "kind": "measurement"})
    assert read_training_records([tmp_path]) == []
    assert BUNDLED_RUNS.is_dir()


def test_cells_of_tables_break_before_the_interval_alone():
    assert cell(Interval(0.5, 0.25, 0.75)).split(" ") == ["0.500", "[0.250,\N{NO-BREAK SPACE}0.750]"]
    assert cell(Interval(0.5, 0.25, 0.75), "+.1f").startswith("+0.5")
    assert cell(None) == "-"


def of_another_corpus(record):
    """As a run on a folder of one's own, without regression tags and without parts, would leave it."""
    other = copy.deepcopy(record)
    other["corpus"]["name"] = other["settings"]["data"]["corpus"] = "folder"
    other["settings"]["data"]["corpus_options"] = {"root": "music"}
    other["test"]["parts"] = {"all": {metric: other["test"]["means"][metric] for metric in ("roc_auc", "pr_auc")}}
    return other


def test_a_run_of_another_corpus_prints():
    record = bundled_record("laptop-waveform-1k-s0")
    text = text_table([of_another_corpus(record)])
    assert "laptop edition, folder" in text
    (row,) = rows_of([of_another_corpus(record)])
    assert f"{row.scores['roc_auc']:.4f}" in text
    assert set(row.scores) == {"roc_auc", "pr_auc"}
    assert rows_of([of_another_corpus(record)], "laptop") == []  # but it is not in the poster's table
    with pytest.raises(ConfigError, match="laptop"):
        text_table([of_another_corpus(record)], "laptop")


def test_runs_of_two_corpora_are_told_apart():
    record = bundled_record("laptop-waveform-1k-s0")
    rows = rows_of([record, of_another_corpus(record)])
    assert ["data.corpus=folder" in row.variant for row in rows] in ([True, False], [False, True])


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
