"""What `benchmarks/emotify.py` measured on real recordings, as tables and figures. Book: ``book/finetune_and_probe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plots.style import CYCLE, MODEL_COLOURS, figure_for
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

NAMES = {
    "mfcc": "MFCC means and deviations",
    "features": "hand-made features",
    "laptop-waveform-1M": "our waveform model, 1M clips",
    "laptop-spectrogram-1M": "our spectrogram model, 1M clips",
    "mtt-musicnn": "mtt-musicnn",
    "msd-musicnn": "msd-musicnn",
}
# Vectors of models have the colour of their model; the two of sound statistics have none.
_STYLES = {
    "mfcc": (CYCLE[4], ":"),
    "features": (CYCLE[0], ":"),
    "laptop-waveform-1M": (MODEL_COLOURS["waveform"], "-"),
    "laptop-spectrogram-1M": (MODEL_COLOURS["spectrogram"], "-"),
    "mtt-musicnn": (MODEL_COLOURS["musicnn"], "--"),
    "msd-musicnn": (MODEL_COLOURS["musicnn"], "-"),
}


def _embedders() -> dict[str, dict[str, Any]]:
    measured = bundled_record("emotify")["embedders"]
    return {name: measured[name] for name in NAMES if name in measured}


def genre_table() -> pandas.DataFrame:
    """Genre accuracy of each probe: by artist with the 95 % interval over artists; means of all seeds by artist and at random.

    Book: ``book/finetune_and_probe``.
    """
    import pandas

    rows = {}
    for name, values in _embedders().items():
        share = values["accuracy"]
        artist, chance = (100 * np.array(values["by_split"][split]) for split in ("artist", "random"))
        rows[NAMES[name]] = {
            "by artist, %": 100 * share["value"],
            "from": 100 * share["low"],
            "to": 100 * share["high"],
            "by artist, mean of seeds": artist.mean(),
            "random, mean of seeds": chance.mean(),
            "random - artist": (chance - artist).mean(),
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("vector").round(1)


def emotion_table(metric: str = "correlation") -> pandas.DataFrame:
    """One row an emotion, one column a probe, and the mean; folds by artist.

    Args:
        metric: ``"correlation"`` of predicted and rated shares, or ``"emotion_roc_auc"`` for "a third of the raters felt it".

    Book: ``book/finetune_and_probe``.
    """
    import pandas

    table = pandas.DataFrame({NAMES[name]: values[metric] for name, values in _embedders().items()})
    table.loc["mean"] = table.mean()
    return table.rename(index=lambda name: name.replace("_", " ")).rename_axis("emotion").round(2)


def few_songs() -> dict[str, pandas.DataFrame]:
    """Number of training songs -> genre accuracy, one row a probe, one column a seed.

    Book: ``book/finetune_and_probe``.
    """
    import pandas

    measured = {NAMES[name]: values["few_songs"] for name, values in _embedders().items()}
    counts = next(iter(measured.values()))
    return {
        count: pandas.DataFrame.from_dict({name: values[count] for name, values in measured.items()}, orient="index")
        for count in counts
    }


def draw_few_songs() -> Figure:
    """Genre accuracy by number of training songs: mean of the seeds, a thin mark for each.

    Book: ``book/finetune_and_probe``.
    """
    figure, (ax,) = figure_for(height=3.6)
    for name, values in _embedders().items():
        counts, colour, line = list(values["few_songs"]), *_STYLES[name]
        points = 100 * np.array(list(values["few_songs"].values()))  # [counts, seeds]
        ax.plot(range(len(counts)), points.mean(axis=1), color=colour, ls=line, marker="o", label=NAMES[name])
        for seed in points.T:
            ax.plot(range(len(counts)), seed, color=colour, marker="_", lw=0)
    ax.set_xticks(range(len(counts)), counts)
    ax.grid(axis="y")
    ax.set(xlabel="training songs", ylabel="genre accuracy, %", title="musicnn with 50 songs beats the others with all")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
