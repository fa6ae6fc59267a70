"""`tagging train` and `tagging evaluate`, as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tones as _registers  # noqa: F401

import tagging
from tagging.cli import main
from tagging.training.records import read_record

FAST = [
    "data.corpus=tones", "model.segment_seconds=0.5", "model.width=0.1", "optimization.num_training_segments=80",
    "optimization.batch_size=8", "evaluation.validation_interval=40", "evaluation.num_validation_clips=20",
    "evaluation.num_test_clips=40", "evaluation.segments_per_clip=2", "evaluation.num_resamples=50", "runtime.num_workers=0",
]  # fmt: skip


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
    arguments += ["--records", str(folder / "records"), "--set", *FAST, f"data.corpus_options.root={root}"]
    assert main(arguments) == 0
    return folder


def test_a_run_leaves_weights_and_records(trained, capsys):
    names = sorted(path.name for path in (trained / "records").iterdir())
    assert len(names) == 2
    assert all(name.startswith(("laptop-waveform-40-", "laptop-spectrogram-40-")) for name in names)
    record = read_record(trained / "run" / "waveform" / "record.json")
    for wanted in ("command", "settings", "corpus", "edition", "num_clips", "seed", "test", "num_training_segments",
                   "seconds", "segments_per_second", "device", "versions", "commit", "date", "data_wait_ratio"):  # fmt: skip
        assert wanted in record, wanted
    # the resamples, which make paired intervals possible, on one line
    text = (trained / "records" / names[0]).read_text()
    assert max(len(line) for line in text.splitlines()) > 300


@pytest.mark.slow
def test_of_two_processes_one_speaks(tmp_path):
    arguments = ["train", "mel-statistics", "--clips", "40", "--cpu", "--quiet", "--output", str(tmp_path / "run")]
    arguments += ["--records", str(tmp_path / "records"), "--set", *FAST, f"data.corpus_options.root={tmp_path}"]
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
    record = read_record(trained / "run" / "spectrogram" / "record.json")
    root = record["settings"]["data"]["corpus_options"]["root"]
    options = [
        "--clips",
        "40",
        "--cpu",
        "--set",
        "evaluation.segments_per_clip=2",
        "evaluation.num_resamples=50",
        f"data.corpus_options.root={root}",
    ]
    target = tmp_path / "again.json"
    model = str(trained / "run" / "spectrogram")
    assert main(["evaluate", model, "--corpus", "tones", "--output", str(target), *options]) == 0
    again = json.loads(target.read_text())
    for metric, mean in record["test"]["means"].items():
        assert again["test"]["means"][metric]["value"] == pytest.approx(mean["value"], abs=1e-6)
    out = capsys.readouterr().out
    assert "all tags: roc_auc" in out
    assert "left out of the means: tags that all test songs have, or none: never" in out
    assert again["settings"]["evaluation"]["segments_per_clip"] == 2
    assert again["device"]


def test_a_record_of_another_recipe_is_not_overwritten(trained, capsys, tmp_path):
    record = read_record(trained / "run" / "spectrogram" / "record.json")
    root = record["settings"]["data"]["corpus_options"]["root"]
    before = {path: path.read_bytes() for path in (trained / "records").iterdir()}
    arguments = ["train", "spectrogram", "--clips", "40", "--cpu", "--quiet", "--output", str(tmp_path / "run")]
    arguments += ["--records", str(trained / "records"), "--set", *FAST, f"data.corpus_options.root={root}"]
    assert main([*arguments, "evaluation.num_resamples=60"]) == 2
    assert "is of a run with other settings" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # said before the training, not after it
    assert main(arguments) == 0  # the very same, though it was trained in company there
    assert re.search(
        r"80 training segments in \d+ s, \d+ per second, \d+\.\d% of the time waiting for data", capsys.readouterr().out
    )
    assert {path for path in before if before[path] != path.read_bytes()} == {
        trained / "records" / f"{record['name']}.json"
    }


def test_a_tagger_with_nan_weights_is_refused_before_it_scores(trained, tmp_path, capsys):
    tagger = tagging.load_tagger(trained / "run" / "spectrogram" / "tagger.safetensors")
    next(tagger.parameters()).data.fill_(float("nan"))
    tagger.save(tmp_path / "lost.safetensors")
    assert main(["evaluate", str(tmp_path / "lost.safetensors"), "--corpus", "tones"]) == 2
    assert "lost.safetensors: damaged or not what it describes (NaN or infinite weights" in capsys.readouterr().err


def test_evaluate_refuses_a_tagger_of_other_tags(capsys, tmp_path):
    other = tagging.build_tagger("waveform", "dense", ["rock", "pop"], 0.5, width=0.1).save(
        tmp_path / "other.safetensors"
    )
    options = ["--corpus", "tones", "--clips", "5", "--cpu", "--set", f"data.corpus_options.root={tmp_path}"]
    assert main(["evaluate", str(other), *options]) == 2
    assert "this tagger has 2 tags (rock, pop, ...), the corpus 'tones' has 6 others" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["waveforms"], "unknown front-end 'waveforms': did you mean"),
        (["waveform:attentio"], "unknown back-end 'attentio'"),
        (["waveform:dense:together:more"], "FRONTEND:BACKEND:HEAD"),
        (["gbt", "waveform"], "train it separately"),
        (["gbt", "--minutes", "5"], "gbt has no steps"),
        (["gbt", "--set", "optimization.loss=focal"], "optimization.loss=focal: only networks"),
        (["gbt", "--set", "data.shuffle_labels=true"], "only networks take this setting"),
        (["waveform", "--set", "optimization.learning_rate"], "write it as NAME=VALUE"),
        (["waveform", "--settings", "nothing.toml"], "cannot be read"),
    ],
)
def test_wrong_commands_say_what_to_do(arguments, message, tmp_path, capsys):
    more = ["--output", str(tmp_path / "run"), "--cpu", "--quiet"]
    if "--set" not in arguments:
        more += ["--set", *FAST, f"data.corpus_options.root={tmp_path}"]
    assert main(["train", *arguments, "--clips", "20", *more]) == 2
    assert message in capsys.readouterr().err
