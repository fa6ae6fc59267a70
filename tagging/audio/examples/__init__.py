"""Example sounds: three short tunes in the public domain, played by this project's own synthesizer.

Made by ``book/_tools/make_sounds.py`` from notes and formulas alone (no samples of instruments), and given to the
public domain with CC0 1.0, so that anyone may do anything with them. Book: ``book/tag_a_song``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import unknown_name

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Sound:
    """What is known about one example sound.

    Attributes:
        title: name of the tune.
        played: instruments, metre and tempo, in words.
        origin: where the tune comes from, and why it is in the public domain.
        licence: licence of the recording.
    """

    title: str
    played: str
    origin: str
    licence: str = "CC0 1.0"


SOUNDS: dict[str, Sound] = {
    "greensleeves": Sound(
        title="Greensleeves",
        played="guitar alone, melody over broken chords, A minor, slow 6/8",
        origin="traditional, England, 16th century",
    ),
    "drowsy-maggie": Sound(
        title="Drowsy Maggie",
        played="fiddle with drone strings, frame drum and stamping foot, E dorian, a reel at 114 beats a minute",
        origin="traditional, Ireland",
    ),
    "mountain-king": Sound(
        title="In the Hall of the Mountain King",
        played="synthesizer lead, synthesizer bass and drum machine, B minor, four on the floor at 128 beats a minute",
        origin="Edvard Grieg (1843-1907), Peer Gynt, 1875",
    ),
}


def list_sounds() -> list[str]:
    """Names of the example sounds. Book: ``book/tag_a_song``."""
    return list(SOUNDS)


def sound_path(name: str) -> Path:
    """The Ogg Vorbis file of an example sound: 44.1 kHz, two channels, 15 to 20 s.

    Args:
        name: one of :func:`list_sounds`.

    Raises:
        ConfigError: no sound of that name; the message suggests the nearest.

    Book: ``book/tag_a_song``.
    """
    if name not in SOUNDS:
        raise unknown_name("example sound", name, SOUNDS)
    return FOLDER / f"{name}.ogg"
