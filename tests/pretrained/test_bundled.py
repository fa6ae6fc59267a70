"""The taggers that ship: small, described, of the corpus's tags, and as good as their records say."""

from __future__ import annotations

import numpy as np
import pytest
from accelerate import Accelerator

from tagging import list_pretrained, load_tagger
from tagging.book.runs import BUNDLED_RUNS, load_predictions
from tagging.data.sheet_music.corpus import VOCABULARY
from tagging.errors import CheckpointError
from tagging.pretrained import bundled as own
from tagging.pretrained import pretrained_card
from tagging.pretrained.bundled import bundled_path, list_bundled
from tagging.training import Settings
from tagging.training.data import open_split
from tagging.training.failures import Failures
from tagging.training.records import read_record
from tagging.training.results import predictions_of

EACH = pytest.mark.parametrize("name", list_bundled())


def test_there_are_some_after_the_originals():
    assert list_bundled()
    assert list_pretrained()[4:] == list_bundled()


@EACH
def test_a_card_says_what_a_user_must_know(name):
    card = pretrained_card(name)
    assert card["tags"] == list(VOCABULARY.names)
    assert "synthesized" in card["description"]
    for entry in ("dataset", "split", "licence"):
        assert card[entry]
    record = read_record(BUNDLED_RUNS / f"{card['record']}.json")
    assert card["scores"]["ROC-AUC"] == pytest.approx(record["test"]["means"]["roc_auc"]["value"], abs=1e-4)
    assert bundled_path(name).stat().st_size < 2_000_000


@pytest.mark.slow
@EACH
def test_it_tags_as_it_was_tested(name):
    """The song-level scores of the first test clips are those that the run has left."""
    tagger = load_tagger(name)
    record = read_record(BUNDLED_RUNS / f"{tagger.card['record']}.json")
    said = load_predictions(record["name"])
    assert tagger.vocabulary == said.vocabulary
    settings = Settings.from_dict({**record["settings"], "workers": 0})
    corpus = open_split(settings, "test")
    engine, failures = Accelerator(cpu=True), Failures(corpus, 10)
    found = predictions_of({name: tagger}, corpus, 10, settings, engine, failures)[name]
    np.testing.assert_array_equal(found.tracks, said.tracks[:10])
    np.testing.assert_allclose(found.scores, said.scores[:10], atol=1e-3)


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "_FOLDER", tmp_path)
    (tmp_path / "mine.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="mine.safetensors: damaged"):
        pretrained_card("mine")
