"""A corpus of one's own: five members, and everything else works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import tagging
from tagging.baselines.features.extraction import extract
from tagging.data import CORPORA, Corpus, stream
from tagging.errors import AudioError, ConfigError
from tagging.tags import Tag, Vocabulary


@dataclass
class Tone:
    id: str
    group: str
    seconds: float
    labels: np.ndarray

    def read(self, start=0.0, seconds=None):
        time = np.arange(round(8000 * self.seconds), dtype=np.float32) / 8000
        end = None if seconds is None else round(8000 * (start + seconds))
        return 0.5 * np.sin(440 * 2 * np.pi * time)[round(8000 * start) : end]


class Tones(Corpus):
    sample_rate, split = 8000, "train"
    vocabulary = Vocabulary(["even", "third", Tag("position", kind="regression")])

    def __len__(self):
        return 12

    def __getitem__(self, index):
        labels = np.array([index % 2 == 0, index % 3 == 0, index / 12], np.float32)
        return Tone(f"tone {index}", f"album {index // 4}", 1.0 + index % 2, labels)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    return tmp_path


def test_labels_groups_and_durations():
    corpus = Tones()
    np.testing.assert_array_equal(corpus.labels_of([0, 5]), np.array([[1, 1, 0], [0, 0, 5 / 12]], np.float32))
    assert corpus.labels_of([]).shape == (0, 3)
    assert corpus.groups().tolist() == np.repeat([0, 1, 2], 4).tolist()
    assert corpus.durations(np.array([0, 1])).tolist() == [1.0, 2.0]
    assert corpus.tag_counts() == {"even": 6, "third": 4}
    assert corpus.summary() == ["split train: 12 tracks in 3 groups, 8000 Hz, 3 tags"]
    assert (corpus.name, corpus.description) == ("Tones", "tracks of Tones")
    assert (corpus.parts(), corpus.provenance()) == ({}, {})
    assert corpus.strata(np.arange(2)) is corpus.annotated(np.arange(2)) is None
    assert corpus.cache_name == f"Tones-{corpus.version}"
    assert "not stated" in corpus.licence
    assert Tones.prepare() is None


def test_segments_are_int16_and_padded_with_silence():
    segment = Tones().segment(0, 0.5, 1.5)
    assert segment.audio.dtype == np.int16
    assert segment.audio.shape == (12000,)
    assert segment.audio[:4000].any()
    assert not segment.audio[4000:].any()
    expected = np.rint(Tones()[0].read(0.5) * 32768)
    np.testing.assert_array_equal(segment.audio[:4000], expected)
    np.testing.assert_array_equal(segment.labels, Tones()[0].labels)
    assert segment.augmentation_params.shape == (0,)
    model_input = Tones().augment()(torch.from_numpy(segment.audio)[None], torch.zeros(1, 0))
    np.testing.assert_allclose(model_input[0, :4000], Tones()[0].read(0.5), atol=2e-5)


@pytest.mark.parametrize(("start", "seconds"), [(1.0, 0.5), (-0.1, 0.5), (0.0, 0.0)])
def test_segments_outside_the_track_are_refused(start, seconds):
    with pytest.raises(ConfigError):
        Tones().segment(0, start, seconds)


@pytest.mark.parametrize("workers", [0, 2])
def test_it_streams(workers):
    batches = list(stream(Tones(), range(12), batch_size=5, seconds=1.5, workers=workers))
    assert [batch.audio.shape for batch in batches] == [(5, 12000), (5, 12000), (2, 12000)]
    assert batches[0].augmentation_params.shape == (5, 0)
    np.testing.assert_array_equal(np.concatenate([batch.labels for batch in batches]), Tones().labels_of(range(12)))


def test_a_mistake_in_it_is_shown_where_it_is():
    class Wrong(Tones):
        def segment(self, index, start, seconds):
            segment = super().segment(index, start, seconds)
            return [] if index == 7 else segment  # type: ignore[return-value]

    with pytest.raises(tagging.TaggingError, match="clip 7 of Wrong") as caught:
        list(stream(Wrong(), range(12), batch_size=4, seconds=1.0, workers=2))
    assert "AttributeError" in str(caught.value)
    assert "loader.py" in caught.value.__notes__[0]


def test_values_that_are_no_sound_are_reported():
    class Damaged(Tones):
        def __getitem__(self, index):
            track = super().__getitem__(index)
            track.read = lambda start, seconds: np.full(8000, np.nan if index == 3 else 0.25, np.float32)
            return track

    (batch,) = stream(Damaged(), range(6), batch_size=6, seconds=1.0)
    assert list(batch.failed) == [3]
    assert "tone 3" in batch.failed[3]
    with pytest.raises(AudioError, match="tone 3"):
        Damaged().segment(3, 0.0, 1.0)


def test_features_can_be_extracted(cache: Path):
    features = extract(Tones(), range(4), workers=1, progress=False)
    assert features.groups.tolist() == ["album 0"] * 4
    assert np.isfinite(features.values).all()
    (folder,) = (cache / "features").iterdir()
    assert folder.name.startswith(f"Tones-{Tones().version}-whole-")


def test_the_version_follows_ids_labels_and_vocabulary():
    class Longer(Tones):
        def __len__(self):
            return 11

    class Other(Tones):
        vocabulary = Vocabulary(["even", "third", "position"])

    class Relabelled(Tones):
        def __getitem__(self, index):
            track = super().__getitem__(index)
            track.labels[0] = np.nan
            return track

    versions = [corpus().version for corpus in (Tones, Longer, Other, Relabelled)]
    assert len(set(versions)) == 4
    assert Tones().version == versions[0]


def test_the_version_of_a_large_corpus_is_cheap():
    class Large(Tones):
        asked = 0

        def __len__(self):
            return 1_000_000

        def __getitem__(self, index):
            Large.asked += 1
            return super().__getitem__(index)

    assert len(Large().version) == 12
    assert Large.asked <= 1000


def test_it_is_opened_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(CORPORA, "_factories", dict(CORPORA._factories))

    @CORPORA.register("test-tones")
    class Registered(Tones):
        splits = ("train", "test")

        def __init__(self, split: str = "train", level: float = 1.0):
            self.split, self.level = self._check_split(split), level

    corpus = tagging.open_corpus("test-tones", split="test", level=0.5)
    assert (corpus.name, corpus.split, corpus.level) == ("test-tones", "test", 0.5)
    assert "test-tones" in tagging.list_corpora()
    with pytest.raises(ConfigError, match="test-tones.*'leveel'.*'level'"):
        tagging.open_corpus("test-tones", leveel=1)
    with pytest.raises(ConfigError, match="'tset'.*'test'"):
        tagging.open_corpus("test-tones", split="tset")
