"""What each choice of the training recipe is worth, from the record of ``benchmarks/recipe.py``, and curves of a live run.

Book: ``book/recipe``.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..evaluation.bootstrap import Interval
from ..evaluation.metrics import METRICS
from ..evaluation.seeds import SeedInterval
from ..plots.results import learning
from ..plots.style import FAINT, INK, MODEL_COLOURS, figure_for
from ..training.endpoint_table import EndpointRow, compare
from ..training.learner import learning_rate
from ..training.results_table import cell
from ..training.settings import Settings, setting_names
from .results_study import PAIR, all_rows, changes_of
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas

# A run of the laptop edition that takes about a minute of one core.
ONE_MINUTE = {
    "models": ["spectrogram"],
    "data.num_clips": 2_000,
    "optimization.num_training_segments": 3_840,
    "evaluation.validation_interval": 960,
    "evaluation.num_validation_clips": 100,
    "evaluation.segments_per_clip": 3,
    "evaluation.num_test_clips": 200,
    "evaluation.num_resamples": 200,
    "runtime.log_interval": 5,
}
AS_IT_IS = "as it is"
RATES = ("optimization.learning_rate", "optimization.warmup_ratio")
# Names of choices in the record, which were given as settings -> what a page says.
_SAID = {"twice the budget": "twice the training", "outputs start at 0.5": "outputs start at one half"}


def changed_settings(settings: Settings) -> pandas.DataFrame:
    """Where settings differ from the laptop edition.

    Book: ``book/recipe``.
    """
    import pandas

    usual = Settings()
    rows = {
        name: {"here": str(value), "laptop edition": str(default)}
        for name in setting_names()
        if (value := attrgetter(name)(settings)) != (default := attrgetter(name)(usual))
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("setting")


class LiveCurves:
    """Learning curves that grow while a run trains, in a notebook.

    Args:
        batch_size: segments a step.

    Attributes:
        history: the events so far.

    Book: ``book/recipe``.
    """

    def __init__(self, batch_size: int) -> None:
        from IPython.display import display

        self.batch_size = batch_size
        self.history: list[Mapping[str, Any]] = []
        self._figure, self._axes = figure_for(2, 2.8)
        plt.close(self._figure)
        self._shown = display(self._figure, display_id=True)

    def __call__(self, event: Mapping[str, Any]) -> None:
        self.history.append(event)
        for ax in self._axes:
            ax.clear()
        learning(self.history, self.batch_size, self._axes)
        if self._shown is not None:
            self._shown.update(self._figure)


def test_table(record: Mapping[str, Any]) -> pandas.DataFrame:
    """The test scores of a run, with their intervals, and the five tags with the highest ROC-AUC.

    Book: ``book/recipe``.
    """
    import pandas

    means = {name: f"{Interval.from_dict(mean):.3f}" for name, mean in record["test"]["means"].items()}
    known = [tag for tag in record["test"]["tags"] if tag.get("roc_auc") and tag["positives"] >= 10]
    easiest = sorted(known, key=lambda tag: -tag["roc_auc"]["value"])[:5]
    rows = {METRICS[name].title: text for name, text in means.items()}
    rows["easiest tags"] = ", ".join(tag["name"] for tag in easiest)
    return pandas.DataFrame({"value": rows}).rename_axis("measure")


def _trials() -> list[dict[str, Any]]:
    return bundled_record("recipe")["trials"]


def _short() -> list[dict[str, Any]]:
    """The trials on the same clips; the others repeat fewer clips for longer."""
    return [
        trial for trial in _trials() if "data.num_clips" not in trial["changes"] and "clips" not in trial["changes"]
    ]


def choices_table() -> pandas.DataFrame:
    """One row a trial: model, what was changed, and validation scores.

    Book: ``book/recipe``.
    """
    import pandas

    rows = [
        {
            "model": trial["model"],
            "changed": _SAID.get(trial["choice"], trial["choice"]),
            "ROC-AUC": float(trial["validation"]["roc_auc"]),
            "PR-AUC": float(trial["validation"]["pr_auc"]),
            "training loss": float(trial["loss"]),
        }
        for trial in _trials()
    ]
    return pandas.DataFrame(rows).set_index("model").sort_index(kind="stable")


def seed_range(model: str = "spectrogram") -> float:
    """Highest minus lowest validation ROC-AUC of trials that differ in their seed only.

    Book: ``book/recipe``.
    """
    scores = [
        trial["validation"]["roc_auc"]
        for trial in _short()
        if trial["model"] == model and set(trial["changes"]) <= {"seed"}
    ]
    return max(scores) - min(scores)


def gain(model: str, choice: str) -> float:
    """Validation ROC-AUC of a choice minus that of the recipe as it is.

    Book: ``book/recipe``.
    """
    scores = {trial["choice"]: trial["validation"]["roc_auc"] for trial in _short() if trial["model"] == model}
    return scores[choice] - scores[AS_IT_IS]


def draw_choices() -> Figure:
    """What each choice changes in validation ROC-AUC, beside the range of three seeds.

    Book: ``book/recipe``.
    """
    trials = [trial for trial in _short() if trial["choice"] != AS_IT_IS and set(trial["changes"]) != {"seed"}]
    models = sorted({trial["model"] for trial in trials})
    figure, panels = figure_for(len(models), 3.6)
    for ax, model in zip(panels, models, strict=True):
        changes = {_SAID.get(t["choice"], t["choice"]): gain(model, t["choice"]) for t in trials if t["model"] == model}
        names = sorted(changes, key=lambda name: changes[name])
        ax.axvspan(-seed_range(), seed_range(), color=FAINT, alpha=0.6, lw=0, label="three seeds of the spectrogram")
        ax.barh(names, [changes[name] for name in names], color=MODEL_COLOURS[model], height=0.6)
        ax.axvline(0, color=INK, lw=1)
        ax.set(xlabel="change of ROC-AUC", title=model)
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center")
    return figure


def rate_rows() -> dict[tuple[str, float, float], EndpointRow]:
    """(model, learning rate, share of the run that warms up) -> the whole runs on 10,000 clips that differ in nothing else.

    Book: ``book/recipe``.
    """
    usual = Settings()
    scale = (10_000, usual.optimization.num_training_segments)
    defaults = [attrgetter(name)(usual) for name in RATES]
    rows = {
        (row.row.model, *(changes.get(name, default) for name, default in zip(RATES, defaults, strict=True))): row
        for row in all_rows()
        if row.row.model in PAIR
        and (row.row.num_clips, row.row.num_training_segments) == scale
        and (changes := changes_of(row)).keys() <= {*RATES}
    }
    return dict(sorted(rows.items(), key=lambda item: (item[0][0], item[0][1], -item[0][2])))


def rate_changes() -> dict[tuple[str, float, float], dict[str, SeedInterval]]:
    """As :func:`rate_rows`: part of the tags -> ROC-AUC within sources minus that of the usual learning rate.

    Book: ``book/recipe``.
    """
    rows, usual = rate_rows(), Settings().optimization
    return {
        key: {
            part: metrics["roc_auc"]
            for part, metrics in compare(row, rows[key[0], usual.learning_rate, usual.warmup_ratio]).items()
        }
        for key, row in rows.items()
        if key[1:] != (usual.learning_rate, usual.warmup_ratio)
    }


def rates_table() -> pandas.DataFrame:
    """Whole runs on 10,000 clips with other learning rates: ROC-AUC within sources, and the difference to the usual rate.

    Book: ``book/recipe``.
    """
    import pandas

    changes = rate_changes()
    rows = [
        {
            "model": model,
            "learning rate": f"{rate:g}" + ("" if warmup else ", no warm-up"),
            "runs": row.row.num_seeds,
            "ROC-AUC": f"{row.endpoints['all']['roc_auc'].value:.3f}",
            "minus the usual": cell(changes[key]["all"], "+.3f") if key in changes else "",
        }
        for key, row in rate_rows().items()
        for model, rate, warmup in [key]
    ]
    return pandas.DataFrame(rows).set_index("model")


def draw_learning_rate(settings: Settings) -> Figure:
    """The learning rate over a run.

    Book: ``book/recipe``.
    """
    figure, (ax,) = figure_for(1, 2.2)
    steps = np.arange(1, settings.num_steps + 1)
    ax.plot(steps * settings.optimization.batch_size, [learning_rate(settings, step) for step in steps.tolist()])
    ax.set(xlabel="training segments", ylabel="learning rate", title="Up along a line, down along half a cosine")
    return figure
