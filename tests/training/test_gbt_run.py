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
    with pytest.raises(ConfigError, match="holds a run with other settings"):
        train_trees(settings.changed({"seed": 1}), tmp_path / "gbt", progress=False)
