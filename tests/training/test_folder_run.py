"""Everything that works on the laboratory's corpus works on a folder of songs: training, resuming, trees, evaluation, bias."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from songs import make_songs

import tagging
from tagging.cli import _parser, main
from tagging.cli.train import settings_of
from tagging.evaluation.predictions import read_predictions
from tagging.evaluation.thresholds import fit_thresholds
from tagging.training import train

TINY = [
    "model.width=0.1", "model.segment_seconds=0.5", "model.frontend_options.mel={n_fft = 512, hop_length = 256}",
    "optimization.num_training_segments=320", "optimization.batch_size=16", "evaluation.validation_interval=160",
    "evaluation.segments_per_clip=2", "evaluation.num_resamples=50", "runtime.num_workers=0", "runtime.log_interval=5",
    "data.max_unreadable=0.1", "augmentation.gain_db=3.0", "augmentation.time_mask_seconds=0.05",
]  # fmt: skip


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """60 songs of 0.7 and 1.2 s, three of them broken, with their table."""
    root = tmp_path_factory.mktemp("songs")
    make_songs(root, 60, broken=3, seconds=0.7)
    return root


@pytest.fixture(scope="module")
def trained(songs, tmp_path_factory) -> Path:
    """The folder of a run by the command."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    assert main(command(songs, folder)) == 0
    return folder


def command(songs, folder, models=("spectrogram",), settings=()):
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv")]
    return ["train", *models, *source, "--output", str(folder), "--cpu", "--quiet", "--set", *TINY, *settings]


def stopped(arguments: list[str]) -> None:
    """The run of a command, stopped as soon as it can be."""
    options = _parser().parse_args(arguments)
    assert train(settings_of(options), options.output, cpu_only=True, progress=False, minutes=1e-6) == []


def test_a_run_learns_and_leaves_a_tagger_with_thresholds(trained, songs, capsys):
    record = json.loads((trained / "spectrogram" / "record.json").read_text())
    assert record["num_clips"] + record["test"]["num_songs"] < 57
    assert record["corpus"]["name"] == "folder"
    assert record["settings"]["data"]["num_clips"] is None
    assert record["test"]["means"]["roc_auc"]["value"] > 0.8
    assert record["test"]["means"]["sqrt_mse"]["value"] < 0.7
    tagger = tagging.load_tagger(trained / "spectrogram" / "tagger.safetensors")
    predictions = read_predictions(trained / "spectrogram" / "predictions-validation.npz")
    expected = fit_thresholds(predictions.labels, predictions.scores)
    assert set(tagger.thresholds) <= {"low", "high", "noisy"}
    for tag, value in tagger.thresholds.items():
        assert value == pytest.approx(expected[tagger.vocabulary.position(tag)], abs=1e-6)
    result = tagger.tag(songs / "music" / "000.wav")
    present = result.present(tagger.thresholds)
    assert all((result[tag] >= tagger.thresholds[tag]) == (tag in present) for tag in tagger.thresholds)


def test_findings_and_balance_are_printed_before_the_training(songs, tmp_path, capsys):
    stopped(command(songs, tmp_path / "run"))
    out = capsys.readouterr().out
    assert "unreadable: 3 files are left out (5.0%)" in out
    assert re.search(r"balance: tags of \d+\.\d% \(\w+\) to \d+\.\d% \(\w+\) of the training clips", out)
    assert out.index("balance") < out.index("20 steps of 16 segments")


def test_too_many_broken_files_stop_a_run_before_it_begins(songs, tmp_path, capsys):
    assert main([*command(songs, tmp_path / "run"), "data.max_unreadable=0.04"]) == 2
    assert "3 of 60 files cannot be read (5.0%), more than 4%" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_it_resumes_to_the_bit(songs, trained, tmp_path):
    folder = tmp_path / "run"
    stopped(command(songs, folder))
    assert not (folder / "spectrogram" / "record.json").exists()
    assert main(command(songs, folder)) == 0
    resumed, straight = (load_file(path / "spectrogram" / "tagger.safetensors") for path in (folder, trained))
    assert all(torch.equal(resumed[name], straight[name]) for name in straight)


def test_files_that_have_changed_are_no_ground_to_resume_on(tmp_path, capsys):
    make_songs(tmp_path, 30, seconds=0.5)
    arguments = command(tmp_path, tmp_path / "run")
    stopped(arguments)
    text = (tmp_path / "tags.csv").read_text()
    rows = text.splitlines()
    (tmp_path / "tags.csv").write_text("\n".join([rows[0], *(re.sub(r"[\d.]+$", "0.77", row) for row in rows[1:])]))
    assert main(arguments) == 2
    assert "files or labels of the corpus have changed since this run began" in capsys.readouterr().err


def test_of_a_named_corpus_all_of_the_split_is_evaluated(trained, songs, tmp_path):
    """Not so many as the test has: the training split has more songs."""
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv")]
    command = [
        "evaluate",
        str(trained / "spectrogram"),
        *source,
        "--split",
        "train",
        "--cpu",
        "--output",
        str(tmp_path / "all.json"),
    ]
    assert main([*command, "--set", "data.max_unreadable=0.1", "evaluation.num_resamples=50"]) == 0
    trained_on = json.loads((trained / "spectrogram" / "record.json").read_text())["num_clips"]
    assert json.loads((tmp_path / "all.json").read_text())["test"]["num_songs"] == trained_on
    assert main([*command, "--clips", "3", "--set", "data.max_unreadable=1.0", "evaluation.num_resamples=50"]) == 0
    assert json.loads((tmp_path / "all.json").read_text())["test"]["num_songs"] <= 3  # some cannot be read


def test_a_model_of_a_run_is_evaluated_on_its_corpus(trained, tmp_path, capsys):
    assert main(["evaluate", str(trained / "spectrogram"), "--cpu", "--output", str(tmp_path / "again.json")]) == 0
    record, again = (json.loads(path.read_text())["test"]["means"] for path in
                     (trained / "spectrogram" / "record.json", tmp_path / "again.json"))  # fmt: skip
    for metric, mean in record.items():
        assert again[metric]["value"] == pytest.approx(mean["value"], abs=1e-6)


def test_bias_and_report_read_the_run(trained, tmp_path, capsys):
    assert (
        main(["bias", str(trained / "spectrogram"), "--top-k", "2", "--resamples", "20", "--output", str(tmp_path)])
        == 0
    )
    assert (tmp_path / "report.txt").exists()
    assert main(["report", str(trained)]) == 0
    assert "laptop edition, folder" in capsys.readouterr().out


def test_trees_are_fitted_to_the_same_songs(tmp_path, monkeypatch):
    """Few songs, few trees: the same test songs as a network, and the files of any other run."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    make_songs(tmp_path, 16, seconds=0.5)
    trees = command(tmp_path, tmp_path / "trees", ["gbt"], ["model.tree_options={iterations = 2}"])
    assert main([text for text in trees if not text.startswith("augmentation.")]) == 0
    network = ["optimization.num_training_segments=16", "evaluation.validation_interval=16"]
    assert main(command(tmp_path, tmp_path / "network", ["mel-statistics"], network)) == 0
    one, other = (json.loads((tmp_path / path / "record.json").read_text()) for path in
                  ("trees/gbt", "network/mel-statistics"))  # fmt: skip
    assert one["test"]["fingerprint"] == other["test"]["fingerprint"]
    assert one["corpus"] == other["corpus"]
    assert max(one["trees"]) <= 2 and len(one["trees"]) == 4
    predictions = read_predictions(tmp_path / "trees" / "gbt" / "predictions-test.npz")
    assert predictions.scores.shape == (one["test"]["num_songs"], 4) and np.isfinite(predictions.scores).all()


def test_the_same_from_python(songs, tmp_path):
    changes = {name: value for name, value in (text.split("=", 1) for text in TINY) if "mel" not in name}
    changes = {name: json.loads(value) for name, value in changes.items()} | {"data.max_unreadable": 0.1}
    changes["model.frontend_options.mel"] = {"n_fft": 512, "hop_length": 256}
    settings = tagging.settings_for(
        "folder", models=["mel-statistics"], settings=changes, root=songs / "music", labels=songs / "tags.csv"
    )
    (record,) = train(settings, tmp_path / "run", cpu_only=True, progress=False)
    assert record["num_training_segments"] == 320


def test_a_settings_file_is_a_whole_run(songs, tmp_path, capsys):
    file = tmp_path / "run.toml"
    options = f'root = "{songs / "music"}", labels = "{songs / "tags.csv"}"'
    lines = ['models = ["mel-statistics"]', 'data.corpus = "folder"', f"data.corpus_options = {{{options}}}", *TINY[2:]]
    file.write_text("\n".join(lines))
    assert main(["train", "--settings", str(file), "--output", str(tmp_path / "run"), "--cpu", "--quiet"]) == 0
    record = json.loads((tmp_path / "run" / "mel-statistics" / "record.json").read_text())
    assert record["num_training_segments"] == 320
    assert record["settings"]["data"]["num_clips"] is None


def test_a_loop_of_ones_own(songs):
    corpus = tagging.open_corpus("folder", root=str(songs / "music"), labels=str(songs / "tags.csv"))
    dataset = corpus.as_dataset(0.5)
    assert len(dataset) == len(corpus)
    loader = torch.utils.data.DataLoader(dataset, batch_size=8)
    torch.manual_seed(0)
    first = list(loader)
    torch.manual_seed(0)
    again = list(loader)
    waveforms, labels = first[0]
    assert waveforms.shape == (8, 8000) and waveforms.dtype == labels.dtype == torch.float32
    assert labels.shape == (8, 4)
    assert 0.01 < waveforms.abs().max() <= 1
    assert all(torch.equal(one[0], other[0]) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], next(iter(loader))[0])
    np.testing.assert_array_equal(labels, corpus.labels_of(np.arange(8)))
    # the last half second of a track of 0.7 s
    fixed, _ = corpus.as_dataset(0.5, start=60.0)[0]
    np.testing.assert_allclose(fixed, corpus[0].read(corpus[0].seconds - 0.5)[:8000], atol=2e-4)


def test_starts_from_a_seed_are_the_same_for_any_number_of_workers(songs):
    corpus = tagging.open_corpus("folder", root=str(songs / "music"), labels=str(songs / "tags.csv"))
    dataset = corpus.as_dataset(0.4, seed=3)

    def epoch(number: int, workers: int) -> torch.Tensor:
        dataset.set_epoch(number)
        torch.manual_seed(workers)
        loader = torch.utils.data.DataLoader(dataset, batch_size=8, num_workers=workers)
        return torch.cat([waveforms for waveforms, _ in loader])

    first = epoch(0, 0)
    assert torch.equal(first, epoch(0, 2))
    assert not torch.equal(first, epoch(1, 0))
    assert not torch.equal(first, torch.stack([sound for sound, _ in corpus.as_dataset(0.4, seed=4)]))


def test_a_track_that_is_gone_adds_nothing_to_a_loss_of_ones_own(tmp_path):
    make_songs(tmp_path, 20, seconds=0.5)
    corpus = tagging.open_corpus("folder", root=str(tmp_path / "music"), labels=str(tmp_path / "tags.csv"))
    corpus[0].path.unlink()
    with pytest.warns(UserWarning, match="a track is left out of the loss: .*no such file"):
        waveform, labels = corpus.as_dataset(0.5)[0]
    assert not waveform.any() and labels.isnan().all()
