"""Clips are made by adding banked notes: any part of a clip is that part, and it sounds as the synthesizer does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagging.data.sheet_music import renderer
from tagging.data.sheet_music.corpus import SheetMusic
from tagging.data.sheet_music.note_bank import Bank
from tagging.data.sheet_music.synthesizer import SAMPLE_RATE, Synthesizer

SAMPLES = 15 * SAMPLE_RATE
with_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@with_fixtures
@given(index=st.integers(0, 200), begin=st.integers(0, SAMPLES - 1), length=st.integers(1, 40000))
def test_a_piece_of_a_clip_is_that_piece(corpus: SheetMusic, index: int, begin: int, length: int):
    length = min(length, SAMPLES - begin)
    made = corpus.arrangement(index)
    whole = renderer.render(corpus.bank, made, SAMPLES)
    np.testing.assert_array_equal(renderer.render(corpus.bank, made, length, begin), whole[begin : begin + length])


def test_numpy_and_numba_give_the_same_bytes(corpus: SheetMusic, monkeypatch: pytest.MonkeyPatch):
    made = [corpus.arrangement(index) for index in range(25)]
    compiled = [renderer.render(corpus.bank, one, SAMPLES) for one in made]
    monkeypatch.setattr(renderer, "_placer", lambda: renderer.place_numpy)
    for one, sound in zip(made, compiled, strict=True):
        np.testing.assert_array_equal(renderer.render(corpus.bank, one, SAMPLES), sound)


def test_a_note_held_beyond_the_bank_goes_on_evenly(bank: Bank, monkeypatch: pytest.MonkeyPatch):
    organ = np.array([19]), np.array([60]), np.array([0]), np.array([12 * SAMPLE_RATE]), np.array([100])
    sound = renderer.mix_notes(bank, *organ, 14 * SAMPLE_RATE)
    level = np.sqrt((sound[: 12 * SAMPLE_RATE].reshape(-1, SAMPLE_RATE).astype(float) ** 2).mean(axis=1))
    assert level[2:].min() > 0.7 * level[1]
    assert np.abs(sound[int(13.5 * SAMPLE_RATE) :]).max() < 0.01 * np.abs(sound).max()
    jumps = np.abs(np.diff(sound[: 12 * SAMPLE_RATE]))
    assert jumps[2 * SAMPLE_RATE :].max() < 1.5 * jumps[: 2 * SAMPLE_RATE].max()  # no click where the loop turns
    monkeypatch.setattr(renderer, "_placer", lambda: renderer.place_numpy)
    np.testing.assert_array_equal(renderer.mix_notes(bank, *organ, 14 * SAMPLE_RATE), sound)


def test_notes_the_bank_lacks_are_silent(bank: Bank):
    note = np.array([0]), np.array([5]), np.array([0]), np.array([6400]), np.array([90])
    assert not renderer.mix_notes(bank, *note, 1000).any()


def test_loud_sounds_are_bent_and_never_reach_full_scale():
    ramp = np.linspace(-1e6, 1e6, 20001).astype(np.float32)
    bent = renderer.to_int16(ramp)
    assert (np.diff(bent.astype(int)) >= 0).all()
    assert bent.max() <= 32000
    assert bent.min() >= -32000
    inside = np.abs(ramp) < renderer.KNEE
    np.testing.assert_array_equal(bent[inside], np.rint(ramp[inside]).astype(np.int16))


def test_clips_are_neither_silent_nor_loud(corpus: SheetMusic):
    for index in range(60):
        sound = corpus.segment(index, 0, 15.0).audio
        level = 20 * np.log10(np.sqrt((sound.astype(float) ** 2).mean()) / 32768)
        assert -26 < level < -14
        assert np.abs(sound.astype(int)).max() <= 32000


def test_clips_sound_as_the_full_synthesizer_makes_them(corpus: SheetMusic):
    import torch

    from tagging.audio.mel import LogMel, MelSpec

    synthesizer = Synthesizer()
    log_mel = LogMel(MelSpec())
    correlation = []
    for index in range(8):
        made = corpus.arrangement(index)
        reference = synthesizer.render(*made.notes, SAMPLES)
        ours = renderer.mix_notes(corpus.bank, *made.notes, SAMPLES)
        pictures = log_mel(torch.from_numpy(np.stack([reference, ours]) / np.abs(reference).max()))
        correlation.append(np.corrcoef(pictures.flatten(1).numpy())[0, 1])
    assert np.mean(correlation) > 0.995
