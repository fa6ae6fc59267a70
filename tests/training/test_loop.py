"""Training learns, goes on after a kill as if nothing had happened, and says what went wrong."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

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
from tagging.training import TrainingError, train
from tagging.training.data import open_split
from tagging.training.learner import Learner, step
from tagging.training.losses import known_labels
from tagging.training.models import build_model
from tagging.training.results import evaluate_tagger
from tagging.utils.files import locked

HERE = Path(__file__).parents[1]
BOTH = ["waveform", "spectrogram"]


def run(settings, folder, **options):
    return train(settings, folder, cpu_only=True, progress=False, **options)


def weights(folder, model="spectrogram"):
    return load_file(folder / model / "tagger.safetensors")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_three_models_learn_from_one_stream(tones, tmp_path):
    events = []
    settings = tones(models=[*BOTH, "mel-statistics"], clips_seen=960, validate_every=320, clips=60)
    records = run(settings, tmp_path, on_event=events.append)
    assert [record["model"] for record in records] == list(settings.models)
    for record in records:
        scores = {tag["name"]: tag for tag in record["test"]["tags"]}
        assert scores["noisy"]["roc_auc"]["value"] > 0.75, record["model"]
        assert record["test"]["undefined"] == ["never"]
        assert record["history"][0]["loss"] > record["history"][-1]["loss"]
        assert record["clips_seen"] == 960
        assert Evaluation.from_dict(record["test"]).num_songs == 40
        assert record["best"]["validation"] == max(
            entry["validation"]["roc_auc"] for entry in record["history"] if "validation" in entry
        )
    assert [event["update"] for event in events] == list(range(5, 121, 5))
    fingerprints = {record["test"]["fingerprint"] for record in records}
    assert len(fingerprints) == 1  # so that their differences are paired

    tagger = tagging.load_tagger(tmp_path / "waveform" / "tagger.safetensors")
    assert tagger.card["record"] == records[0]["name"]
    with np.load(tmp_path / "waveform" / "predictions-test.npz", allow_pickle=False) as stored:
        assert stored["scores"].shape == stored["labels"].shape == (40, 6)


def test_what_a_run_will_cost_is_said_before_it_starts(tones, tmp_path, capsys):
    """Of the right size: a mistake between clips, segments and batches would be larger."""
    (record,) = run(tones(models=["waveform"], clips_seen=320, segment_seconds=2.0, width=0.25), tmp_path)
    said = re.match(
        r"waveform: 40 updates of 8 segments of 2 s from 40 clips; about (\d+) s on cpu", capsys.readouterr().out
    )
    assert record["seconds"] / 8 < float(said[1]) < 8 * record["seconds"]


def test_a_model_does_not_depend_on_its_company(tones, tmp_path):
    run(tones(models=BOTH, clips_seen=160), tmp_path / "both")
    run(tones(models=["spectrogram"], clips_seen=160), tmp_path / "alone")
    assert equal(weights(tmp_path / "both"), weights(tmp_path / "alone"))


def test_one_process_trains_in_several_precisions(tones, tmp_path):
    """One after another, as a notebook does; arithmetic with fewer digits learns the same."""
    learnt = {}
    for precision in ("no", "bf16", "no"):
        settings = tones(clips_seen=960, clips=60, test_clips=60, precision=precision, accumulate=2)
        folder = tmp_path / precision / ("again" if precision in learnt else "first")
        (record,) = run(settings, folder)
        learnt[precision] = record["history"][-1]["loss"], record["test"]["means"]["roc_auc"]["value"]
        tagger = tagging.load_tagger(folder / "spectrogram" / "tagger.safetensors")
        found = evaluate_tagger(tagger, tones(test_clips=60), cpu_only=True)  # whatever it was trained with
        assert found["test"]["means"]["roc_auc"]["value"] == pytest.approx(learnt[precision][1], abs=0.01)
    assert learnt["no"][1] > 0.9
    assert learnt["bf16"] != learnt["no"]
    assert learnt["bf16"] == pytest.approx(learnt["no"], abs=0.05)


def test_the_bar_shows_how_far_and_how_well(tones, tmp_path, capsys):
    (record,) = train(tones(clips_seen=160, validate_every=80), tmp_path, cpu_only=True)
    bar = capsys.readouterr().err.replace("\r", "\n").splitlines()[-1]
    validated = record["history"][-1]["validation"]["roc_auc"]
    assert "spectrogram: 100%" in bar
    assert "160/160" in bar
    assert bar.endswith(f"clip/s, loss {record['history'][-1]['loss']:.3f} ROC-AUC {validated:.3f}]")


def test_a_complete_run_is_only_read(tones, tmp_path):
    settings = tones(clips_seen=80)
    records = run(settings, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run(settings, tmp_path) == records
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_run_killed_while_it_was_tested_is_tested_again(tones, tmp_path):
    # the budget ends where a pass over the clips does
    settings = tones(models=["mel-statistics"], clips=60, clips_seen=960, corpus_options={"damaged": 0.05})
    (first,) = run(settings, tmp_path)
    (tmp_path / "mel-statistics" / "record.json").unlink()
    (again,) = run(settings, tmp_path)
    assert again["test"] == first["test"]
    assert (again["updates"], again["failed_tracks"]) == (first["updates"], first["failed_tracks"])


@pytest.mark.parametrize("model", ["spectrogram", "waveform", "mel-statistics", "mel-statistics:per-tag"])
def test_every_model_has_the_dropout_of_the_settings(tones, model):
    built = build_model(model, tones(dropout=0.3), Vocabulary(["a", "b"]), 16_000)
    assert {module.p for module in built.modules() if isinstance(module, nn.Dropout)} == {0.3}


def test_a_folder_that_another_process_trains_in_is_left_alone(tones, tmp_path):
    settings, folder = tones(clips_seen=80), tmp_path / "runs" / "mine"
    with locked(folder):
        with pytest.raises(TaggingError, match=r"another process is at work on .*mine; wait until it is done"):
            run(settings, folder)
        assert not folder.exists()
    run(settings, folder)
    with locked(folder):
        run(settings, folder)  # complete: it is only read


def test_a_folder_with_another_run_is_refused(tones, tmp_path):
    run(tones(clips_seen=80), tmp_path)
    with pytest.raises(
        ConfigError, match=r"holds a run with other settings \(learning_rate: 0.008 there, 0.001 here\)"
    ):
        run(tones(clips_seen=80, learning_rate=0.001), tmp_path)


def test_a_run_from_before_a_setting_was_there_goes_on(tones, tmp_path):
    settings = tones(models=["waveform"], clips_seen=80, onednn=False)
    before = run(settings, tmp_path)
    old = {name: value for name, value in settings.to_dict().items() if name not in ("onednn", "loss")}
    (tmp_path / "settings.json").write_text(json.dumps(old))
    assert run(settings, tmp_path) == before
    with pytest.raises(ConfigError, match=r"\(onednn: False there, True here\)"):
        run(settings.changed({"onednn": True}), tmp_path)


KILLED = """
import sys
sys.path.insert(0, {here!r})
import torch
torch.set_num_threads(1)
import tones
from tagging.training import Settings, train
train(Settings().changed({settings!r}), {folder}, cpu_only=True, progress=False)
print("complete")
"""


def start(settings, folder):
    code = KILLED.format(here=str(HERE), settings=settings.to_dict(), folder=repr(str(folder)))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_and_resume(settings, folder, kills):
    """Kill -9 at random moments, and resume each time; returns how often it was killed.

    The first comes after the settings are written, a later one after a checkpoint of the process that is killed: a short
    life each time would never end.
    """
    moments, killed = random.Random(0), 0
    while killed < kills:
        before, process, late = set(folder.glob("*")), start(settings, folder), time.monotonic() + 120
        while process.poll() is None and set(folder.glob("*")) <= before and time.monotonic() < late:
            time.sleep(0.01)
        time.sleep(moments.random() * 0.3 * len(settings.models))
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[1]
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
    out, err = start(settings, folder).communicate(timeout=300)
    assert "complete" in out, err
    return killed


def killed_run_equals_whole(tones, tmp_path, kills, **changes):
    """In the weights and the optimizer after the last update, in the best weights, and in all that was measured."""
    settings = tones(dropout=0.3, **changes)
    run(settings, tmp_path / "whole")
    assert kill_and_resume(settings, tmp_path / "killed", kills) == kills
    last = f"state-{settings.updates:08d}.safetensors"
    assert equal(*(load_file(tmp_path / name / last) for name in ("whole", "killed")))
    for model in settings.models:
        assert equal(weights(tmp_path / "whole", model), weights(tmp_path / "killed", model))
        whole, killed = (
            json.loads((tmp_path / name / model / "record.json").read_text()) for name in ("whole", "killed")
        )
        for part in ("test", "history", "best"):
            assert whole[part] == killed[part]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_killed_run_ends_as_if_it_had_not_been(tones, tmp_path):
    killed_run_equals_whole(tones, tmp_path, kills=2, clips_seen=240, validate_every=40)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_ten_kills(tones, tmp_path):
    # two models, whose best weights may be of different updates, and clips that another process makes
    killed_run_equals_whole(tones, tmp_path, kills=10, models=BOTH, workers=1, clips_seen=1600, validate_every=80)


def test_a_run_in_sittings_ends_as_one_in_one_go(tones, tmp_path, capsys):
    settings = tones(clips_seen=160, validate_every=80)
    run(settings, tmp_path / "whole")
    sittings = 0
    while not run(settings, tmp_path / "sittings", minutes=1e-9):
        sittings += 1
        assert "the same command goes on" in capsys.readouterr().out
    assert sittings == 3  # at every look at the losses but the last
    assert equal(*(load_file(tmp_path / name / "state-00000020.safetensors") for name in ("whole", "sittings")))
    (record,) = run(settings, tmp_path / "sittings")
    assert [sitting["after_update"] for sitting in record["sittings"]] == [0, 5, 10, 15]
    assert {sitting["commit"] for sitting in record["sittings"]} == {record["commit"]}


def test_a_damaged_checkpoint_costs_a_stretch_and_nothing_else(tones, tmp_path, capsys):
    settings = tones(models=["spectrogram"], clips_seen=240, validate_every=80)
    run(settings, tmp_path)
    before = weights(tmp_path)
    newest = sorted(tmp_path.glob("state-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    (tmp_path / "spectrogram" / "record.json").unlink()
    run(settings, tmp_path)
    said = capsys.readouterr().out
    assert f"passed over: {newest}: damaged or half-written" in said
    assert f"goes on after update 20 of {settings.updates}" in said
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
    settings = tones(models=["mel-statistics"], clips=60, test_clips=60, clips_seen=160, corpus_options=options)
    out = run_by_two(settings, tmp_path / "two")
    record = json.loads((tmp_path / "two" / "mel-statistics" / "record.json").read_text())
    assert record["failed_tracks"] == {"train": 3, "validation": 0, "test": 3}
    assert record["test"]["num_songs"] == 57
    for split in ("train", "test"):
        assert len((tmp_path / "two" / f"failed-{split}.txt").read_text().splitlines()) == 3
        assert out.count(f"3 of 60 {split} tracks cannot be read") == 1
        assert all("damaged-" in line for line in (tmp_path / "two" / f"failed-{split}.txt").read_text().splitlines())


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tones, tmp_path):
    settings = tones(models=["mel-statistics"], dropout=0.0, clips_seen=160, log_every=1, learning_rate=1e-4)
    (whole,) = run(settings, tmp_path / "one")
    assert run(settings, tmp_path / "two", minutes=1e-9) == []
    assert f"goes on after update 1 of {settings.updates}" in run_by_two(settings, tmp_path / "two")
    record = json.loads((tmp_path / "two" / "mel-statistics" / "record.json").read_text())
    losses = [[entry["loss"] for entry in found["history"]] for found in (whole, record)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_processes_that_do_not_share_a_folder_are_refused(tones, tmp_path):
    """As on two machines with a disk each, where the run was begun on one of them."""
    settings = tones(models=["mel-statistics"], clips_seen=160)
    assert run(settings, tmp_path / "0", minutes=1e-9) == []
    own = f"{tmp_path}/{{__import__('os').environ['RANK']}}"
    done = by_two(settings, tmp_path / "script.py", f"f{own!r}")
    assert done.returncode != 0
    assert "would go on after updates 5, 0; all machines need one shared folder" in done.stderr


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tones, tmp_path):
    """With the same batch over both: batch normalisation and the mean over known labels see the whole of it."""
    # a small rate: Adam divides gradients by their size, and makes of a rounding error a step as long as any other;
    # and the layout with exact variances, which several processes always use
    settings = tones(
        models=BOTH, dropout=0.0, clips_seen=160, batch=16, log_every=1, validate_every=80, learning_rate=1e-4, onednn=False
    )  # fmt: skip
    whole = run(settings, tmp_path / "one")
    run_by_two(settings, tmp_path / "two")
    for alone in whole:
        shared = json.loads((tmp_path / "two" / alone["model"] / "record.json").read_text())
        assert shared["processes"] == 2
        losses = [[entry["loss"] for entry in record["history"]] for record in (alone, shared)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)
        for metric, mean in alone["test"]["means"].items():
            assert mean["value"] == pytest.approx(shared["test"]["means"][metric]["value"], abs=0.01)
    # the averages of the gradients of all updates, which the optimizer keeps
    states = [load_file(tmp_path / name / "state-00000010.safetensors") for name in ("one", "two")]
    for name, gradient in states[0].items():
        if name.endswith("/exp_avg"):
            assert (states[1][name] - gradient).norm() < 0.01 * gradient.norm() + 1e-7, name


def test_shuffled_labels_teach_nothing(tones, tmp_path):
    (record,) = run(tones(shuffled_labels=True, clips_seen=960, clips=60, test_clips=60), tmp_path)
    (learnt,) = run(tones(clips_seen=960, clips=60, test_clips=60), tmp_path / "true")
    assert record["name"].endswith("-shuffled-s0")
    assert learnt["test"]["means"]["roc_auc"]["value"] > 0.9
    assert abs(record["test"]["means"]["roc_auc"]["value"] - 0.5) < 0.12  # 60 songs say no more


@pytest.mark.parametrize("model", BOTH)
def test_64_clips_can_be_memorised(tones, tmp_path, model):
    """Labels that have nothing to do with the sound, the same 64 segments in each pass: they are learnt by heart."""
    settings = tones(
        models=[model], clips=64, batch=16, clips_seen=64 * 60, dropout=0.0, width=0.2, norm_momentum=0.1, weight_decay=0.0,
        learning_rate=4e-3, validate_every=64 * 60, corpus_options={"tracks": 64, "memorise": True}, segments_per_clip=1,
        test_clips=64,
    )  # fmt: skip
    (record,) = run(settings, tmp_path)
    tagger = tagging.load_tagger(tmp_path / model / "tagger.safetensors")
    learnt = evaluate_tagger(tagger, settings, split="train", cpu_only=True)
    for found, low, high in ((learnt, 0.95, 1.0), (record, 0.3, 0.7)):
        scores = {tag["name"]: tag["roc_auc"]["value"] for tag in found["test"]["tags"] if "roc_auc" in tag}
        for tag in ("low", "high", "noisy"):
            assert low <= scores[tag] <= high, (tag, scores)


def test_a_loss_that_is_no_number_is_named_and_the_last_state_kept(tones, tmp_path):
    settings = tones(models=["spectrogram"], clips_seen=160, validate_every=80)
    run(settings, tmp_path)
    # as after a crash between the first checkpoint and the last
    (tmp_path / "spectrogram" / "record.json").unlink()
    sorted(tmp_path.glob("state-*"))[-1].unlink()
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("state-*")}
    wild = settings.changed({"learning_rate": 1e30})
    (tmp_path / "settings.json").write_text(json.dumps(wild.to_dict()))
    with pytest.raises(TrainingError, match=r"the loss of spectrogram is (nan|inf) at update 1[2-5]; the last good"):
        run(wild, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("state-*")} == kept


@pytest.mark.parametrize(
    ("rate", "what"), [(1e30, "scores of spectrogram on validation clips are"), (1e39, "weights of spectrogram are")]
)
def test_weights_that_are_lost_at_a_checkpoint_are_not_kept(tones, tmp_path, rate, what):
    """The loss of the update was a number; what it made of the weights is none."""
    settings = tones(models=["spectrogram"], learning_rate=rate, log_every=1, validate_every=8, dropout=0.0)
    with pytest.raises(TrainingError, match=f"{what} no numbers after update 1; there is no checkpoint yet"):
        run(settings, tmp_path, minutes=1e-9)
    assert not list(tmp_path.glob("state-*"))


def test_patience_ends_a_run_that_gets_no_better(tones, tmp_path):
    settings = tones(clips_seen=8000, validate_every=40, patience=3, learning_rate=1e-7, init_bias_from_prior=True)
    (record,) = run(settings, tmp_path)
    assert record["updates"] < settings.updates
    assert record["updates"] - record["best"]["update"] == 3 * settings.validate_updates


def test_parts_of_a_batch_add_up(tones):
    """Where nothing is normalised over the batch, gradients of four parts are together those of the whole."""
    gradients, losses = {}, {}
    for parts in (1, 4):
        settings = tones(batch=16, accumulate=parts, dropout=0.0)
        corpus = open_split(settings, "train")
        learner = Learner("spectrogram", settings, corpus, np.full(6, 0.3), accelerator := Accelerator(cpu=True))
        for module in learner.plain.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.train = lambda mode=True, norm=module: norm  # stays in evaluation
                module.training = False
        random = torch.Generator().manual_seed(0)
        waveform = 0.1 * torch.randn(16, 8000, generator=random)
        labels = (torch.rand(16, 6, generator=random) < 0.3).float()
        losses[parts] = step(
            learner, waveform, labels, known_labels(labels, corpus.vocabulary), 1e-3, 1, settings, accelerator
        )
        # Adam's average after one step is a tenth of the gradient
        gradients[parts] = [state["exp_avg"] for state in learner.optimizer.state.values()]
    assert float(losses[1]) == pytest.approx(float(losses[4]), rel=1e-5)
    largest = max(float(whole.abs().max()) for whole in gradients[1])
    assert largest > 0
    for whole, summed in zip(gradients[1], gradients[4], strict=True):
        assert torch.allclose(whole, summed, rtol=1e-4, atol=1e-6 * largest)


def test_compiling_is_refused_where_it_crashes(tones, tmp_path):
    with pytest.raises(ConfigError, match="compile=true is for a GPU.*Leave it out"):
        run(tones(compile=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "toeplitz"), [("waveform", False), ("spectrogram", False), ("spectrogram", True)])
def test_what_a_gpu_compiles_is_one_graph_that_learns_the_same(tones, name, toeplitz):
    """As far as that is to be seen on a CPU: captured without a break, with the gradients of the plain model."""
    settings = tones(models=(name,), dropout=0.0, toeplitz=toeplitz, onednn=False)
    corpus = open_split(settings, "train")
    model = build_model(name, settings, corpus.vocabulary, corpus.sample_rate).train()
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    sound = 0.1 * torch.randn(4, round(settings.segment_seconds * 16000), generator=torch.Generator().manual_seed(0))
    gradients = []
    for one in (model, compiled):
        one(sound).square().mean().backward()
        gradients.append([parameter.grad for parameter in one.parameters()])
    largest = max(float(gradient.abs().max()) for gradient in gradients[0])
    assert largest > 0
    for plain, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, plain, rtol=1e-3, atol=1e-5 * largest)


def test_clips_that_tell_no_model_from_another_are_refused_before_the_training(tones, tmp_path):
    for name in ("validation_clips", "test_clips"):
        with pytest.raises(ConfigError, match=f"{name}=1: no tag has clips with it and clips without it"):
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
    with pytest.raises(
        TrainingError, match="of the 20 validation clips 19 can be read, and they tell no model from another"
    ):
        run(settings, tmp_path)


def test_validation_measures_what_the_test_measures(tones, tmp_path):
    """On the very same clips; the means over attributes too."""
    settings = tones(models=["spectrogram"], clips_seen=80)
    (record,) = run(settings, tmp_path)
    checked = next(e["validation"] for e in record["history"] if e["update"] == record["best"]["update"])
    said = read_run(tmp_path / "spectrogram", "validation")
    found = evaluate(said.labels, said.scores, said.vocabulary, groups=said.groups, resamples=1)
    assert checked == pytest.approx({name: mean.value for name, mean in found.means.items()}, abs=1e-5)


def test_outputs_start_at_the_share_of_each_tag(tones, tmp_path):
    def first_loss(**changes):
        (record,) = run(tones(models=["spectrogram"], clips_seen=8, log_every=1, **changes), tmp_path / str(changes))
        return record["history"][0]["loss"]

    assert first_loss(init_bias_from_prior=True) < first_loss(init_bias_from_prior=False)
    assert math.isfinite(first_loss(init_bias_from_prior=True))
