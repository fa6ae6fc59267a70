"""`tagging sweep`, `tagging compare`, learning curves in files, and `tagging evaluate` of a table of scores."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tones as _registers  # noqa: F401

from tagging.cli import _parser, main
from tagging.cli.train import settings_of
from tagging.evaluation.evaluate import Evaluation, difference, evaluate
from tagging.evaluation.metrics import pr_auc, roc_auc
from tagging.plots.ranking import ranking_curve
from tagging.training import train
from tagging.training.curves import loggers

FAST = [
    "data.corpus=tones", "data.num_clips=40", "model.segment_seconds=0.5", "model.width=0.1",
    "optimization.num_training_segments=80", "optimization.batch_size=8", "evaluation.validation_interval=40",
    "evaluation.num_validation_clips=20", "evaluation.num_test_clips=40", "evaluation.segments_per_clip=2",
    "evaluation.num_resamples=50", "runtime.num_workers=0", "runtime.log_interval=5",
]  # fmt: skip
MODEL = "mel-statistics"


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> tuple[Path, list[str]]:
    """The folder of a sweep over two rates, and its command."""
    folder, sounds = tmp_path_factory.mktemp("sweep"), tmp_path_factory.mktemp("sounds")
    settings = [*FAST, f"data.corpus_options.root={sounds}"]
    arguments = [
        "sweep",
        MODEL,
        "--rates",
        "0.008",
        "0.0001",
        "--output",
        str(folder),
        "--cpu",
        "--quiet",
        "--set",
        *settings,
    ]
    assert main(arguments) == 0
    return folder, arguments


def record_of(run: Path) -> dict:
    return json.loads((run / MODEL / "record.json").read_text())


def test_a_sweep_names_the_rate_that_validates_best(swept, capsys):
    folder, arguments = swept
    assert main(arguments) == 0  # finished runs are only read
    out = capsys.readouterr().out
    scores = {rate: record_of(folder / f"rate-{rate}")["best"]["validation"] for rate in ("0.0001", "0.008")}
    best = max(scores, key=scores.get)
    assert f"{MODEL}: best at {best} ({scores[best]:.4f}), which is the end of the range: try further" in out
    for rate, score in scores.items():
        assert re.search(rf"{MODEL} +{rate} +{score:.4f} after \d+ of 10 steps", out)


def test_two_runs_are_compared_on_the_same_songs(swept, capsys):
    folder, _ = swept
    runs = [folder / "rate-0.008", folder / "rate-0.0001"]
    assert main(["compare", *map(str, runs)]) == 0
    out = capsys.readouterr().out
    assert "optimization.learning_rate: 0.008 and 0.0001" in out
    first, second = (Evaluation.from_dict(record_of(run)["test"]) for run in runs)
    assert f"first minus second {difference(first, second, 'roc_auc'):+.4f}" in out
    assert "sqrt_mse (lower is better)" in out
    assert main(["compare", str(folder), str(runs[0])]) == 2
    assert "no finished run here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["gbt"], "gbt has no learning rate"), ([MODEL, "--rates", "0.01", "0.01"], "give each once")],
)
def test_mistakes_in_a_sweep_say_what_to_do(arguments, message, tmp_path, capsys):
    settings = [*FAST, f"data.corpus_options.root={tmp_path}"]
    assert main(["sweep", *arguments, "--output", str(tmp_path / "run"), "--cpu", "--set", *settings]) == 2
    assert message in capsys.readouterr().err


def test_curves_are_written_and_go_on_where_a_run_does(tmp_path):
    settings = [*FAST, f"data.corpus_options.root={tmp_path}"]
    arguments = ["train", MODEL, "--output", str(tmp_path / "run"), "--cpu", "--quiet", "--curves", "csv"]
    options = _parser().parse_args([*arguments, "--set", *settings])
    curves = loggers(["csv"], Path(options.output))
    assert (
        train(settings_of(options), options.output, cpu_only=True, progress=False, on_event=curves, minutes=1e-6) == []
    )
    assert main([*arguments, "--set", *settings]) == 0
    with open(tmp_path / "run" / "curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    history = record_of(tmp_path / "run")["history"]
    losses = [(int(row["step"]), float(row["value"])) for row in rows if row["name"] == "loss"]
    assert losses == [(entry["step"], entry["loss"]) for entry in history]
    assert {row["name"] for row in rows} >= {"learning_rate", "loss", "validation_roc_auc", "validation_sqrt_mse"}


def test_curves_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = [*FAST, f"data.corpus_options.root={tmp_path}"]
    arguments = ["train", MODEL, "--output", str(tmp_path / "run"), "--cpu", "--quiet", "--curves", "tensorboard"]
    assert main([*arguments, "--set", *settings]) == 0
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    history = record_of(tmp_path / "run")["history"]
    assert [event.step for event in events.Scalars(f"loss/{MODEL}")] == [entry["step"] for entry in history]


def write(path: Path, header: list[str], rows) -> str:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def test_scores_from_anywhere(tmp_path, capsys):
    random = np.random.default_rng(0)
    labels = (random.random((60, 3)) < 0.4).astype(float)
    scores = np.round(0.3 * labels + 0.7 * random.random((60, 3)), 4)
    songs, tags = [f"s{number}" for number in range(60)], ["rock", "slow", "loud"]
    files = [
        write(
            tmp_path / "scores.csv", ["song", *tags], [[song, *row] for song, row in zip(songs, scores, strict=True)]
        ),
        write(
            tmp_path / "labels.csv", ["song", *tags], [[song, *row] for song, row in zip(songs, labels, strict=True)]
        ),
        write(tmp_path / "artists.csv", ["song", "artist"], [[f"s{n}", f"a{n // 3}"] for n in reversed(range(60))]),
    ]
    command = ["evaluate", files[0], "--labels", files[1], "--groups", files[2], "--output", str(tmp_path / "report")]
    assert main(command) == 0
    out = capsys.readouterr().out
    expected = evaluate(labels, scores, tags, groups=[f"a{number // 3}" for number in range(60)])
    assert "60 songs in 20 groups, 3 tags" in out
    assert f"roc_auc {expected.means['roc_auc']:.4f}" in out
    with open(tmp_path / "report" / "tags.csv", newline="") as file:
        rows = {row["tag"]: row for row in csv.DictReader(file)}
    assert float(rows["slow"]["roc_auc"]) == pytest.approx(roc_auc(labels, scores)[1])
    assert (tmp_path / "report" / "curves.png").stat().st_size > 10_000

    write(tmp_path / "artists.csv", ["song", "artist"], [["s1", "a"]])
    assert main(command) == 2
    assert "59 songs of" in capsys.readouterr().err
    assert main(["evaluate", files[0]]) == 2
    assert "needs --labels" in capsys.readouterr().err


def test_labels_as_training_takes_them(tmp_path, capsys):
    """Artists in a column of the labels are the groups; all tags may be in one column; more songs than scores are left out."""
    scores = write(tmp_path / "s.csv", ["song", "rock", "slow"], [[f"s{n}", n / 10, 0.9 - n / 10] for n in range(9)])
    rows = [[f"s{n}", "rock" if n > 4 else "slow;loud", f"a{n // 2}"] for n in range(10)]
    labels = write(tmp_path / "l.csv", ["song", "tags", "artist"], rows)
    command = ["evaluate", scores, "--labels", labels, "--output", str(tmp_path / "report")]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "9 songs in 5 groups, 2 tags" in out
    assert "without scores, so left out: 1 songs of l.csv: s9" in out
    assert "without scores, so left out: 1 tags of l.csv: loud" in out
    write(tmp_path / "l.csv", ["song", "rock", "slow"], [[f"s{n}", n % 2, 1] for n in range(8)])
    assert main(command) == 2
    assert "no labels of 1 songs that have scores: s8" in capsys.readouterr().err
    write(tmp_path / "l.csv", ["song", "rock", "slow"], [[f"s{n}", 0.5, 1] for n in range(9)])
    assert main(command) == 2
    assert "song 's0', tag 'rock': 0.5 is not a label" in capsys.readouterr().err


def test_columns_of_labels_may_be_named(tmp_path, capsys):
    """The option that an error names is one that the command takes; options that would do nothing are refused."""
    scores = write(tmp_path / "s.csv", ["song", "rock", "slow"], [[f"s{n}", n / 10, 0.9 - n / 10] for n in range(9)])
    rows = [[f"s{n}", f"album {n}", "rock" if n > 4 else "slow", f"b{n // 3}"] for n in range(9)]
    labels = write(tmp_path / "l.csv", ["song", "album", "what", "band"], rows)
    command = ["evaluate", scores, "--labels", labels, "--output", str(tmp_path / "report")]
    assert main(command) == 2
    assert "`tagging evaluate` as --set data.corpus_options.tags=NAME" in " ".join(capsys.readouterr().err.split())
    assert main([*command, "--set", "data.corpus_options.tags=what", "data.corpus_options.group=band"]) == 0
    assert "9 songs in 3 groups, 2 tags" in capsys.readouterr().out
    assert main([*command, "--set", "tags=what"]) == 2
    assert "unknown setting of a table of scores 'tags': known: data.corpus_options.group" in " ".join(
        capsys.readouterr().err.split()
    )
    for useless in (["--clips", "9"], ["--split", "train"], ["--cpu"]):
        assert main([*command, *useless]) == 2
        assert f"{useless[0]} belongs to a tagger" in capsys.readouterr().err
    for wrong in ("tags=5", "ignore=true", "separator=5"):
        assert main([*command, "--set", f"data.corpus_options.{wrong}"]) == 2
        assert wrong.partition("=")[0] in capsys.readouterr().err
    assert main([*command[:4], "--output", str(tmp_path / "record.json")]) == 2
    assert "names a folder" in capsys.readouterr().err


def test_splits_of_the_labels_do_not_matter(tmp_path, capsys):
    scores = write(tmp_path / "s.csv", ["song", "rock"], [[f"s{n}", n / 10] for n in range(9)])
    labels = write(tmp_path / "l.csv", ["song", "rock", "split"], [[f"s{n}", n % 2, f"fold{n}"] for n in range(9)])
    assert main(["evaluate", scores, "--labels", labels, "--output", str(tmp_path / "report")]) == 0
    assert "9 songs in 9 groups, 1 tags" in capsys.readouterr().out


def test_names_that_are_one_in_the_labels_are_refused(tmp_path, capsys):
    """Otherwise the last row would be taken in silence."""
    scores = write(tmp_path / "s.csv", ["song", "rock"], [["\u00e9", 0.5], ["b", 0.1]])
    labels = write(tmp_path / "l.csv", ["song", "rock"], [["\u00e9", 0], ["e\u0301", 1], ["b", 0]])
    assert main(["evaluate", scores, "--labels", labels, "--output", str(tmp_path / "report")]) == 2
    assert "songs given twice" in capsys.readouterr().err


def test_names_in_two_forms_of_unicode_are_one(tmp_path, capsys):
    scores = write(tmp_path / "s.csv", ["song", "bal mus\u00e9"], [[f"\u00e9{n}", n / 10] for n in range(9)])
    labels = write(tmp_path / "l.csv", ["song", "bal muse\u0301"], [[f"e\u0301{n}", n % 2] for n in range(9)])
    assert main(["evaluate", scores, "--labels", labels, "--output", str(tmp_path / "report")]) == 0
    assert "9 songs in 9 groups, 1 tags" in capsys.readouterr().out


def test_the_curves_have_the_areas_of_the_metrics():
    random = np.random.default_rng(1)
    labels = (random.random(200) < 0.3).astype(float)
    scores = np.round(0.3 * labels + random.random(200), 1)  # many are equal
    false_positives, recall, precision = ranking_curve(labels, scores)
    area = np.sum(np.diff(false_positives) * (recall[1:] + recall[:-1]) / 2)
    assert area == pytest.approx(roc_auc(labels[:, None], scores[:, None])[0])
    average_precision = np.sum(np.diff(recall) * precision[1:])
    assert average_precision == pytest.approx(pr_auc(labels[:, None], scores[:, None])[0])
