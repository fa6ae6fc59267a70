"""Corpora of sound files: annotations alone open them, segments have the sample rate and the length that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from helpers import tones

from tagging import ConfigError, Vocabulary
from tagging.data.recordings import Recordings
from tagging.errors import AudioError

RATE = 16000


@pytest.fixture
def recordings(tmp_path):
    """A wav of 2 s at the corpus's rate, a flac of 1 s at 44.1 kHz in stereo, and a file that is missing."""
    soundfile.write(tmp_path / "a.wav", tones(2.0, RATE), RATE, subtype="PCM_16")
    soundfile.write(tmp_path / "b.flac", tones(1.0, 44100, 2), 44100)
    paths = [tmp_path / name for name in ("a.wav", "b.flac", "missing.mp3")]
    labels = np.array([[1, 0], [np.nan, 1], [0, 0]])
    return Recordings("train", Vocabulary(["x", "y"]), ["a", "b", "c"], paths, ["one", "one", "two"], labels)


def test_annotations_are_enough_to_open_and_count(recordings):
    assert [track.id for track in recordings] == ["a", "b", "c"]
    assert recordings.tag_counts() == {"x": 1, "y": 1}
    assert recordings.groups().tolist() == [0, 0, 1]
    np.testing.assert_array_equal(recordings.labels_of(np.array([1, 2])), [[np.nan, 1], [0, 0]])


def test_durations_are_of_the_headers_and_0_where_there_is_none(recordings):
    np.testing.assert_allclose(recordings.durations(np.array([2, 0, 1, 0])), [0, 2, 1, 2])


@pytest.mark.parametrize(("track", "start", "seconds"), [(0, 0.5, 1.0), (0, 1.75, 1.0), (1, 0.25, 0.5), (1, 0.0, 3.0)])
def test_a_segment_is_a_stretch_of_the_track(recordings, track, start, seconds):
    segment = recordings.segment(track, start, seconds)
    assert segment.audio.shape == (round(seconds * RATE),)
    whole = recordings[track].read()
    expected = whole[round(start * RATE) :][: round(seconds * RATE)]
    # the resampler's filter begins anew inside a file
    margin = 0 if track == 0 else RATE // 10
    np.testing.assert_allclose(
        segment.audio[margin : len(expected) - margin] / 32768, expected[margin : len(expected) - margin], atol=2e-4
    )
    assert not segment.audio[len(expected) + 1 :].any()


def test_a_start_beyond_what_the_file_holds_takes_its_end(recordings):
    """As where the header of an mp3 declares more than there is."""
    end = recordings.segment(0, 1.0, 1.0).audio
    np.testing.assert_array_equal(recordings.segment(0, 2.5, 1.0).audio, end)


def test_a_file_that_declares_no_duration_is_measured(tmp_path):
    """Raw AAC and streams of MP3 declare none; here, a FLAC with its number of samples set to 0."""
    path = tmp_path / "stream.flac"
    soundfile.write(path, tones(1.5, RATE), RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the number of samples: the lower 4 bits of this byte and the next four bytes
    data[22:26] = bytes(4)
    path.write_bytes(data)
    corpus = Recordings("train", Vocabulary(["x"]), ["a"], [path], ["a"], np.ones((1, 1)))
    np.testing.assert_allclose(corpus.durations(np.array([0])), [1.5], atol=0.01)
    assert corpus.segment(0, 1.0, 0.5).audio.any()


def test_a_missing_file_is_an_error_when_it_is_read(recordings):
    with pytest.raises(AudioError, match="no such file"):
        recordings.segment(2, 0.0, 1.0)
    with pytest.raises(ConfigError, match="positive length"):
        recordings.segment(0, 0.0, 0.0)


def test_features_of_equal_annotations_beside_other_files_are_kept_apart(recordings, tmp_path):
    (tmp_path / "other").mkdir()
    paths = [tmp_path / "other" / path.name for path in recordings.paths]
    labels = recordings.labels_of(np.arange(3))
    other = Recordings("train", recordings.vocabulary, recordings.ids, paths, ["one", "one", "two"], labels)
    assert other.version == recordings.version
    assert other.cache_name != recordings.cache_name
