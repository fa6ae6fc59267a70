"""Where a composition comes from, and which tags its source annotates. Book: ``book/leaks``.

Most composition tags are written in one collection only: asked of all clips, they mostly ask for the collection. So an
evaluation compares clips within a source, and a tag is unknown where the source does not annotate it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...tags import Tag
from .annotations import COMPOSITION_TAGS, DANCES, FIDDLE_BOOKS, FUNCTIONS, MOVEMENTS, REGIONS

CHINA, EUROPE = "Essen, China", "Essen, Europe"
_OTHER_FIDDLE = "other fiddle tunes"
# Collections with a hundred test compositions are sources of their own; the small ones, all in parts, are one together.
_BY_COLLECTION = {
    "oneills1850": "O'Neill's",
    "ryansMammoth": "Ryan's Mammoth",
    "airdsAirs": "Aird's Airs",
    **dict.fromkeys(("miscFolk", "nottingham-dataset"), _OTHER_FIDDLE),
    "palestrina": "Palestrina",
    "bach": "Bach",
}
SOURCES = (CHINA, EUROPE, *dict.fromkeys(_BY_COLLECTION.values()), "other scores")
_FIDDLE = {_BY_COLLECTION[book] for book in FIDDLE_BOOKS}
_BOOKS_WITH_REGION = _FIDDLE - {_OTHER_FIDDLE}
_CHINESE_FUNCTIONS = {"xiaodiao", "shange"}

# Tags that some sources alone annotate; all others are annotated everywhere. The two halves of Essen have words of their own
# for function and region.
ANNOTATED_IN: dict[str, set[str]] = {
    "German": {EUROPE},
    **{name: {EUROPE} for name, _ in REGIONS},
    "Chinese": {CHINA, EUROPE},
    "Irish": {EUROPE, *_BOOKS_WITH_REGION},
    **dict.fromkeys(("Scottish", "American fiddle"), _BOOKS_WITH_REGION),
    **{name: {CHINA if name in _CHINESE_FUNCTIONS else EUROPE} for name, _ in FUNCTIONS},
    **{name: _FIDDLE for name, _ in DANCES},
    **{name: {"Palestrina"} for name, _ in MOVEMENTS},
}
# Read from the notation of every composition, though metre is written by a person.
_FROM_NOTES = {tag.name for tag in COMPOSITION_TAGS if tag.source == "computed" or tag.exclusive_group == "meter"}
# Chinese songs are files of their own: the tag names the source.
_FROM_COLLECTION = {tag.name for tag in COMPOSITION_TAGS if tag.source == "collection"} | {"Chinese"}


def source_of(piece: dict[str, Any]) -> str:
    """The source of a composition, one of :data:`SOURCES`."""
    if piece["collection"] == "essenFolksong":
        return CHINA if piece["file"].startswith("han") else EUROPE
    return _BY_COLLECTION.get(piece["collection"], SOURCES[-1])


def annotated_by(tags: Iterable[Tag]) -> dict[str, np.ndarray]:
    """Source -> bool [tags]: which of these tags it annotates."""
    tags = list(tags)
    return {
        source: np.array([source in ANNOTATED_IN.get(tag.name, SOURCES) for tag in tags], bool) for source in SOURCES
    }


def tag_groups(tags: Iterable[Tag]) -> dict[str, np.ndarray]:
    """Groups of composition tags by what has to be known to get them right, as masks: bool [tags].

    Returns:
        ``"collection"`` (the source alone decides), ``"human"`` (a person wrote it about this piece) and ``"computed"``
        (metre, mode and attributes of the notes), which do not overlap; of the last ``"meter"`` and ``"mode"`` (pentatonic
        included).
    """
    tags = list(tags)
    arranged = np.array([tag.source == "arranger" for tag in tags])
    collection = np.array([tag.name in _FROM_COLLECTION for tag in tags])
    computed = np.array([tag.name in _FROM_NOTES or tag.source == "computed" for tag in tags])
    return {
        "collection": collection,
        "human": ~(arranged | collection | computed),
        "computed": computed,
        "meter": np.array([tag.exclusive_group == "meter" for tag in tags]),
        "mode": np.array([tag.exclusive_group == "mode" or tag.name == "pentatonic" for tag in tags]),
    }
