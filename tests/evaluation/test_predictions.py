"""Predictions come back as they were written, from runs and from the package; damaged files are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers import MIXED

from tagging.book import runs
from tagging.book.runs import BUNDLED_RUNS, list_predictions, load_predictions
from tagging.errors import ConfigError, TaggingError
from tagging.evaluation.predictions import Predictions, read_run, write_predictions
from tagging.training.records import read_record

SAID = Predictions(
    scores=np.random.default_rng(0).random((7, 6)).astype(np.float32),
    vocabulary=MIXED,
    labels=np.random.default_rng(1).choice([0, 1, np.nan], (7, 6)).astype(np.float32),
    train_positives=np.array([30, 0, 10, 1, 2, 3]),
    groups=np.array(list("aabbccc")),
    tracks=np.arange(7),
)


@pytest.fixture
def run(tmp_path):
    for split in ("test", "validation"):
        write_predictions(tmp_path / f"predictions-{split}.npz", SAID)
    return tmp_path


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_run_is_read_as_it_was_written(run, split):
    found = read_run(run, split)
    assert found.vocabulary == MIXED
    for field in dataclasses.fields(SAID):
        if field.name != "vocabulary":
            np.testing.assert_array_equal(getattr(found, field.name), getattr(SAID, field.name))


def test_what_is_not_known_is_not_written(tmp_path):
    write_predictions(tmp_path / "predictions-test.npz", Predictions(SAID.scores, MIXED))
    found = read_run(tmp_path)
    assert found.labels is found.groups is found.tracks is found.train_positives is None


def test_runs_that_are_damaged_are_refused(run, tmp_path):
    path = run / "predictions-test.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(TaggingError, match="predictions-test.npz: damaged"):
        read_run(run)
    np.savez(path, scores=np.array([{}], object), vocabulary="[]")  # would need a pickle
    with pytest.raises(TaggingError, match="damaged"):
        read_run(run)
    np.savez(path, vocabulary="[]")
    with pytest.raises(TaggingError, match="it lacks scores"):
        read_run(run)
    for words in ("{", '[{"title": "slow"}]', "[]"):
        np.savez(path, scores=SAID.scores, vocabulary=words)
        with pytest.raises(TaggingError, match="its vocabulary is none"):
            read_run(run)
    path.unlink()
    with pytest.raises(TaggingError, match="not a finished run: predictions-test.npz is missing"):
        read_run(run)


def test_the_folder_of_a_whole_run_names_those_of_its_models(tmp_path):
    write_predictions(tmp_path / "waveform" / "predictions-test.npz", SAID)
    with pytest.raises(TaggingError, match="its models are in .*waveform"):
        read_run(tmp_path)


def test_shipping_halves_the_precision_and_keeps_the_rest(run, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_FOLDER", tmp_path / "shipped")
    runs.ship_predictions(run, "mine")
    assert list_predictions() == ["mine"]
    found = load_predictions("mine", "validation")
    np.testing.assert_allclose(found.scores, SAID.scores, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(found.groups, SAID.groups)


def test_the_order_of_scores_of_trees_survives_shipping(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_FOLDER", tmp_path / "shipped")
    close = np.linspace(0.5, 0.5001, SAID.scores.size).reshape(SAID.scores.shape)
    for split in ("test", "validation"):
        write_predictions(tmp_path / "gbt" / f"predictions-{split}.npz", dataclasses.replace(SAID, scores=close))
    runs.ship_predictions(tmp_path / "gbt", "trees")
    found = load_predictions("trees")
    assert (np.argsort(found.scores, axis=None) == np.argsort(close, axis=None)).all()


def test_wrong_names_are_refused():
    with pytest.raises(ConfigError, match="unknown run with predictions 'laptop-spektrogram-10k-s0'"):
        load_predictions("laptop-spektrogram-10k-s0")
    with pytest.raises(ConfigError, match="unknown split 'train'"):
        load_predictions(list_predictions()[0], "train")


@pytest.mark.parametrize("name", list_predictions())
@pytest.mark.parametrize("split", ["test", "validation"])
def test_what_ships_is_whole(name, split):
    """All songs that its record speaks of, the first of them the same for every model, with labels to judge them by."""
    found, other = load_predictions(name, split), load_predictions(list_predictions()[0], split)
    songs = read_record(BUNDLED_RUNS / f"{name}.json")["settings"][f"{split}_clips"]
    assert found.scores.shape == found.labels.shape == (songs, len(found.vocabulary))
    shared = min(songs, len(other.labels))
    np.testing.assert_array_equal(found.labels[:shared], other.labels[:shared])
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    np.testing.assert_array_equal(found.tracks, np.arange(len(found.scores)))
    assert len(found.groups) == len(found.scores)
    assert len(found.train_positives) == len(found.vocabulary)
