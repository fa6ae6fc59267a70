"""The example sounds: present, small, in tune, not clipped, and the ones the script makes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.audio.examples import FOLDER, SOUNDS, list_sounds, sound_path
from tagging.errors import ConfigError

TOOLS = Path(__file__).parents[2] / "book" / "_tools"


def test_names_and_files_agree():
    assert list_sounds() == list(SOUNDS)
    assert sorted(path.stem for path in FOLDER.glob("*.ogg")) == sorted(list_sounds())


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'greensleeves'"):
        sound_path("green-sleeves")


@pytest.mark.parametrize("name", list_sounds())
def test_length_level_and_size(name):
    sound, rate = soundfile.read(sound_path(name))
    assert rate == 44100
    assert sound.shape[1] == 2
    assert 12 <= len(sound) / rate <= 20
    assert sound_path(name).stat().st_size < 300_000
    assert 0.5 < np.abs(sound).max() < 1.0
    assert np.abs(sound.mean(axis=0)).max() < 1e-3  # no direct current
    assert 0.1 < np.sqrt(np.mean(sound**2)) < 0.4


# a long note of each tune: seconds from, seconds to, Hz
@pytest.mark.parametrize(
    ("name", "start", "stop", "expected"),
    [
        ("greensleeves", 14.0, 15.5, 440.0),
        ("drowsy-maggie", 17.05, 17.6, 329.63),
        ("mountain-king", 14.2, 14.9, 554.37),
    ],
)
def test_in_tune(name, start, stop, expected):
    sound, rate = soundfile.read(sound_path(name))
    part = sound[round(start * rate) : round(stop * rate)].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 20))
    frequency = np.fft.rfftfreq(1 << 20, 1 / rate)
    near = np.abs(1200 * np.log2(np.maximum(frequency, 1) / expected)) < 60
    strongest = frequency[near][np.argmax(spectrum[near])]
    assert abs(1200 * np.log2(strongest / expected)) < 10


def test_the_script_makes_the_stored_sound(monkeypatch):
    if not TOOLS.exists():
        pytest.skip("the scripts of the book are not part of this distribution")
    monkeypatch.syspath_prepend(str(TOOLS))
    for module in ("make_sounds", "synth"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    import make_sounds

    made = make_sounds.render("greensleeves")
    stored, _ = soundfile.read(sound_path("greensleeves"), dtype="float32")
    assert len(stored) == len(made)
    assert np.std(stored - made) < 0.1 * np.std(made)  # what the lossy codec changed
