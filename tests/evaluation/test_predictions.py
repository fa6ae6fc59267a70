"""Predictions are read as they were written; damaged files are refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers import MIXED

from tagging.errors import TaggingError
from tagging.evaluation.predictions import Predictions, read_run, write_predictions

PREDICTIONS = Predictions(
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
        write_predictions(tmp_path / f"predictions-{split}.npz", PREDICTIONS)
    return tmp_path


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_run_is_read_as_it_was_written(run, split):
    predictions = read_run(run, split)
    assert predictions.vocabulary == MIXED
    for field in dataclasses.fields(PREDICTIONS):
        if field.name != "vocabulary":
            np.testing.assert_array_equal(getattr(predictions, field.name), getattr(PREDICTIONS, field.name))


def test_what_is_not_known_is_not_written(tmp_path):
    write_predictions(tmp_path / "predictions-test.npz", Predictions(PREDICTIONS.scores, MIXED))
    predictions = read_run(tmp_path)
    assert predictions.labels is predictions.groups is predictions.tracks is predictions.train_positives is None


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
    with pytest.raises(TaggingError, match="scores missing"):
        read_run(run)
    for damaged in ("{", '[{"title": "slow"}]', "[]"):
        np.savez(path, scores=PREDICTIONS.scores, vocabulary=damaged)
        with pytest.raises(TaggingError, match="vocabulary"):
            read_run(run)
    path.unlink()
    with pytest.raises(TaggingError, match="predictions-test.npz is missing"):
        read_run(run)


def test_the_folder_of_a_whole_run_names_those_of_its_models(tmp_path):
    write_predictions(tmp_path / "waveform" / "predictions-test.npz", PREDICTIONS)
    with pytest.raises(TaggingError, match="waveform"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": np.zeros((3, 6))},
        {"scores": np.zeros(7)},
        {"scores": np.array(0.5)},
        {"scores": np.full((7, 6), "x")},
        {"labels": np.zeros((7, 5))},
        {"groups": np.zeros(6, int)},
        {"tracks": np.zeros((7, 1), int)},
        {"tracks": np.full(7, "x")},
        {"train_positives": np.zeros(5, int)},
        {"vocabulary": np.array("[" * 100_000)},
        {"lalels": np.zeros((7, 6))},
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(run, changes):
    """Without a checksum, as in files of earlier versions."""
    path = run / "predictions-test.npz"
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **arrays)
    assert len(read_run(run).scores) == 7
    np.savez(path, **{**arrays, **changes})
    with pytest.raises(TaggingError, match="predictions-test.npz: (damaged|invalid vocabulary)"):
        read_run(run)


def test_a_changed_bit_is_refused(run):
    path = run / "predictions-test.npz"
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        try:
            read = read_run(run)
        except TaggingError as error:
            assert "damaged" in str(error)
        else:  # in the mark of the checksum
            np.testing.assert_array_equal(read.scores, PREDICTIONS.scores)
            assert len(whole) - 48 <= position < len(whole) - 32
