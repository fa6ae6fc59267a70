"""The note bank: every note of every instrument, rendered once, so that a clip is a sum of notes.

The sum is close to the waveform of the synthesizer, because the bank follows three rules of TinySoundFont: velocity is a
gain within a velocity layer; a released note fades exponentially, at a rate that depends on program and key (measured here
for each entry); gains change every 64 samples. A note held longer than its samples continues in a loop whose cross-fade is
already in the samples.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import CorpusError, TaggingError
from ...utils.arrays import read_array
from ...utils.files import DamagedError, cache_dir, check_writable, clear_remains, locked, read_json, sha256
from ...utils.temporary import temporary
from .instruments import DRUM_KEYS, DRUM_KIT, OF_PROGRAM, PROGRAMS
from .synthesizer import SAMPLE_RATE, STEP, Synthesizer, soundfont_path

LAYOUT = 1
# A bank with longer notes is no closer to the synthesizer; 3 s include loop and cross-fade.
LENGTH = 3 * SAMPLE_RATE
LOOP_START = LENGTH // 3
CROSS_FADE = SAMPLE_RATE // 4
# A fading note ends at this share of its level (-54 dB).
FLOOR = 2e-3
_LOUD = 110
_ENERGY_STEP = 1024
_TABLES = ("first", "length", "gain", "decay", "fade", "loop_gain", "energy", "entry", "split")
_FILES = {"samples.npy", *(f"{name}.npy" for name in _TABLES)}


@dataclass(frozen=True)
class Bank:
    """Rendered single notes. Use :func:`load_bank` to get one.

    Attributes:
        version: 12 hexadecimal digits of the SHA-256 of the contents.
        samples: int16 [all samples], memory-mapped, so shared by all processes.
        first, length: int64 [entries]: position and length in ``samples`` (multiples of 64; 48,000 is a held note).
        gain: float32 [entries]: gain at velocity 127.
        decay: float32 [entries]: factor of the gain of a released note for every 64 samples.
        fade: int64 [entries]: length of a released note, in steps of 64 samples.
        loop_gain: float32 [entries]: factor for every turn of the loop; 0 for notes that die away.
        energy: float32 [entries, steps]: sum of squares at velocity 127 up to each 1,024th sample.
        entry: int32 [129, 128, 2]: entry by program (128: drums), pitch and velocity layer; -1 where there is none.
        split: int32 [129]: the velocity at which a program's second layer begins; 0 for one layer.
    """

    version: str
    samples: np.ndarray
    first: np.ndarray
    length: np.ndarray
    gain: np.ndarray
    decay: np.ndarray
    fade: np.ndarray
    loop_gain: np.ndarray
    energy: np.ndarray
    entry: np.ndarray
    split: np.ndarray

    def entries(self, program: np.ndarray, pitch: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """int32: the entry of each note, -1 where the bank has none."""
        return self.entry[program, pitch, (velocity >= self.split[program]).astype(np.intp)]

    def note_energy(self, entries: np.ndarray, duration: np.ndarray) -> np.ndarray:
        """float32: sum of squares of each note at velocity 127, held for ``duration`` samples."""
        return self.energy[entries, np.minimum(duration // _ENERGY_STEP, self.energy.shape[1] - 1)]


def bank_folder(soundfont: Path | None = None) -> Path:
    """The folder of the bank of a SoundFont; it may not exist.

    Without a SoundFont: the last bank in the cache, which was copied there.
    """
    folder = cache_dir("scores")
    try:
        soundfont = soundfont or soundfont_path()
    except CorpusError:
        copies = sorted(path for path in folder.glob(f"bank-{LAYOUT}-*") if path.is_dir())
        return copies[-1] if copies else folder / f"bank-{LAYOUT}-unknown"
    return folder / f"bank-{LAYOUT}-{sha256(soundfont)[:12]}"


def load_bank(soundfont: Path | None = None) -> Bank:
    """The bank from the cache, checked against its hashes; built (some seconds) where it is missing or damaged.

    Args:
        soundfont: a .sf2 file; by default the one of :func:`~.synthesizer.soundfont_path`.

    Raises:
        CorpusError: the bank must be built, and the synthesizer or the SoundFont is missing.
        TaggingError: the cache cannot be written, for example on a full disk.
    """
    folder = bank_folder(soundfont)
    clear_remains(folder)
    if (bank := _read(folder)) is not None:
        return bank
    with locked(folder):  # a second process waits, then reads what the first has built
        if (bank := _read(folder)) is not None:
            return bank
        build_bank(folder, soundfont)
    bank = _read(folder)
    if bank is None:
        raise CorpusError(f"the note bank {folder} was written but cannot be read back; check the disk")
    return bank


def build_bank(folder: Path, soundfont: Path | None = None) -> None:
    """Render all notes and write the bank, all or nothing.

    Args:
        folder: of the bank; replaced if it exists.
        soundfont: a .sf2 file; by default the one of :func:`~.synthesizer.soundfont_path`.
    """
    synthesizer = Synthesizer(soundfont)
    entries: list[dict] = []
    entry = np.full((DRUM_KIT + 1, 128, 2), -1, np.int32)
    split = np.zeros(DRUM_KIT + 1, np.int32)

    def add(program: int, pitch: int, velocity: int) -> int:
        note = _render_entry(synthesizer, program, pitch, velocity)
        if note is None:
            return -1
        entries.append(note)
        return len(entries) - 1

    for program in PROGRAMS:
        instrument = OF_PROGRAM[program]
        split[program] = _velocity_split(synthesizer, program, (instrument.lowest + instrument.highest) // 2)
        for pitch in range(instrument.lowest, instrument.highest + 1):
            entry[program, pitch, 1] = add(program, pitch, _LOUD)
            soft = max(10, int(split[program]) - 8)
            entry[program, pitch, 0] = add(program, pitch, soft) if split[program] else entry[program, pitch, 1]
    for key in DRUM_KEYS:
        entry[DRUM_KIT, key] = add(DRUM_KIT, key, _LOUD)
    _write(folder, entries, entry, split)


def _render_entry(synthesizer: Synthesizer, program: int, pitch: int, velocity: int) -> dict | None:
    """One note with its fade after release and its loop; None if it is silent."""
    drums = program == DRUM_KIT
    held = synthesizer.note(program, pitch, velocity, LENGTH) / np.float32(velocity / 127)
    peak = float(np.abs(held).max())
    if peak < 1e-5:
        return None
    release = 1600 if drums else SAMPLE_RATE // 2
    released = synthesizer.note(program, pitch, velocity, release + SAMPLE_RATE, release) / np.float32(velocity / 127)
    rate = _fade_rate(held[release : release + SAMPLE_RATE], released[release:])
    last = int(np.flatnonzero(np.abs(held) > peak * 1e-3)[-1]) + 1
    length = min(LENGTH, (last + STEP) // STEP * STEP)
    loop_gain = 0.0
    if length == LENGTH and not drums:
        loop_gain = min(1.0, _rms(held[-CROSS_FADE:]) / _rms(held[LOOP_START : LOOP_START + CROSS_FADE]))
        position = np.linspace(0, 1, CROSS_FADE, endpoint=False)
        before_loop = held[LOOP_START - CROSS_FADE : LOOP_START]
        held[-CROSS_FADE:] = held[-CROSS_FADE:] * np.sqrt(1 - position) + loop_gain * before_loop * np.sqrt(position)
        peak = float(np.abs(held).max())
    squares = np.add.reduceat(held.astype(np.float64) ** 2, np.arange(0, LENGTH, _ENERGY_STEP))
    if length < LENGTH:
        squares[length // _ENERGY_STEP + 1 :] = 0
    steps = np.log(1 / FLOOR) / (rate * STEP) if rate > 0 else LENGTH / STEP
    return {
        "samples": np.rint(held[:length] * (32767 / peak)).astype(np.int16),
        "gain": peak / 32767,
        "decay": np.exp(-rate * STEP),
        "fade": min(int(np.ceil(steps)), LENGTH // STEP),
        "loop_gain": loop_gain,
        "energy": np.cumsum(squares),
    }


def _fade_rate(held: np.ndarray, released: np.ndarray) -> float:
    """Rate per sample of the exponential fade after note-off, from a note held and the same note released."""
    window = 320

    def envelope(sound: np.ndarray) -> np.ndarray:
        return np.sqrt((sound[: len(sound) // window * window].reshape(-1, window) ** 2).mean(axis=1)) + 1e-9

    level = envelope(held)
    if level.max() < 1e-4:
        return 0.0  # died away before the release
    log_ratio = np.log(envelope(released) / level)[1:]
    time = (np.arange(1, len(log_ratio) + 1) + 0.5) * window
    audible = np.cumprod(log_ratio > -4.0).astype(bool)
    if audible.sum() < 2:
        return 4.0 / (2 * window)  # gone within two windows
    return max(0.0, -float((log_ratio * time)[audible].sum() / (time[audible] ** 2).sum()))


def _velocity_split(synthesizer: Synthesizer, program: int, pitch: int) -> int:
    """The velocity at which the waveform changes, not only its level; 0 if it never does."""
    loud = synthesizer.note(program, pitch, _LOUD, SAMPLE_RATE)
    split = 0
    for velocity in range(20, _LOUD - 5, 6):
        if np.corrcoef(synthesizer.note(program, pitch, velocity, SAMPLE_RATE), loud)[0, 1] < 0.999:
            split = velocity + 3
    return split


def _rms(sound: np.ndarray) -> float:
    return float(np.sqrt((sound.astype(np.float64) ** 2).mean())) + 1e-12


def _write(folder: Path, entries: list[dict], entry: np.ndarray, split: np.ndarray) -> None:
    length = np.array([len(note["samples"]) for note in entries], np.int64)
    tables: dict[str, np.ndarray] = {
        "first": np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64),
        "length": length,
        **{
            name: np.array([note[name] for note in entries], np.float32)
            for name in ("gain", "decay", "loop_gain", "energy")
        },
        "fade": np.array([note["fade"] for note in entries], np.int64),
        "entry": entry,
        "split": split,
    }
    check_writable(folder.parent)
    try:
        with temporary(folder.parent, is_folder=True) as part:
            np.save(part / "samples.npy", np.concatenate([note["samples"] for note in entries]))
            for name in _TABLES:
                np.save(part / f"{name}.npy", tables[name])
            hashes = {path.name: sha256(path) for path in sorted(part.iterdir())}
            (part / "hashes.json").write_text(json.dumps(hashes, indent=1))
            shutil.rmtree(folder, ignore_errors=True)  # a damaged bank, or nothing
            part.replace(folder)
    except OSError as error:
        raise TaggingError(
            f"cannot write the note bank {folder}: {error.strerror or error}; "
            "check that the folder is writable and has 200 MB left, or set TAGGING_CACHE to another one"
        ) from error


def _read(folder: Path) -> Bank | None:
    """The bank in a folder; None if it is missing or damaged."""
    try:
        hashes = read_json(folder / "hashes.json")
        if not isinstance(hashes, dict) or set(hashes) != _FILES:
            return None
        if not all((folder / name).is_file() for name in _FILES):
            return None  # or a pipe, whose reading would not end
        if any(sha256(folder / name) != expected for name, expected in hashes.items()):
            return None
        tables = {name: read_array(folder / f"{name}.npy") for name in _TABLES}
        # not copied: all processes share these 150 MB
        samples = np.load(folder / "samples.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, DamagedError):
        return None
    version = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:12]
    return Bank(version, samples, **tables)
