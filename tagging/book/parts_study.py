"""One part of a tagger changed at a time, from the records of runs on 10,000 clips. Book: ``book/parts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.bootstrap import Interval
from ..evaluation.evaluate import Evaluation
from ..evaluation.seeds import SeedInterval, over_seeds
from ..plots.results import differences
from ..plots.style import INK, MODEL_COLOURS, figure_for
from ..training.endpoint_table import compare
from .comparisons import CLIPS, GROUPS, OVER_ALL, changes, scores_of, usual_segments
from .results_study import all_rows, find
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

REFERENCE = "spectrogram"
BACKENDS = {
    "spectrogram": "temporal pooling",
    "spectrogram:fully-convolutional": "fully convolutional",
    "spectrogram:recurrent": "recurrent",
    "spectrogram:attention": "attention",
    "spectrogram:dense": "dense",
}
FRONTENDS = {
    "spectrogram": "spectrogram, musically motivated",
    "spectrogram-vgg": "spectrogram, vgg",
    "waveform": "waveform, sample level",
    "waveform-frame-level-many-shapes": "waveform, many shapes",
    "waveform-frame-level": "waveform, single shape",
}
HEADS = {
    "mel-statistics": "linear",
    "mel-statistics:exclusive": "softmax over exclusive tags",
    "mel-statistics:per-tag": "a network for each tag",
}


def draw_changes() -> Figure:
    """What another back-end and another front-end change in ROC-AUC over all songs. Book: ``book/parts``."""
    named = {f"back-end: {name}": one for name, one in changes(BACKENDS, REFERENCE).items()}
    named |= {f"front-end: {name}": one for name, one in changes(FRONTENDS, REFERENCE).items()}
    return differences(
        named,
        xlabel="change of ROC-AUC over all songs",
        title="Over all songs, six of eight exchanges lose ROC-AUC",
        colours={name: MODEL_COLOURS["waveform" if "waveform" in name else "spectrogram"] for name in named},
    )


def equal_heads() -> dict[str, SeedInterval]:
    """A network for each tag with no more weights than the linear head, minus it: ROC-AUC over all songs and within sources.

    Book: ``book/parts``.
    """
    model, usual = "mel-statistics:per-tag", "mel-statistics"
    row = find(all_rows(), model, CLIPS, usual_segments(model, CLIPS), {"model.head_options.hidden": 4})
    over_all = over_seeds(
        [Evaluation.from_dict(run["test"]).means["roc_auc"] for run in row.row.runs], scores_of(usual)
    )
    within = compare(row, find(all_rows(), usual, CLIPS, usual_segments(usual, CLIPS)))
    columns = {"within sources": "all", **{name: part for part, name in GROUPS.items()}}
    return {OVER_ALL: over_all, **{name: within[part]["roc_auc"] for name, part in columns.items()}}


def equal_heads_table() -> pandas.DataFrame:
    """:func:`equal_heads` with verdicts. Book: ``book/parts``."""
    import pandas

    rows = {name: f"{change:+.3f}, {change.verdict}" for name, change in equal_heads().items()}
    return pandas.DataFrame({"ROC-AUC": rows}).rename_axis("songs ranked, or tags within sources")


def lengths() -> dict[str, dict[str, dict[str, dict[str, Interval]]]]:
    """Tagger -> way to listen to a clip -> part of the tags -> ``"roc_auc"`` within sources, and its ``"change"``.

    Book: ``book/parts``.
    """
    models = bundled_record("clip-lengths")["models"]
    return {
        model.split("-")[1]: {
            way: {
                part: {name: Interval.from_dict(value) for name, value in results.items()}
                for part, results in parts.items()
            }
            for way, parts in ways.items()
        }
        for model, ways in models.items()
    }


def draw_lengths() -> Figure:
    """ROC-AUC within sources by the number of segments whose scores are averaged. Book: ``book/parts``."""
    figure, panels = figure_for(len(GROUPS), 2.9)
    for ax, (group, title) in zip(panels, GROUPS.items(), strict=True):
        for model, ways in lengths().items():
            measured = {
                int(way.split()[0]): parts[group]["roc_auc"] for way, parts in ways.items() if way.endswith("mean")
            }
            values = np.array([[one.value, one.low, one.high] for one in measured.values()])
            ax.plot(list(measured), values[:, 0], marker="o", color=MODEL_COLOURS[model], label=model)
            ax.fill_between(list(measured), values[:, 1], values[:, 2], color=MODEL_COLOURS[model], alpha=0.15, lw=0)
        ax.axhline(0.5, color=INK, lw=1, ls=":")
        ax.set_xticks(list(measured))
        ax.set(ylim=(0.45, 1.02), title=title, xlabel="segments of 3 s")
        if ax is not panels[0]:
            ax.set_yticklabels([])
    panels[0].set_ylabel("ROC-AUC within sources")
    figure.suptitle("Hearing more of a clip helps a little", x=0.01, ha="left")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def lengths_table() -> pandas.DataFrame:
    """ROC-AUC within sources of the ways to join what a tagger says about parts of a clip.

    Book: ``book/parts``.
    """
    import pandas

    ways = {
        "1 segments, mean": "1 segment of 3 s",
        "5 segments, mean": "5 segments, mean",
        "5 segments, maximum": "5 segments, maximum",
        "5 segments, noisy-or": "5 segments, noisy-or",
        "whole clip": "15 s in one pass",
    }
    rows = {
        f"{model}, {name}": {GROUPS[group]: results[way][group]["roc_auc"] for group in GROUPS}
        for model, results in lengths().items()
        for way, name in ways.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("listens to")
