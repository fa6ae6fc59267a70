"""Drawings of data: from a printed tune to a labelled segment, and the public datasets.

Book: ``book/million_clips``, ``book/public_datasets``.
"""

from __future__ import annotations

import math

from ..data.sheet_music.corpus import Clip, SheetMusic
from ..plots.style import CYCLE
from .datasets import sizes_table
from .svg import SMALL, WIDTH, Drawing


def way_of_a_clip(corpus: SheetMusic, clip: Clip) -> Drawing:
    """From a composition to a segment with labels; numbers are those of the corpus and of one clip.

    Book: ``book/million_clips``.
    """
    made, tags = clip.arrangement, len(corpus.vocabulary)
    drawing = Drawing(
        "A clip is a function of its index.", "From top to bottom: composition, notes, arrangement, clip, segment."
    )
    drawing.box(f"{len(corpus.library):,} compositions", "scores in the package music21")
    drawing.arrow("abc2midi and verovio")
    drawing.box("notes", "one composition, with its family and tags")
    drawing.arrow("random numbers, by index")
    drawing.box("arrangement", f"{made.form}, {made.transposition:+d} semitones, {len(made):,} notes")
    drawing.arrow("notes from the bank, added")
    drawing.box("clip", f"{clip.seconds:g} s at {corpus.sample_rate:,} Hz")
    drawing.arrow("room, band limit, noise, level")
    drawing.box("segment", f"3 s, with labels of {tags} tags; NaN: unknown")
    return drawing


def datasets() -> Drawing:
    """The public datasets: a bar as long as the logarithm of their tracks, filled where the sound is published.

    Book: ``book/public_datasets``.
    """
    sizes = sizes_table().sort_values("tracks", ascending=False)
    drawing = Drawing(
        "The largest dataset comes without sound.",
        "A bar for each dataset, as long as the logarithm of its tracks; filled where the owners publish the sound.",
    )
    smallest, largest = math.log(sizes["tracks"].min() / 2), math.log(sizes["tracks"].max())
    for name, tracks, tags, seconds, sound in sizes.itertuples():
        drawing.text(2, drawing.y + 13, str(name), bold=True)
        drawing.text(WIDTH - 2, drawing.y + 13, f"{tags} tags", anchor="end")
        length = (WIDTH - 4) * (math.log(tracks) - smallest) / (largest - smallest)
        drawing.rectangle(2, drawing.y + 19, length, 12, colour=CYCLE[0], fill=0.5 if sound else 0)
        unit = "whole songs" if math.isnan(seconds) else f"clips of {seconds:.0f} s"
        drawing.text(2, drawing.y + 45, f"{tracks:,} {unit}{'' if sound else ', lists only'}", size=SMALL)
        drawing.y += 58
    return drawing
