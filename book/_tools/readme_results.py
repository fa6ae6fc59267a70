"""The results of the README in one picture: each claim, and the difference that the runs show.

    python book/_tools/readme_results.py

Writes ``book/_static/readme_results.svg`` from the records; ``tests/book/test_readme.py`` compares.
"""

from __future__ import annotations

import html
import textwrap
from pathlib import Path

from tagging.book.claims import claims
from tagging.book.results_study import all_rows

PATH = Path(__file__).parents[1] / "_static" / "readme_results.svg"
WIDTH, MARGIN = 480, 14
LEFT, RIGHT = 190, 466  # of the axis
LOW, HIGH = -0.07, 0.23  # in ROC-AUC
LETTERS = 66  # a line
# README pages are light or dark as their reader chose.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #26262b } .small { font-size: 12px; fill: #5a5a60 }
line { stroke: #7d5ba6; stroke-width: 2.5 } circle { fill: #7d5ba6; stroke: #7d5ba6; stroke-width: 2 }
.open { fill: #ffffff } .zero { stroke: #5a5a60; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6ea } .small { fill: #b0b0b8 } line { stroke: #b79ade } circle { fill: #b79ade; stroke: #b79ade }
  .open { fill: #0d1117 } .zero { stroke: #b0b0b8 }
}"""


def picture() -> str:
    """The picture as SVG: a claim's difference points right where it favours the claim."""
    parts, y, rows = [], 58, all_rows()
    for statement in claims():
        effect = statement.effect(rows)
        favours = 1 if statement.expected == "higher" else -1
        low, value, high = sorted(favours * one for one in (effect.low, effect.value, effect.high))
        for line in textwrap.wrap(statement.sentence, LETTERS):
            parts.append(f'<text x="{MARGIN}" y="{y}">{html.escape(line)}</text>')
            y += 16
        kind = ' class="open"' if low <= 0 <= high else ""
        zero = f'<line class="zero" x1="{_x(0)}" x2="{_x(0)}" y1="{y - 10}" y2="{y + 10}"/>'
        parts.append(
            zero
            + f'<line x1="{_x(low)}" x2="{_x(high)}" y1="{y}" y2="{y}"/><circle cx="{_x(value)}" cy="{y}" r="4"{kind}/>'
        )
        runs = f"{effect.num_seeds} run{'s' if effect.num_seeds > 1 else ''} a side"
        parts.append(f'<text class="small" x="{MARGIN}" y="{y + 4}">{html.escape(statement.source)}; {runs}</text>')
        y += 36
    axis = "".join(
        f'<text class="small" x="{_x(tick)}" y="{y}" text-anchor="middle">{tick:+.1f}</text>' for tick in (0.1, 0.2)
    )
    label = "Differences in ROC-AUC for each claim, with 95 % intervals; the table below has the numbers."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" role="img" aria-label="{label}">'
        f"<style>{STYLE}</style>"
        f'<text x="{MARGIN}" y="18" font-weight="600">What the runs say of each claim, in ROC-AUC within sources</text>'
        f'<text class="small" x="{MARGIN}" y="35">right of the line: in favour; open circle: the interval holds 0</text>'
        f'<text class="small" x="{_x(0)}" y="{y}" text-anchor="middle">0</text>{axis}{"".join(parts)}</svg>\n'
    )


def _x(value: float) -> str:
    return f"{LEFT + (value - LOW) / (HIGH - LOW) * (RIGHT - LEFT):.1f}"


if __name__ == "__main__":
    PATH.write_text(picture(), encoding="utf-8")
