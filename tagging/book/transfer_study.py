"""What is left of the scores of our taggers on other sounds: example tunes, another SoundFont, noise and codecs, recordings.

Book: ``book/transfers``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio.examples import sound_path
from ..evaluation.bootstrap import Interval
from ..plots.results import differences
from ..plots.style import CYCLE, INK, MODEL_COLOURS, figure_for
from ..pretrained import load_tagger
from .choosing import genre_probes
from .emotify import NAMES
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

MODELS = ("waveform", "spectrogram")
SCALES = ("100k", "500k", "1M")
PARTS = {"composition": "composition tags", "instrument": "instruments"}
# What is true of the example tunes, as tags of the corpus.
TUNES = {
    "greensleeves": ("acoustic guitar", "minor", "compound meter"),
    "drowsy-maggie": ("violin", "reel", "duple meter"),
    "mountain-king": ("minor", "duple meter"),
}
INSTRUMENTS = (
    "piano", "organ", "accordion", "acoustic guitar", "electric guitar", "violin", "strings", "harp", "choir timbre", "clarinet",
    "flute", "mallets",
)  # fmt: skip


@cache
def tune_scores(tagger: str, tune: str) -> dict[str, float]:
    """Score of each classification tag of an example tune, highest first.

    Book: ``book/transfers``.
    """
    return dict(load_tagger(tagger, runtime="torch").tag(sound_path(tune)).top(99))


def tunes_table(tagger: str) -> pandas.DataFrame:
    """What a tagger says of the example tunes: the tags that are true, the highest instrument, and major.

    Book: ``book/transfers``.
    """
    import pandas

    rows = {}
    for tune, labels in TUNES.items():
        scores = tune_scores(tagger, tune)
        instrument = max(INSTRUMENTS, key=lambda name: scores.get(name, 0))
        rows[tune.replace("-", " ")] = {
            "true tags": ", ".join(f"{name} {scores[name]:.2f}" for name in labels),
            "highest instrument": f"{instrument} {scores[instrument]:.2f}",
            "major": scores["major"],
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tune")


def _fonts() -> dict[str, dict[str, Any]]:
    return dict(bundled_record("soundfont-transfer")["models"])


def font_change(model: str, part: str, metric: str = "roc_auc") -> Interval:
    """A metric with the other SoundFont minus that with the one of training.

    Args:
        model: such as ``"waveform-1M"``.
        part: of the tags, a key of :data:`PARTS` or ``"all"``.
        metric: ``"roc_auc"`` or ``"pr_auc"``.

    Book: ``book/transfers``.
    """
    return Interval.from_dict(_fonts()[f"laptop-{model}"]["change"][part][metric])


def font_value(model: str, part: str, font: str, metric: str = "roc_auc") -> float:
    """A metric with one of the SoundFonts, ``"own"`` or ``"other"``.

    Book: ``book/transfers``.
    """
    return float(_fonts()[f"laptop-{model}"]["parts"][font][part][metric]["value"])


def draw_fonts() -> Figure:
    """Change of ROC-AUC from the SoundFont of training to another one. Book: ``book/transfers``."""
    figure, panels = figure_for(len(PARTS), 2.9)
    names = [f"{model}-{scale}" for model in MODELS for scale in SCALES]
    for ax, (part, title) in zip(panels, PARTS.items(), strict=True):
        differences(
            {name.replace("-", ", "): font_change(name, part) for name in names},
            xlabel="change of ROC-AUC",
            title=title,
            colours={name.replace("-", ", "): MODEL_COLOURS[name.split("-")[0]] for name in names},
            ax=ax,
        )
        ax.set_xlim(right=0.005)
        ax.locator_params(axis="x", nbins=4)
    panels[1].set_yticklabels([])
    figure.suptitle("On another SoundFont, instruments lose most", x=0.01, ha="left")
    return figure


def instruments(scale: str = "1M") -> pandas.DataFrame:
    """ROC-AUC of each instrument: columns are (model, font).

    Book: ``book/transfers``.
    """
    import pandas

    columns = {}
    for model in MODELS:
        tags = {tag["name"]: tag for tag in _fonts()[f"laptop-{model}-{scale}"]["tags"]}
        for font in ("own", "other"):
            columns[model, font] = [tags[name][font] for name in INSTRUMENTS]
    return pandas.DataFrame(columns, index=pandas.Index(INSTRUMENTS, name="tag"))


def draw_instruments() -> Figure:
    """ROC-AUC of each instrument with both SoundFonts, for the taggers of a million clips. Book: ``book/transfers``."""
    areas = instruments()
    areas = areas.loc[(areas["waveform", "other"]).sort_values().index]
    figure, panels = figure_for(len(MODELS), 3.8)
    rows = np.arange(len(areas))
    for ax, model in zip(panels, MODELS, strict=True):
        trained, other, colour = areas[model, "own"], areas[model, "other"], MODEL_COLOURS[model]
        ax.hlines(rows, other, trained, color=colour, lw=1.2)
        ax.plot(trained, rows, "o", color=colour, mfc="none", label="SoundFont of training")
        ax.plot(other, rows, "o", color=colour, label="another SoundFont")
        ax.set_yticks(rows, list(areas.index) if ax is panels[0] else [])
        ax.set(xlim=(0.55, 1.02), xlabel="ROC-AUC", title=model)
        ax.grid(axis="x")
    figure.suptitle("Each instrument was learned in one version", x=0.01, ha="left")
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@cache
def robust_changes(part: str) -> dict[str, dict[str, Interval]]:
    """Model such as ``"waveform-1M"`` -> condition -> change of ROC-AUC within sources against the same clips unchanged.

    Args:
        part: of the tags, such as ``"instrument"``.

    Book: ``book/transfers``.
    """
    models = bundled_record("robustness")["models"]
    return {
        f"{model}-{scale}": {
            condition: Interval.from_dict(parts[part]["change"])
            for condition, parts in models[f"laptop-{model}-{scale}"].items()
            if condition != "unchanged"
        }
        for model in MODELS
        for scale in SCALES
    }


def draw_robustness() -> Figure:
    """Change of ROC-AUC within sources by noise, codecs, band limits, tempo and pitch. Book: ``book/transfers``."""
    parts = {"instrument": "instruments", "computed": "metre and mode"}
    figure, panels = figure_for(len(parts), 6.4)
    for ax, (part, title) in zip(panels, parts.items(), strict=True):
        for offset, model in zip((-0.15, 0.15), MODELS, strict=True):
            changes = robust_changes(part)[f"{model}-1M"]
            rows = np.arange(len(changes)) + offset
            colour = MODEL_COLOURS[model]
            ax.hlines(rows, [one.low for one in changes.values()], [one.high for one in changes.values()], color=colour)
            ax.plot([one.value for one in changes.values()], rows, "o", color=colour, ms=5, label=model)
        ax.axvline(0, color=INK, lw=1, ls=":")
        ax.set_yticks(range(len(changes)), list(changes) if ax is panels[0] else [])
        ax.set_ylim(len(changes) - 0.5, -0.5)
        ax.locator_params(axis="x", nbins=4)
        ax.set(xlabel="change of ROC-AUC", title=title)
        ax.grid(axis="x")
    figure.suptitle("A softer sound is another one to the waveform tagger", x=0.01, ha="left")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def robustness_table(part: str) -> pandas.DataFrame:
    """Change of ROC-AUC within sources of all our taggers: one row a condition, one column a tagger.

    Args:
        part: of the tags, such as ``"instrument"``.

    Book: ``book/transfers``.
    """
    import pandas

    changes = robust_changes(part)
    columns = {
        model.replace("-", ", "): {name: f"{change.value:+.3f}" for name, change in of_model.items()}
        for model, of_model in changes.items()
    }
    return pandas.DataFrame(columns).rename_axis("change of the sound")


def recordings_table() -> pandas.DataFrame:
    """How many of the five highest tags of a recording stay when it is changed, by tagger of recordings.

    Book: ``book/transfers``.
    """
    import pandas

    models = bundled_record("robustness")["recordings"]["models"]
    columns = {
        name: {condition: f"{5 * measured['same_of_top_5']:.1f}" for condition, measured in conditions.items()}
        for name, conditions in models.items()
    }
    return pandas.DataFrame(columns).rename_axis("change of the sound")


def draw_recordings() -> Figure:
    """Genre accuracy on real recordings of probes on the vectors of taggers. Book: ``book/transfers``."""
    probes = genre_probes()["accuracy"]
    figure, (ax,) = figure_for(1, 2.6)
    for row, (name, share) in enumerate(probes.items()):
        colour = next((colour for model, colour in MODEL_COLOURS.items() if model in str(name)), CYCLE[4])
        ax.hlines(row, 100 * share.low, 100 * share.high, color=colour)
        ax.plot(100 * share.value, row, "o", color=colour)
    ax.axvline(25, color=INK, lw=1, ls=":")
    ax.set_yticks(range(len(probes)), [NAMES[str(name)] for name in probes.index])
    ax.invert_yaxis()
    ax.grid(axis="x")
    ax.set(
        xlabel="accuracy of 4 genres, % (dotted: chance)",
        title="At four genres of recordings, our vectors cannot be told from MFCCs",
    )
    return figure
