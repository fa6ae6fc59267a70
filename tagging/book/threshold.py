"""A threshold to move: what precision, recall and the false positive rate are, on the scores of one tag.

Book: ``book/how_measured``.
"""

from __future__ import annotations

import html
import json

import numpy as np

from ..errors import ConfigError
from ..plots.style import CYCLE

_BINS = 50
_WITH, _WITHOUT = CYCLE[:2]
# Moves the mark in the histogram and the points on both curves, and writes the four numbers.
_SCRIPT = """
(() => {
  const root = document.getElementById(ID), rows = DATA;
  const set = (name, values) => Object.entries(values).forEach(([key, value]) =>
    root.querySelector(`[data-is=${name}]`).setAttribute(key, value));
  const percent = value => value === null ? "none" : (100 * value).toFixed(0) + " %";
  const slider = root.querySelector("input");
  const show = () => {
    const [songs, precision, recall, wrong] = rows[slider.value], x = 4 + 352 * slider.value / BINS;
    set("mark", {x1: x, x2: x});
    set("roc", {cx: 14 + 150 * wrong, cy: 310 - 150 * recall});
    set("pr", {cx: 204 + 150 * recall, cy: 310 - 150 * (precision ?? 1)});
    const text = [slider.value / BINS, songs, percent(precision), percent(recall), percent(wrong)];
    root.querySelectorAll("output").forEach((output, i) => output.textContent = i ? text[i] : text[i].toFixed(2));
  };
  slider.addEventListener("input", show);
  show();
})();
"""
_STYLE = (
    "<style>.bd-content div.cell_output .text_html:has(div.threshold)"
    "{background:none!important;color:inherit!important;padding:0!important}"
    "div.threshold{max-width:440px}div.threshold svg{display:block;width:100%;height:auto}"
    "div.threshold input{width:100%;margin:.2rem 0}div.threshold output{font-weight:600}"
    "div.threshold ul{list-style:none;padding:0;margin:0;display:flex;flex-wrap:wrap;gap:0 1.2rem}</style>"
)


class ThresholdDemo:
    """The scores of one tag as two histograms, with a threshold that a reader of the page moves.

    Args:
        tag: its name.
        labels: float [songs], 0 or 1; nan where unknown.
        scores: float [songs] in [0, 1].

    Raises:
        ConfigError: only one class.

    Book: ``book/how_measured``.
    """

    def __init__(self, tag: str, labels: np.ndarray, scores: np.ndarray) -> None:
        known = ~np.isnan(labels)
        positive, scores = labels[known] == 1, scores[known]
        if positive.all() or not positive.any():
            raise ConfigError(f"{tag}: a threshold needs songs with the tag and songs without it")
        self.tag = tag
        edges = np.linspace(0, 1, _BINS + 1)
        self.with_tag = np.histogram(scores[positive], edges)[0]
        self.without = np.histogram(scores[~positive], edges)[0]

    def rows(self) -> list[tuple[int, float | None, float, float]]:
        """At each threshold from 0 to 1: songs that get the tag, precision (None without songs), recall, false positive rate."""
        hits = np.append(self.with_tag[::-1].cumsum()[::-1], 0)
        wrong = np.append(self.without[::-1].cumsum()[::-1], 0)
        return [
            (int(h + w), round(h / (h + w), 3) if h + w else None, round(h / hits[0], 3), round(w / wrong[0], 3))
            for h, w in zip(hits.tolist(), wrong.tolist(), strict=True)
        ]

    def _repr_html_(self) -> str:
        name = "threshold-" + "".join(char if char.isalnum() else "-" for char in self.tag)
        rows, tag = self.rows(), html.escape(self.tag)
        script = _SCRIPT.replace("ID", json.dumps(name)).replace("DATA", json.dumps(rows)).replace("BINS", str(_BINS))
        labels = ("threshold", "clips that get the tag", "precision", "recall", "false positive rate")
        readouts = "".join(f"<li>{label} <output></output></li>" for label in labels)
        return (
            f'{_STYLE}<div class="threshold" id="{name}"><svg viewBox="0 0 360 342" role="img" fill="currentColor" '
            f'font-size="12" aria-label="Histogram of the scores of clips with and without {tag}, and the point of the '
            f'threshold on the ROC curve and on the precision-recall curve.">{self._histogram()}{self._curves(rows)}</svg>'
            f'<label>Threshold for <em>{tag}</em><input type="range" min="0" max="{_BINS}" value="{_BINS // 2}"></label>'
            f"<ul>{readouts}</ul></div><script>{script}</script>"
        )

    def _histogram(self) -> str:
        # roots, so that the few songs with the tag can be seen beside the many without it
        highest = float(np.sqrt(max(self.with_tag.max(), self.without.max())))
        bars = []
        for counts, colour, up in ((self.with_tag, _WITH, -1), (self.without, _WITHOUT, 1)):
            for index, count in enumerate(counts.tolist()):
                height = 52 * np.sqrt(count) / highest
                top = 68 - height if up < 0 else 68
                bars.append(
                    f'<rect x="{4 + 352 * index / _BINS:.1f}" y="{top:.1f}" width="6" height="{height:.1f}" fill="{colour}" '
                    'fill-opacity="0.75"/>'
                )
        return (
            f'{"".join(bars)}<line data-is="mark" y1="12" y2="122" stroke="currentColor" stroke-width="2"/>'
            '<text x="356" y="26" text-anchor="end">clips with the tag</text>'
            '<text x="356" y="112" text-anchor="end">clips without it</text>'
            '<text x="4" y="136">score 0</text><text x="356" y="136" text-anchor="end">1</text>'
        )

    def _curves(self, rows: list[tuple[int, float | None, float, float]]) -> str:
        roc = " ".join(f"{14 + 150 * wrong:.1f},{310 - 150 * recall:.1f}" for _, _, recall, wrong in rows)
        pr = " ".join(
            f"{204 + 150 * recall:.1f},{310 - 150 * precision:.1f}" for _, precision, recall, _ in rows if precision
        )
        parts = []
        for left, points, name, across, up in (
            (14, roc, "roc", "false positive rate", "recall: ROC curve"),
            (204, pr, "pr", "recall", "precision: PR curve"),
        ):
            parts.append(
                f'<rect x="{left}" y="160" width="150" height="150" fill="none" stroke="currentColor" stroke-opacity="0.4"/>'
                f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.6"/>'
                f'<circle data-is="{name}" r="6" fill="{_WITH}" stroke="currentColor"/>'
                f'<text x="{left}" y="154">{up}</text><text x="{left + 150}" y="326" text-anchor="end">{across}</text>'
            )
        return "".join(parts)
