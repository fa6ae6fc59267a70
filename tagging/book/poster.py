"""Two drawings of the poster that asked this book's question: its experiment, and what came out.

Numbers are those of the published table. Book: ``book/welcome``.
"""

from __future__ import annotations

import math

from ..plots.style import MODEL_COLOURS
from ..utils.text import short_count
from .published import list_published, published_gaps, published_results
from .svg import SMALL, WIDTH, Drawing

_ANNOTATED = 1_500_000  # songs
_BAR = 42  # where bars begin, beside a label such as "500k"
# left edges and widths of what stands side by side: two networks and the trees
_COLUMNS = ((2, 116), (122, 116), (246, 112))
_PICTURE = 40


def experiment() -> Drawing:
    """The poster's data and models: songs to scale, two front-ends with one back-end, and trees on features.

    >>> experiment().title
    'The poster asks: which front-end, with how many songs?'

    Book: ``book/welcome``.
    """
    drawing = Drawing(
        "The poster asks: which front-end, with how many songs?",
        "A bar for each number of songs, to scale. Below them a waveform and a spectrogram front-end with one "
        "back-end, beside trees on hand-made features. All give scores of a song, for two kinds of tags.",
    )
    rows = published_results(list_published()[0]).rows
    trees = next(row for row in rows if row.model == "gbt")
    times = {row.num_clips: row.training_time for row in rows if row.model == "waveform"}
    drawing.heading("Data: songs annotated by people")
    _bar(drawing, _ANNOTATED, _ANNOTATED, short_count(_ANNOTATED), "the corpus, not public")
    _bar(drawing, trees.num_clips, _ANNOTATED, short_count(trees.num_clips), "trees", colour=MODEL_COLOURS["gbt"])
    for songs, time in sorted(times.items(), reverse=True):
        _bar(drawing, songs, _ANNOTATED, short_count(songs), f"networks, {time}")
    _arrows(drawing, "segments of 15 s")
    _models(drawing)
    _arrows(drawing, "mean over segments")
    drawing.box("scores of a song", "classification tags: AUCs; regression tags: \N{SQUARE ROOT}MSE")
    return drawing


def outcome() -> Drawing:
    """What the poster reports: the spectrogram's lead at each number of songs, and two questions about lists of tags.

    >>> outcome().title
    'The poster answers: the spectrogram leads, by less with more songs.'

    Book: ``book/welcome``.
    """
    drawing = Drawing(
        "The poster answers: the spectrogram leads, by less with more songs.",
        "A bar for the lead at each number of songs. Below, two questions about lists of tags.",
    )
    gaps = published_gaps(list_published()[0])
    points = {songs: 100 * gap["pr_auc"] for songs, gap in gaps.items()}
    drawing.heading("Spectrogram minus waveform, PR-AUC")
    for songs, lead in points.items():
        label = f"{lead:.2f} points"
        _bar(drawing, lead, max(points.values()), short_count(songs), label, colour=MODEL_COLOURS["spectrogram"])
    drawing.y += 12
    drawing.heading("Two questions about lists of tags")
    drawing.box("Do popular tags win?", "lead vocals, English, male vocals")
    drawing.y += 8
    drawing.box("Predict tags together, or each alone?", "East Coast and West Coast exclude each other")
    return drawing


def _bar(drawing: Drawing, value: float, largest: float, label: str, inside: str, colour: str = "currentColor") -> None:
    """A labelled bar to scale; its text begins in the bar, or beside it where the bar is short."""
    length = (WIDTH - 4 - _BAR) * value / largest
    drawing.text(2, drawing.y + 14, label, size=SMALL, bold=True)
    drawing.rectangle(_BAR, drawing.y + 1, length, 18, colour=colour, fill=0.2)
    fits = length > 7 * len(inside)
    drawing.text(_BAR + (6 if fits else length + 6), drawing.y + 14, inside, size=SMALL)
    drawing.y += 23


def _arrows(drawing: Drawing, note: str) -> None:
    """An arrow for the networks, with a note, and one for the trees."""
    top = drawing.y
    for middle, text in ((_COLUMNS[1][0] - 2, note), (_COLUMNS[2][0] + _COLUMNS[2][1] / 2, "")):
        drawing.y = top
        drawing.arrow(text, middle=middle)


def _models(drawing: Drawing) -> None:
    top, front, back = drawing.y, 2 * 20 + _PICTURE + 6, 32
    columns = (
        ("waveform", "assumes nothing", "waveform"),
        ("spectrogram", "shaped for music", "spectrogram"),
        ("trees", "hand-made features", "gbt"),
    )
    for (left, width), (name, below, model) in zip(_COLUMNS, columns, strict=True):
        height = front if model in ("waveform", "spectrogram") else front + back + 4
        drawing.rectangle(left, top, width, height, colour=MODEL_COLOURS[model])
        drawing.text(left + width / 2, top + 17, name, anchor="middle", bold=True)
        drawing.text(left + width / 2, top + height - 8, below, anchor="middle", size=SMALL)
    _waves(drawing, _COLUMNS[0][0] + 8, top + 24, _COLUMNS[0][1] - 16)
    _filters(drawing, _COLUMNS[1][0] + 8, top + 24, _COLUMNS[1][1] - 16)
    _tree(drawing, _COLUMNS[2][0] + _COLUMNS[2][1] / 2, top + 30)
    (left, _), (last, width) = _COLUMNS[:2]
    drawing.rectangle(left, top + front + 4, last + width - left, back)
    drawing.text((left + last + width) / 2, top + front + 25, "one back-end for both", anchor="middle", bold=True)
    drawing.y = top + front + back + 6


def _waves(drawing: Drawing, left: float, top: float, width: float) -> None:
    """A sound that fades, and filters of the length of three of its samples."""
    middle, colour = top + _PICTURE / 2, MODEL_COLOURS["waveform"]
    points = [
        (left + width * i / 150, middle - (_PICTURE / 2 - 2) * math.exp(-i / 80) * math.sin(i / 4)) for i in range(151)
    ]
    drawing.line(points, faint=True)
    for filter_left in range(0, 24, 8):
        drawing.rectangle(left + filter_left, middle - 5, 4, 10, colour=colour, fill=0.6)


def _filters(drawing: Drawing, left: float, top: float, width: float) -> None:
    """A spectrogram's frame with tall filters for timbre and long ones for rhythm."""
    colour = MODEL_COLOURS["spectrogram"]
    drawing.rectangle(left, top, width, _PICTURE, fill=0.04)
    for across, high in ((6, 34), (16, 26)):
        drawing.rectangle(left + across, top + _PICTURE - 3 - high, 6, high, colour=colour, fill=0.5)
    for down, long in ((8, 66), (18, 48), (28, 30)):
        drawing.rectangle(left + 29, top + down, long, 3, colour=colour, fill=0.5)


def _tree(drawing: Drawing, middle: float, top: float) -> None:
    """A decision tree of two levels."""
    colour = MODEL_COLOURS["gbt"]
    ends = {side: [(middle + 20 * side + 10 * step, top + 36) for step in (-1, 1)] for side in (-1, 1)}
    for side, leaves in ends.items():
        knot = (middle + 20 * side, top + 18)
        drawing.line([(middle, top + 4), knot])
        for leaf in leaves:
            drawing.line([knot, leaf])
            drawing.rectangle(leaf[0] - 4, leaf[1], 8, 8, colour=colour, fill=0.5)
        drawing.rectangle(knot[0] - 4, knot[1] - 4, 8, 8, colour=colour, fill=0.5)
    drawing.rectangle(middle - 4, top, 8, 8, colour=colour, fill=0.5)
