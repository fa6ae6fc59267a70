"""Cutting and scoring a stream equals doing it the obvious way, whatever the blocks, the batches and the hop."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import python
from hypothesis import given
from hypothesis import strategies as st

from tagging.errors import AudioError, ConfigError
from tagging.models.inference import SongTagger, cut_segments, taggram
from tagging.tags import Tag, Vocabulary


def obvious(sound: np.ndarray, length: int, hop_length: int, padding: int) -> tuple[list[np.ndarray], int]:
    """The whole song in memory, cut by slicing: segments, and zeros added to the first."""
    padded = np.pad(sound, padding)
    if len(padded) < length:
        return [np.pad(padded, (0, length - len(padded)))], length - len(padded)
    return [padded[start : start + length] for start in range(0, len(padded) - length + 1, hop_length)], 0


@st.composite
def streams(draw) -> list[np.ndarray]:
    """A song of distinct samples, in blocks of any lengths, empty ones among them."""
    sizes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=12).filter(any))
    song = np.arange(1, sum(sizes) + 1, dtype=np.float32)
    return np.split(song, np.cumsum(sizes)[:-1])


@given(streams(), st.integers(1, 50), st.integers(1, 120), st.integers(0, 20))
def test_segments_are_the_obvious_ones(blocks, length, hop_length, padding):
    expected, padded = obvious(np.concatenate(blocks), length, hop_length, padding)
    result = list(cut_segments(iter(blocks), length, hop_length, padding))
    assert [zeros for _, zeros in result] == [padded] + [0] * (len(expected) - 1)
    assert len(result) == len(expected)
    for (segment, _), other in zip(result, expected, strict=True):
        assert segment.dtype == np.float32
        np.testing.assert_array_equal(segment, other)


WEIGHTS = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)


def model(segments: np.ndarray) -> np.ndarray:
    """A stand-in for a network: any function of each segment alone; float32 sums depend on the size of the batch."""
    return 1 / (1 + np.exp(-segments @ WEIGHTS[: segments.shape[1]] / 100))


@given(streams(), st.integers(1, 50), st.integers(1, 120), st.integers(0, 20), st.integers(1, 40))
def test_scores_do_not_depend_on_blocks_or_batches(blocks, length, hop_length, padding, batch_size):
    expected, padded = obvious(np.concatenate(blocks), length, hop_length, padding)
    result = taggram(model, iter(blocks), length, hop_length, padding, batch_size)
    assert result.scores.dtype == np.float32
    assert result.padded == padded
    np.testing.assert_array_equal(result.starts, np.arange(len(expected)) * hop_length)
    np.testing.assert_allclose(result.scores, np.concatenate([model(row[None]) for row in expected]), atol=1e-6)


def test_the_model_sees_full_batches():
    """Batches are of the size asked for, but for the last: a GPU should not be given crumbs."""
    sizes = []

    def counting(segments: np.ndarray) -> np.ndarray:
        sizes.append(segments.shape)
        return model(segments)

    taggram(counting, iter([np.ones(3, np.float32)] * 100), 10, 10, batch_size=7)
    assert sizes == [(7, 10)] * 4 + [(2, 10)]


def test_the_end_is_left_out_and_a_short_song_is_filled():
    song = np.ones(25, np.float32)
    assert len(taggram(model, [song], 10, 10).scores) == 2
    short = taggram(model, [song[:4]], 10, 10)
    assert (len(short.scores), short.padded) == (1, 6)
    with_edge = taggram(model, [song[:4]], 10, 10, padding=2)
    assert (len(with_edge.scores), with_edge.padded) == (1, 2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"length": 0}, ConfigError, "0 samples every 5"),
        ({"hop_length": 0}, ConfigError, "5 samples every 0"),
        ({"hop_length": -1}, ConfigError, "5 samples every -1"),
        ({"batch_size": 0}, ConfigError, "batch of 0"),
        ({"blocks": []}, AudioError, "no samples"),
        ({"blocks": [np.zeros(0, np.float32)] * 3, "padding": 9}, AudioError, "no samples"),
    ],
)
def test_impossible_requests_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        taggram(**{"model": model, "blocks": [np.ones(20, np.float32)], "length": 5, "hop_length": 5, **options})


def test_memory_does_not_grow_with_the_song():
    """Three hours at 16 kHz are 691 MB of float32; the peak of the process must not notice more than the scores."""
    code = """
        import resource
        import numpy as np
        from tagging.models.inference import taggram

        block = np.random.default_rng(0).standard_normal(47000).astype(np.float32)
        weights = np.ones((48000, 50), np.float32)

        def peak(seconds):
            taggram(lambda x: x @ weights, (block for _ in range(seconds * 16000 // len(block))), 48000, 48000, 256)
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        first = peak(60)
        print(peak(3 * 3600) - first)
    """
    result = python(code, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    assert not result.returncode, result.stderr
    assert float(result.stdout) < 10  # MiB; the 3600 x 50 scores are 0.7


class MeanAndPeak(SongTagger):
    """An engine of another kind: two scores from NumPy."""

    vocabulary = Vocabulary(["mean", Tag("peak", kind="regression")])
    sample_rate = 1000
    segment_samples = 500
    hop_samples = 250
    song_padding = 100

    def scores(self, segments: np.ndarray) -> np.ndarray:
        return np.stack([np.abs(segments).mean(1), np.abs(segments).max(1)], axis=1)


def test_another_engine_tags_songs(sound_file):
    sound = np.random.default_rng(0).uniform(-1, 1, 3000).astype(np.float32)
    result = MeanAndPeak().tag_waveform(sound, 1000)
    segments, _ = obvious(sound, 500, 250, 100)
    np.testing.assert_allclose(result.taggram, MeanAndPeak().scores(np.stack(segments)), atol=1e-7)
    np.testing.assert_allclose(result.times, 0.25 * np.arange(len(segments)))
    assert result.segment_seconds == MeanAndPeak().segment_seconds == 0.5
    assert [name for name, _ in result.top(2)] == ["mean"]
    assert list(result.attributes) == ["peak"]
    path = sound_file("a.wav", sound, 1000, "FLOAT")
    np.testing.assert_array_equal(MeanAndPeak().tag(path, batch_size=4).taggram, result.taggram)


def test_songs_need_no_pytorch():
    result = python("""
        import sys
        import tagging.models.inference
        print("torch" in sys.modules)
    """)
    assert result.stdout == "False\n", result.stderr
