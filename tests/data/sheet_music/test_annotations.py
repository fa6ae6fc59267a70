"""Composition tags follow the annotations, and are unknown where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagging.data.sheet_music import annotations, library
from tagging.data.sheet_music.annotations import UNKNOWN
from tagging.data.sheet_music.readers import TICKS

NAMES = [tag.name for tag in annotations.COMPOSITION_TAGS]


def table(pitches: list[int], step: int = TICKS) -> np.ndarray:
    rows = [[beat * step, step, pitch, 90, 0] for beat, pitch in enumerate(pitches)]
    return np.array(rows, np.int32)


def tags(piece: dict, pitches: tuple[int, ...] = (60, 62, 64, 65, 67, 69, 71, 72)) -> dict[str, int]:
    notes = table(list(pitches))
    values = annotations.score_tags(piece, notes, *annotations.tonic_and_mode(piece, notes))
    return dict(zip(NAMES, values, strict=True))


def essen(**fields) -> dict:
    return {"collection": "essenFolksong", "file": "erk10.abc", "number": 0, "K": ["C"], "M": ["4/4"]} | fields


def test_an_essen_song():
    given = tags(essen(O=["Europa, Mitteleuropa, Deutschland, Hessen"], R=["Liebes-Lied, Tanz-Lied"]))
    yes = {name for name, value in given.items() if value == 1}
    assert yes == {"folk song", "German", "Hessian", "love song", "dance song", "duple meter", "major"}
    assert given["reel"] == given["Irish"] == given["Lorraine"] == 0


def test_a_song_from_somewhere_in_germany_may_be_hessian():
    given = tags(essen(O=["Europa, Mitteleuropa, Deutschland"]))
    assert given["German"] == 1
    assert given["Hessian"] == given["eastern German"] == UNKNOWN
    assert given["Chinese"] == given["Luxembourgish"] == 0


def test_functions_are_unknown_where_the_field_is_missing():
    assert tags(essen())["love song"] == UNKNOWN
    assert tags(essen(R=["Ballade"]))["love song"] == 0


@pytest.mark.parametrize(
    ("fields", "reel", "jig"),
    [
        ({"R": ["reel"]}, 1, 0),
        ({"T": ["The Wind that Shakes -- Reel"]}, 1, 0),
        ({"T": ["Drops of Brandy"]}, UNKNOWN, UNKNOWN),
        ({"T": ["The Duke's March"]}, 0, 0),
        ({"R": ["double jig"]}, 0, 1),
    ],
)
def test_dances(fields: dict, reel: int, jig: int):
    given = tags({"collection": "oneills1850", "file": "0001.abc", "number": 0, "K": ["G"], "M": ["6/8"]} | fields)
    assert (given["reel"], given["jig"]) == (reel, jig)
    assert given["Irish"] == given["compound meter"] == given["fiddle tune"] == 1


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("D", "major"),
        ("Dmaj", "major"),
        ("Dmix", "mixolydian"),
        ("D Mixolydian", "mixolydian"),
        ("Am", "minor"),
        ("A minor", "minor"),
        ("Ador", "dorian"),
        ("E dorian", "dorian"),
        ("Ephr", "other"),
        ("Aaeo", "minor"),
    ],
)
def test_written_modes(key: str, mode: str):
    piece = {"collection": "ryansMammoth", "file": "a.abc", "number": 0, "K": [key]}
    assert annotations.tonic_and_mode(piece, table([60] * 8)) == (annotations._PITCH_CLASS[key[0]], mode)


def test_in_essen_the_third_decides_and_not_the_written_key():
    minor = annotations.tonic_and_mode(essen(), table([60, 62, 63, 65, 67, 63, 62, 60]))
    major = annotations.tonic_and_mode(essen(), table([60, 62, 64, 65, 67, 64, 62, 60]))
    assert minor == (0, "minor")
    assert major == (0, "major")


def test_a_mass_movement():
    piece = {"collection": "palestrina", "file": "Agnus_II_20.krn", "number": 0, "key": ["G", "mix"], "meter": "4/2"}
    given = tags(piece)
    yes = {name for name, value in given.items() if value == 1}
    assert yes == {"renaissance", "Kyrie and Agnus", "duple meter", "mixolydian"}


def test_pentatonic_counts_sounding_time():
    assert tags(essen(), (60, 62, 64, 67, 69, 72, 64, 60))["pentatonic"] == 1
    assert tags(essen(), (60, 62, 64, 65, 67, 69, 71, 72))["pentatonic"] == 0


def test_free_meter_is_unknown_meter():
    given = tags(essen(M=["none"]))
    assert given["duple meter"] == given["triple meter"] == given["compound meter"] == UNKNOWN


def test_spans_begin_where_the_accents_are():
    notes = table([67, 60, 62, 64, 65, 67, 69, 71, 72])
    notes[1::4, 3] = 105  # one note of upbeat
    span, phase, tempo, pulses = annotations.timing(essen(), notes)
    assert (span, phase, pulses) == (2 * TICKS, TICKS, 2)
    assert 60 <= tempo <= 200


def test_exclusive_tags_exclude_each_other(cache: Path):
    facts = library.load_library().facts
    groups: dict[str, list[int]] = {}
    for row, tag in enumerate(annotations.COMPOSITION_TAGS):
        if tag.exclusive_group:
            groups.setdefault(tag.exclusive_group, []).append(row)
    assert {"mode", "meter", "region", "period", "dance"} <= set(groups)
    for name in ("mode", "meter", "region", "period"):
        assert ((facts["score_tags"][:, groups[name]] == 1).sum(axis=1) <= 1).all(), name


def test_every_tag_says_where_it_comes_from():
    for tag in annotations.COMPOSITION_TAGS:
        assert tag.source in ("human", "collection", "computed")
        assert tag.description
