"""GBT + features leaves the same record as the networks, from the same test songs."""

from __future__ import annotations

import shutil

import forked
import numpy as np
import pytest

from tagging.baselines.features.descriptors import describe
from tagging.errors import ConfigError, TaggingError
from tagging.training import train
from tagging.training.data import SegmentOrder, Split
from tagging.training.records import read_record
from tagging.training.tree_segments import extract_rows, track_scores
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


def test_trees_can_be_fitted_to_segments_as_networks_are(tones, tmp_path, monkeypatch):
    """One segment of a training clip, with its own labels; the scores of a test clip are means over its segments."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(
        models=["gbt"], num_clips=24, num_test_clips=12, num_validation_clips=12, tree_options={"iterations": 3}
    )
    on_segments = settings.override({"model.tree_options.segments": True})
    whole, segments = (Split(settings, name) for name in ("train", "test"))
    train_rows, test_rows = (extract_rows(split, on_segments, progress=False) for split in (whole, segments))
    order, starts = SegmentOrder(whole, on_segments).between(0, 24)
    np.testing.assert_array_equal(train_rows.indices, order)
    np.testing.assert_array_equal(test_rows.indices, np.repeat(np.arange(12), 2))
    for row in (0, 17):
        sound = whole.corpus[int(order[row])].read(float(starts[row]), 0.5)
        np.testing.assert_array_equal(train_rows.values[row], describe(sound, 16_000))
        segment = whole.corpus.segment(int(order[row]), float(starts[row]), 0.5)
        np.testing.assert_array_equal(train_rows.labels[row], segment.labels)
    scores = np.random.default_rng(0).random((24, 6))
    means, tracks = track_scores(scores, test_rows)
    np.testing.assert_allclose(means, scores.reshape(12, 2, 6).mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(tracks, np.arange(12))
    (record,) = train(on_segments, tmp_path / "run", progress=False)
    assert "segments-True" in record["name"]
    assert (record["num_training_segments"], record["test"]["num_songs"]) == (24, 12)
    np.testing.assert_array_equal(load(tmp_path / "run", "test")["labels"], segments.labels)
    with pytest.raises(ConfigError, match=r"tree_options.segments='yes': give true or false"):
        train(settings.override({"model.tree_options.segments": "yes"}), tmp_path / "refused", progress=False)


def test_trees_learn_from_masked_labels(tones, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    settings = tones(
        models=["gbt"],
        num_clips=60,
        num_test_clips=40,
        tree_options={"iterations": 4},
        corpus_options={"sources": True},
    )
    plain, masked = (
        train(settings.override({"data.mask_unannotated": value}), tmp_path / str(value), progress=False)[0]
        for value in (False, True)
    )
    assert masked["test"]["fingerprint"] == plain["test"]["fingerprint"]
    scores = [
        {tag["name"]: tag["roc_auc"]["value"] for tag in record["test"]["tags"] if "roc_auc" in tag}
        for record in (plain, masked)
    ]
    # the second source does not annotate "noisy": other trees; all others are as before
    assert scores[0].pop("noisy") != scores[1].pop("noisy")
    assert scores[0] == scores[1]
    assert "source_alone" in masked


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
