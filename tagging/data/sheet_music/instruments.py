"""The instruments of arrangements: General MIDI programs, ranges, and tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The drum kit, as a number beside the 128 programs.
DRUM_KIT = 128
DRUM_KEYS = tuple(range(35, 60))


@dataclass(frozen=True)
class Instrument:
    """A family of General MIDI programs (counted from 0) under one name.

    Args:
        name: the family.
        programs: the programs an arrangement draws from.
        lowest, highest: MIDI pitches; notes outside are moved by octaves.
        tag: the tag of its clips, or None.
    """

    name: str
    programs: tuple[int, ...]
    lowest: int
    highest: int
    tag: str | None = None


# Ranges are those of the real instruments, as far as the default SoundFont is in tune. Programs with missing notes, a
# built-in detuning or no clear pitch are left out: alto saxophone, honky-tonk piano, tango accordion, glockenspiel.
MELODIC = (
    Instrument("piano", (0, 1), 28, 90, "piano"),
    Instrument("harpsichord", (6,), 30, 88),
    Instrument("organ", (19, 16, 20), 36, 90, "organ"),
    Instrument("accordion", (21,), 41, 72, "accordion"),
    Instrument("nylon guitar", (24,), 40, 83, "acoustic guitar"),
    Instrument("steel guitar", (25,), 40, 83, "acoustic guitar"),
    Instrument("electric guitar", (26, 27, 29), 40, 86, "electric guitar"),
    Instrument("violin", (40, 110), 55, 90, "violin"),
    Instrument("cello", (42,), 36, 76),
    Instrument("strings", (48, 49), 36, 88, "strings"),
    Instrument("harp", (46,), 30, 90, "harp"),
    Instrument("choir", (52, 53, 91), 43, 81, "choir timbre"),
    Instrument("trumpet", (56,), 52, 84),
    Instrument("brass", (61, 57), 40, 80),
    Instrument("oboe", (68,), 58, 88),
    Instrument("clarinet", (71,), 50, 88, "clarinet"),
    Instrument("flute", (73, 72, 74), 60, 90, "flute"),
    Instrument("bagpipe", (109,), 55, 81),
    Instrument("koto", (107,), 48, 84),
    Instrument("synth lead", (80, 81), 40, 88),
    Instrument("mallets", (11, 12), 53, 89, "mallets"),
    Instrument("sax", (66,), 44, 82),
)
BASS = Instrument("bass", (32, 33, 43), 28, 60)
ALL = (*MELODIC, BASS)

PROGRAMS = tuple(sorted(program for instrument in ALL for program in instrument.programs))
OF_PROGRAM = {program: instrument for instrument in ALL for program in instrument.programs}

# By program: range, and the row of its tag in INSTRUMENT_TAGS (-1: none).
INSTRUMENT_TAGS = tuple(dict.fromkeys(instrument.tag for instrument in MELODIC if instrument.tag))
LOWEST = np.zeros(DRUM_KIT + 1, np.int32)
HIGHEST = np.full(DRUM_KIT + 1, 127, np.int32)
TAG_ROW = np.full(DRUM_KIT + 1, -1, np.int32)
for _program, _instrument in OF_PROGRAM.items():
    LOWEST[_program], HIGHEST[_program] = _instrument.lowest, _instrument.highest
    if _instrument.tag:
        TAG_ROW[_program] = INSTRUMENT_TAGS.index(_instrument.tag)
