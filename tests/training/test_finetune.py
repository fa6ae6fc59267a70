"""Fine-tuning: a trained tagger with a new head, in the same loop, records and files as any other run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from songs import make_songs

import tagging
from tagging.cli import _parser, load_commands, main
from tagging.cli.train import settings_of
from tagging.evaluation.predictions import read_predictions
from tagging.training import train
from tagging.training.finetuned import Part
from tagging.training.frozen import SegmentFeatures

TINY = [
    "optimization.num_training_segments=160", "optimization.batch_size=16", "evaluation.validation_interval=80",
    "evaluation.segments_per_clip=2", "evaluation.num_resamples=50", "runtime.num_workers=0", "runtime.log_interval=5",
]  # fmt: skip


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """60 songs of 0.7 and 1.2 s with their table."""
    root = tmp_path_factory.mktemp("songs")
    make_songs(root, 60, seconds=0.7)
    return root


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    """A saved tagger of other tags, another segment length and another sample rate than the corpus has by default."""
    torch.manual_seed(0)
    mel = {"n_fft": 512, "hop_length": 256}
    tagger = tagging.build_tagger(
        "spectrogram", "temporal-pooling", ["a", "b"], 0.5, width=0.1, sample_rate=12000, frontend_options={"mel": mel}
    )
    tagging.renormalise(tagger, [0.1 * torch.randn(8, 6000)])
    return tagger.eval().save(tmp_path_factory.mktemp("old") / "old tagger.safetensors")


def command(songs, old, folder, *more, settings=()):
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv")]
    return [
        "finetune",
        str(old),
        *source,
        "--output",
        str(folder),
        "--cpu",
        "--quiet",
        *more,
        "--set",
        *TINY,
        *settings,
    ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "finetuned" / "tagger.safetensors")


@pytest.fixture(scope="module")
def whole(songs, old, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert main(command(songs, old, folder)) == 0
    return folder


def test_a_tagger_learns_other_tags_and_follows_its_own_rate_and_segments(whole, songs, old):
    record = json.loads((whole / "finetuned" / "record.json").read_text())
    assert record["model"] == "finetuned"
    assert record["settings"]["model"]["pretrained"] == str(old)
    assert record["settings"]["model"]["segment_seconds"] == 0.5
    assert record["settings"]["data"]["corpus_options"]["sample_rate"] == 12000
    tagger = tagging.load_tagger(whole / "finetuned" / "tagger.safetensors")
    assert (tagger.sample_rate, tagger.segment_samples) == (12000, 6000)
    assert tagger.vocabulary.names == ("low", "high", "noisy", "level")
    assert set(tagger.thresholds) <= {"low", "high", "noisy"} and tagger.thresholds
    assert "old tagger" in tagger.card["description"] and "fine-tuned" in tagger.card["licence"]
    assert tagger.tag(songs / "music" / "000.wav").scores.shape == (4,)
    before, after = load_file(old), weights(whole)
    moved = {name for name in before if not name.startswith("head.") and not torch.equal(before[name], after[name])}
    assert any(name.startswith("frontend.") for name in moved) and any(name.startswith("backend.") for name in moved)


def test_a_frozen_body_keeps_its_weights_and_its_statistics(songs, old, tmp_path):
    assert main(command(songs, old, tmp_path / "run", "--body", "frozen", "--head", "exclusive")) == 0
    before, after = load_file(old), load_file(tmp_path / "run" / "finetuned+exclusive" / "tagger.safetensors")
    for name, tensor in before.items():
        if not name.startswith("head."):
            torch.testing.assert_close(after[name], tensor, rtol=0, atol=0)
    frozen, original = (tagging.load_tagger(path) for path in
                        (tmp_path / "run" / "finetuned+exclusive" / "tagger.safetensors", old))  # fmt: skip
    song = songs / "music" / "001.flac"
    assert (frozen.embed(song) == original.embed(song)).all()


def test_features_of_a_frozen_body_are_computed_once_and_change_nothing(songs, old, tmp_path, monkeypatch):
    """Against the same run that computes them in each step: beside a second model, which changes nothing for the first."""
    changes = ["data.segments_per_track=2", "optimization.num_training_segments=480"]
    once, again = (
        command(songs, old, tmp_path / name, "--body", "frozen", settings=changes) for name in ("once", "again")
    )
    computed = []
    plain = SegmentFeatures._add
    monkeypatch.setattr(
        SegmentFeatures, "_add", lambda self, batch: (computed.append(len(batch)), plain(self, batch))[1]
    )
    assert main(once) == 0
    records = [json.loads((tmp_path / "once" / "finetuned" / "record.json").read_text())]
    songs_of = [records[0]["num_clips"], records[0]["test"]["num_songs"]]
    # 480 segments, and 60 songs in all, of which training songs have two segments, the others two each time
    assert songs_of[0] < 60 and sum(computed) == 2 * 60
    assert main([*again[:2], "mel-statistics", *again[2:]]) == 0
    records.append(json.loads((tmp_path / "again" / "finetuned" / "record.json").read_text()))
    for first, second in zip(*(record["history"] for record in records), strict=True):
        assert first["loss"] == pytest.approx(second["loss"], abs=1e-4)
    names = ("predictions-validation.npz", "predictions-test.npz")
    for name in names:
        one, other = (read_predictions(tmp_path / run / "finetuned" / name) for run in ("once", "again"))
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    one, other = weights(tmp_path / "once"), weights(tmp_path / "again")
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], 8),
        (["data.segments_per_track=none"], None),
        (["augmentation.gain_db=3.0"], None),
        (["optimization.body=whole"], None),
    ],
)
def test_few_segments_of_each_song_are_taken_where_their_features_are_kept(songs, old, tmp_path, settings, expected):
    load_commands("train")
    options = _parser().parse_args(["train", "finetuned", *command(songs, old, tmp_path)[2:6], "--set",
                                    f'model.pretrained="{old}"', "optimization.body=frozen", *settings])  # fmt: skip
    assert settings_of(options).data.segments_per_track == expected


def test_unreadable_segments_are_counted_and_learn_nothing(tones, tmp_path):
    torch.manual_seed(0)
    body = tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 0.5, width=0.1)
    path, losses = body.eval().save(tmp_path / "body.safetensors"), []
    for models in (["finetuned"], ["finetuned", "mel-statistics"]):  # features kept, and computed again
        settings = tones(
            models=models, pretrained=str(path), segment_seconds=0.5, body="frozen", segments_per_track=2,
            num_training_segments=80, num_resamples=20, max_unreadable=0.2,
            corpus_options={"damaged": 0.05, "damaged_splits": ["train", "validation", "test"]},
        )  # fmt: skip
        record = train(settings, tmp_path / f"{len(models)}", cpu_only=True, progress=False)[0]
        assert record["failed_tracks"] == {"train": 3, "validation": 3, "test": 3}
        losses.append([event["loss"] for event in record["history"]])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_statistics_are_those_of_the_kept_weights(whole, songs):
    """Retaken from the same segments by hand, they are what the file holds, whatever the momentum had left behind."""
    settings = tagging.Settings.from_dict(json.loads((whole / "settings.json").read_text()))
    tagger = tagging.load_tagger(whole / "finetuned" / "tagger.safetensors")
    from accelerate import Accelerator

    from tagging.training.data import Augment, Split, training_batches

    split = Split(settings, "train")
    batches = list(training_batches(split, settings, 0, Accelerator(cpu=True)))
    augment = Augment(split.corpus, torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in tagger.state_dict().items()}
    tagging.renormalise(tagger, map(augment, batches))
    for name, tensor in tagger.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=1e-4, atol=1e-5)


def stop(arguments, old, folder, body):
    """The run of a command, stopped as soon as it can be."""
    options = _parser().parse_args(["train", "finetuned", *arguments[2:6], "--set", *TINY, f"optimization.body={body}",
                                    f'model.pretrained="{old}"'])  # fmt: skip
    assert train(settings_of(options), folder, cpu_only=True, progress=False, minutes=1e-6) == []


@pytest.mark.parametrize("body", ["gradual", "frozen"])
def test_a_run_resumes_to_the_bit(songs, old, tmp_path, body):
    straight, resumed = (command(songs, old, tmp_path / name, "--body", body) for name in ("straight", "resumed"))
    assert main(straight) == 0
    stop(resumed, old, tmp_path / "resumed", body)
    assert main(resumed) == 0
    one, other = weights(tmp_path / "straight"), weights(tmp_path / "resumed")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_when_parts_begin_to_train():
    part = Part(torch.nn.Linear(1, 1), 0.05, start=0.25)
    assert [part.factor_at(done) for done in (0.1, 0.25, 0.26, 1.0)] == [0.0, 0.0, 0.05, 0.05]
    assert Part(part.module, start=1.0).factor_at(1.0) == 0


def test_from_python_beside_a_model_from_scratch(songs, old, tmp_path):
    changes = {name: json.loads(value) for name, value in (text.split("=", 1) for text in TINY)}
    records = tagging.finetune(
        old, "folder", tmp_path / "run", body="frozen", models=["mel-statistics"], settings=changes, cpu_only=True,
        progress=False, root=songs / "music", labels=songs / "tags.csv",
    )  # fmt: skip
    assert [record["model"] for record in records] == ["finetuned", "mel-statistics"]
    assert records[0]["test"]["fingerprint"] == records[1]["test"]["fingerprint"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.pretrained=msd-musicn"], "did you mean 'msd-musicnn'"),
        (["model.segment_seconds=0.7"], "takes segments of 0.5 s, not of 0.7 s"),
        (["data.corpus_options.sample_rate=16000"], "takes 12000 Hz, the corpus has 16000 Hz"),
        (["optimization.body=half"], "optimization.body"),
    ],
)
def test_what_cannot_be_fine_tuned_is_said(songs, old, tmp_path, capsys, settings, message):
    assert main(command(songs, old, tmp_path / "run", settings=settings)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("models", "setting", "message"),
    [
        (["finetuned"], "seed=1", "starts from a trained tagger"),
        (["spectrogram"], "optimization.body=frozen", "optimization.body is for the model 'finetuned'"),
        (["mel-statistics"], "optimization.body_learning_rate=0.1", "body_learning_rate is for the model"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(songs, old, tmp_path, capsys, models, setting, message):
    arguments = command(songs, old, tmp_path / "run", settings=[setting])
    assert main(["train", *models, *arguments[2:]]) == 2
    assert message in capsys.readouterr().err
