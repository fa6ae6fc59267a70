"""`tagging train | evaluate | report`, as a user types them."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tones as _registers  # noqa: F401

import tagging
from tagging.book.poster_table import cell, gaps, rows_of, text_table
from tagging.book.published import list_published, published_gaps, published_results
from tagging.book.runs import BUNDLED_RUNS, training_records
from tagging.cli import main
from tagging.evaluation.bootstrap import Interval
from tagging.training.records import write_record

FAST = ["segment_seconds=0.5", "width=0.1", "clips_seen=80", "batch=8", "validate_every=40", "validation_clips=20",
        "test_clips=40", "segments_per_clip=2", "resamples=50", "workers=0", "corpus=tones"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run made by the command, and its records."""
    folder = tmp_path_factory.mktemp("run")
    root = tmp_path_factory.mktemp("sounds")
    arguments = [
        "train",
        "waveform",
        "spectrogram",
        "--clips",
        "40",
        "--cpu",
        "--quiet",
        "--output",
        str(folder / "run"),
    ]
    arguments += ["--records", str(folder / "records"), "--set", *FAST, f"corpus_options.root={root}"]
    assert main(arguments) == 0
    return folder


def test_a_run_leaves_weights_and_records(trained, capsys):
    names = sorted(path.name for path in (trained / "records").iterdir())
    assert len(names) == 2
    assert all(name.startswith(("laptop-waveform-40-", "laptop-spectrogram-40-")) for name in names)
    record = json.loads((trained / "run" / "waveform" / "record.json").read_text())
    for wanted in ("command", "settings", "corpus", "edition", "clips", "seed", "test", "clips_seen", "seconds",
                   "clips_per_second", "device", "versions", "commit", "date", "share_waiting_for_clips"):  # fmt: skip
        assert wanted in record, wanted
    # the resamples, which make paired intervals possible, on one line
    text = (trained / "records" / names[0]).read_text()
    assert max(len(line) for line in text.splitlines()) > 300


@pytest.mark.slow
def test_of_two_processes_one_speaks(tmp_path):
    arguments = ["train", "mel-statistics", "--clips", "40", "--cpu", "--quiet", "--output", str(tmp_path / "run")]
    arguments += ["--records", str(tmp_path / "records"), "--set", *FAST, f"corpus_options.root={tmp_path}"]
    script = tmp_path / "two.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); import tones; from tagging.cli import main\n"
        f"sys.exit(main({arguments!r}))"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(": roc_auc ") == done.stdout.count("of the time waiting") == 1
    (copied,) = (tmp_path / "records").iterdir()
    assert copied.read_bytes() == (tmp_path / "run" / "mel-statistics" / "record.json").read_bytes()


def test_evaluate_finds_what_the_run_found(trained, capsys, tmp_path):
    record = json.loads((trained / "run" / "spectrogram" / "record.json").read_text())
    root = record["settings"]["corpus_options"]["root"]
    options = ["--clips", "40", "--cpu", "--set", "segments_per_clip=2", "resamples=50", f"corpus_options.root={root}"]
    target = tmp_path / "again.json"
    model = str(trained / "run" / "spectrogram")
    assert main(["evaluate", model, "--corpus", "tones", "--output", str(target), *options]) == 0
    again = json.loads(target.read_text())
    for metric, mean in record["test"]["means"].items():
        assert again["test"]["means"][metric]["value"] == pytest.approx(mean["value"], abs=1e-6)
    said = capsys.readouterr().out
    assert "all tags: roc_auc" in said
    assert "one class of them only: never" in said
    assert again["command"].startswith("tagging evaluate TAGGER --corpus tones --split test --clips 40 --set ")
    assert " segments_per_clip=2 " in again["command"]
    assert again["device"]


def test_a_record_of_another_recipe_is_not_overwritten(trained, capsys, tmp_path):
    record = json.loads((trained / "run" / "spectrogram" / "record.json").read_text())
    root = record["settings"]["corpus_options"]["root"]
    before = {path: path.read_bytes() for path in (trained / "records").iterdir()}
    arguments = ["train", "spectrogram", "--clips", "40", "--cpu", "--quiet", "--output", str(tmp_path / "run")]
    arguments += ["--records", str(trained / "records"), "--set", *FAST, f"corpus_options.root={root}"]
    assert main([*arguments, "dropout=0.2"]) == 2
    assert "is of a run with other settings; give --records another folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # said before the training, not after it
    assert main(arguments) == 0  # the very same, though it was trained in company there
    assert re.search(
        r"80 clips seen in \d+ s, \d+ a second, \d+\.\d% of the time waiting for them", capsys.readouterr().out
    )
    assert {path for path in before if before[path] != path.read_bytes()} == {
        trained / "records" / f"{record['name']}.json"
    }


def test_scores_that_are_no_numbers_are_not_taken_for_unreadable_tracks(trained, tmp_path, capsys):
    record = json.loads((trained / "run" / "spectrogram" / "record.json").read_text())
    root = record["settings"]["corpus_options"]["root"]
    tagger = tagging.load_tagger(trained / "run" / "spectrogram" / "tagger.safetensors")
    next(tagger.parameters()).data.fill_(float("nan"))
    tagger.save(tmp_path / "lost.safetensors")
    options = ["--clips", "40", "--cpu", "--set", "segments_per_clip=2", f"corpus_options.root={root}", "workers=0"]
    assert main(["evaluate", str(tmp_path / "lost.safetensors"), "--corpus", "tones", *options]) == 2
    assert "says something that is no number about 40 of 40 test tracks" in capsys.readouterr().err


def test_evaluate_refuses_a_tagger_of_other_tags(capsys, tmp_path):
    other = tagging.build_tagger("waveform", "dense", ["rock", "pop"], 0.5, width=0.1).save(
        tmp_path / "other.safetensors"
    )
    options = ["--corpus", "tones", "--clips", "5", "--cpu", "--set", f"corpus_options.root={tmp_path}"]
    assert main(["evaluate", str(other), *options]) == 2
    assert "this tagger knows 2 tags, rock, pop, ...; the corpus 'tones' has 6 others" in capsys.readouterr().err


def as_table_run(record):
    """A record as it would be of the plain corpus, which is what the table shows."""
    return {**record, "settings": {**record["settings"], "corpus_options": {}}}


def test_the_table_shows_every_cell_with_its_interval(trained):
    records = [as_table_run(record) for record in training_records([trained / "records"])]
    rows = rows_of(records, "laptop")
    assert [row.model for row in rows] == ["waveform", "spectrogram"]
    text = text_table(records, "laptop")
    for record, row in zip(sorted(records, key=lambda record: record["model"], reverse=True), rows, strict=True):
        for metric in ("roc_auc", "pr_auc", "sqrt_mse"):
            mean = record["test"]["means"][metric]
            assert f"{mean['value']:.4f} [{row.scores[metric].low:.4f}, {row.scores[metric].high:.4f}]" in text
            assert row.scores[metric].low == pytest.approx(mean["low"], abs=2e-5)
    ((clips, _), found) = next(iter(gaps(rows).items()))
    assert clips == 40
    between = found["roc_auc"]
    assert between.value == pytest.approx(rows[1].scores["roc_auc"].value - rows[0].scores["roc_auc"].value)
    assert between.low <= between.value <= between.high
    for version in list_published():
        assert published_results(version).title in text
        for row in published_results(version).rows:
            assert f"{row.roc_auc:.4f}" in text
        for found in published_gaps(version).values():
            assert f"{found['pr_auc']:+.4f}" in text


def test_seeds_are_averaged(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    (one,) = rows_of([record], "laptop")
    luckier = copy.deepcopy({**record, "seed": 1})
    luckier["test"]["parts"]["all"]["roc_auc"]["value"] += 0.1
    luckier["test"]["resampled"]["roc_auc"] = [value + 0.1 for value in luckier["test"]["resampled"]["roc_auc"]]
    (two,) = rows_of([luckier, record], "laptop")
    assert (one.num_seeds, two.num_seeds) == (1, 2)
    found, mean = one.scores["roc_auc"], two.scores["roc_auc"]
    assert [mean.value, mean.low, mean.high] == pytest.approx([found.value + 0.05, found.low + 0.05, found.high + 0.05])
    assert two.scores["pr_auc"] == one.scores["pr_auc"]
    assert two.by_run["roc_auc"] == pytest.approx((found.value, found.value + 0.1))
    assert f"{found.value:.4f} to {found.value + 0.1:.4f}" in text_table([luckier, record], "laptop")
    assert "lowest to highest" not in text_table([record], "laptop")


def test_a_record_given_twice_counts_once_and_the_newest_of_a_run_counts(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    assert [row.num_seeds for row in rows_of([record, record], "laptop")] == [1]
    newer = {**record, "date": "2099-01-01", "device": "the newer one"}
    for order in ([record, newer], [newer, record]):
        assert [(row.num_seeds, row.device) for row in rows_of(order, "laptop")] == [(1, "the newer one")]


def test_runs_of_different_recipes_are_not_averaged(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    slower = {**record, "settings": {**record["settings"], "learning_rate": 0.002, "log_every": 7}}
    older = {**record, "seed": 1, "settings": {k: v for k, v in record["settings"].items() if k != "loss"}}
    rows = rows_of([record, slower, older], "laptop")
    assert [(row.variant, row.num_seeds) for row in rows] == [("learning_rate=0.002", 1), ("learning_rate=0.008", 2)]
    assert " (learning_rate=0.002)\n" in text_table([record, slower], "laptop")


def test_a_row_says_in_what_it_is_not_like_those_of_other_scales(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    trees = {**record, "model": "gbt", "settings": {**record["settings"], "models": ["gbt"]}}
    more = {**trees, "clips": 80, "clips_seen": 90, "settings": {**trees["settings"], "trees": {"leaves": 31}}}
    assert [row.variant for row in rows_of([trees, more], "laptop")] == ["", "trees.leaves=31"]
    finer = {**record, "clips": 80, "settings": {**record["settings"], "mel": {**record["settings"]["mel"], "hop": 64}}}
    assert [row.variant for row in rows_of([record, finer], "laptop")] == ["mel.hop=512", "mel.hop=64"]
    assert [row.variant for row in rows_of([trees, {**trees, "clips": 80}, record], "laptop")] == ["", "", ""]


def test_runs_tested_on_other_songs_have_a_row_of_their_own(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    lost = {**record, "seed": 1, "test": {**record["test"], "fingerprint": "of fewer songs", "num_songs": 39}}
    rows = rows_of([record, lost], "laptop")
    assert [(row.variant, row.num_seeds) for row in rows] == [
        ("39 test songs, of few", 1),
        (f"40 test songs, {record['test']['fingerprint'][:6]}", 1),
    ]
    assert "(39 test songs, of few)" in text_table([record, lost], "laptop")


def test_times_hold_the_features_of_trees_and_name_the_company_of_networks(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    assert rows_of([record], "laptop")[0].time.endswith(" s for 2 models")
    alone = {**record, "seed": 1, "seconds": 300.0, "settings": {**record["settings"], "models": ["waveform"]}}
    assert rows_of([record, alone, {**alone, "seed": 2, "seconds": 900.0}], "laptop")[0].time == "10 min"
    alone = {**record["settings"], "models": ["gbt"]}
    trees = {**record, "model": "gbt", "settings": alone, "seconds": 100.0, "seconds_for_features": 3600.0}
    assert rows_of([trees], "laptop")[0].time == "62 min"


def test_controls_and_other_editions_stay_out_of_the_table(trained):
    (record,) = (as_table_run(r) for r in training_records([trained / "records"]) if r["model"] == "waveform")
    shuffled = {**record, "settings": {**record["settings"], "shuffled_labels": True}}
    assert rows_of([shuffled], "laptop") == []
    assert rows_of([record], "poster") == []


def test_report_prints_every_cell_of_the_shipped_records(capsys):
    """Row by row: what was trained on what, and three scores with their intervals."""
    assert main(["report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = rows_of(training_records(), "laptop")
    assert len(rows) > 15
    assert {row.model for row in rows} == {"gbt", "mel-statistics", "waveform", "spectrogram"}
    for row, line in zip(rows, lines[2:], strict=False):
        assert line.split()[:3] == [row.model, f"{row.num_clips:,}", f"{row.num_training_segments:,}"]
        for found in (row.scores[metric] for metric in ("roc_auc", "pr_auc", "sqrt_mse")):
            assert f" {found.value:.4f} [{found.low:.4f}, {found.high:.4f}]" in line


def test_what_was_not_trained_and_tested_alike_is_not_compared(trained):
    records = {r["model"]: as_table_run(r) for r in training_records([trained / "records"])}
    waveform, spectrogram = records["waveform"], records["spectrogram"]
    for other in (
        {**spectrogram, "settings": {**spectrogram["settings"], "learning_rate": 0.002}},
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
    assert training_records([tmp_path]) == []
    assert BUNDLED_RUNS.is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["waveforms"], "unknown front-end 'waveforms': did you mean"),
        (["waveform:attentio"], "unknown back-end 'attentio'"),
        (["waveform:dense:together:more"], "write FRONTEND, FRONTEND:BACKEND or FRONTEND:BACKEND:HEAD"),
        (["gbt", "waveform"], "train it by itself"),
        (["gbt", "--minutes", "5"], "gbt knows no updates"),
        (["gbt", "--set", "loss=focal"], "loss=focal: trees are not trained batch by batch"),
        (["gbt", "--set", "shuffled_labels=true"], "only networks know this setting"),
        (["waveform", "--set", "learning_rate"], "write it as name=value"),
        (["waveform", "--settings", "nothing.toml"], "cannot be read"),
    ],
)
def test_wrong_commands_say_what_to_do(arguments, message, tmp_path, capsys):
    more = ["--output", str(tmp_path / "run"), "--cpu", "--quiet"]
    if "--set" not in arguments:
        more += ["--set", *FAST, f"corpus_options.root={tmp_path}"]
    assert main(["train", *arguments, "--clips", "20", *more]) == 2
    assert message in capsys.readouterr().err


def test_cells_of_tables_break_before_the_interval_alone():
    assert cell(Interval(0.5, 0.25, 0.75)).split(" ") == ["0.500", "[0.250,\N{NO-BREAK SPACE}0.750]"]
    assert cell(Interval(0.5, 0.25, 0.75), "+.1f").startswith("+0.5")
    assert cell(None) == "-"
