"""Hand-made features on sounds whose answers are known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagging.audio.waveform import resample
from tagging.baselines.features.descriptors import BLOCKS, describe, feature_names
from tagging.baselines.features.harmony import MAJOR, MINOR, harmony, key_correlations
from tagging.baselines.features.rhythm import BANDS, MULTIPLES, autocorrelation, rhythm
from tagging.baselines.features.spectra import MEL_BANDS, RATE, spectra_of
from tagging.errors import AudioError, ConfigError

NAMES = feature_names()


def feature(values: np.ndarray, name: str) -> float:
    return float(values[NAMES.index(name)])


def sine(hertz: float, seconds: float = 4.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def note(pitch: float, seconds: float, harmonics: int = 5) -> np.ndarray:
    """A tone with fading harmonics and a soft attack, `pitch` in semitones (MIDI)."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(0.6**k * np.sin(2 * np.pi * hertz * (k + 1) * time) for k in range(harmonics))
    return 0.2 * tone * np.minimum(time / 0.01, 1) * np.exp(-1.5 * time)


def melody(pitches: list[float], seconds: float = 0.5) -> np.ndarray:
    return np.concatenate([note(pitch, seconds) for pitch in pitches]).astype(np.float32)


def clicks(beats_per_minute: float, seconds: float = 12.0, accent: int = 1) -> np.ndarray:
    """Short bursts of noise, every `accent`-th one louder."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    burst = np.random.default_rng(0).normal(size=400).astype(np.float32) * np.exp(-np.arange(400) / 80)
    for count, start in enumerate(np.arange(0, len(sound) - 400, RATE * 60 / beats_per_minute).astype(int)):
        sound[start : start + 400] += burst * (0.2 if count % accent else 0.05)
    return sound


MARY = [64, 62, 60, 62, 64, 64, 64, 62, 62, 62, 64, 67, 67, 64, 62, 60, 62, 64, 64, 64, 64, 62, 62, 64, 62, 60]


def test_names_fit_the_values_and_name_their_block():
    assert len(NAMES) == len(set(NAMES)) == len(describe(sine(440)))
    assert {name.partition(".")[0] for name in NAMES} == set(BLOCKS)
    assert "timbre.mfcc.mean.0" in NAMES
    assert "timbre.centroid.mean" in NAMES


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(5 * RATE, np.float32),
        np.zeros(1, np.int16),
        np.full(2 * RATE, 0.5, np.float32),
        np.eye(1, RATE, 77, dtype=np.float32)[0],
        np.resize(np.array([32767, -32768], np.int16), RATE),
        np.full(3 * RATE, 1e-7, np.float32),
    ],
    ids=["silence", "one sample", "constant", "impulse", "loudest", "below 16 bits"],
)
def test_every_feature_of_odd_sounds_is_finite(sound):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = describe(sound)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


@given(st.integers(1, 3 * RATE), st.floats(1e-4, 1), st.integers(0, 2**32 - 1))
def test_every_feature_of_noise_of_any_length_is_finite(samples, level, seed):
    values = describe(level * np.random.default_rng(seed).uniform(-1, 1, samples).astype(np.float32))
    assert values.shape == (len(NAMES),)
    assert np.isfinite(values).all()


def test_invalid_sounds_are_refused():
    with pytest.raises(AudioError, match="no samples"):
        describe(np.zeros(0, np.float32))
    with pytest.raises(AudioError):
        describe(np.array([0.0, np.nan], np.float32))
    with pytest.raises(ConfigError, match="sample rate"):
        describe(np.zeros(100, np.float32), 0)


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3000.0])
def test_a_sine_has_its_frequency_as_centroid_rolloff_and_crossings(hertz):
    values = describe(sine(hertz))
    assert feature(values, "timbre.centroid.median") == pytest.approx(hertz, rel=0.03)
    for share in (25, 50, 85):
        assert feature(values, f"timbre.rolloff{share}.median") == pytest.approx(hertz, abs=RATE / 2048 * 1.5)
    assert feature(values, "timbre.crossings.mean") == pytest.approx(2 * hertz / RATE, rel=0.01)
    assert feature(values, "timbre.bandwidth.median") < 300


def test_noise_is_flat_and_wide_where_a_sine_is_not():
    noise = describe(np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32))
    tone = describe(sine(1000))
    for name in ("timbre.flatness.mean", "timbre.entropy.mean", "timbre.bandwidth.mean", "harmony.chroma.entropy.mean"):
        assert feature(noise, name) > feature(tone, name)
    assert feature(noise, "timbre.centroid.mean") == pytest.approx(RATE / 4, rel=0.03)
    assert feature(tone, "texture.lasting") > 0.95
    assert feature(noise, "texture.lasting") == pytest.approx(0.5, abs=0.1)


def test_only_the_level_depends_on_loudness():
    loud = melody(MARY)
    quiet = describe(loud / 8)
    loud = describe(loud)
    assert feature(loud, "loudness.level") - feature(quiet, "loudness.level") == pytest.approx(
        20 * np.log10(8), abs=1e-3
    )
    others = np.array([name != "loudness.level" for name in NAMES])
    np.testing.assert_allclose(loud[others], quiet[others], rtol=2e-3, atol=2e-3)


def test_another_sample_rate_changes_little():
    sound = melody(MARY)
    values, resampled = describe(sound), describe(resample(sound, RATE, 44100), 44100)
    for name in ("timbre.centroid.mean", "rhythm.even.tempo.0", "harmony.key.0", "loudness.level"):
        assert feature(resampled, name) == pytest.approx(feature(values, name), rel=0.02)


def test_dynamics():
    steady = describe(sine(500))
    fading = describe(sine(500) * np.geomspace(1, 0.01, 4 * RATE))
    assert feature(fading, "loudness.slope") == pytest.approx(-40, rel=0.05)
    assert abs(feature(steady, "loudness.slope")) < 0.5
    assert feature(fading, "loudness.range") > 30 > 3 > feature(steady, "loudness.range")
    halves = describe(np.concatenate([sine(500), np.zeros(4 * RATE, np.float32)]))
    assert feature(halves, "loudness.pauses") == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("tempo", [75, 96, 120, 138])
def test_the_tempo_of_a_click_track(tempo):
    values = describe(clicks(tempo))
    assert feature(values, "rhythm.even.tempo.0") == pytest.approx(tempo, rel=0.03)
    assert feature(values, "rhythm.even.tempo.clarity.0") > 0.7
    assert feature(values, "rhythm.even.onsets.rate") == pytest.approx(tempo / 60, rel=0.1)
    assert feature(values, "rhythm.even.between.0") == pytest.approx(60 / tempo, rel=0.05)


def test_accents_tell_threes_from_fours():
    three, four = (rhythm(spectra_of(clicks(120, accent=accent)))["accented.metre"] for accent in (3, 4))
    threes, fours = MULTIPLES.tolist().index(3), MULTIPLES.tolist().index(4)
    assert three[threes] - three[fours] > 0.15
    assert four[fours] - four[threes] > 0.15


def test_a_steady_beat_has_a_clearer_pulse_than_a_free_one():
    steady = clicks(120)
    free = np.zeros_like(steady)
    for start in np.random.default_rng(1).integers(0, len(free) - 400, 24):
        free[start : start + 400] += steady[:400]
    steady, free = describe(steady), describe(free)
    assert feature(steady, "rhythm.even.pulse.0") > feature(free, "rhythm.even.pulse.0") + 0.2
    assert feature(steady, "rhythm.even.between.variety") < feature(free, "rhythm.even.between.variety")


def test_the_autocorrelation_follows_its_definition():
    rows = np.random.default_rng(0).normal(size=(2, 50))
    centred = rows - rows.mean(axis=1, keepdims=True)
    share = [max(1 - lag / 50, 0.5) for lag in range(50)]
    expected = [
        [(row[: 50 - lag] * row[lag:]).sum() / (row**2).sum() / share[lag] for lag in range(50)] for row in centred
    ]
    np.testing.assert_allclose(autocorrelation(rows), expected, atol=1e-12)
    assert not autocorrelation(np.full((1, 50), 3.3)).any()


def test_the_mel_bands_divide_into_the_bands_of_rhythm():
    assert MEL_BANDS % BANDS == 0


@pytest.mark.parametrize(("profile", "kind"), [(MAJOR, 0), (MINOR, 1)])
@pytest.mark.parametrize("tonic", [0, 5, 11])
def test_a_key_profile_finds_its_key(profile, kind, tonic):
    keys = key_correlations(np.roll(profile, tonic))
    assert keys.shape == (2, 12)
    assert keys[kind, tonic] == pytest.approx(1)
    assert np.argmax(keys) == 12 * kind + tonic


def test_a_chord_has_its_notes_and_its_mode():
    major = harmony(spectra_of(sum(note(pitch, 3, harmonics=1) for pitch in (60, 64, 67, 72))))
    minor = harmony(spectra_of(sum(note(pitch, 3, harmonics=1) for pitch in (57, 60, 64, 69))))
    assert set(np.argsort(major["chroma"])[-3:]) == {0, 4, 7}
    assert set(np.argsort(minor["chroma"])[-3:]) == {0, 3, 7}
    assert major["key.clarity"][2] > 0 > minor["key.clarity"][2]
    # the best key comes first within its mode
    assert major["key"].argmax() == 0
    assert minor["key"].argmax() == 12


@pytest.mark.parametrize("semitones", [1, 3, -4])
def test_harmony_does_not_depend_on_the_key(semitones):
    sound, shifted = (harmony(spectra_of(melody([pitch + shift for pitch in MARY]))) for shift in (0, semitones))
    for name in ("chroma", "chroma.end", "key", "intervals", "intervals.next", "intervals.later", "intervals.together"):
        np.testing.assert_allclose(shifted[name], sound[name], atol=0.03)
    np.testing.assert_allclose(shifted["centroid"], sound["centroid"], atol=0.05)
    # the register does
    assert shifted["top"][0] - sound["top"][0] == pytest.approx(semitones, abs=1.5)


def test_intervals_have_a_direction():
    rising, falling = (
        harmony(spectra_of(melody(list(steps), 0.24)))["intervals.next"]
        for steps in (range(60, 84, 2), range(82, 58, -2))
    )
    assert rising[2] > 3 * rising[10]
    assert falling[10] > 3 * falling[2]


@pytest.mark.parametrize("cents", [-30, 0, 20])
def test_tuning_is_measured_and_taken_out(cents):
    sound = harmony(spectra_of(melody([pitch + cents / 100 for pitch in MARY])))
    assert sound["tuning"][0] == pytest.approx(cents / 100, abs=0.03)
    assert sound["tuning"][1] > 0.8
    np.testing.assert_allclose(sound["chroma"], harmony(spectra_of(melody(MARY)))["chroma"], atol=0.03)
