"""Vocabularies and the tags of a song."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import vocabularies
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagging.errors import ConfigError
from tagging.tags import CLASSIFICATION, REGRESSION, Tag, TrackTags, Vocabulary


@given(vocabularies)
def test_a_vocabulary_is_its_tags_in_order(vocabulary):
    listed = list(vocabulary)
    assert [vocabulary[index] for index in range(len(vocabulary))] == listed
    assert vocabulary.names == tuple(tag.name for tag in listed)
    assert [vocabulary.position(name) for name in vocabulary.names] == list(range(len(vocabulary)))
    assert (vocabulary.classification ^ vocabulary.regression).all()
    assert vocabulary.classification.tolist() == [tag.kind == CLASSIFICATION for tag in listed]
    grouped = sorted(index for members in vocabulary.exclusive_groups.values() for index in members)
    assert grouped == [index for index, tag in enumerate(listed) if tag.exclusive_group is not None]
    assert all(
        listed[index].exclusive_group == name
        for name, members in vocabulary.exclusive_groups.items()
        for index in members
    )


@given(vocabularies)
def test_a_vocabulary_survives_json(vocabulary):
    again = Vocabulary.from_list(json.loads(json.dumps(vocabulary.to_list())))
    assert again == vocabulary
    assert hash(again) == hash(vocabulary)


def test_names_alone_are_bimodal():
    vocabulary = Vocabulary(["rock", "pop", Tag("energy", kind=REGRESSION)])
    assert vocabulary.classification.tolist() == [True, True, False]
    assert repr(vocabulary) == "Vocabulary(3 tags: rock, pop, energy)"
    assert repr(Vocabulary(list("abcd"))) == "Vocabulary(4 tags: a, b, c, ...)"
    assert vocabulary != Vocabulary(["rock", "pop", "energy"])
    assert vocabulary != ["rock", "pop", "energy"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Vocabulary([]), "a vocabulary needs at least one tag"),
        (lambda: Vocabulary(["b", "a", "b", "a", "c"]), "tags given twice: a, b$"),
        (lambda: Vocabulary(["a", ""]), "a tag needs a name"),
        (lambda: Tag("x", kind="regresion"), "tag 'x': unknown kind 'regresion': did you mean 'regression'"),
        (lambda: Tag("x", source=""), "tag 'x': source=''"),
        (lambda: Vocabulary(["rock", "pop"]).position("rok"), "unknown tag 'rok': did you mean 'rock'"),
    ],
)
def test_wrong_tags_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def song(scores: np.ndarray) -> TrackTags:
    scores = np.asarray(scores, dtype=np.float32)
    names = tuple(f"tag{index}" for index in range(len(scores)))
    return TrackTags(names, scores, np.zeros(1, dtype=np.float32), scores[None], segment_seconds=3.0)


@given(hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32)), st.integers(1, 40))
def test_top_is_sorted_and_stable(scores, count):
    result = song(scores)
    found = result.top(count)
    expected = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:count]
    assert found == [(f"tag{index}", float(scores[index])) for index in expected]
    assert all(result[name] == score for name, score in found)


def test_a_song_tells_what_it_is():
    result = song([0.25, 0.5])
    assert result["tag1"] == 0.5
    assert json.loads(json.dumps(result.to_dict())) == {
        "scores": {"tag0": 0.25, "tag1": 0.5},
        "segments": 1,
        "segment_seconds": 3.0,
        "padded_seconds": 0.0,
        "notes": [],
    }
    with pytest.raises(ConfigError, match="unknown tag 'tag2': did you mean 'tag"):
        result["tag2"]
    for count in (0, -1):
        with pytest.raises(ConfigError, match="ask for at least one tag"):
            result.top(count)
