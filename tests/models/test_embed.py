"""One vector a song: the features from which the tags are computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tagging
from tagging.models.inference import SongTagger


@pytest.fixture(scope="module")
def tagger():
    torch.manual_seed(0)
    return tagging.build_tagger("spectrogram", "temporal-pooling", ["a", "b"], 0.5, width=0.1).eval()


@pytest.fixture(scope="module")
def sound():
    return 0.1 * np.random.default_rng(0).standard_normal(40000).astype(np.float32)


def test_the_head_makes_the_taggram_of_the_segments(tagger, sound):
    segments = tagger.embed_waveform(sound, 16000, per_segment=True)
    result = tagger.tag_waveform(sound, 16000)
    assert segments.shape == (5, tagger.backend.out_features) and segments.dtype == np.float32
    with torch.no_grad():
        scores = tagger.head(torch.from_numpy(segments)).sigmoid().numpy()
    np.testing.assert_allclose(scores, result.taggram, atol=1e-6)
    np.testing.assert_allclose(tagger.embed_waveform(sound, 16000), segments.mean(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"batch_size": 64}])
def test_a_vector_depends_neither_on_batches_nor_on_blocks(tagger, sound, options):
    whole = tagger.embed_blocks([sound])
    blocks = np.array_split(sound, 7)
    np.testing.assert_allclose(tagger.embed_blocks(blocks, **options), whole, rtol=1e-4, atol=1e-6)
    assert len(tagger.embed_blocks(blocks, hop_seconds=0.25, per_segment=True)) == 9


def test_a_file_and_its_waveform_have_one_vector(tagger):
    path = tagging.sound_path(tagging.list_sounds()[0])
    waveform, rate = tagging.load_audio(path, 16000)
    np.testing.assert_allclose(tagger.embed(path), tagger.embed_waveform(waveform, rate), rtol=1e-3, atol=1e-4)


def test_a_fused_tagger_has_the_same_vectors(tagger, sound):
    fused, plain = (each.embed_waveform(sound, 16000) for each in (tagging.fuse(tagger), tagger))
    np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-4)


def test_damaged_weights_are_said(sound):
    tagger = tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 0.5, width=0.1).eval()
    with torch.no_grad():
        next(tagger.backend.parameters()).fill_(float("nan"))
    with pytest.raises(tagging.TaggingError, match="features are NaN"):
        tagger.embed_waveform(sound, 16000)


def test_an_engine_of_scores_alone_says_so(tagger, sound):
    class Engine(SongTagger):
        vocabulary, sample_rate = tagger.vocabulary, 16000
        segment_samples = hop_samples = 8000

        def scores(self, segments):
            return np.zeros((len(segments), 2), np.float32)

    assert Engine().tag_waveform(sound, 16000).scores.shape == (2,)
    with pytest.raises(tagging.TaggingError, match="Engine computes scores only"):
        Engine().embed_waveform(sound, 16000)


def test_statistics_of_a_part_alone_are_retaken(tagger):
    before = {name: value.clone() for name, value in tagger.state_dict().items()}
    tagging.renormalise(tagger, [torch.randn(4, 8000)], parts=[tagger.backend])
    changed = {name.partition(".")[0] for name, value in tagger.state_dict().items() if not value.equal(before[name])}
    assert changed == {"backend"}
    tagger.load_state_dict(before)
