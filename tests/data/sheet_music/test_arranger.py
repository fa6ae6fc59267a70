"""Arrangements: the same for the same key, playable by their instruments, inside the clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagging.data.sheet_music import arranger, attributes, harmony
from tagging.data.sheet_music.arranger import DRUMS, TUNE, arrange, into_range
from tagging.data.sheet_music.corpus import SheetMusic
from tagging.data.sheet_music.instruments import DRUM_KEYS, DRUM_KIT, HIGHEST, LOWEST, PROGRAMS
from tagging.data.sheet_music.synthesizer import SAMPLE_RATE, STEP

with_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@with_fixtures
@given(index=st.integers(0, 1999))
def test_every_arrangement_can_be_played(corpus: SheetMusic, index: int):
    made = corpus.arrangement(index)
    assert len(made) > 0
    drums = made.program == DRUM_KIT
    assert np.isin(made.program[~drums], PROGRAMS).all()
    assert (made.pitch >= LOWEST[made.program]).all()
    assert (made.pitch <= HIGHEST[made.program]).all()
    assert np.isin(made.pitch[drums], DRUM_KEYS).all()
    assert (made.start % STEP == 0).all()
    assert (made.duration % STEP == 0).all()
    assert (made.start >= 0).all()
    assert (made.duration > 0).all()
    assert ((made.velocity >= 12) & (made.velocity <= 127)).all()
    assert ((made.role == DRUMS) == drums).all()
    # something begins in the first and in the last third of the clip
    assert made.start.min() < 5 * SAMPLE_RATE
    assert (made.start + made.duration).max() > 10 * SAMPLE_RATE


def test_the_same_key_gives_the_same_notes_and_another_gives_others(corpus: SheetMusic):
    first, again, other = (arrange(corpus.library, 5, key) for key in ("a", "a", "b"))
    for one, two in zip(first.notes, again.notes, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not all(np.array_equal(one, two) for one, two in zip(first.notes, other.notes, strict=True))


def test_decisions_are_spread_as_announced(corpus: SheetMusic):
    made = [corpus.arrangement(index) for index in range(600)]
    forms = [one.form for one in made if one.form != arranger.IN_PARTS]
    for form, share in arranger.FORMS.items():
        assert forms.count(form) / len(forms) == pytest.approx(share, abs=0.06)
    assert sorted({one.transposition for one in made}) == list(range(-5, 7))
    assert np.mean([one.tempo for one in made]) == pytest.approx(0.5, abs=0.05)


def test_balance_is_unknown_without_accompaniment(corpus: SheetMusic):
    for index in range(100):
        made = corpus.arrangement(index)
        assert np.isnan(made.balance) == (made.form in ("solo", arranger.IN_PARTS))
        assert (made.role == TUNE).all() == np.isnan(made.balance)


@given(st.lists(st.integers(0, 127), min_size=1, max_size=40), st.sampled_from(PROGRAMS))
def test_parts_are_moved_by_octaves_only(pitches: list[int], program: int):
    before = np.array(pitches)
    after = into_range(before, program)
    assert (after >= LOWEST[program]).all()
    assert (after <= HIGHEST[program]).all()
    assert ((after - before) % 12 == 0).all()


def test_a_part_inside_the_range_stays():
    pitches = np.array([60, 64, 67])
    np.testing.assert_array_equal(into_range(pitches, 0), pitches)


def test_chords_cover_the_melody():
    notes = np.array([[0, 96, 60, 90, 0], [96, 96, 64, 90, 0], [192, 96, 67, 90, 0], [288, 96, 71, 90, 0]], np.int32)
    chords = harmony.harmonise(notes, tonic=0, minor=False, span=192, phase=0)
    assert chords.tolist() == [0, 0, 4]  # nothing before the first span; then C major, G major


def test_the_random_stream_is_a_contract():
    # other numbers here would be another corpus under the same version
    numbers = arranger.Numbers("a key").take(3)
    assert numbers.tolist() == [0.6159550454752938, 0.6441944647602499, 0.25083358246605847]


def test_measured_attributes_of_a_plain_scale():
    count = 8
    made = arranger.Arrangement(
        program=np.zeros(count, np.int64),
        pitch=np.array([60, 62, 64, 65, 67, 69, 71, 79]),
        start=np.arange(count) * 8000 // STEP * STEP,
        duration=np.full(count, 8000 // STEP * STEP),
        velocity=np.full(count, 80),
        role=np.zeros(count, np.int8),
        part=np.zeros(count, np.int16),
        form="solo",
        transposition=0,
        quarters_per_minute=120.0,
        tempo=0.5,
        articulation=1.0,
        balance=float("nan"),
        mix=np.zeros(6),
    )
    density, register, span, polyphony, stepwise, variety = attributes.measure(made, 0, 64000)
    assert density == pytest.approx(2.0)
    assert register == pytest.approx(made.pitch.mean())
    assert span == 19
    assert polyphony == pytest.approx(1.0, abs=0.01)
    assert stepwise == pytest.approx(6 / 7)
    assert variety == 0


def test_ranks_share_the_middle_of_ties():
    table = [np.array([1.0, 2.0, 2.0, 3.0])] * 6
    ranked = attributes.ranks(np.array([0.0, 1.0, 2.0, 3.0, 9.0, np.nan]), table)
    np.testing.assert_allclose(ranked, [0, 0.125, 0.5, 0.875, 1, np.nan])
