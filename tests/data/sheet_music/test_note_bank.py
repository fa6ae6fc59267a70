"""The note bank: in tune, complete, and rebuilt when it is damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tagging.data.sheet_music import note_bank as banks
from tagging.data.sheet_music.instruments import DRUM_KEYS, DRUM_KIT, OF_PROGRAM, PROGRAMS
from tagging.data.sheet_music.note_bank import Bank
from tagging.data.sheet_music.synthesizer import SAMPLE_RATE, soundfont_path
from tagging.errors import CorpusError


def cents_off(bank: Bank, program: int, pitch: int) -> float:
    """How far a bank note is from equal temperament, octaves folded: librosa's YIN over its first second."""
    import librosa

    entry = bank.entry[program, pitch, 1]
    sound = bank.samples[bank.first[entry] : bank.first[entry] + bank.length[entry]][:SAMPLE_RATE] / 32768
    frames = librosa.yin(sound.astype(np.float32), fmin=40, fmax=2000, sr=SAMPLE_RATE, frame_length=2048)
    off = 1200 * np.log2(np.median(frames[2:16]) / (440 * 2 ** ((pitch - 69) / 12)))
    return float((off + 600) % 1200 - 600)


def test_a_sample_of_every_instrument_is_in_tune(bank: Bank):
    off = {}
    for program in PROGRAMS:
        instrument = OF_PROGRAM[program]
        for pitch in np.linspace(instrument.lowest + 3, instrument.highest - 3, 4).astype(int).tolist():
            off[program, pitch] = cents_off(bank, program, pitch)
    wrong = {note: round(cents) for note, cents in off.items() if abs(cents) > 20}
    assert len(wrong) <= 0.03 * len(off), wrong


def test_every_note_an_arrangement_can_ask_for_is_there(bank: Bank):
    for program in PROGRAMS:
        instrument = OF_PROGRAM[program]
        assert (bank.entry[program, instrument.lowest : instrument.highest + 1] >= 0).all(), instrument.name
    assert (bank.entry[DRUM_KIT, list(DRUM_KEYS)] >= 0).all()


def test_tables_fit_the_samples(bank: Bank):
    assert (bank.first[1:] == bank.first[:-1] + bank.length[:-1]).all()
    assert bank.first[-1] + bank.length[-1] == len(bank.samples)
    assert (bank.length % 64 == 0).all()
    assert ((bank.decay > 0) & (bank.decay <= 1)).all()
    assert ((bank.loop_gain >= 0) & (bank.loop_gain <= 1)).all()
    assert (np.diff(bank.energy, axis=1) >= 0).all()


def test_a_damaged_bank_is_noticed_and_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    monkeypatch.setattr(banks, "PROGRAMS", (0,))  # one instrument: all of them take 10 s
    monkeypatch.setattr(banks, "DRUM_KEYS", ())
    bank = banks.load_bank()
    samples = banks.bank_folder() / "samples.npy"
    with samples.open("r+b") as file:
        file.seek(500_000)
        before = file.read(100)
        file.seek(500_000)
        file.write(bytes(value ^ 0xFF for value in before))
    assert banks._read(banks.bank_folder()) is None
    again = banks.load_bank()
    assert again.version == bank.version  # the same bytes as before


NOTE = {"samples": np.arange(640, dtype=np.int16), "gain": 1.0, "decay": 0.5, "fade": 3, "loop_gain": 0.0}


def others(hashes: dict[str, str]) -> list[object]:
    """What hashes.json may hold instead of the hashes."""
    names = list(hashes)
    shorter = [{name: hashes[name] for name in names[:count]} for count in range(len(names))]
    return [
        *([], None, 1, "x", [hashes], {**hashes, "../outside.npy": hashes["gain.npy"]}, dict.fromkeys(names)),
        *([*names], {name: name for name in names}, {name: {} for name in names}, *shorter),
    ]


def test_a_bank_is_used_only_with_all_its_hashes(tmp_path: Path):
    entry, split = np.zeros((129, 128, 2), np.int32), np.zeros(129, np.int32)
    banks._write(tmp_path / "bank", [{**NOTE, "energy": np.ones(5)}], entry, split)
    bank = banks._read(tmp_path / "bank")
    np.testing.assert_array_equal(bank.samples, NOTE["samples"])
    path = tmp_path / "bank" / "hashes.json"
    whole = path.read_text()
    for value in others(json.loads(whole)):
        path.write_text(json.dumps(value))
        assert banks._read(tmp_path / "bank") is None, value
    for text in ("", "{", "[" * 100_000):
        path.write_text(text)
        assert banks._read(tmp_path / "bank") is None
    path.write_text(whole)
    assert banks._read(tmp_path / "bank").version == bank.version
    for name in ("samples.npy", "gain.npy", "hashes.json"):
        path = tmp_path / "bank" / name
        path.rename(tmp_path / "kept")
        os.mkfifo(path)
        assert banks._read(tmp_path / "bank") is None
        (tmp_path / "kept").replace(path)


def test_a_killed_build_leaves_no_bank_and_its_remains_are_cleared(tmp_path: Path):
    code = (
        "import os; from tagging.data.sheet_music import note_bank as bank\n"
        "bank.sha256 = lambda path: os._exit(9)\n"  # after the samples are written, before the bank is in place
        "bank.PROGRAMS, bank.DRUM_KEYS = (0,), ()\n"
        "bank.build_bank(bank.cache_dir('scores') / 'bank-test')\n"
    )
    environment = {**os.environ, "TAGGING_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 9, run.stderr
    left = [path.name for path in (tmp_path / "scores").iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".tagging-")
    complete = code.replace("bank.sha256 = lambda path: os._exit(9)\n", "")
    subprocess.run([sys.executable, "-c", complete], env=environment, check=True)
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["bank-test"]


def test_a_full_disk_is_a_clear_error(tmp_path: Path):
    code = (
        "import resource; from tagging.data.sheet_music import note_bank as bank; from tagging.errors import TaggingError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "bank.PROGRAMS, bank.DRUM_KEYS = (0,), ()\n"
        "try:\n    bank.build_bank(bank.cache_dir('scores') / 'bank-test')\n"
        "except TaggingError as error:\n    print('clear:', error)\n"
    )
    environment = {**os.environ, "TAGGING_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.startswith("clear: cannot write the note bank"), run.stderr
    assert list((tmp_path / "scores").iterdir()) == []


def test_a_soundfont_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TAGGING_SOUNDFONT", str(tmp_path / "no.sf2"))
    with pytest.raises(CorpusError, match=r"no\.sf2"):
        soundfont_path()
    (tmp_path / "mine.sf2").write_bytes(b"RIFF")
    monkeypatch.setenv("TAGGING_SOUNDFONT", str(tmp_path / "mine.sf2"))
    assert soundfont_path() == tmp_path / "mine.sf2"
