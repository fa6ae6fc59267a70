"""Arranger: from a composition to the notes of one clip (window, tempo, key, instruments, accompaniment, timing).

All decisions are drawn from one random stream, seeded with a hash of corpus version, seed and index, so a clip is the same
in any order and any process. Only raw generator output and correctly rounded arithmetic are used: NumPy guarantees neither
the same normal deviates in all versions, nor the same last digit of ``exp`` on all machines.
Book: ``book/million_clips``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from .harmony import TRIADS, key_root
from .instruments import BASS, DRUM_KIT, HIGHEST, LOWEST, MELODIC
from .library import Library
from .readers import TICKS
from .synthesizer import SAMPLE_RATE, STEP

# How a single-line tune is arranged, and how often.
FORMS = {"solo": 0.30, "drone": 0.10, "chords": 0.25, "chords and bass": 0.20, "band": 0.15}
_FORM_LIMITS = np.cumsum(list(FORMS.values()))
IN_PARTS = "in parts"
TUNE, ACCOMPANIMENT, BASS_LINE, DRUMS = range(4)
# Positions of the decisions in the stream; from _INSTRUMENTS on, each instrument takes two numbers.
_TEMPO, _WINDOW, _KEY, _LOUDNESS, _ARTICULATION, _LOOSENESS, _FORM, _PATTERN, _BALANCE, _UNISON = range(10)
_MIX = slice(10, 16)
_INSTRUMENTS = 16
_HEAD = 64
_MOST_PARTS = 14  # the synthesizer has 16 channels
_LONGEST_SECONDS = 15.0


@dataclass(frozen=True)
class Arrangement:
    """The notes of one clip, and the decisions of the arranger.

    Attributes:
        program, pitch, start, duration, velocity: int64 [notes]; times in samples, on multiples of 64.
        role: int8 [notes]: tune, accompaniment, bass line or drums.
        part: int16 [notes]: the part of the composition, -1 for added notes.
        form: a key of :data:`FORMS`, or ``"in parts"``.
        transposition: semitones.
        quarters_per_minute: the tempo.
        tempo, articulation, balance: the drawn attributes, in [0, 1]; balance is nan without accompaniment.
        mix: float64 [6] in [0, 1): parameters of the degradations (see ``degradations.py``).
    """

    program: np.ndarray
    pitch: np.ndarray
    start: np.ndarray
    duration: np.ndarray
    velocity: np.ndarray
    role: np.ndarray
    part: np.ndarray
    form: str
    transposition: int
    quarters_per_minute: float
    tempo: float
    articulation: float
    balance: float
    mix: np.ndarray

    def __len__(self) -> int:
        return len(self.program)

    @property
    def notes(self) -> tuple[np.ndarray, ...]:
        """What a synthesizer needs: program, pitch, start, duration, velocity."""
        return self.program, self.pitch, self.start, self.duration, self.velocity


class Numbers:
    """A stream of uniform random numbers in [0, 1), seeded by a text: the same on every machine.

    Args:
        key: the seed.
    """

    def __init__(self, key: str) -> None:
        digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
        self._generator = np.random.Philox(key=int.from_bytes(digest, "little"))

    def take(self, count: int) -> np.ndarray:
        """float64 [count]: the next numbers."""
        return (self._generator.random_raw(count) >> np.uint64(11)) * 2.0**-53


def arrange(library: Library, piece: int, key: str, seconds: float = _LONGEST_SECONDS) -> Arrangement:
    """Arrange one composition.

    Args:
        library: the compositions.
        piece: index of the composition.
        key: seed of the random stream; the corpus uses ``"<version> <index>"``.
        seconds: length of the clip.
    """
    stream = Numbers(key)
    numbers = stream.take(_HEAD)
    # a factor with three digits is the same number on every machine
    qpm = float(library.facts["tempo"][piece]) * round(1000 * 2 ** (1.4 * numbers[_TEMPO] - 0.7)) / 1000
    tick = 60 * SAMPLE_RATE / (qpm * TICKS)
    setting = _Setting(library, piece, numbers, ticks=int(seconds * SAMPLE_RATE / tick) + 1)
    form = setting.single_line() if library.facts["single_line"][piece] else setting.in_parts()
    program, pitch, onset, length, velocity, role, part = np.concatenate(setting.rows, axis=1)
    # the sum of three uniform numbers is close enough to a normal deviate
    touch = stream.take(6 * len(program)).reshape(2, 3, -1).sum(axis=1) * 2 - 3
    lateness = touch[0] * (numbers[_LOOSENESS] * 0.007 * SAMPLE_RATE)
    velocity = velocity * (0.35 + 0.65 * numbers[_LOUDNESS]) + 6 * touch[1]
    return Arrangement(
        program.astype(np.int64),
        pitch.astype(np.int64),
        start=np.maximum(onset * tick + lateness, 0).astype(np.int64) // STEP * STEP,
        duration=np.maximum(length * tick, 0.05 * SAMPLE_RATE).astype(np.int64) // STEP * STEP,
        velocity=np.clip(velocity, 12, 127).astype(np.int64),
        role=role.astype(np.int8),
        part=part.astype(np.int16),
        form=form,
        transposition=setting.transposition,
        quarters_per_minute=qpm,
        tempo=float(numbers[_TEMPO]),
        articulation=float(numbers[_ARTICULATION]),
        balance=float(numbers[_BALANCE]) if form not in ("solo", IN_PARTS) else float("nan"),
        mix=numbers[_MIX],
    )


class _Setting:
    """The state of one arrangement: the window of the composition, and the rows of notes so far."""

    def __init__(self, library: Library, piece: int, numbers: np.ndarray, ticks: int) -> None:
        facts = library.facts
        self.numbers = numbers
        self.ticks = ticks
        # float64 [7, notes]: program, pitch, onset and length in ticks, velocity, role, part
        self.rows: list[np.ndarray] = []
        self.span, self.phase, self.pulses = (int(facts[name][piece]) for name in ("span", "phase", "pulses"))
        self.chords = facts["chords"][facts["chord_offset"][piece] : facts["chord_offset"][piece + 1]]
        self.transposition = int(numbers[_KEY] * 12) - 5
        self.tonic = (int(facts["tonic"][piece]) + self.transposition) % 12
        self.root = key_root(self.tonic, bool(facts["minor"][piece]))
        self.articulation = 0.6 + 0.4 * numbers[_ARTICULATION]
        self.balance = 0.45 + 0.55 * numbers[_BALANCE]
        self._picked = 0
        self.begin, self.period = 0, 0
        self.onset, self.length, self.pitch, self.velocity, self.part = self._window(library.piece_notes(piece))
        self.pitch = self.pitch + self.transposition

    def _window(self, notes: np.ndarray) -> np.ndarray:
        """A stretch of the composition from a random onset; a short composition is repeated."""
        end = int((notes[0] + notes[1]).max())
        if end > self.ticks:
            # from any onset that leaves enough to play
            latest = int(np.searchsorted(notes[0], end - self.ticks, side="right"))
            self.begin = int(notes[0, int(self.numbers[_WINDOW] * latest)]) if latest else 0
            first, last = np.searchsorted(notes[0], (self.begin, self.begin + self.ticks))
            window = notes[:, first:last].copy()
            window[0] -= self.begin
            return window
        # whole spans, so that the repeat falls on a beat
        self.period = -(-end // self.span) * self.span
        times = -(-self.ticks // self.period)
        window = np.tile(notes, times)
        window[0] += np.repeat(np.arange(times, dtype=np.int32) * self.period, notes.shape[1])
        return window[:, window[0] < self.ticks]

    def _instrument(self) -> int:
        """Draw an instrument, then one of its programs."""
        position = _INSTRUMENTS + 2 * self._picked
        self._picked += 1
        instrument = MELODIC[int(self.numbers[position] * len(MELODIC))]
        return instrument.programs[int(self.numbers[position + 1] * len(instrument.programs))]

    def _add(self, program: int, onset, length, pitch, velocity, role: int, part: int | np.ndarray = -1) -> None:
        if len(onset):
            row = np.empty((7, len(onset)))
            row[0] = program
            row[1] = pitch if program == DRUM_KIT else into_range(np.asarray(pitch), program)
            row[2], row[3], row[4], row[5], row[6] = onset, length, velocity, role, part
            self.rows.append(row)

    def _tune(self, program: int, chosen: np.ndarray | slice = slice(None)) -> None:
        self._add(
            program,
            self.onset[chosen],
            self.length[chosen] * self.articulation,
            self.pitch[chosen],
            self.velocity[chosen],
            TUNE,
            self.part[chosen],
        )

    def in_parts(self) -> str:
        """A composition in parts: one instrument for all parts, or one for each."""
        if self.numbers[_UNISON] < 0.6:
            self._tune(self._instrument())
        else:
            for part in np.unique(self.part)[:_MOST_PARTS]:
                self._tune(self._instrument(), self.part == part)
        return IN_PARTS

    def single_line(self) -> str:
        """A single-line tune: alone, over a drone, or with generated chords, bass and drums."""
        form = list(FORMS)[min(int(np.searchsorted(_FORM_LIMITS, self.numbers[_FORM], side="right")), len(FORMS) - 1)]
        self._tune(self._instrument())
        if form == "drone":
            self._drone()
        elif form != "solo":
            onset, triad = self._harmony()
            self._chords(onset, triad)
            if form != "chords":
                program = BASS.programs[int(self.numbers[_HEAD - 1] * len(BASS.programs))]
                self._add(program, onset, self.span * 0.95, 36 + triad[:, 0], 95 * self.balance, BASS_LINE)
            if form == "band":
                self._drums(onset)
        return form

    def _harmony(self) -> tuple[np.ndarray, np.ndarray]:
        """Onsets of the chords, and their pitch classes [chords, 3]."""
        # the first span that begins at or after the window
        first = -(-(self.begin - self.phase) // self.span) * self.span + self.phase - self.begin
        onset = np.arange(first if self.period == 0 else self.phase, self.ticks, self.span)
        in_tune = onset % self.period if self.period else onset + self.begin
        row = (in_tune - self.phase) // self.span + 1
        chord = self.chords[np.clip(row, 0, len(self.chords) - 1)]
        return onset, (self.root + TRIADS[chord]) % 12

    def _drone(self) -> None:
        onset = np.repeat(np.arange(0, self.ticks, 4 * TICKS), 2)
        fifth = np.tile([48 + self.tonic, 43 + self.tonic], len(onset) // 2)
        self._add(self._instrument(), onset, 4 * TICKS, fifth, 78 * self.balance, ACCOMPANIMENT)

    def _chords(self, onset: np.ndarray, triad: np.ndarray) -> None:
        """Held for a whole span, or struck on every pulse."""
        struck = self.numbers[_PATTERN] < 0.5
        pulse = self.span / self.pulses
        times = onset[:, None] + (np.arange(self.pulses) * pulse if struck else np.zeros(1))
        length = pulse * 0.5 if struck else self.span
        pitch = np.broadcast_to(48 + triad[:, None, :], (*times.shape, 3))
        self._add(
            self._instrument(), np.repeat(times.ravel(), 3), length, pitch.ravel(), 80 * self.balance, ACCOMPANIMENT
        )

    def _drums(self, onset: np.ndarray) -> None:
        """Bass drum on the span, snare on the other pulses, hi-hat twice a pulse."""
        pulse = self.span / self.pulses
        hat = (onset[:, None] + np.arange(2 * self.pulses) * (pulse / 2)).ravel()
        snare = (onset[:, None] + np.arange(1, self.pulses) * pulse).ravel()
        for key, times, velocity in ((36, onset, 100), (38, snare, 85), (42, hat, 60)):
            self._add(DRUM_KIT, times, TICKS // 8, key, velocity * self.balance, DRUMS)


def into_range(pitch: np.ndarray, program: int) -> np.ndarray:
    """Move a part into the range of its instrument by octaves: first as a whole, then the notes still outside.

    Args:
        pitch: int [notes], MIDI.
        program: General MIDI program.
    """
    low, high = int(LOWEST[program]), int(HIGHEST[program])
    if pitch.min() < low or pitch.max() > high:
        pitch = pitch + 12 * round(((low + high) / 2 - float(np.median(pitch))) / 12)
    pitch = pitch + 12 * np.maximum(-((pitch - low) // 12), 0)
    return pitch - 12 * np.maximum(-((high - pitch) // 12), 0)
