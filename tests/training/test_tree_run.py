"""GBT + features leaves the same record as the networks, from the same test songs."""

from __future__ import annotations

import shutil

import forked
import numpy as np
import pytest

from tagging.errors import ConfigError, TaggingError
from tagging.training import train
from tagging.training.records import read_record
from tagging.utils.files import locked


def train_trees(settings, folder, *, progress):
    """The record of the only model of a run."""
    (record,) = train(settings, folder, progress=progress)
    return record


def test_trees_are_a_run_like_any_other(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], num_clips=60, num_test_clips=40, tree_options={"iterations": 100})
    with locked(tmp_path / "gbt" / "run"), pytest.raises(TaggingError, match="another process"):
        train_trees(settings, tmp_path / "gbt", progress=False)
    record = train_trees(settings, tmp_path / "gbt", progress=False)
    scores = {tag["name"]: tag for tag in record["test"]["tags"]}
    assert scores["noisy"]["roc_auc"]["value"] > 0.75
    assert record["test"]["undefined"] == ["never"]
    (network,) = train(
        tones(num_training_segments=80, num_test_clips=40), tmp_path / "network", cpu_only=True, progress=False
    )
    assert record["test"]["fingerprint"] == network["test"]["fingerprint"]  # their difference is paired
    assert set(network) - set(record) <= {
        "num_steps", "segments_per_second", "data_wait_ratio", "parameters", "best", "num_processes", "resumes",
    }  # fmt: skip
    with np.load(tmp_path / "gbt" / "gbt" / "predictions-test.npz", allow_pickle=False) as stored:
        assert stored["scores"].shape == (40, 6)
        assert stored["train_positives"].shape == (6,)
    assert read_record(tmp_path / "gbt" / "gbt" / "record.json") == record
    assert train_trees(settings, tmp_path / "gbt", progress=False) == record
    assert not list(tmp_path.glob("gbt/gbt/tags*"))
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        train_trees(settings.override({"seed": 1}), tmp_path / "gbt", progress=False)


def test_trees_can_be_told_how_to_grow(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], num_clips=60, num_test_clips=40, tree_options={"iterations": 3})
    record = train_trees(settings, tmp_path, progress=False)
    assert 1 <= max(record["trees"]) <= 3
    assert record["settings"]["model"]["tree_options"] == {"iterations": 3}
    assert "iterations-3" in record["name"]
    for trees, message in (
        ({"leafs": 7}, "leafs.*; known are iterations, learning_rate"),
        ({"seed": 7}, "multiple values.*'seed'"),
        ({"leaves": 1}, "2 leaves"),
    ):
        with pytest.raises(ConfigError, match=message):
            train_trees(settings.override({"model.tree_options": trees}), tmp_path / "refused", progress=False)
    assert not (tmp_path / "refused").exists()
    with pytest.raises(ConfigError, match="model.tree_options.*spectrogram"):
        train(settings.override({"models": ["spectrogram"]}), tmp_path / "refused", progress=False)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_run_resumes_with_the_tags_that_are_left(tones, tmp_path, monkeypatch, capsys):
    """Finished tags count, a damaged file is made again, and the rest is as in a run without a kill."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], num_clips=40, num_test_clips=40, tree_options={"iterations": 40})
    whole = train_trees(settings, tmp_path / "whole", progress=False)
    folder = kill_at_first_tag(settings, tmp_path / "killed")
    finished = {split: np.full(count, 0.25, np.float32) for split, count in (("test", 40), ("validation", 20))}
    np.savez(folder / "001.npz", trees=7, seconds=1e4, **finished)
    (folder / "002.npz").write_bytes(b"half a file")
    capsys.readouterr()
    record = train_trees(settings, tmp_path / "killed", progress=False)
    assert "of 6 tags are fitted already" in capsys.readouterr().out
    for split, scores in finished.items():
        expected = load(tmp_path / "whole", split)["scores"]
        expected[:, 1] = scores
        np.testing.assert_array_equal(load(tmp_path / "killed", split)["scores"], expected)
    assert record["trees"] == [*whole["trees"][:1], 7, *whole["trees"][2:]]
    assert record["seconds"] > 1e4 / 6  # those of the killed run are in it


@pytest.mark.usefixtures("one_thread")
def test_tags_that_were_fitted_to_other_clips_do_not_count(tones, tmp_path, monkeypatch, capsys):
    """As when a track that could be read cannot be read any more."""
    settings = tones(models=["gbt"], num_clips=40, num_test_clips=40, tree_options={"iterations": 3})
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache of all clips"))
    finished = kill_at_first_tag(settings, tmp_path / "whole")
    damaged = {**settings.data.corpus_options, "damaged": 0.03, "damaged_splits": ["train"]}
    shutil.copytree(finished, tmp_path / "damaged" / "gbt" / finished.name)
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    capsys.readouterr()
    record = train_trees(settings.override({"data.corpus_options": damaged}), tmp_path / "damaged", progress=False)
    assert record["failed_tracks"]["train"] > 0
    assert "tags are fitted already" not in capsys.readouterr().out


def kill_at_first_tag(settings, folder):
    """Kill -9, workers and all, as soon as one of six tags is written; returns the folder of the finished tags."""
    process = forked.start(train_trees, settings, folder, progress=False)
    (first, *_) = forked.wait_until(lambda: list(folder.glob("gbt/tags-*/*.npz")), process)
    forked.kill(process)
    return first.parent


def load(run, split):
    with np.load(run / "gbt" / f"predictions-{split}.npz", allow_pickle=False) as stored:
        return dict(stored)
