"""Training learns, goes on after a kill as if nothing had happened, and says what went wrong."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from tones import Tones
from torch import nn

import tagging
from tagging.errors import ConfigError, TaggingError
from tagging.evaluation.evaluate import Evaluation, evaluate
from tagging.evaluation.predictions import read_run
from tagging.tags import Vocabulary
from tagging.training import Settings, TrainingError, train
from tagging.training.checkpoint import newest_checkpoint, save_checkpoint
from tagging.training.data import Split
from tagging.training.learner import Learner
from tagging.training.losses import count_labelled
from tagging.training.models import build_model
from tagging.training.records import read_record
from tagging.training.results import evaluate_tagger
from tagging.utils.files import locked
from tagging.utils.legacy import CHECKPOINT_FIELDS, STATE_KEYS, renamed

HERE = Path(__file__).parents[1]
BOTH = ["waveform", "spectrogram"]


def run(settings, folder, **options):
    return train(settings, folder, cpu_only=True, progress=False, **options)


def weights(folder, model="spectrogram"):
    return load_file(folder / model / "tagger.safetensors")


def record_of(folder, model="spectrogram"):
    return read_record(folder / model / "record.json")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_three_models_learn_from_one_stream(tones, tmp_path):
    events = []
    settings = tones(models=[*BOTH, "mel-statistics"], num_training_segments=960, validation_interval=320, num_clips=60)
    records = run(settings, tmp_path, on_event=events.append)
    assert [record["model"] for record in records] == list(settings.models)
    for record in records:
        scores = {tag["name"]: tag for tag in record["test"]["tags"]}
        assert scores["noisy"]["roc_auc"]["value"] > 0.75, record["model"]
        assert record["test"]["undefined"] == ["never"]
        assert record["history"][0]["loss"] > record["history"][-1]["loss"]
        assert record["num_training_segments"] == 960
        assert Evaluation.from_dict(record["test"]).num_songs == 40
        assert record["best"]["validation"] == max(
            entry["validation"]["roc_auc"] for entry in record["history"] if "validation" in entry
        )
    assert [event["step"] for event in events] == list(range(5, 121, 5))
    fingerprints = {record["test"]["fingerprint"] for record in records}
    assert len(fingerprints) == 1  # so that their differences are paired

    tagger = tagging.load_tagger(tmp_path / "waveform" / "tagger.safetensors")
    assert tagger.card["record"] == records[0]["name"]
    with np.load(tmp_path / "waveform" / "predictions-test.npz", allow_pickle=False) as stored:
        assert stored["scores"].shape == stored["labels"].shape == (40, 6)


def test_a_run_says_what_it_is_about_to_do(tones, tmp_path, capsys):
    run(tones(models=["mel-statistics"], num_training_segments=80), tmp_path)
    assert "mel-statistics: 10 steps of 8 segments of 0.5 s from 40 clips, on cpu" in capsys.readouterr().out


def test_a_model_does_not_depend_on_its_company(tones, tmp_path):
    run(tones(models=BOTH, num_training_segments=160), tmp_path / "both")
    run(tones(models=["spectrogram"], num_training_segments=160), tmp_path / "alone")
    assert equal(weights(tmp_path / "both"), weights(tmp_path / "alone"))


def test_one_process_trains_in_several_precisions(tones, tmp_path):
    """One after another, as a notebook does: bfloat16 in between leaves no trace, and its first step is that of float32."""
    losses, trained, scores = {}, {}, {}
    for name, precision in (("first", "no"), ("between", "bf16"), ("again", "no")):
        changes = {
            "num_training_segments": 32,
            "log_interval": 1,
            "gradient_accumulation_steps": 2,
            "num_test_clips": 60,
        }
        (record,) = run(tones(precision=precision, **changes), tmp_path / name)
        losses[name] = [entry["loss"] for entry in record["history"]]
        trained[name] = weights(tmp_path / name)
        tagger = tagging.load_tagger(tmp_path / name / "spectrogram" / "tagger.safetensors")
        scores[name] = record["test"]["means"]["roc_auc"]["value"]
        for arithmetic in ("no", "bf16"):
            settings = tones(precision=arithmetic, num_test_clips=60)
            again = evaluate_tagger(tagger, settings, cpu_only=True)["test"]["means"]["roc_auc"]["value"]
            assert again == pytest.approx(scores[name], abs=1e-6 if arithmetic == precision else 0.01), (
                name,
                arithmetic,
            )
    assert losses["first"] == losses["again"]
    assert equal(trained["first"], trained["again"])
    assert scores["first"] == scores["again"]
    assert losses["between"] != losses["first"]
    # bfloat16 has 8 bits; after the first step the trajectories go apart
    assert losses["between"][0] == pytest.approx(losses["first"][0], rel=0.02)


def test_the_bar_shows_how_far_and_how_well(tones, tmp_path, capsys):
    (record,) = train(tones(num_training_segments=160, validation_interval=80), tmp_path, cpu_only=True)
    bar = capsys.readouterr().err.replace("\r", "\n").splitlines()[-1]
    validated = record["history"][-1]["validation"]["roc_auc"]
    assert "spectrogram: 100%" in bar
    assert "160/160" in bar
    assert bar.endswith(f"segment/s, loss {record['history'][-1]['loss']:.3f} ROC-AUC {validated:.3f}]")


def test_a_complete_run_is_only_read(tones, tmp_path):
    settings = tones(num_training_segments=80)
    records = run(settings, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run(settings, tmp_path) == records
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_run_killed_while_it_was_tested_is_tested_again(tones, tmp_path):
    # the budget ends where a pass over the clips does
    settings = tones(
        models=["mel-statistics"], num_clips=60, num_training_segments=960, corpus_options={"damaged": 0.05}
    )
    (first,) = run(settings, tmp_path)
    (tmp_path / "mel-statistics" / "record.json").unlink()
    (again,) = run(settings, tmp_path)
    assert again["test"] == first["test"]
    assert (again["num_steps"], again["failed_tracks"]) == (first["num_steps"], first["failed_tracks"])


@pytest.mark.parametrize("model", ["spectrogram", "waveform", "mel-statistics", "mel-statistics:per-tag"])
def test_every_model_has_the_dropout_of_the_settings(tones, model):
    built = build_model(model, tones(dropout=0.3).model, Vocabulary(["a", "b"]), 16_000)
    assert {module.p for module in built.modules() if isinstance(module, nn.Dropout)} == {0.3}


def test_a_folder_that_another_process_trains_in_is_left_alone(tones, tmp_path):
    settings, folder = tones(models=["mel-statistics"], num_training_segments=80), tmp_path / "runs" / "mine"
    with locked(folder / "run"):
        with pytest.raises(TaggingError, match="another process .*mine"):
            run(settings, folder)
        assert not (folder / "settings.json").exists()
    run(settings, folder)
    with locked(folder / "run"):
        run(settings, folder)  # complete: it is only read


def test_a_folder_with_another_run_is_refused(tones, tmp_path):
    run(tones(models=["mel-statistics"], num_training_segments=80), tmp_path)
    with pytest.raises(ConfigError, match=r"optimization.learning_rate: 0.008 in the folder, 0.001 here"):
        run(tones(models=["mel-statistics"], num_training_segments=80, learning_rate=0.001), tmp_path)


def test_a_run_of_an_earlier_version_resumes(tones, tmp_path):
    """Its settings were one flat table, and its checkpoint had other names, which this file was written with."""
    settings = tones(models=["mel-statistics"], num_training_segments=160, validation_interval=80)
    run(settings, tmp_path / "whole")
    assert run(settings, tmp_path / "old", minutes=1e-9) == []
    flat = {
        "edition": "laptop", "models": ["mel-statistics"], "corpus": "tones", "corpus_options": settings.data.corpus_options,
        "train_options": {}, "clips": 40, "width": 0.1, "segment_seconds": 0.5, "dropout": 0.0, "mel": {"n_fft": 512, "hop": 256},
        "clips_seen": 160, "batch": 8, "accumulate": 1, "learning_rate": 0.008, "warm_up": 0.1, "weight_decay": 0.001,
        "norm_momentum": 0.05, "start_at_share": True, "shuffled_labels": False, "seed": 0, "validate_every": 80,
        "validation_clips": 20, "test_clips": 40, "segments_per_clip": 2, "patience": None, "resamples": 50, "precision": "no",
        "toeplitz": True, "compile": False, "workers": 0, "log_every": 5,
    }  # fmt: skip
    assert Settings.from_dict(flat) == settings
    (tmp_path / "old" / "settings.json").write_text(json.dumps(flat))
    (path,) = (tmp_path / "old").glob("state-*")
    tensors, progress, _ = newest_checkpoint(tmp_path / "old")
    names = {new: old for old, new in CHECKPOINT_FIELDS.items()}
    progress["history"] = [renamed(entry, names) for entry in progress["history"]]
    progress["learners"] = {name: renamed(about, names) for name, about in progress["learners"].items()}
    keys = {new: old for old, new in STATE_KEYS.items()}
    old_tensors = {}
    for name, tensor in tensors.items():
        for new, old in keys.items():
            name = name.replace(new, old)
        old_tensors[name] = tensor
    path.unlink()
    save_checkpoint(tmp_path / "old", progress["step"], old_tensors, renamed(progress, names))
    (resumed,) = run(settings, tmp_path / "old")
    assert resumed["history"] == record_of(tmp_path / "whole", "mel-statistics")["history"]


KILLED = """
import sys
sys.path.insert(0, {here!r})
import torch
torch.set_num_threads(1)
import tones
from tagging.training import Settings, train
train(Settings.from_dict({settings!r}), {folder}, cpu_only=True, progress=False)
print("complete")
"""


def kill_and_resume(settings, folder, kills):
    """Kill -9 at random moments, and resume each time; returns how often it was killed.

    The first comes after the settings are written, a later one after a checkpoint of the process that is killed: a short
    life each time would never end.
    """
    moments = random.Random(0)
    for killed in range(kills):
        before = set(folder.glob("*"))
        process = forked.start(run, settings, folder)
        if not forked.wait_until(lambda before=before: set(folder.glob("s*.*")) - before, process):
            return killed
        time.sleep(moments.random() * 0.2 * len(settings.models))
        is_alive = process.is_alive()
        forked.kill(process)
        if not is_alive:
            return killed
    run(settings, folder)
    return kills


def killed_run_equals_whole(tones, tmp_path, kills, **changes):
    """In the weights and the optimizer after the last update, in the best weights, and in all that was measured."""
    settings = tones(dropout=0.3, **changes)
    run(settings, tmp_path / "whole")
    assert kill_and_resume(settings, tmp_path / "killed", kills) == kills
    last = f"state-{settings.num_steps:08d}.safetensors"
    assert equal(*(load_file(tmp_path / name / last) for name in ("whole", "killed")))
    for model in settings.models:
        assert equal(weights(tmp_path / "whole", model), weights(tmp_path / "killed", model))
        whole, killed = (read_record(tmp_path / name / model / "record.json") for name in ("whole", "killed"))
        for part in ("test", "history", "best"):
            assert whole[part] == killed[part]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_ends_as_if_it_had_not_been(tones, tmp_path):
    killed_run_equals_whole(tones, tmp_path, kills=2, num_training_segments=240, validation_interval=40)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.usefixtures("one_thread")
def test_ten_kills(tones, tmp_path):
    # two models, whose best weights may be of different updates, and clips that another process makes
    killed_run_equals_whole(
        tones, tmp_path, kills=10, models=BOTH, num_workers=1, num_training_segments=1600, validation_interval=80
    )


def test_a_run_that_is_stopped_and_resumed_ends_as_one_in_one_go(tones, tmp_path, capsys):
    settings = tones(num_training_segments=160, validation_interval=80)
    run(settings, tmp_path / "whole")
    stops = 0
    while not run(settings, tmp_path / "stopped", minutes=1e-9):
        stops += 1
        assert "the same command resumes" in capsys.readouterr().out
    assert stops == 3  # at every entry of the history but the last
    assert equal(*(load_file(tmp_path / name / "state-00000020.safetensors") for name in ("whole", "stopped")))
    (record,) = run(settings, tmp_path / "stopped")
    assert [resume["after_step"] for resume in record["resumes"]] == [0, 5, 10, 15]
    assert {resume["commit"] for resume in record["resumes"]} == {record["commit"]}


def test_a_damaged_checkpoint_costs_a_stretch_and_nothing_else(tones, tmp_path, capsys):
    settings = tones(models=["spectrogram"], num_training_segments=240, validation_interval=80)
    run(settings, tmp_path)
    before = weights(tmp_path)
    newest = sorted(tmp_path.glob("state-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    (tmp_path / "spectrogram" / "record.json").unlink()
    run(settings, tmp_path)
    out = capsys.readouterr().out
    assert f"skipped: {newest}: damaged or half-written" in out
    assert f"resumes after step 20 of {settings.num_steps}" in out
    assert equal(before, weights(tmp_path))


TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def by_two(settings, script, folder):
    """A run of two processes that share every batch, in a folder that is written as Python."""
    script.write_text(KILLED.format(here=str(HERE), settings=settings.to_dict(), folder=folder))
    return subprocess.run(
        [sys.executable, *TWO, str(script)], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def run_by_two(settings, folder):
    done = by_two(settings, folder.with_suffix(".py"), repr(str(folder)))
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_what_one_of_two_processes_cannot_read_both_count(tones, tmp_path):
    options = {"damaged": 0.05, "damaged_splits": ["train", "test"]}
    settings = tones(
        models=["mel-statistics"], num_clips=60, num_test_clips=60, num_training_segments=160, corpus_options=options
    )
    out = run_by_two(settings, tmp_path / "two")
    record = read_record(tmp_path / "two" / "mel-statistics" / "record.json")
    assert record["failed_tracks"] == {"train": 3, "validation": 0, "test": 3}
    assert record["test"]["num_songs"] == 57
    for split in ("train", "test"):
        assert len((tmp_path / "two" / f"failed-{split}.txt").read_text().splitlines()) == 3
        assert out.count(f"3 of 60 {split} tracks cannot be read") == 1
        assert all("damaged-" in line for line in (tmp_path / "two" / f"failed-{split}.txt").read_text().splitlines())


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tones, tmp_path):
    settings = tones(
        models=["mel-statistics"], dropout=0.0, num_training_segments=160, log_interval=1, learning_rate=1e-4
    )
    (whole,) = run(settings, tmp_path / "one")
    assert run(settings, tmp_path / "two", minutes=1e-9) == []
    assert f"resumes after step 1 of {settings.num_steps}" in run_by_two(settings, tmp_path / "two")
    record = read_record(tmp_path / "two" / "mel-statistics" / "record.json")
    losses = [[entry["loss"] for entry in one["history"]] for one in (whole, record)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_processes_that_do_not_share_a_folder_are_refused(tones, tmp_path):
    """As on two machines with a disk each, where the run was begun on one of them."""
    settings = tones(models=["mel-statistics"], num_training_segments=160)
    assert run(settings, tmp_path / "0", minutes=1e-9) == []
    folder = f"{tmp_path}/{{__import__('os').environ['RANK']}}"
    done = by_two(settings, tmp_path / "script.py", f"f{folder!r}")
    assert done.returncode != 0
    assert "would resume after steps 5, 0" in done.stderr


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tones, tmp_path):
    """With the same batch over both: batch normalisation and the mean over known labels see the whole of it."""
    # a small rate: Adam divides gradients by their size, and makes of a rounding error a step as long as any other;
    # and the layout with exact variances, which several processes always use
    settings = tones(
        models=BOTH, dropout=0.0, num_training_segments=160, batch_size=16, log_interval=1, validation_interval=80,
        learning_rate=1e-4, cpu_acceleration=False,
    )  # fmt: skip
    whole = run(settings, tmp_path / "one")
    run_by_two(settings, tmp_path / "two")
    for alone in whole:
        shared = read_record(tmp_path / "two" / alone["model"] / "record.json")
        assert shared["num_processes"] == 2
        losses = [[entry["loss"] for entry in record["history"]] for record in (alone, shared)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)
        for metric, mean in alone["test"]["means"].items():
            assert mean["value"] == pytest.approx(shared["test"]["means"][metric]["value"], abs=0.01)
    # the averages of the gradients of all updates, which the optimizer keeps
    states = [load_file(tmp_path / name / "state-00000010.safetensors") for name in ("one", "two")]
    for name, gradient in states[0].items():
        if name.endswith("/exp_avg"):
            assert (states[1][name] - gradient).norm() < 0.01 * gradient.norm() + 1e-7, name


@pytest.mark.slow
def test_two_processes_train_the_head_of_a_frozen_body_as_one_does(tones, tmp_path):
    body = tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 0.5, width=0.1).eval()
    path = str(body.save(tmp_path / "body.safetensors"))
    settings = tones(
        models=["finetuned"], pretrained=path, body="frozen", segments_per_track=2, dropout=0.0, num_training_segments=160,
        batch_size=16, log_interval=1, validation_interval=80, learning_rate=1e-3,
    )  # fmt: skip
    (whole,) = run(settings, tmp_path / "one")
    run_by_two(settings, tmp_path / "two")
    shared = read_record(tmp_path / "two" / "finetuned" / "record.json")
    losses = [[entry["loss"] for entry in record["history"]] for record in (whole, shared)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-4)
    for metric, mean in whole["test"]["means"].items():
        assert mean["value"] == pytest.approx(shared["test"]["means"][metric]["value"], abs=0.01)


def test_shuffled_labels_teach_nothing(tones, tmp_path):
    (record,) = run(tones(shuffle_labels=True, num_training_segments=960, num_clips=60, num_test_clips=60), tmp_path)
    (learnt,) = run(tones(num_training_segments=960, num_clips=60, num_test_clips=60), tmp_path / "true")
    assert record["name"].endswith("-shuffled-s0")
    assert learnt["test"]["means"]["roc_auc"]["value"] > 0.9
    assert abs(record["test"]["means"]["roc_auc"]["value"] - 0.5) < 0.12  # 60 songs say no more


def test_masked_labels_are_as_good_as_labels_that_are_unknown(tones, tmp_path, monkeypatch):
    """A run that masks what a source does not annotate is the run on a corpus that says nan there, bit for bit."""
    options = {"num_training_segments": 80, "corpus_options": {"sources": True}}
    (plain,) = run(tones(**options), tmp_path / "plain")
    (masked,) = run(tones(mask_unannotated=True, **options), tmp_path / "masked")
    assert masked["name"] == plain["name"].replace("-s0", "-masked-s0")
    # what a record says of the corpus, and the songs it is tested on, are the same for both
    assert masked["tag_prior"] == plain["tag_prior"]
    assert masked["test"]["fingerprint"] == plain["test"]["fingerprint"]
    facts = Tones.facts

    def unknown(corpus: Tones, index: int) -> np.ndarray:
        return np.where(corpus.annotated(np.array([index]))[0], facts(corpus, index), np.float32(np.nan))

    monkeypatch.setattr(Tones, "facts", unknown)
    (expected,) = run(tones(**options), tmp_path / "expected")
    assert masked["history"] == expected["history"] != plain["history"]
    assert equal(weights(tmp_path / "masked"), weights(tmp_path / "expected"))


def test_masking_needs_a_corpus_that_says_what_is_annotated(tones, tmp_path):
    with pytest.raises(ConfigError, match="'tones' does not say which tags its sources annotate"):
        run(tones(mask_unannotated=True), tmp_path)


@pytest.mark.parametrize("model", BOTH)
def test_64_clips_can_be_memorised(tones, tmp_path, model):
    """Labels that have nothing to do with the sound, the same 64 segments in each pass: they are learnt by heart."""
    settings = tones(
        models=[model], num_clips=64, batch_size=16, num_training_segments=64 * 40, dropout=0.0, width=0.2,
        norm_momentum=0.1, weight_decay=0.0, learning_rate=4e-3, validation_interval=64 * 40,
        corpus_options={"tracks": 64, "memorise": True}, segments_per_clip=1,
        num_test_clips=64,
    )  # fmt: skip
    (record,) = run(settings, tmp_path)
    tagger = tagging.load_tagger(tmp_path / model / "tagger.safetensors")
    learnt = evaluate_tagger(tagger, settings, split="train", cpu_only=True)
    assert learnt["endpoints"]["means"] == learnt["test"]["means"]  # there is one source
    for measured, low, high in ((learnt, 0.95, 1.0), (record, 0.3, 0.7)):
        scores = {tag["name"]: tag["roc_auc"]["value"] for tag in measured["test"]["tags"] if "roc_auc" in tag}
        for tag in ("low", "high", "noisy"):
            assert low <= scores[tag] <= high, (tag, scores)


def test_a_loss_that_is_no_number_is_named_and_the_last_state_kept(tones, tmp_path):
    settings = tones(models=["spectrogram"], num_training_segments=160, validation_interval=80)
    run(settings, tmp_path)
    # as after a crash between the first checkpoint and the last
    (tmp_path / "spectrogram" / "record.json").unlink()
    sorted(tmp_path.glob("state-*"))[-1].unlink()
    states = {path.name: path.read_bytes() for path in tmp_path.glob("state-*")}
    wild = settings.override({"optimization.learning_rate": 1e30})
    (tmp_path / "settings.json").write_text(json.dumps(wild.to_dict()))
    with pytest.raises(TrainingError, match=r"the loss of spectrogram is (nan|inf) at step 1[2-5]; the last good"):
        run(wild, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("state-*")} == states


@pytest.mark.parametrize(
    ("rate", "what"), [(1e30, "validation scores of spectrogram"), (1e39, "weights in spectrogram")]
)
def test_weights_that_are_lost_at_a_checkpoint_are_not_kept(tones, tmp_path, rate, what):
    """The loss of the update was a number; what it made of the weights is none."""
    settings = tones(models=["spectrogram"], learning_rate=rate, log_interval=1, validation_interval=8, dropout=0.0)
    with pytest.raises(TrainingError, match=f"NaN or infinite {what} after step 1; there is no checkpoint yet"):
        run(settings, tmp_path, minutes=1e-9)
    assert not list(tmp_path.glob("state-*"))


def test_patience_ends_a_run_that_gets_no_better(tones, tmp_path):
    settings = tones(
        num_training_segments=8000,
        validation_interval=40,
        early_stopping_patience=3,
        learning_rate=1e-7,
        init_bias_from_prior=True,
    )
    (record,) = run(settings, tmp_path)
    assert record["num_steps"] < settings.num_steps
    assert record["num_steps"] - record["best"]["step"] == 3 * settings.steps_per_validation


def test_parts_of_a_batch_add_up(tones):
    """Where nothing is normalised over the batch, gradients of four parts are together those of the whole."""
    gradients, losses = {}, {}
    for parts in (1, 4):
        settings = tones(batch_size=16, gradient_accumulation_steps=parts, dropout=0.0)
        corpus = Split(settings, "train").corpus
        learner = Learner("spectrogram", settings, corpus, np.full(6, 0.3), Accelerator(cpu=True))
        for module in learner.module.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train = lambda mode=True, norm=module: norm  # stays in evaluation
                module.training = False
        random = torch.Generator().manual_seed(0)
        waveform = 0.1 * torch.randn(16, 8000, generator=random)
        labels = (torch.rand(16, 6, generator=random) < 0.3).float()
        losses[parts] = learner.step(waveform, labels, count_labelled(labels, corpus.vocabulary), 1)
        # Adam's average after one step is a tenth of the gradient
        gradients[parts] = [state["exp_avg"] for state in learner.optimizer.state.values()]
    assert float(losses[1]) == pytest.approx(float(losses[4]), rel=1e-5)
    largest = max(float(whole.abs().max()) for whole in gradients[1])
    assert largest > 0
    for whole, summed in zip(gradients[1], gradients[4], strict=True):
        assert torch.allclose(whole, summed, rtol=1e-4, atol=1e-6 * largest)


def test_compiling_is_refused_where_it_crashes(tones, tmp_path):
    with pytest.raises(ConfigError, match="compile=true needs a GPU"):
        run(tones(compile=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waveform", "spectrogram"])
def test_what_a_gpu_compiles_is_one_graph_that_learns_the_same(tones, name):
    """As far as that is to be seen on a CPU: captured without a break, with the gradients of the plain model."""
    settings = tones(models=(name,), dropout=0.0)
    corpus = Split(settings, "train").corpus
    model = build_model(name, settings.model, corpus.vocabulary, corpus.sample_rate).train()
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    sound = 0.1 * torch.randn(
        4, round(settings.model.segment_seconds * 16000), generator=torch.Generator().manual_seed(0)
    )
    gradients = []
    for one in (model, compiled):
        one(sound).square().mean().backward()
        gradients.append([parameter.grad for parameter in one.parameters()])
    largest = max(float(gradient.abs().max()) for gradient in gradients[0])
    assert largest > 0
    for plain, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, plain, rtol=1e-3, atol=1e-5 * largest)


def test_clips_that_tell_no_model_from_another_are_refused_before_the_training(tones, tmp_path):
    for name in ("num_validation_clips", "num_test_clips"):
        with pytest.raises(ConfigError, match=f"evaluation.{name}=1: no tag has both positive and negative"):
            run(tones(**{name: 1}), tmp_path / name)
        assert not (tmp_path / name).exists()


def test_validation_clips_that_tell_nothing_without_the_unreadable_ones_end_a_run(tones, tmp_path, monkeypatch):
    """One clip has tags that the nineteen others have not, and cannot be read."""
    plain = Tones.facts

    def facts(corpus, index):
        labels = plain(corpus, index)
        if corpus.split == "validation":
            labels[corpus.vocabulary.classification] = index == 0
        return labels

    monkeypatch.setattr(Tones, "facts", facts)
    settings = tones(corpus_options={"damaged": 1 / 60, "damaged_splits": ["validation"]})
    with pytest.raises(TrainingError, match="19 of the 20 validation clips can be read"):
        run(settings, tmp_path)


def test_validation_measures_what_the_test_measures(tones, tmp_path):
    """On the very same clips; the means over attributes too."""
    settings = tones(models=["spectrogram"], num_training_segments=80)
    (record,) = run(settings, tmp_path)
    checked = next(e["validation"] for e in record["history"] if e["step"] == record["best"]["step"])
    predictions = read_run(tmp_path / "spectrogram", "validation")
    evaluation = evaluate(
        predictions.labels, predictions.scores, predictions.vocabulary, groups=predictions.groups, resamples=1
    )
    assert checked == pytest.approx({name: mean.value for name, mean in evaluation.means.items()}, abs=1e-5)


def test_outputs_start_at_the_share_of_each_tag(tones, tmp_path):
    def first_loss(**changes):
        (record,) = run(
            tones(models=["spectrogram"], num_training_segments=8, log_interval=1, **changes), tmp_path / str(changes)
        )
        return record["history"][0]["loss"]

    assert first_loss(init_bias_from_prior=True) < first_loss(init_bias_from_prior=False)
    assert math.isfinite(first_loss(init_bias_from_prior=True))
