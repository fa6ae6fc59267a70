"""The order of training segments depends on the seed alone; song-level predictions are means over segments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from tones import Loudness, small

from tagging.errors import ConfigError
from tagging.training import Settings
from tagging.training.data import SegmentOrder, Split, even_starts, predict


@given(size=st.integers(1, 30), cuts=st.lists(st.integers(0, 100), min_size=2, max_size=5), seed=st.integers(0, 9))
def test_every_pass_is_a_permutation_and_pieces_fit_together(sounds, size, cuts, seed):
    settings = Settings().override(small(sounds, seed=seed, num_clips=size))
    split = Split(settings, "train")
    order, last = SegmentOrder(split, settings), 4 * size
    indices, starts = order.between(0, last)
    for number in range(4):
        assert sorted(indices[number * size : (number + 1) * size]) == list(range(size))
    assert (starts >= 0).all()
    assert (starts + settings.model.segment_seconds <= split.corpus.durations(indices)).all()
    cuts = sorted({min(cut, last) for cut in cuts} | {0, last})
    pieces = [order.between(a, b) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate([piece[0] for piece in pieces]), indices)
    np.testing.assert_array_equal(np.concatenate([piece[1] for piece in pieces]), starts)


def test_other_passes_and_seeds_take_other_segments(tones):
    settings = tones(seed=1, num_clips=50)
    split = Split(settings, "train")
    indices, starts = SegmentOrder(split, settings).between(0, 100)
    by_track = [starts[:50][np.argsort(indices[:50])], starts[50:][np.argsort(indices[50:])]]
    assert (by_track[0] != by_track[1]).mean() > 0.8
    other = SegmentOrder(split, tones(seed=2, num_clips=50)).between(0, 50)
    assert (other[0] != indices[:50]).mean() > 0.8


def test_test_segments_reach_from_start_to_end(tones):
    settings = tones(segments_per_clip=3)
    starts = even_starts(Split(settings, "test"), np.arange(3), settings)  # tracks of 1, 2 and 3 s
    np.testing.assert_allclose(starts, [[0, 0.25, 0.5], [0, 0.75, 1.5], [0, 1.25, 2.5]])


def test_an_empty_split_and_too_many_tracks_are_refused(tones):
    with pytest.raises(ConfigError, match="data.num_clips=61: the train split has 60 tracks"):
        Split(tones(num_clips=61), "train")
    with pytest.raises(ConfigError, match="the test split is empty"):
        Split(tones(corpus_options={"tracks": 0}), "test")


def test_all_clips_are_taken_where_no_number_is_given(tones):
    assert len(Split(tones(num_clips=None), "train")) == 60


@pytest.mark.parametrize("workers", [0, 1])
def test_predictions_are_means_over_segments(tones, workers):
    settings = tones(num_workers=workers, num_test_clips=7)
    split = Split(settings, "test")
    predictions = predict({"loud": Loudness()}, split, settings, Accelerator(cpu=True))["loud"]
    for track in range(7):
        scores = []
        for start in even_starts(split, split.indices[track : track + 1], settings)[0]:
            segment = split.corpus.segment(track, start, 0.5).audio.astype(np.float64) / 32768
            scores.append(1 / (1 + np.exp(-np.abs(segment).mean())))
        np.testing.assert_allclose(predictions[track], np.mean(scores), atol=1e-6)
