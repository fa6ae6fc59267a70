"""The lists of words fit the vocabularies, and say nothing that contradicts itself."""

from __future__ import annotations

from itertools import combinations

import pytest

from tagging.book.tag_synonyms import tag_synonyms
from tagging.errors import ConfigError
from tagging.pretrained import list_musicnn, pretrained_card

EACH = pytest.mark.parametrize("name", list_musicnn())


@EACH
def test_every_word_is_in_the_vocabulary_and_in_its_order(name):
    """Both vocabularies are listed by popularity."""
    known, tags = tag_synonyms(name), pretrained_card(name)["tags"]
    sides = [side for group in known.opposites.values() for side in group]
    assert {word for group in sides for word in group} <= set(tags)
    for group in (*known.synonyms.values(), *known.related.values()):
        assert len(group) > 1
        places = [tags.index(word) for word in group]
        assert places == sorted(places)


@EACH
def test_no_word_means_two_things(name):
    known = tag_synonyms(name)
    for groups in (known.synonyms, known.related):
        listed = [word for group in groups.values() for word in group]
        assert len(set(listed)) == len(listed)


@EACH
def test_words_that_mean_the_same_exclude_the_same_others_and_not_each_other(name):
    known = tag_synonyms(name)
    excluded = {frozenset(pair) for group in known.opposites for pair in known.opposed(group)}
    assert all(len(pair) == 2 for pair in excluded)

    def others(word):
        return {other for pair in excluded if word in pair for other in pair if other != word}

    for group in known.synonyms.values():
        for one, other in combinations(group, 2):
            assert frozenset((one, other)) not in excluded
            assert others(one) == others(other)


def test_opposites_are_the_pairs_across_sides():
    known = tag_synonyms("mtt-vgg")
    assert known.opposed("tempo") == [("slow", "fast")]
    assert known.opposed("loudness") == [("loud", "quiet"), ("loud", "soft")]
    assert len(known.opposed("voice")) == 3 * (4 + 4 + 4 + 2)
    assert ("no vocals", "choral") in known.opposed("voice")
    assert len(tag_synonyms("msd-vgg").opposed("decade")) == 10


def test_an_unknown_tagger_is_refused():
    with pytest.raises(ConfigError, match="mtt-vgg"):
        tag_synonyms("mtt-vgh")
