"""Families hold near-duplicates, equal titles and movements of one work together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagging.data.sheet_music import families, library

PITCHES = st.lists(st.integers(40, 90), min_size=20, max_size=60)


def table(pitches) -> np.ndarray:
    return np.array([[beat * 96, 96, pitch, 90, 0] for beat, pitch in enumerate(pitches)], np.int32)


def tune(seed: int, length: int = 60) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).choice([-5, -4, -2, 2, 3, 4, 5], length)) % 40 + 45


def piece(number: int, **fields) -> dict:
    return {"collection": "airdsAirs", "file": "book.abc", "number": number, "T": [f"tune {number}"]} | fields


@given(PITCHES, st.integers(-12, 12))
def test_grams_do_not_change_with_the_key(pitches: list[int], shift: int):
    grams = families.interval_grams(np.array(pitches))
    transposed = families.interval_grams(np.array(pitches) + shift)
    np.testing.assert_array_equal(grams, transposed)


@given(PITCHES, st.integers(0, 19))
def test_grams_do_not_change_when_a_note_is_repeated(pitches: list[int], position: int):
    repeated = [*pitches[: position + 1], pitches[position], *pitches[position + 1 :]]
    np.testing.assert_array_equal(
        families.interval_grams(np.array(pitches)), families.interval_grams(np.array(repeated))
    )


@given(st.lists(st.integers(-12, 12).filter(bool), min_size=12, max_size=12, unique=False), st.integers(0, 11))
def test_different_windows_are_different_numbers(intervals: list[int], position: int):
    changed = list(intervals)
    changed[position] = changed[position] % 12 + 1 if changed[position] != changed[position] % 12 + 1 else -3
    numbers = families._as_number(np.array([intervals, changed]) + 13)
    assert numbers[0] != numbers[1]


def test_scales_say_nothing():
    assert len(families.interval_grams(np.arange(40, 80))) == 0


def test_a_transposed_variant_with_another_ending_is_family_and_a_stranger_is_not():
    first, stranger = tune(1), tune(2)
    variant = np.append(first[:45] + 3, tune(3, 10))
    family = families.find_families([piece(n) for n in range(3)], [table(first), table(stranger), table(variant)])
    assert family.tolist() == [0, 1, 0]


def test_equal_titles_in_different_fiddle_books_are_family():
    pieces = [
        piece(0, T=["The Duke of Fife"]),
        piece(1, collection="oneills1850", T=["Duke of Fife!"]),
        piece(2, collection="ryansMammoth", T=["Duke of Fife -- Reel"]),
        piece(3, collection="essenFolksong", T=["Duke of Fife"], N=["A1"]),
    ]
    family = families.find_families(pieces, [table(tune(seed)) for seed in range(4)])
    assert family.tolist() == [0, 0, 0, 3]


def test_movements_of_a_mass_and_a_quartet_are_family():
    pieces = [
        {"collection": "palestrina", "file": "Kyrie_1.krn", "number": 0, "OPR": "Missa X"},
        {"collection": "palestrina", "file": "Credo_1.krn", "number": 0, "OPR": "Missa X"},
        {"collection": "mozart", "file": "k80/movement1.mxl", "number": 0},
        {"collection": "mozart", "file": "k80/movement2.mxl", "number": 0},
        {"collection": "bach", "file": "bwv244.15.mxl", "number": 0},
        {"collection": "bach", "file": "bwv244.25.mxl", "number": 0},
        {"collection": "bach", "file": "bwv2.6.mxl", "number": 0},
    ]
    family = families.find_families(pieces, [table(tune(seed)) for seed in range(7)])
    assert family.tolist() == [0, 0, 2, 2, 4, 4, 6]


def test_splits_have_their_shares():
    splits = np.bincount([families.family_split(f"family {number}") for number in range(20000)]) / 20000
    np.testing.assert_allclose(splits, [0.8, 0.1, 0.1], atol=0.01)


def test_no_family_is_in_two_splits(cache: Path):
    facts = library.load_library().facts
    for family in np.unique(facts["family"]):
        assert len(np.unique(facts["split"][facts["family"] == family])) == 1


def test_the_top_part_is_the_melody():
    notes = np.concatenate([table([50, 52, 53]), table([70, 72, 74])])
    notes[3:, 4] = 1
    notes = notes[np.lexsort((notes[:, 2], notes[:, 0]))]
    assert families.melody(notes).tolist() == [70, 72, 74]
