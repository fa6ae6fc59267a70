"""Batches from worker processes: the same segments as without, and an error that names the clip of a stuck worker."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging.data import NothingReadableError, Segment, stream
from tagging.data.loader import random_starts
from tagging.data.sheet_music.corpus import SheetMusic
from tagging.errors import AudioError, ConfigError, CorpusError


def gathered(corpus: SheetMusic, indices: np.ndarray, workers: int, **options) -> list[np.ndarray]:
    batches = list(stream(corpus, indices, batch_size=16, seconds=3.0, workers=workers, **options))
    names = ("indices", "starts", "audio", "labels", "augmentation_params")
    return [np.concatenate([getattr(batch, name) for batch in batches]) for name in names]


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_make_the_same_batches(corpus: SheetMusic, workers: int):
    indices = np.random.default_rng(0).permutation(100)
    expected = gathered(corpus, indices, 0)
    batches = gathered(corpus, indices, workers)
    for one, two in zip(expected, batches, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(batches[0], indices)


def test_a_segment_depends_on_its_index_and_not_on_its_batch(corpus: SheetMusic):
    forward = gathered(corpus, np.arange(40), 0)
    backward = gathered(corpus, np.arange(40)[::-1], 2)
    np.testing.assert_array_equal(backward[2][::-1], forward[2])
    other = gathered(corpus, np.arange(40), 0, seed=1)
    assert (other[1] != forward[1]).mean() > 0.9


def test_starts_can_be_given(corpus: SheetMusic):
    starts = np.tile(np.arange(5) * 3.0, 2)
    batches = gathered(corpus, np.repeat([4, 5], 5), 1, starts=starts)
    np.testing.assert_array_equal(batches[2][:5].reshape(-1), corpus[4].dry())
    np.testing.assert_array_equal(batches[1], starts)


def test_the_last_batch_may_be_smaller(corpus: SheetMusic):
    sizes = [len(batch) for batch in stream(corpus, range(37), batch_size=16, seconds=3.0, workers=2)]
    assert sizes == [16, 16, 5]
    assert list(stream(corpus, [], batch_size=16, seconds=3.0)) == []


@given(st.integers(0, 2**40), st.integers(0, 1000), st.floats(0.5, 15.0))
def test_random_starts_lie_in_the_track(index: int, seed: int, seconds: float):
    (start,) = random_starts([index], seconds, 15.0, 16000, seed)
    assert start >= 0
    assert start + seconds <= 15.0 + 1e-9
    assert start * 250 == pytest.approx(round(start * 250), rel=0, abs=1e-9)  # on the grid of 64 samples


def test_random_starts_are_spread():
    starts = random_starts(np.arange(10000), 3.0, 15.0, 16000, 0)
    np.testing.assert_allclose(np.percentile(starts, [25, 50, 75]), [3, 6, 9], atol=0.3)


class Broken(SheetMusic):
    """A corpus whose clip 40 fails in a worker process."""

    registered_name = "broken"

    def __init__(self, how: str, **options) -> None:
        super().__init__(**options)
        self.how, self.parent = how, os.getpid()

    def segment(self, index: int, start: float, seconds: float) -> Segment:
        if index == 40 and os.getpid() != self.parent:
            if self.how == "hangs":
                time.sleep(1000)
            if self.how == "dies":
                os._exit(7)
            raise ValueError("bad notes")
        return super().segment(index, start, seconds)


class Damaged(SheetMusic):
    """A corpus some of whose clips cannot be read."""

    registered_name = "damaged"
    bad = (0, 5, 6, 7, 21)

    def segment(self, index: int, start: float, seconds: float) -> Segment:
        if index in self.bad:
            raise AudioError(f"clip-{index}.wav: damaged")
        return super().segment(index, start, seconds)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.usefixtures("cache")
def test_unreadable_tracks_are_reported_and_add_nothing(workers: int):
    damaged = Damaged(clips=24)
    failed = {}
    for batch in stream(damaged, range(24), batch_size=3, seconds=3.0, workers=workers):
        failed |= batch.failed
        bad = np.isin(batch.indices, Damaged.bad)
        assert np.isnan(batch.labels[bad]).all()
        assert not np.isnan(batch.labels[~bad]).all(axis=1).any()
        for row in batch.audio[bad]:  # the audio of another row, or silence if there is none
            assert (row == (batch.audio[~bad][0] if not bad.all() else 0)).all()
    assert failed == {index: f"clip-{index}.wav: damaged" for index in Damaged.bad}


@pytest.mark.usefixtures("cache")
def test_a_corpus_that_cannot_be_read_at_all_says_so():
    class Gone(Damaged):
        bad = range(2000)

    for asked, tried in ((30, 30), (100, 50), (2000, 101)):
        with pytest.raises(NothingReadableError, match=f"first {tried} tracks .* clip-{tried - 1}.wav") as caught:
            next(stream(Gone(clips=2000), range(asked), batch_size=4, seconds=3.0))
        assert caught.value.failed == {track: f"clip-{track}.wav: damaged" for track in range(tried)}
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.usefixtures("cache")
def test_unreadable_first_tracks_are_skipped_whatever_the_number_of_segments():
    class Started(Damaged):
        bad = range(49)

    indices = np.repeat(np.arange(60), 5)
    batch = next(stream(Started(clips=60), indices, batch_size=300, seconds=3.0))
    assert set(batch.failed) == set(range(49))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("hangs", "clip 40 .* stuck for"),
        ("dies", r"clip 40 .* died \(exit code 7\)"),
        ("raises", "clip 40 .*bad notes"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_a_stuck_or_broken_worker_is_ended_and_the_clip_named(how: str, message: str):
    broken = Broken(how, clips=100)
    received = 0
    began = time.monotonic()
    with pytest.raises(CorpusError, match=message):
        for batch in stream(broken, range(100), batch_size=16, seconds=3.0, workers=2, timeout=2.0):
            received += len(batch)
    assert received == 32  # complete batches came first
    assert time.monotonic() - began < 30


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /dev/shm")
def test_large_batches_do_not_fill_dev_shm(corpus: SheetMusic):
    """Docker gives a container 64 MB of it; a process that writes more is killed."""
    batches = stream(corpus, np.arange(256), batch_size=64, seconds=15, workers=2)
    assert next(batches).audio.nbytes > 30e6
    named = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "/dev/shm/" in line:
            first, last = (int(end, 16) for end in line.split()[0].split("-"))
            named += last - first
    assert named < 16e6
    batches.close()


def test_leaving_the_loop_ends_the_workers(corpus: SheetMusic):
    import multiprocessing

    batches = stream(corpus, range(2000), batch_size=16, seconds=3.0, workers=2)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"workers": -1}, {"seconds": 20.0}, {"timeout": 0}])
def test_impossible_sizes_are_refused(corpus: SheetMusic, wrong: dict):
    with pytest.raises(ConfigError):
        next(stream(corpus, range(10), **{"batch_size": 4, "seconds": 3.0} | wrong))
