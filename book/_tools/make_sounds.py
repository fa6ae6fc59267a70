"""Make the example sounds of the book: three tunes in the public domain, played by the synthesizer beside this file.

    python book/_tools/make_sounds.py            # writes tagging/audio/examples/*.ogg
    python book/_tools/make_sounds.py --check    # renders again and compares with the files

Every random choice is seeded, so the samples are the same at each run; the Ogg container numbers its streams at
random, so two files with the same sound differ in a few bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
from synth import RATE, bow, hat, hertz, high_pass, kick, low_pass, mix_in, pluck, room, snare, stamp, synth

SOUNDS = Path(__file__).parents[2] / "tagging" / "audio" / "examples"
DRIVE = 4.5  # where rounding sets in, in units of the root mean square
PEAK = 0.85  # leaves room for the overshoot of the lossy codec

# A tune is written as "note:length", the length in the tune's smallest unit and 1 if left out.
GREENSLEEVES = """
    A4:2 | C5:4 D5:2 E5:3 F5 E5:2 | D5:4 B4:2 G4:3 A4 B4:2 | C5:4 A4:2 A4:3 G#4 A4:2 | B4:4 G#4:2 E4:4 A4:2
         | C5:4 D5:2 E5:3 F5 E5:2 | D5:4 B4:2 G4:3 A4 B4:2 | C5:3 B4 A4:2 G#4:3 F#4 G#4:2 | A4:12 """
# bass, fifth, octave, third: two chords a bar
LUTE_CHORDS = {
    "Am": "A2 E3 A3 C4",
    "G": "G2 D3 G3 B3",
    "E": "E2 B2 E3 G#3",
}
GREENSLEEVES_CHORDS = "Am Am G G Am Am E E Am Am G G Am E Am"  # the last one rings on

DROWSY_MAGGIE = """
    E4:2 B4 E4 D5 E4 B4 E4 | E4:2 B4 E4 A4 F#4 D4 F#4 | E4:2 B4 E4 D5 E4 B4 E4 | B4 A4 B4 C#5 D5 A4 F#4 D4
  | E4:2 B4 E4 D5 E4 B4 E4 | E4:2 B4 E4 A4 F#4 D4 F#4 | E4:2 B4 E4 D5 E4 B4 E4 | B4 A4 B4 C#5 D5 A4 F#4 A4
  | D5:2 F#5 D5 C#5:2 E5 C#5 | D5 E5 F#5 G5 A5 F#5 G5 E5 | D5:2 F#5 D5 C#5:2 E5 C#5 | B4 A4 B4 C#5 D5 A4 F#4 A4
  | D5:2 F#5 D5 C#5:2 E5 C#5 | D5 E5 F#5 G5 A5 F#5 G5 E5 | A5 F#5 G5 E5 F#5 D5 E5 C#5 | B4 A4 B4 C#5 D5 A4 F#4 D4
  | E4:8 """

MOUNTAIN_KING = """
    B3 C#4 D4 E4 F#4 D4 F#4:2 | F4 C#4 F4:2 E4 C4 E4:2 | B3 C#4 D4 E4 F#4 D4 F#4 B4 | A4 F#4 D4 F#4 A4:4
  | F#4 G#4 A#4 B4 C#5 A#4 C#5:2 | D5 A#4 D5:2 C#5 A#4 C#5:2 | F#4 G#4 A#4 B4 C#5 A#4 C#5:2 | D5 A#4 D5 A#4 C#5:4 """
MOUNTAIN_KING_BASS = "B1 F#2 B1 F#2 B1 F#2 D2 A1 F#2 C#2 F#2 C#2 F#2 C#2 F#2 C#2"


def parse(tune: str) -> list[tuple[float, str, int]]:
    """``(start, note, length)`` of every note, in the tune's smallest unit."""
    notes, start = [], 0
    for word in tune.replace("|", " ").split():
        note, _, length = word.partition(":")
        notes.append((start, note, int(length or 1)))
        start += notes[-1][2]
    return notes


def greensleeves(rng: np.random.Generator) -> np.ndarray:
    """Guitar alone, in a lilting 6/8; the player breathes at the end of each phrase."""
    bars, unit = 8, 0.152  # a sixteenth, in seconds
    # stretch the last two sixteenths of every fourth bar and the whole of the last one
    slow = np.ones(2 + 12 * bars)
    slow[2 + 46 : 2 + 48] = 1.35
    slow[2 + 78 : 2 + 84] = np.linspace(1.02, 1.15, 6)
    slow[2 + 84 :] = 1.3
    clock = 0.15 + unit * np.concatenate([[0], np.cumsum(slow)])
    track = np.zeros((round((clock[-1] + 0.9) * RATE), 2))

    def at(position: int) -> float:
        return clock[position] + abs(rng.normal(0, 0.006))

    for start, note, length in parse(GREENSLEEVES):
        strong = (start - 2) % 12 in (0, 6)
        arch = 0.12 * np.sin(np.pi * ((start - 2) % 48) / 48)  # each phrase swells and falls
        loud = (0.82 if strong else 0.66) + arch + rng.normal(0, 0.02)
        ring = clock[min(start + length, len(clock) - 1)] - clock[start] + (0.9 if length == 12 else 0.12)
        mix_in(track, pluck(hertz(note), ring, loud, rng), at(start) + 0.012 * strong, pan=0.12)
    chords = GREENSLEEVES_CHORDS.split()
    for half, name in enumerate(chords):
        bass, fifth, octave, third = LUTE_CHORDS[name].split()
        last = half == len(chords) - 1
        notes = [bass, fifth, octave, third] if last else [bass, fifth, third if half % 2 else octave]
        for step, note in enumerate(notes):
            loud = (0.62 if step == 0 and half % 2 == 0 else 0.36) + rng.normal(0, 0.02)
            start = at(2 + 6 * half) + 0.05 * step if last else at(2 + 6 * half + 2 * step)
            mix_in(track, pluck(hertz(note), 3.2 if last else 1.15, loud, rng), start, pan=-0.15 - 0.1 * step)
    return room(track, decay=0.9, wet=0.22, rng=rng)


def drowsy_maggie(rng: np.random.Generator) -> np.ndarray:
    """A fiddle with the open strings droning under it, a frame drum and a stamping foot; a little swing."""
    unit = 0.1315  # an eighth
    tune = parse(DROWSY_MAGGIE)
    total = (tune[-1][0] + tune[-1][2]) * unit
    track = np.zeros((round((0.1 + total + 0.7) * RATE), 2))

    def at(position: float) -> float:
        swing = 0.018 if position % 2 == 1 else 0.0
        return 0.1 + unit * position + swing + rng.normal(0, 0.004)

    for start, note, length in tune:
        accent = 0.16 if start % 4 == 0 else 0.05 if start % 2 == 0 else 0.0
        long = length > 2
        stroke = bow(hertz(note), unit * length * (0.75 if long else 0.99), 0.62 + accent, rng, 14 if length > 1 else 0)
        mix_in(track, stroke, max(0, at(start)), pan=0.15)
    for bar in range(16):
        fifth = "B3" if bar < 8 or bar % 4 == 3 else "A3"
        root = "E3" if bar < 8 and bar % 4 != 3 else "D3"
        for note, loud in ((root, 0.2), (fifth, 0.13)):
            mix_in(track, bow(hertz(note), 8 * unit * 1.01, loud, rng), 0.1 + 8 * unit * bar, pan=-0.2)
        for beat in range(4):
            mix_in(track, stamp(0.5 if beat % 2 == 0 else 0.22, rng, 66), max(0, at(8 * bar + 2 * beat)), pan=-0.05)
            if bar >= 4:  # the drum joins in for the repeat
                loud = (0.3, 0.17)[beat % 2] + rng.normal(0, 0.02)
                mix_in(track, stamp(loud, rng, 112), max(0, at(8 * bar + 2 * beat)), pan=-0.35)
                mix_in(track, stamp(0.13, rng, 150), max(0, at(8 * bar + 2 * beat + 1)), pan=-0.35)
    for note, loud in (("E3", 0.2), ("B3", 0.14)):
        mix_in(track, bow(hertz(note), 6 * unit, loud, rng), 0.1 + 128 * unit, pan=-0.2)
    mix_in(track, stamp(0.6, rng, 66), 0.1 + 128 * unit)
    return room(track, decay=0.7, wet=0.28, rng=rng)


def mountain_king(rng: np.random.Generator) -> np.ndarray:
    """Drum machine, synth bass and a synth lead with echo, four on the floor at 128 beats a minute."""
    beat = 60 / 128
    bars = 8
    length = round((0.05 + 4 * bars * beat + 0.7) * RATE)
    drums, bass, lead = (np.zeros((length, 2)) for _ in range(3))
    duck = np.ones(length)

    def at(eighth: int) -> float:
        return 0.05 + eighth * beat / 2

    for step in range(8 * bars):
        start = at(step)
        if step % 2 == 0:
            mix_in(drums, kick(0.95), start)
            first = round(start * RATE)
            dip = 1 - 0.45 * np.exp(-np.arange(round(0.2 * RATE)) / (0.06 * RATE))  # the bass makes way for the kick
            duck[first : first + len(dip)] = np.minimum(duck[first : first + len(dip)], dip[: length - first])
        if step % 4 == 2:
            mix_in(drums, snare(0.5 + rng.normal(0, 0.02), rng), start, 0.05)
        open_hat = step % 2 == 1
        mix_in(drums, hat(0.34 if open_hat else 0.2, rng, 0.06 if open_hat else 0.02), start, 0.25)
        if step >= 32 and step % 2 == 1:
            mix_in(drums, hat(0.12, rng, 0.015), start + beat / 4, -0.25)
        if step % 32 == 31:  # a fill into the next phrase
            mix_in(drums, snare(0.35, rng), start + beat / 4, -0.05)
    for half, note in enumerate(MOUNTAIN_KING_BASS.split()):
        for step in range(4):
            pitch = hertz(note) * (2 if step % 2 else 1)
            voice = synth(pitch, 0.46 * beat, 0.75, cutoff=320, bite=4.5, detune=0, decay=0.07)
            mix_in(bass, voice, at(4 * half + step))
    for start, note, steps in parse(MOUNTAIN_KING):
        loud = 0.5 + 0.12 * (start % 4 == 0) + 0.06 * (start >= 32) + rng.normal(0, 0.015)
        cutoff = 1500 + 25 * start  # the filter opens slowly over the whole tune
        voice = synth(hertz(note), 0.92 * steps * beat / 2, loud, cutoff=cutoff, bite=3.0, detune=7, decay=0.12)
        mix_in(lead, voice, at(start), 0.1)
        if start >= 32:
            octave = 2 * hertz(note)
            voice = synth(octave, 0.85 * steps * beat / 2, 0.3 * loud, cutoff=cutoff, bite=2, detune=9, decay=0.1)
            mix_in(lead, voice, at(start), -0.3)
    echo = round(0.75 * beat * RATE)
    lead[echo:] += 0.28 * low_pass(lead[:-echo, ::-1].copy(), 2500)
    mix = 0.8 * drums + (0.62 * bass + 0.8 * lead) * duck[:, None]
    return room(mix, decay=0.5, wet=0.1, rng=rng)


TUNES = {"greensleeves": greensleeves, "drowsy-maggie": drowsy_maggie, "mountain-king": mountain_king}


def render(name: str) -> np.ndarray:
    """float32 [samples, 2]: one tune, at the level it is stored with."""
    track = TUNES[name](np.random.default_rng([1711, list(TUNES).index(name)]))
    tail = min(len(track), round(0.4 * RATE))
    track[-tail:] *= np.linspace(1, 0, tail)[:, None] ** 2
    # round off the highest peaks, as a tape does, so that the quiet tune is not much quieter than the others
    track = high_pass(np.tanh(track / (DRIVE * np.sqrt(np.mean(track**2)))), 25)
    return (PEAK * track / np.abs(track).max()).astype(np.float32)


def main() -> int:
    if unknown := set(sys.argv[1:]) - {"--check"}:
        sys.exit(f"unknown argument {', '.join(sorted(unknown))}; the only one is --check")
    check = "--check" in sys.argv[1:]
    worst = 0.0
    for name in TUNES:
        sound, path = render(name), SOUNDS / f"{name}.ogg"
        if not check:
            soundfile.write(path, sound, RATE, format="OGG", subtype="VORBIS", compression_level=0.7)
        stored, rate = soundfile.read(path, dtype="float32")
        error = float(np.std(stored[: len(sound)] - sound[: len(stored)]) / np.std(sound))
        worst = max(worst, error if rate == RATE and abs(len(stored) - len(sound)) < RATE // 10 else np.inf)
        level = 20 * np.log10(np.sqrt(np.mean(stored**2)))
        print(
            f"{name}: {len(stored) / rate:.1f} s, {path.stat().st_size / 1000:.0f} kB, RMS {level:.1f} dB, "
            f"peak {np.abs(stored).max():.2f}, difference between file and samples {error:.1%}"
        )
    return int(worst > 0.3)


if __name__ == "__main__":
    sys.exit(main())
