"""Whether four published taggers agree with themselves: from the record of ``benchmarks/self_consistency.py``.

Book: ``book/self_agreement``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..evaluation.bootstrap import Interval
from ..plots.style import MODEL_COLOURS, MODEL_MARKERS, WIDTH
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas

TAGGERS = ("mtt-musicnn", "mtt-vgg", "msd-musicnn", "msd-vgg")
# Tags of which the page shows how well they find the choir timbre.
_VOICES = {"mtt": ("choir", "vocal", "no vocals"), "msd": ("female vocalists", "male vocalists", "instrumental")}


@cache
def record() -> dict[str, Any]:
    """The record: how much was listened to, and what each tagger said."""
    return bundled_record("self-consistency")


def percent(share: Mapping[str, float]) -> Interval:
    """A share of the record, in percent."""
    return Interval(100 * share["value"], 100 * share["low"], 100 * share["high"])


def synonyms_table() -> pandas.DataFrame:
    """How alike each tagger ranks clips by synonyms, and how often it gives one of two without the other.

    Book: ``book/self_agreement``.
    """
    import pandas

    rows = {}
    for name in TAGGERS:
        same = record()["models"][name]["synonyms"]
        rows[name] = {
            "pairs": len(same["pairs"]),
            "rank correlation": f"{Interval.from_dict(same['correlation']):.2f}",
            "only one in the top 10, %": f"{percent(same['one_only']['listed']):.0f}",
            "only one, each given to 10 % of clips, %": f"{percent(same['one_only']['tenth']):.0f}",
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tagger")


def higher_first() -> dict[str, tuple[int, int]]:
    """Tagger -> pairs of synonyms in which the more popular tag has the higher scores, and all pairs."""
    pairs = {name: record()["models"][name]["synonyms"]["pairs"] for name in TAGGERS}
    return {name: (sum(pair["offset"]["low"] > 0 for pair in of), len(of)) for name, of in pairs.items()}


def draw_synonyms() -> Figure:
    """The rank correlation of the scores of every pair of synonyms. Book: ``book/self_agreement``."""
    figure, panels = plt.subplots(
        2, 1, figsize=(WIDTH, 7.4), sharex=True, layout="constrained", height_ratios=(24, 3.4)
    )
    for panel, family in zip(panels, ("mtt", "msd"), strict=True):
        for shift, name in ((-0.16, "musicnn"), (0.16, "vgg")):
            colour, marker = MODEL_COLOURS[name], MODEL_MARKERS[name]
            pairs = record()["models"][f"{family}-{name}"]["synonyms"]["pairs"]
            y, measured = np.arange(len(pairs)) + shift, [pair["correlation"] for pair in pairs]
            panel.hlines(y, [one["low"] for one in measured], [one["high"] for one in measured], color=colour, lw=1.5)
            panel.plot([one["value"] for one in measured], y, marker, ms=4, color=colour, label=name)
        panel.set_yticks(range(len(pairs)), [" + ".join(pair["words"]) for pair in pairs])
        panel.set_ylim(len(pairs) - 0.4, -0.6)
        panel.grid(axis="x")
    panels[0].set_title("Synonyms rank clips alike, but not those with “no voice”")
    panels[1].set(xlabel="rank correlation of the two scores")
    for panel, title in zip(panels, ("MagnaTagATune", "last.fm"), strict=True):
        panel.text(0.01, 0.99, title, transform=panel.transAxes, va="top", style="italic")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    plt.close(figure)
    return figure


def opposites_table() -> pandas.DataFrame:
    """How often two opposites are given to one clip, by each tagger and group.

    Book: ``book/self_agreement``.
    """
    import pandas

    rows = [
        {
            "tagger": name,
            "opposites": group,
            "pairs": len(measured["pairs"]),
            "both in the top 10, %": percent(measured["both"]["listed"]),
            "each given to 10 % of clips, %": percent(measured["both"]["tenth"]),
            "both 0.5 or more, %": percent(measured["both"]["threshold"]).value,
        }
        for name in TAGGERS
        for group, measured in record()["models"][name]["opposites"].items()
    ]
    return pandas.DataFrame(rows).set_index("tagger")


def voices_table() -> pandas.DataFrame:
    """How often a voice is listed for clips in which nobody sings, and how well tags find the choir timbre.

    Book: ``book/self_agreement``.
    """
    import pandas

    rows = []
    for name in TAGGERS:
        voices = record()["models"][name]["voices"]
        listed = voices["any"]["listed"]
        areas = {tag: Interval.from_dict(voices["roc_auc"][tag]) for tag in _VOICES[name[:3]]}
        rows.append(
            {
                "tagger": name,
                "a voice in the top 10, no choir timbre, %": f"{percent(listed['without']):.0f}",
                "with choir timbre, %": f"{percent(listed['with']):.0f}",
                "ROC-AUC for the choir timbre": "; ".join(f"{tag} {area:.2f}" for tag, area in areas.items()),
            }
        )
    return pandas.DataFrame(rows).set_index("tagger")
