"""Published results of others since the poster, and when what came, each with its source. Book: ``book/field_since``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plots.style import CYCLE, figure_for
from .svg import SMALL, WIDTH, Drawing

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@cache
def _stored() -> dict[str, Any]:
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def source() -> str:
    """Where the numbers of :func:`probes` were read."""
    return _stored()["source"]


def probes() -> pandas.DataFrame:
    """Published probes of 2025: a small model on each of seven frozen representations.

    Book: ``book/field_since``.
    """
    import pandas

    frame = pandas.DataFrame(_stored()["probes"]).set_index("representation")
    return frame.rename(columns={**_stored()["columns"], "learned": "learned from"})


def draw_probes() -> Figure:
    """Draw the PR-AUC of :func:`probes` on two collections, side by side. Book: ``book/field_since``."""
    frame = probes()
    figure, axes = figure_for(2, 2.9)
    columns = [name for key, name in _stored()["columns"].items() if key.endswith("pr_auc")]
    for ax, column, colour in zip(axes, columns, CYCLE, strict=False):
        ax.barh(frame.index, frame[column], color=colour, height=0.6)
        ax.invert_yaxis()
        ax.set(xlabel="PR-AUC", title=column.partition(":")[0])
    axes[1].tick_params(labelleft=False)
    return figure


def timeline() -> Drawing:
    """Draw what came in which year. Book: ``book/field_since``."""
    entries = _stored()["years"]
    drawing = Drawing(
        "From filters designed by hand to encoders trained without labels",
        "; ".join(f"{entry['year']}: {entry['what']}" for entry in entries),
    )
    top = drawing.y
    for entry in entries:
        drawing.text(48, drawing.y + 16, str(entry["year"]), anchor="end", bold=True)
        drawing.rectangle(59, drawing.y + 7, 8, 8, colour=CYCLE[0], fill=0.8)
        drawing.text(78, drawing.y + 16, entry["what"], size=SMALL + 1)
        drawing.y += 26
    drawing.line([(63, top), (63, drawing.y)], faint=True)
    assert max(len(entry["what"]) for entry in entries) * 7.2 < WIDTH - 78
    return drawing
