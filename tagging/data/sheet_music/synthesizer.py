"""The synthesizer, TinySoundFont: source of the note bank, and reference for rendered clips."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np

from ...errors import CorpusError
from .instruments import DRUM_KIT

SAMPLE_RATE = 16000
# TinySoundFont changes gains every 64 samples; note times are multiples of this.
STEP = 64
_DRUM_CHANNEL = 9


def soundfont_path() -> Path:
    """The SoundFont in use: the file named by ``TAGGING_SOUNDFONT``, or else the one in the ``pretty_midi`` package.

    Raises:
        CorpusError: neither exists.
    """
    named = os.environ.get("TAGGING_SOUNDFONT")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise CorpusError(f"TAGGING_SOUNDFONT names {path}, which is not a file")
        return path
    spec = importlib.util.find_spec("pretty_midi")
    files = sorted(Path(spec.origin).parent.glob("*.sf2")) if spec and spec.origin else []
    if not files:
        raise CorpusError(
            "no SoundFont: install the pretty_midi package, which contains one, or set TAGGING_SOUNDFONT to a .sf2 file"
        )
    return files[0]


class Synthesizer:
    """TinySoundFont at 16 kHz, mixed to mono.

    The synthesizer of symusic is not used: most of its notes are out of tune, and some never end.

    Raises:
        CorpusError: the tinysoundfont package or the SoundFont is missing.
    """

    def __init__(self, soundfont: Path | None = None) -> None:
        try:
            import tinysoundfont
        except ImportError as error:
            raise CorpusError(
                "rendering the note bank needs the tinysoundfont package: `pip install --no-deps tinysoundfont` "
                "(its one dependency is for live playing only), or copy the cache folder from a machine that has the bank"
            ) from error
        self._synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE, gain=-6)
        self._font = self._synth.sfload(str(soundfont or soundfont_path()))

    def _generate(self, samples: int) -> np.ndarray:
        return np.frombuffer(self._synth.generate(samples), np.float32).reshape(-1, 2).mean(axis=1)

    def _silence(self) -> None:
        """End all voices and their fades, which would otherwise sound in the next note."""
        self._synth.sounds_off()
        self._synth.generate(SAMPLE_RATE // 2)

    def _select(self, channel: int, program: int) -> None:
        drums = program == DRUM_KIT
        self._synth.program_select(channel, self._font, 128 if drums else 0, 0 if drums else program, drums)

    def note(self, program: int, pitch: int, velocity: int, samples: int, release: int | None = None) -> np.ndarray:
        """Render one note.

        Args:
            program: a General MIDI program, or :data:`~tagging.data.sheet_music.instruments.DRUM_KIT`.
            pitch, velocity: MIDI.
            samples: length.
            release: samples after which the note is released; None holds it to the end.

        Returns:
            float32 [samples].
        """
        self._silence()
        channel = _DRUM_CHANNEL if program == DRUM_KIT else 0
        self._select(channel, program)
        self._synth.noteon(channel, pitch, velocity)
        if release is None:
            return self._generate(samples)
        held = self._generate(release)
        self._synth.noteoff(channel, pitch)
        return np.concatenate([held, self._generate(samples - release)])

    def render(
        self,
        program: np.ndarray,
        pitch: np.ndarray,
        start: np.ndarray,
        duration: np.ndarray,
        velocity: np.ndarray,
        samples: int,
    ) -> np.ndarray:
        """Render a list of notes, one channel for each program.

        Args:
            program, pitch, start, duration, velocity: int [notes]; times in samples, multiples of 64.
            samples: length.

        Returns:
            float32 [samples].
        """
        self._silence()
        channels = {}
        free = [channel for channel in range(16) if channel != _DRUM_CHANNEL]
        for name in np.unique(program).tolist():
            channels[name] = _DRUM_CHANNEL if name == DRUM_KIT else free.pop(0)
            self._select(channels[name], name)
        events = []
        for name, *note in zip(
            program.tolist(), pitch.tolist(), start.tolist(), duration.tolist(), velocity.tolist(), strict=True
        ):
            key, begin, length, force = note
            # notes that end at some time sort before those that begin
            events += [(begin, 1, channels[name], key, force), (begin + length, 0, channels[name], key, 0)]
        pieces, position = [], 0
        for time, on, channel, key, force in sorted(events):
            if time >= samples:
                break
            if time > position:
                pieces.append(self._generate(time - position))
                position = time
            if on:
                self._synth.noteon(channel, key, force)
            else:
                self._synth.noteoff(channel, key)
        pieces.append(self._generate(samples - position))
        return np.concatenate(pieces)
