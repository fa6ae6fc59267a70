"""Which words of a pretrained tagger's vocabulary mean the same, and which exclude each other.

People typed these words freely, so one vocabulary holds "vocal", "vocals" and "voice" beside "no vocal", "no vocals" and "no
voice", each an output of its own. A tagger that understood them would give the first three together and never with the
others. The lists below are a reading of the words, not an annotation of songs. Book: ``book/exclusive_tags``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

from ..pretrained import pretrained_card

Groups = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class TagSynonyms:
    """What the words of one vocabulary say about each other.

    Attributes:
        synonyms: name of a group -> words that mean the same. Within a group they stand in order of popularity.
        related: words that mean nearly the same, or of which one includes the other: they should go together, not agree.
        opposites: name of a group -> its sides; a word of one side excludes every word of the other sides. "Female" and
            "male" are none: there are duets.

    Book: ``book/exclusive_tags``.
    """

    synonyms: Groups
    related: Groups
    opposites: Mapping[str, tuple[tuple[str, ...], ...]]

    def opposed(self, group: str) -> list[tuple[str, str]]:
        """Every pair of words of a group of opposites that exclude each other."""
        sides = self.opposites[group]
        return [pair for one, other in combinations(sides, 2) for pair in product(one, other)]


_VOICE = ("vocal", "singing", "vocals", "voice")
_NO_VOICE = ("no vocals", "no vocal", "no voice")
_FEMALE = ("female", "woman", "female vocal", "female voice")
_MALE = ("male", "male vocal", "man", "male voice")
_CHOIR = ("choir", "choral")

_WORDS = {
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
    """Synonyms and opposites in the vocabulary of a pretrained tagger.

    Args:
        name: one of :func:`tagging.list_pretrained`.

    Raises:
        ConfigError: no such name.

    Book: ``book/exclusive_tags``.
    """
    return _WORDS[pretrained_card(name)["dataset"]]
