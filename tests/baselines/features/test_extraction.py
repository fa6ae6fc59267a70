"""Extraction: the same features for any workers and cache, nothing lost to a kill, unreadable files reported."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tagging.baselines.features import extraction
from tagging.baselines.features.descriptors import describe, feature_names
from tagging.baselines.features.extraction import extract
from tagging.data.base import Corpus, Track, check_stretch
from tagging.errors import AudioError, ConfigError, TaggingError
from tagging.tags import Tag, Vocabulary

# Where TAGGING_TEST_BAD names tracks, those cannot be read; where TAGGING_TEST_READS names a file, every read adds a line.
RATE = 8000


class Tone(Track):
    """A tone of some seconds; its labels say how high it is."""

    def __init__(self, corpus: Tones, index: int) -> None:
        self.corpus, self.index = corpus, index
        self.id, self.group, self.seconds = f"tone {index}", f"group {index // 3}", 1.0 + index % 3

    @property
    def labels(self) -> np.ndarray:
        return np.array([self.index % 2, self.corpus.mark], np.float32)

    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        if path := os.environ.get("TAGGING_TEST_READS"):
            with open(path, "a") as file:
                file.write(f"{self.index}\n")
        if str(self.index) in os.environ.get("TAGGING_TEST_BAD", "").split():
            raise AudioError(f"{self.id}: cannot be decoded")
        if str(self.index) == os.environ.get("TAGGING_TEST_CRASH"):
            os.kill(os.getpid(), signal.SIGKILL)
        start, seconds = check_stretch(start, seconds, self.seconds)
        time_ = np.arange(round(start * RATE), round((start + seconds) * RATE)) / RATE
        return (9000 * np.sin(2 * np.pi * (200 + 10 * self.index) * time_)).astype(np.int16)


class Tones(Corpus):
    """Tones of rising pitch; `mark` changes the labels but not the version."""

    split = "train"
    registered_name = "tones"
    sample_rate = RATE
    version = "tones/1"
    vocabulary = Vocabulary(["odd", Tag("mark", "regression")])

    def __init__(self, count: int = 12, mark: float = 0.5) -> None:
        self.count, self.mark = count, mark

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tone:
        return Tone(self, self._check_index(index))


class DryTones(Tones):
    """The same tracks with another sound, so under another name in the cache."""

    cache_name = "tones-dry"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test, and blocks small enough to have several."""
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(extraction, "BLOCK", 4)
    return tmp_path / "cache"


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Which tracks have been read since the last call, in the order of their indices."""
    path = tmp_path / "reads"
    monkeypatch.setenv("TAGGING_TEST_READS", str(path))

    def since() -> list[int]:
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(map(int, lines))

    return since


def features(corpus: Tones | None = None, indices=range(12), **options):
    return extract(corpus or Tones(), indices, progress=False, **{"workers": 1, **options})


def blocks(cache: Path) -> list[Path]:
    return sorted((cache / "features").glob("*/*.npy"))


def test_features_are_those_of_the_tracks_in_the_order_asked_for():
    made = features(indices=[7, 2, 11, 3])
    corpus = Tones()
    assert made.values.dtype == made.labels.dtype == np.float32
    assert made.values.shape == (4, len(feature_names()))
    assert len(made) == 4
    for row, index in enumerate([7, 2, 11, 3]):
        np.testing.assert_array_equal(made.values[row], describe(corpus[index].read(), RATE))
        np.testing.assert_array_equal(made.labels[row], corpus[index].labels)
        assert made.groups[row] == corpus[index].group
    assert made.indices.tolist() == [7, 2, 11, 3]
    assert made.failed == {}


def test_workers_and_cache_change_nothing(cache):
    expected = features(cache=False)
    assert blocks(cache) == []
    for workers in (3, 1):
        made = features(workers=workers)
        for name in ("values", "labels", "groups", "indices"):
            np.testing.assert_array_equal(getattr(made, name), getattr(expected, name))
    assert len(blocks(cache)) == 3


def test_a_larger_corpus_reads_only_new_tracks(reads):
    small = features(Tones(6), range(6))
    assert reads() == [0, 1, 2, 3, 4, 5]
    large = features(Tones(12))
    assert reads() == [6, 7, 8, 9, 10, 11]
    np.testing.assert_array_equal(large.values[:6], small.values)
    features(Tones(6), range(6))
    features(Tones(12), [9, 1])
    assert reads() == []


def test_other_tracks_are_not_taken_from_the_cache(reads):
    features()
    reads()
    # another corpus of the same version and the same names, other stretches, the clip before its degradations
    features(Tones(mark=0.7), range(2))
    assert reads() == [0, 1]
    features(indices=[1, 2], starts=[0.5, 0.5])
    assert reads() == [1, 2]
    features(indices=[1, 2], seconds=1.0)
    assert reads() == [1, 2]
    features(DryTones(), [3])
    assert reads() == [3]
    features()
    features(Tones(mark=0.7), range(2))
    assert reads() == []


def test_stretches_of_one_track():
    made = features(indices=[2, 2, 0], starts=[0.0, 1.5, 0.0], seconds=1.0)
    np.testing.assert_array_equal(made.values[1], describe(Tones()[2].read(1.5, 1.0), RATE))
    # track 0 lasts one second: what there is of it
    longer = features(indices=[0], seconds=10.0)
    np.testing.assert_array_equal(longer.values[0], describe(Tones()[0].read(), RATE))


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 0x40
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not an array",
        lambda data: data[: len(data) // 2],
        lambda data: flipped(data, -100),  # of a number: 3.85 became 1.1e-38
        lambda data: flipped(data, -1),  # of the checksum
        lambda data: flipped(data, 8),  # of the header: tokenize.TokenError of np.load
        lambda data: flipped(data, 6),
    ],
    ids=["empty", "other", "half", "number", "checksum", "header", "version"],
)
def test_a_damaged_block_is_made_again(cache, reads, damage):
    whole = features()
    reads()
    path = blocks(cache)[1]
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(features().values, whole.values)
    assert reads() == [4, 5, 6, 7]
    features()
    assert reads() == []


def test_blocks_of_earlier_versions_are_read(cache, reads):
    whole = features()
    reads()
    for path in blocks(cache):
        np.save(path, np.load(path))  # without a checksum
    np.testing.assert_array_equal(features().values, whole.values)
    assert reads() == []
    rows = np.load(blocks(cache)[0])
    rows["values"][0, 3] = np.inf  # no feature is: all that can be told of a number
    np.save(blocks(cache)[0], rows)
    np.testing.assert_array_equal(features().values, whole.values)
    assert reads() == [0, 1, 2, 3]


def test_a_cache_that_cannot_be_written_is_noticed_before_the_work_and_read_when_it_is_complete(
    cache, reads, monkeypatch
):
    whole = features(indices=range(8))
    reads()
    cache.rename(cache.with_name("elsewhere"))
    monkeypatch.setattr(extraction, "check_writable", lambda folder: pytest.fail("nothing is to be written"))
    cache.symlink_to("elsewhere")
    np.testing.assert_array_equal(features(indices=range(8)).values, whole.values)
    monkeypatch.undo()
    monkeypatch.setattr(extraction, "BLOCK", 4)
    monkeypatch.setenv("TAGGING_CACHE", "/proc/cache")
    with pytest.raises(TaggingError, match="cannot write to /proc/cache.*TAGGING_CACHE"):
        features()
    assert reads() == []


def test_a_block_is_read_without_pickles(cache, reads):
    features()
    reads()
    path = blocks(cache)[0]
    with path.open("wb") as file:
        np.save(file, np.array([{"key": 1}], object), allow_pickle=True)
    features()
    assert reads() == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_files_are_left_out_and_named(monkeypatch, reads, workers):
    monkeypatch.setenv("TAGGING_TEST_BAD", "2 9")
    made = features(workers=workers)
    assert made.failed == {2: "tone 2: cannot be decoded", 9: "tone 9: cannot be decoded"}
    assert made.indices.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 10, 11]
    assert made.values.shape[0] == made.labels.shape[0] == len(made.groups) == 10
    reads()
    # once they are repaired, only they are read
    monkeypatch.delenv("TAGGING_TEST_BAD")
    assert features().failed == {}
    assert reads() == [2, 9]


def test_only_bad_files_leave_an_empty_table(monkeypatch):
    monkeypatch.setenv("TAGGING_TEST_BAD", "0 1")
    made = features(indices=[0, 1])
    assert made.values.shape == (0, len(feature_names()))
    assert made.labels.shape == (0, 2)
    assert set(made.failed) == {0, 1}


def test_a_worker_that_dies_is_reported(monkeypatch):
    monkeypatch.setenv("TAGGING_TEST_CRASH", "9")
    with pytest.raises(TaggingError, match="exit code -9"):
        features(workers=2)


def test_a_programming_error_is_not_taken_for_an_unreadable_file(monkeypatch):
    def broken(*_):
        raise KeyError("a mistake")

    monkeypatch.setattr(Tone, "read", broken)
    with pytest.raises(KeyError, match="a mistake"):
        features()
    corpus = Tones()
    monkeypatch.setattr(Tone, "read", lambda self, *_: broken() if self.index else np.ones(RATE, np.int16))
    with pytest.raises(TaggingError, match=r"KeyError.*a mistake"):
        features(corpus, workers=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indices": []}, "at least 1"),
        ({"indices": [0, 12]}, "12: the corpus has 12 tracks"),
        ({"indices": [-1]}, "-1"),
        ({"indices": [0, 1], "starts": [0.0]}, "same length"),
        ({"workers": 0}, "workers=0"),
        ({"seconds": 0.0}, "seconds=0.0"),
    ],
)
def test_impossible_requests(options, message):
    with pytest.raises(ConfigError, match=message):
        features(**options)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_kill_loses_no_finished_block(cache, reads, workers):
    """Extraction is killed when two blocks are finished; a second call makes the others, with the same result."""

    def slowly() -> None:
        read = Tone.read
        Tone.read = lambda self, *stretch: time.sleep(0.05) or read(self, *stretch)
        features(Tones(40), range(40), workers=workers)

    process = multiprocessing.get_context("fork").Process(target=slowly)
    process.start()
    limit = time.monotonic() + 60
    while len(blocks(cache)) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    process.kill()
    process.join()
    while reads():  # until the workers have ended
        time.sleep(0.5)
    finished = {int(path.stem) for path in blocks(cache)}
    assert 2 <= len(finished) < 10
    made = features(Tones(40), range(40))
    assert reads() == [index for index in range(40) if index // 4 not in finished]
    np.testing.assert_array_equal(made.values, features(Tones(40), range(40), cache=False).values)
