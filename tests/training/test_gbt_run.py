"""GBT + features leaves the same record as the networks, from the same test songs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tagging.cache import locked
from tagging.errors import ConfigError, TaggingError
from tagging.training import train
from tagging.training.trees import train_trees


def test_trees_are_a_run_like_any_other(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], clips=60, test_clips=40)
    with locked(tmp_path / "gbt"), pytest.raises(TaggingError, match="another process is at work on"):
        train_trees(settings, tmp_path / "gbt", progress=False)
    record = train_trees(settings, tmp_path / "gbt", progress=False)
    scores = {tag["name"]: tag for tag in record["test"]["tags"]}
    assert scores["noisy"]["roc_auc"]["value"] > 0.75
    assert record["test"]["undefined"] == ["never"]
    (network,) = train(tones(clips_seen=80, test_clips=40), tmp_path / "network", cpu_only=True, progress=False)
    assert record["test"]["fingerprint"] == network["test"]["fingerprint"]  # their difference is paired
    assert set(network) - set(record) <= {
        "updates", "clips_per_second", "share_waiting_for_clips", "parameters", "best", "processes",
    }  # fmt: skip
    with np.load(tmp_path / "gbt" / "gbt" / "predictions-test.npz", allow_pickle=False) as stored:
        assert stored["scores"].shape == (40, 6)
        assert stored["train_positives"].shape == (6,)
    assert json.loads((tmp_path / "gbt" / "gbt" / "record.json").read_text()) == record
    assert train_trees(settings, tmp_path / "gbt", progress=False) == record
    assert not (tmp_path / "gbt" / "gbt" / "tags").exists()
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        train_trees(settings.changed({"seed": 1}), tmp_path / "gbt", progress=False)


def test_finished_tags_are_not_fitted_again(tones, tmp_path, monkeypatch, capsys):
    """Of a run that was stopped: what it kept counts, what is damaged is made anew, and the rest is as in a run of one go."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(models=["gbt"], clips=60, test_clips=40)
    whole = train_trees(settings, tmp_path / "whole", progress=False)
    kept = tmp_path / "stopped" / "gbt" / "tags"
    kept.mkdir(parents=True)
    found = {split: load(tmp_path / "whole", split)["scores"][:, 1] for split in ("test", "validation")}
    np.savez(kept / "001.npz", trees=7, seconds=1e4, **{split: 1 - scores for split, scores in found.items()})
    (kept / "002.npz").write_bytes(b"half a file")
    record = train_trees(settings, tmp_path / "stopped", progress=False)
    assert "1 of 6 tags are fitted" in capsys.readouterr().out
    for split, scores in found.items():
        expected = load(tmp_path / "whole", split)["scores"]
        expected[:, 1] = 1 - scores
        np.testing.assert_array_equal(load(tmp_path / "stopped", split)["scores"], expected)
    assert record["trees"] == [*whole["trees"][:1], 7, *whole["trees"][2:]]
    assert record["seconds"] > 1e4 / 6  # those of the stopped run are in it


def load(run, split):
    with np.load(run / "gbt" / f"predictions-{split}.npz", allow_pickle=False) as stored:
        return dict(stored)
