"""Vocabularies and the tags of a song."""

from __future__ import annotations

import json
import time

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


def test_names_alone_are_classification_tags():
    vocabulary = Vocabulary(["rock", "pop", Tag("energy", kind=REGRESSION)])
    assert vocabulary.classification.tolist() == [True, True, False]
    assert repr(vocabulary) == "Vocabulary(3 tags: rock, pop, energy)"
    assert repr(Vocabulary(list("abcd"))) == "Vocabulary(4 tags: a, b, c, ...)"
    assert vocabulary != Vocabulary(["rock", "pop", "energy"])
    assert vocabulary != ["rock", "pop", "energy"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Vocabulary([]), "at least one tag"),
        (lambda: Vocabulary(["b", "a", "b", "a", "c"]), "a, b$"),
        (lambda: Vocabulary(["a", ""]), "a tag needs a name"),
        (lambda: Tag("x", kind="regressionn"), "'x'.*'regressionn'.*'regression'"),
        (lambda: Tag("x", source=""), "'x'.*source"),
        (lambda: Vocabulary(["rock", "pop"]).position("rok"), "'rok'.*'rock'"),
    ],
)
def test_wrong_tags_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def song(scores: np.ndarray, regression: frozenset[int] = frozenset()) -> TrackTags:
    scores = np.asarray(scores, dtype=np.float32)
    kinds = [REGRESSION if index in regression else CLASSIFICATION for index in range(len(scores))]
    vocabulary = Vocabulary(Tag(f"tag{index}", kind=kind) for index, kind in enumerate(kinds))
    return TrackTags(vocabulary, scores, np.zeros(1, dtype=np.float32), scores[None], segment_seconds=3.0)


@given(
    hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32)),
    st.integers(1, 40),
    st.frozensets(st.integers(0, 29)),
)
def test_top_is_sorted_and_stable_and_has_no_attributes(scores, count, regression):
    result = song(scores, regression)
    best = result.top(count)
    classification = [index for index in range(len(scores)) if index not in regression]
    expected = sorted(classification, key=lambda index: (-scores[index], index))[:count]
    assert best == [(f"tag{index}", float(scores[index])) for index in expected]
    assert all(result[name] == score for name, score in best)
    attributes = {f"tag{index}": float(scores[index]) for index in sorted(regression) if index < len(scores)}
    assert result.attributes == attributes
    assert list(result.attributes) == list(attributes)


def test_a_song_as_plain_data_and_text():
    result = song([0.25, 0.5], frozenset({0}))
    assert repr(result) == "TrackTags(1 segment of 3 s: tag1 0.50)"
    assert repr(song([0.1], frozenset({0}))) == "TrackTags(1 segment of 3 s: no tags)"
    assert result["tag1"] == 0.5
    assert json.loads(json.dumps(result.to_dict())) == {
        "scores": {"tag0": 0.25, "tag1": 0.5},
        "segments": 1,
        "segment_seconds": 3.0,
        "padded_seconds": 0.0,
        "notes": [],
    }
    with pytest.raises(ConfigError, match="'tag2'.*'tag"):
        result["tag2"]
    for count in (0, -1):
        with pytest.raises(ConfigError, match=f"top\\({count}\\)"):
            result.top(count)


@pytest.mark.parametrize("field", ["name", "kind", "exclusive_group", "source", "description"])
@pytest.mark.parametrize("value", [1, 1.5, b"a", ["a"], {"a": 1}, True])
def test_what_a_tag_says_is_text(field, value):
    with pytest.raises(ConfigError, match=f"{field}=.* must be text"):
        Tag(**{"name": "a", field: value})


def test_large_vocabularies_are_quick():
    """The time of one pass over the tags, not of one for each tag."""
    names = [f"tag {index}" for index in range(50_000)]
    start = time.process_time()
    vocabulary = Vocabulary(Tag(name, exclusive_group="all") for name in names)
    assert len(vocabulary.exclusive_groups["all"]) == len(vocabulary) == 50_000
    with pytest.raises(ConfigError, match=r"given twice: tag 0, .* and 49990 more"):
        Vocabulary(names + names)
    assert time.process_time() - start < 2
