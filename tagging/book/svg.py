"""Drawings as SVG inside a page: one style, readable on light and dark pages and on a phone.

A drawing is 360 units wide, and a unit is a pixel on a phone of 390 pixels: text keeps its size there.
Book: ``book/how_to_use``.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

WIDTH = 360
TEXT, SMALL = 14, 12  # sizes of text, in units
# Wider than this, text in a drawing would be larger than that of the page.
_LARGEST = 440
# The page puts a pale box behind what a cell shows; a drawing has no paper.
_STYLE = (
    "<style>.bd-content div.cell_output .text_html:has(figure.drawing)"
    "{background:none!important;color:inherit!important;padding:0!important}"
    "figure.drawing{margin:.5rem 0}figure.drawing svg{display:block;width:100%;height:auto}"
    "figure.drawing figcaption{font-size:.95rem;font-weight:600;text-align:left;margin:0 0 .3rem}"
    "div.drawings{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem}div.drawings figure{flex:1 1 18rem}</style>"
)


class Drawing:
    """A drawing that grows downwards; a notebook shows it.

    Lines and text have the colour of the page's text; ``colour`` marks what belongs to one model.

    Args:
        title: what the drawing says, in one sentence; its caption and its alternative text.
        about: what can be seen, for those who cannot see it; added to the alternative text.

    Attributes:
        y: where the next part begins, in units.

    >>> drawing = Drawing("Sound becomes scores.")
    >>> drawing.box("front-end", "1 channel of samples")
    >>> drawing.height
    52

    Book: ``book/how_to_use``.
    """

    def __init__(self, title: str, about: str = "") -> None:
        self.title, self.about = title, about
        self.y: float = 4
        self._parts: list[str] = []

    @property
    def height(self) -> int:
        """In units."""
        return round(self.y) + 4

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", size: int = TEXT, bold: bool = False
    ) -> None:
        """Write one line; ``anchor`` is ``"start"``, ``"middle"`` or ``"end"``."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{weight}>{html.escape(text)}</text>'
        )

    def rectangle(
        self, x: float, y: float, width: float, height: float, *, colour: str = "currentColor", fill: float = 0.12
    ) -> None:
        """Draw a rectangle; ``fill`` is the opacity of its inside."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{max(width, 0.8):g}" height="{max(height, 0.8):g}" rx="2" fill="{colour}" '
            f'fill-opacity="{fill:g}" stroke="{colour}" stroke-width="1.3"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], *, colour: str = "currentColor", faint: bool = False) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        opacity = ' stroke-opacity="0.45"' if faint else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"{opacity} stroke-linejoin="round"/>'
        )

    def arrow(self, note: str = "", *, middle: float = WIDTH / 2) -> None:
        """An arrow down to what comes next, at ``middle``, with a note beside it."""
        end = self.y + 26
        self.line([(middle, self.y + 2), (middle, end)])
        self.line([(middle - 5, end - 6), (middle, end), (middle + 5, end - 6)])
        if note:
            self.text(middle + 12, self.y + 18, note, size=SMALL)
        self.y += 30

    def box(self, title: str, detail: str = "", *, colour: str = "currentColor") -> None:
        """A named part in a box over the whole width."""
        height = 44 if detail else 30
        self.rectangle(2, self.y, WIDTH - 4, height, colour=colour)
        self.text(WIDTH / 2, self.y + 19, title, anchor="middle", bold=True)
        if detail:
            self.text(WIDTH / 2, self.y + 36, detail, anchor="middle", size=SMALL)
        self.y += height

    def heading(self, text: str) -> None:
        """A line of text in bold."""
        self.text(2, self.y + 15, text, bold=True)
        self.y += 22

    def note(self, text: str) -> None:
        """A line of small text."""
        self.text(2, self.y + 12, text, size=SMALL)
        self.y += 18

    def _repr_html_(self) -> str:
        return _STYLE + self._figure()

    def _figure(self) -> str:
        label = html.escape(f"{self.title} {self.about}".strip(), quote=True)
        return (
            f'<figure class="drawing" style="max-width:{_LARGEST}px">'
            f'<figcaption>{html.escape(self.title)}</figcaption><svg viewBox="0 0 {WIDTH} {self.height}" role="img" '
            f'aria-label="{label}" fill="currentColor" font-family="inherit">{"".join(self._parts)}</svg></figure>'
        )


class SideBySide:
    """Drawings beside each other where the page is wide enough, below each other on a phone.

    Args:
        drawings: from left to right.

    Book: ``book/how_to_use``.
    """

    def __init__(self, *drawings: Drawing) -> None:
        self.drawings = drawings

    def _repr_html_(self) -> str:
        figures = "".join(drawing._figure() for drawing in self.drawings)
        return f'{_STYLE}<div class="drawings">{figures}</div>'
