"""Clips of the corpus ``sheet-music`` from the printed tune to the sound, and what was learned of their tags.

Book: ``book/million_clips``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..data.sheet_music import arranger, library, readers
from ..data.sheet_music.corpus import CLIP_SECONDS, Clip, SheetMusic
from ..data.sheet_music.renderer import mix_notes, render
from ..data.sheet_music.synthesizer import SAMPLE_RATE
from ..evaluation.evaluate import Evaluation
from ..plots.style import CYCLE, figure_for
from .player import Player, listen
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas

_ROLES = {
    arranger.TUNE: "tune",
    arranger.ACCOMPANIMENT: "chords",
    arranger.BASS_LINE: "bass",
    arranger.DRUMS: "drums",
}
_SOURCES = {
    "human": "a person, about this piece",
    "collection": "the collection implies it",
    "computed": "the notes",
    "arranger": "the program that arranges them",
}


@cache
def training_clips() -> SheetMusic:
    """The training split; its note cache is built if it is missing, which takes minutes. Book: ``book/million_clips``."""
    return SheetMusic(split="train", build=True)


@cache
def example() -> int:
    """The index of the first clip in which a band plays a tune from O'Neill's. Book: ``book/million_clips``."""
    corpus = training_clips()
    clips = ((index, corpus[index]) for index in range(1000))
    return next(i for i, clip in clips if clip.source.startswith("oneills") and clip.arrangement.form == "band")


def written(clip: Clip) -> str:
    """A tune in ABC, as somebody typed it in: title, metre, dance, key and notes. Book: ``book/million_clips``."""
    path = library.scores_folder() / clip.piece["collection"] / clip.piece["file"]
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = readers.split_abc(text)[clip.piece["number"]].strip().splitlines()
    return "\n".join(line for line in lines if line[:2] in ("T:", "M:", "R:", "K:") or line[1:2] != ":")


def player(sound: np.ndarray, label: str) -> Player:
    """An audio player for int16 [samples]. Book: ``book/million_clips``."""
    return listen(sound.astype(np.float32) / 32768, SAMPLE_RATE, label)


def variants(index: int, count: int, seconds: float = 8.0) -> Iterator[Player]:
    """The composition of a clip, arranged under other keys of the random stream. Book: ``book/million_clips``."""
    corpus = training_clips()
    for number in range(count):
        made = arranger.arrange(corpus.library, corpus.composition(index), f"example {number}")
        sound = render(corpus.bank, made, int(seconds * SAMPLE_RATE))
        tempo = f"{made.quarters_per_minute:.0f} quarter notes a minute"
        yield player(sound, f"{made.form}, {made.transposition:+d} semitones, {tempo}")


def draw_roll(clip: Clip) -> Figure:
    """The notes of a clip over time, by role. Book: ``book/million_clips``."""
    figure, (ax,) = figure_for(1, 3.6)
    made = clip.arrangement
    for (role, name), colour in zip(_ROLES.items(), CYCLE, strict=False):
        notes = made.role == role
        pitch = made.pitch[notes] - (10 if role == arranger.DRUMS else 0)  # drum keys below the bass
        start = made.start[notes] / SAMPLE_RATE
        ax.hlines(pitch, start, start + made.duration[notes] / SAMPLE_RATE, color=colour, lw=2.5, label=name)
    ax.set(xlim=(0, CLIP_SECONDS), xlabel="time (s)", ylabel="MIDI pitch")
    ax.set_title("The tune is printed, the rest is generated")
    figure.legend(loc="outside lower center", ncols=len(_ROLES))
    return figure


def draw_bank() -> Figure:
    """One note of the bank, held for three durations. Book: ``book/million_clips``."""
    figure, (ax,) = figure_for(1, 2.8)
    for row, (seconds, name) in enumerate(
        ((0.4, "released after 0.4 s"), (2.0, "after 2 s"), (5.0, "after 5 s: looped"))
    ):
        numbers = (48, 60, 0, int(seconds * SAMPLE_RATE) // 64 * 64, 100)
        program, pitch, start, duration, velocity = (np.array([number]) for number in numbers)
        sound = mix_notes(training_clips().bank, program, pitch, start, duration, velocity, 6 * SAMPLE_RATE)
        ax.plot(np.arange(len(sound)) / SAMPLE_RATE, sound / np.abs(sound).max() / 2.2 - row, lw=0.4)
        ax.text(6.05, -row, name, va="center", fontsize=9)
    ax.set(xlabel="time (s)", yticks=[], xlim=(0, 7.9), title="One stored note, held as long as the tune asks")
    return figure


def sources_table() -> pandas.DataFrame:
    """Who decides which tags of the corpus. Book: ``book/million_clips``."""
    import pandas

    rows = {}
    for source, decides in _SOURCES.items():
        names = [tag.name for tag in training_clips().vocabulary if tag.source == source]
        rows[source] = {"who decides": decides, "tags": len(names), "for example": ", ".join(names[:4])}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("source")


def learned() -> tuple[Evaluation, dict[str, np.ndarray]]:
    """The test of a small tagger after three minutes of training, and its tags by source as masks: bool [tags].

    Book: ``book/million_clips``.
    """
    evaluation = Evaluation.from_dict(bundled_record("scores-learnability")["test"])
    vocabulary = training_clips().vocabulary
    sources = np.array([vocabulary[vocabulary.position(tag.name)].source for tag in evaluation.tags])
    return evaluation, {decides: sources == source for source, decides in _SOURCES.items()}


def attributes_table() -> pandas.DataFrame:
    """Error of that tagger on regression tags, beside the error of a constant. Book: ``book/million_clips``."""
    import pandas

    record = bundled_record("scores-learnability")
    rows = {
        tag["name"]: {"√MSE, tagger": tag["sqrt_mse"]["value"], "√MSE, constant": record["spread"][tag["name"]]}
        for tag in record["test"]["tags"]
        if "sqrt_mse" in tag
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tag")
