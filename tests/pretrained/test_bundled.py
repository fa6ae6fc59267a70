"""The bundled taggers: small, described, of the corpus's tags, and as good as their records say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging import list_pretrained, load_tagger, open_corpus, sound_path
from tagging.book.runs import BUNDLED_RUNS, load_predictions
from tagging.data.sheet_music.corpus import VOCABULARY
from tagging.errors import CheckpointError
from tagging.pretrained import bundled, pretrained_card
from tagging.pretrained.bundled import bundled_path, list_bundled
from tagging.training.records import read_record

EACH = pytest.mark.parametrize("name", list_bundled())


def test_they_are_listed_after_the_originals():
    assert list_bundled()
    assert list_pretrained()[4:] == list_bundled()


@EACH
def test_a_card_is_complete(name):
    card = pretrained_card(name)
    assert card["tags"] == list(VOCABULARY.names)
    assert "synthesized" in card["description"]
    assert card["dataset"] == "sheet-music"  # as `tagging list` names it
    assert card["split"] and card["licence"]
    record = read_record(BUNDLED_RUNS / f"{card['record']}.json")
    assert card["scores"]["ROC-AUC"] == pytest.approx(record["test"]["means"]["roc_auc"]["value"], abs=1e-4)
    assert bundled_path(name).stat().st_size < 2_000_000


@EACH
def test_every_file_of_an_earlier_version_scores_as_before(name, reference):
    """The files have old names of options, kinds and weights, and flags of training speed."""
    tagger = load_tagger(name)
    assert not tagger.training
    assert tagger.vocabulary == VOCABULARY
    assert tagger.config.head == "linear"
    assert not {"toeplitz", "onednn"} & set(tagger.config.frontend_options)
    result = tagger.tag(sound_path("greensleeves"))
    np.testing.assert_allclose(result.scores, reference("bundled")[name.replace("-", "_")], atol=1e-5)
    assert not set(result.attributes) & {tag for tag, _ in result.top(99)}


@pytest.mark.slow
@EACH
def test_it_tags_as_it_was_tested(name):
    """The song-level scores of the first test clips are those of the run: means over five evenly spaced segments."""
    tagger = load_tagger(name)
    stored = load_predictions(tagger.card["record"])
    corpus = open_corpus("sheet-music", split="test")
    augment, scores = corpus.augment(), []
    for index in range(10):
        starts = np.floor((corpus[index].seconds - tagger.segment_seconds) * np.linspace(0, 1, 5) * 1000) / 1000
        segments = [corpus.segment(index, start, tagger.segment_seconds) for start in starts]
        audio = torch.from_numpy(np.stack([segment.audio for segment in segments]))
        params = torch.from_numpy(np.stack([segment.augmentation_params for segment in segments]))
        scores.append(tagger.scores(augment(audio, params).numpy()).mean(axis=0))
    np.testing.assert_array_equal(stored.tracks[:10], np.arange(10))
    np.testing.assert_allclose(scores, stored.scores[:10], atol=1e-3)


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "_FOLDER", tmp_path)
    (tmp_path / "mine.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="mine.safetensors: damaged"):
        pretrained_card("mine")
