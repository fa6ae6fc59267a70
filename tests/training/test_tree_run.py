"""GBT + features leaves the same record as the networks, from the same test songs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tagging.errors import ConfigError, TaggingError
from tagging.training import train
from tagging.training.tree_run import train_trees
from tagging.utils.files import locked

HERE = Path(__file__).parents[1]
KILLED = """
import sys
sys.path.insert(0, {here!r})
import tones
from tagging.training import Settings
from tagging.training.tree_run import train_trees
train_trees(Settings.from_dict({settings!r}), {folder!r}, progress=False)
"""


def test_trees_are_a_run_like_any_other(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], num_clips=60, num_test_clips=40)
    with locked(tmp_path / "gbt"), pytest.raises(TaggingError, match="another process is at work on"):
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
    assert json.loads((tmp_path / "gbt" / "gbt" / "record.json").read_text()) == record
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


def test_a_killed_run_goes_on_with_the_tags_left(tones, tmp_path, monkeypatch, capsys):
    """What it kept counts, what is damaged is made anew, and the rest is as in a run of one go."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], num_clips=60, num_test_clips=40)
    whole = train_trees(settings, tmp_path / "whole", progress=False)
    place = kill_at_first_tag(settings, tmp_path / "killed")
    said = {split: np.full(count, 0.25, np.float32) for split, count in (("test", 40), ("validation", 20))}
    np.savez(place / "001.npz", tree_options=7, seconds=1e4, **said)
    (place / "002.npz").write_bytes(b"half a file")
    capsys.readouterr()
    record = train_trees(settings, tmp_path / "killed", progress=False)
    assert "of 6 tags are fitted already" in capsys.readouterr().out
    for split, scores in said.items():
        expected = load(tmp_path / "whole", split)["scores"]
        expected[:, 1] = scores
        np.testing.assert_array_equal(load(tmp_path / "killed", split)["scores"], expected)
    assert record["trees"] == [*whole["trees"][:1], 7, *whole["trees"][2:]]
    assert record["seconds"] > 1e4 / 6  # those of the killed run are in it


def test_tags_that_were_fitted_to_other_clips_do_not_count(tones, tmp_path, monkeypatch, capsys):
    """As when a track that could be read cannot be read any more."""
    settings = tones(models=["gbt"], num_clips=60, num_test_clips=40, tree_options={"iterations": 3})
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache of all clips"))
    kept = kill_at_first_tag(settings, tmp_path / "whole")
    damaged = {**settings.data.corpus_options, "damaged": 0.05, "damaged_splits": ["train"]}
    shutil.copytree(kept, tmp_path / "damaged" / "gbt" / kept.name)
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    capsys.readouterr()
    record = train_trees(settings.override({"data.corpus_options": damaged}), tmp_path / "damaged", progress=False)
    assert record["failed_tracks"]["train"] > 0
    assert "tags are fitted already" not in capsys.readouterr().out


def kill_at_first_tag(settings, folder):
    """Kill -9, workers and all, as soon as one of six tags is kept; returns the folder of those that are."""
    code = KILLED.format(here=str(HERE), settings=settings.to_dict(), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    late = time.monotonic() + 120
    while not (kept := list(folder.glob("gbt/tags-*/*.npz"))) and process.poll() is None and time.monotonic() < late:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (place,) = {path.parent for path in kept}
    return place


def load(run, split):
    with np.load(run / "gbt" / f"predictions-{split}.npz", allow_pickle=False) as stored:
        return dict(stored)
