"""The order of a run is known in advance; song-level predictions are means over segments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from tones import Loudness, small

from tagging.errors import ConfigError
from tagging.training.data import Order, even_starts, first_tracks, open_split, predict


@given(size=st.integers(1, 30), cuts=st.lists(st.integers(0, 100), min_size=2, max_size=5), seed=st.integers(0, 9))
def test_every_pass_is_a_permutation_and_stretches_fit_together(sounds, size, cuts, seed):
    from tagging.training import Settings

    settings = Settings().changed(small(sounds, seed=seed))
    corpus = open_split(settings, "train")
    order = Order(corpus, np.arange(size), settings)
    last = 4 * size
    indices, starts = order.between(0, last)
    for number in range(4):
        assert sorted(indices[number * size : (number + 1) * size]) == list(range(size))
    assert (starts >= 0).all()
    assert (starts + settings.segment_seconds <= corpus.durations(indices)).all()
    cuts = sorted({min(cut, last) for cut in cuts} | {0, last})
    pieces = [order.between(a, b) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate([piece[0] for piece in pieces]), indices)
    np.testing.assert_array_equal(np.concatenate([piece[1] for piece in pieces]), starts)


def test_other_passes_and_seeds_take_other_segments(tones):
    settings = tones(seed=1)
    corpus = open_split(settings, "train")
    indices, starts = Order(corpus, np.arange(50), settings).between(0, 100)
    by_track = [starts[:50][np.argsort(indices[:50])], starts[50:][np.argsort(indices[50:])]]
    assert (by_track[0] != by_track[1]).mean() > 0.8
    other = Order(corpus, np.arange(50), tones(seed=2)).between(0, 50)
    assert (other[0] != indices[:50]).mean() > 0.8


def test_test_segments_reach_from_start_to_end(tones):
    settings = tones(segments_per_clip=3)
    corpus = open_split(settings, "test")
    starts = even_starts(corpus, np.arange(3), settings)  # tracks of 1, 2 and 3 s
    np.testing.assert_allclose(starts, [[0, 0.25, 0.5], [0, 0.75, 1.5], [0, 1.25, 2.5]])


def test_an_empty_split_and_too_many_tracks_are_refused(tones):
    corpus = open_split(tones(), "train")
    with pytest.raises(ConfigError, match="clips=61: the train split has 60 tracks"):
        first_tracks(corpus, 61, "clips")
    empty = open_split(tones(corpus_options={"tracks": 0}), "test")
    with pytest.raises(ConfigError, match="the test split is empty"):
        first_tracks(empty, None, "test_clips")


@pytest.mark.parametrize("workers", [0, 1])
def test_predictions_are_means_over_segments(tones, workers):
    settings = tones(workers=workers)
    corpus = open_split(settings, "test")
    tracks = np.arange(7)
    found = predict({"loud": Loudness()}, corpus, tracks, settings, Accelerator(cpu=True))["loud"]
    for track in tracks:
        heard = []
        for start in even_starts(corpus, tracks[track : track + 1], settings)[0]:
            segment = corpus.segment(int(track), start, 0.5).audio.astype(np.float64) / 32768
            heard.append(1 / (1 + np.exp(-np.abs(segment).mean())))
        np.testing.assert_allclose(found[track], np.mean(heard), atol=1e-6)
