"""Synonyms and opposites among the tags of the pretrained musicnn taggers.

The tags were typed freely by people, so one vocabulary has "vocal", "vocals" and "voice" beside "no vocal", "no vocals" and
"no voice", each an output of its own. The groups below are a reading of the words, not an annotation of songs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

from ..errors import ConfigError
from ..pretrained import list_musicnn, pretrained_card

Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class TagSynonyms:
    """Synonyms and opposites of one vocabulary.

    Attributes:
        synonyms: name of a group -> tags with the same meaning, most popular first.
        related: name of a group -> tags with similar or nested meanings, which should correlate but need not agree.
        opposites: name of a group -> its sides; a tag of one side excludes every tag of the other sides. "Female" and "male"
            are not opposites: there are duets.

    Book: ``book/self_agreement``.
    """

    synonyms: Groups
    related: Groups
    opposites: Mapping[str, tuple[tuple[str, ...], ...]]

    def opposed(self, group: str) -> list[tuple[str, str]]:
        """Every pair of tags from different sides of a group of opposites."""
        sides = self.opposites[group]
        return [pair for one, other in combinations(sides, 2) for pair in product(one, other)]


_VOICE = ("vocal", "singing", "vocals", "voice")
_NO_VOICE = ("no vocals", "no vocal", "no voice")
_FEMALE = ("female", "woman", "female vocal", "female voice")
_MALE = ("male", "male vocal", "man", "male voice")
_CHOIR = ("choir", "choral")

_SYNONYMS = {
    "MagnaTagATune": TagSynonyms(
        synonyms={
            "voice": _VOICE,
            "no voice": _NO_VOICE,
            "female voice": _FEMALE,
            "male voice": _MALE,
            "beat": ("beat", "beats"),
            "classical": ("classical", "classic"),
            "choir": _CHOIR,
        },
        related={"quiet": ("quiet", "soft"), "electronic": ("techno", "electronic", "synth")},
        opposites={
            "voice": (_NO_VOICE, (*_VOICE, *_FEMALE, *_MALE, *_CHOIR)),
            "tempo": (("slow",), ("fast",)),
            "loudness": (("loud",), ("quiet", "soft")),
        },
    ),
    "Million Song Dataset, last.fm tags": TagSynonyms(
        synonyms={
            "female voice": ("female vocalists", "female vocalist"),
            "chill": ("chillout", "chill"),
        },
        related={"electronic": ("electronic", "electronica", "electro"), "metal": ("metal", "heavy metal")},
        opposites={
            "voice": (("instrumental",), ("female vocalists", "male vocalists", "female vocalist")),
            "mood": (("sad",), ("happy",)),
            "decade": (("00s",), ("80s",), ("90s",), ("70s",), ("60s",)),
        },
    ),
}


def tag_synonyms(name: str) -> TagSynonyms:
    """Synonyms and opposites in the vocabulary of a pretrained musicnn tagger.

    Args:
        name: one of :func:`tagging.pretrained.list_musicnn`.

    Raises:
        ConfigError: an unknown name, or a tagger without a list of synonyms.

    Book: ``book/self_agreement``.
    """
    dataset = pretrained_card(name)["dataset"]
    if dataset not in _SYNONYMS:
        raise ConfigError(
            f"{name}: no list of synonyms for the tags of {dataset}; take one of {', '.join(list_musicnn())}"
        )
    return _SYNONYMS[dataset]
