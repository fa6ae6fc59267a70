"""The bundled runs: predictions are complete, and are shipped without loss of order; names and parts of tags."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers import MIXED

from tagging.book import runs
from tagging.book.runs import (
    BUNDLED_RUNS,
    bundled_record,
    list_predictions,
    load_predictions,
    ship_predictions,
    tag_parts,
)
from tagging.errors import ConfigError
from tagging.evaluation.predictions import Predictions, write_predictions
from tagging.tags import Tag, Vocabulary
from tagging.training.records import read_record

PREDICTIONS = Predictions(
    scores=np.random.default_rng(0).random((7, 6)).astype(np.float32),
    vocabulary=MIXED,
    labels=np.random.default_rng(1).choice([0, 1, np.nan], (7, 6)).astype(np.float32),
    groups=np.array(list("aabbccc")),
)


@pytest.fixture
def run(tmp_path):
    for split in ("test", "validation"):
        write_predictions(tmp_path / f"predictions-{split}.npz", PREDICTIONS)
    return tmp_path


def test_shipping_halves_the_precision_and_keeps_the_rest(run, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_PREDICTIONS", tmp_path / "shipped")
    ship_predictions(run, "mine")
    assert list_predictions() == ["mine"]
    predictions = load_predictions("mine", "validation")
    np.testing.assert_allclose(predictions.scores, PREDICTIONS.scores, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(predictions.groups, PREDICTIONS.groups)


def test_the_order_of_scores_of_trees_survives_shipping(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_PREDICTIONS", tmp_path / "shipped")
    close = np.linspace(0.5, 0.5001, PREDICTIONS.scores.size).reshape(PREDICTIONS.scores.shape)
    for split in ("test", "validation"):
        write_predictions(tmp_path / "gbt" / f"predictions-{split}.npz", dataclasses.replace(PREDICTIONS, scores=close))
    ship_predictions(tmp_path / "gbt", "trees")
    predictions = load_predictions("trees")
    assert (np.argsort(predictions.scores, axis=None) == np.argsort(close, axis=None)).all()


def test_wrong_names_are_refused():
    with pytest.raises(ConfigError, match="'laptop-spektrogram-10k-s0'"):
        load_predictions("laptop-spektrogram-10k-s0")
    with pytest.raises(ConfigError, match="'train'"):
        load_predictions(list_predictions()[0], "train")


@pytest.mark.parametrize("name", list_predictions())
@pytest.mark.parametrize("split", ["test", "validation"])
def test_what_ships_is_whole(name, split):
    """All songs that its record speaks of, the first of them the same for every model, with labels to judge them by."""
    predictions, other = load_predictions(name, split), load_predictions(list_predictions()[0], split)
    songs = read_record(BUNDLED_RUNS / f"{name}.json")["settings"]["evaluation"][f"num_{split}_clips"]
    assert predictions.scores.shape == predictions.labels.shape == (songs, len(predictions.vocabulary))
    shared = min(songs, len(other.labels))
    np.testing.assert_array_equal(predictions.labels[:shared], other.labels[:shared])
    assert ((predictions.scores >= 0) & (predictions.scores <= 1)).all()
    np.testing.assert_array_equal(predictions.tracks, np.arange(len(predictions.scores)))
    assert len(predictions.groups) == len(predictions.scores)
    assert len(predictions.train_positives) == len(predictions.vocabulary)


def test_records_name_the_parts_of_the_tags_as_today():
    """Those that ship were written when the part was called otherwise."""
    (first, *_) = bundled_record("soundfont-transfer")["models"].values()
    for parts in (first["change"], *first["parts"].values()):
        assert set(parts) == {"all", "composition", "instrument"}
    assert bundled_record("baseline-tuning")["trials"]
    with pytest.raises(ConfigError, match="'soundfont'.*'soundfont-transfer'"):
        bundled_record("soundfont")


def test_parts_of_the_tags():
    parts = tag_parts(Vocabulary([Tag("jig"), Tag("flute", source="arranger")]))
    assert {name: mask.tolist() for name, mask in parts.items()} == {
        "composition": [True, False],
        "instrument": [False, True],
    }
