"""Data against training: what more clips and more segments are worth, from the bundled runs. Book: ``book/scales``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..data.sheet_music.corpus import SheetMusic
from ..evaluation.seeds import SeedInterval
from ..plots.results import differences
from ..plots.style import INK, MODEL_COLOURS, MODEL_MARKERS, figure_for
from ..pretrained import load_tagger, pretrained_card
from ..pretrained.bundled import list_bundled
from ..tags import TrackTags
from ..training.endpoint_table import SOURCE_ALONE, EndpointRow, compare
from ..training.results_table import cell, recipe_of
from ..utils.text import short_count
from .results_study import KINDS, PAIR, all_rows, changes_of, find_row, passes, recipe_changes, scales, source_alone
from .runs import training_records

if TYPE_CHECKING:
    import pandas

SHORT, LONG = 102_400, 512_000  # training segments: of the short runs, and of those with five times as many
CLIPS = 10_000  # of the study of compositions
# The usual 10,000 clips are of all compositions of the training split.
FEW = {1_000: "1,000 compositions", 3_000: "3,000 compositions", None: "all compositions"}
# Kinds of tags that are measured within sources
WITHIN = {**{part: name for part, name in KINDS.items() if part != "collection"}, "all": "all"}
_STYLES = {1_000: ":", 10_000: "--", 100_000: "-.", 500_000: "-", 1_000_000: "-"}


def by_training(part: str = "all", metric: str = "roc_auc") -> dict[tuple[str, int], dict[int, float]]:
    """(model, clips) -> training segments -> score within sources, of the poster's pair."""
    lines: dict[tuple[str, int], dict[int, float]] = {}
    for clips, segments in scales():
        for model in PAIR:
            value = find_row(model, clips, segments).endpoints[part][metric].value
            lines.setdefault((model, clips), {})[segments] = value
    return lines


def draw_training() -> Figure:
    """ROC-AUC within sources against training segments, one line a number of clips.

    Book: ``book/scales``.
    """
    figure, panels = figure_for(2, 3.4)
    panels[1].sharey(panels[0])
    ticks = sorted({segments for _, segments in scales()})
    for ax, model in zip(panels, PAIR, strict=True):
        lines = {clips: line for (name, clips), line in by_training().items() if name == model}
        for line in lines.values():
            ax.plot(list(line), list(line.values()), color=MODEL_COLOURS[model], marker=MODEL_MARKERS[model], lw=1.2)
        for segments in ticks:
            _name_lines(ax, segments, {c: line[segments] for c, line in lines.items() if max(line) == segments})
        ax.axhline(source_alone("all", "roc_auc").value, color=INK, lw=1, ls="--")
        ax.annotate(SOURCE_ALONE, (1.0, 0.503), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9)
        ax.set_xscale("log")
        ax.set_xticks(ticks, [f"{tick // 1000}k" for tick in ticks])
        ax.minorticks_off()
        ax.set_xlim(right=2.3 * ticks[-1])
        ax.grid(axis="y")
        ax.set(xlabel="training segments", title=model)
    panels[0].set_ylabel("ROC-AUC within sources")
    figure.suptitle("Five times the training lifts both networks", x=0.01, ha="left")
    return figure


def _name_lines(ax: Axes, segments: int, ends: Mapping[int, float]) -> None:
    """Names of the lines that end at one number of segments: one for those that meet there."""
    meeting: list[list[int]] = []
    for clips in sorted(ends, key=lambda clips: ends[clips]):
        if meeting and ends[clips] - ends[meeting[-1][0]] < 0.006:
            meeting[-1].append(clips)
        else:
            meeting.append([clips])
    for index, group in enumerate(meeting):
        below = index == 0 and len(meeting) > 1
        name = ", ".join(short_count(clips) for clips in sorted(group))
        height = sum(ends[clips] for clips in group) / len(group)
        ax.annotate(
            f"{name} clips",
            (segments, height),
            (6, -5 if below else 2),
            textcoords="offset points",
            fontsize=9,
            va="center",
        )


def learned(record: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Learning curves of a run: segments and training loss (a running mean), segments and validation ROC-AUC."""
    batch, history = record["settings"]["optimization"]["batch_size"], record["history"]
    loss = np.convolve([entry["loss"] for entry in history], np.ones(8) / 8, "valid")
    checked = [entry for entry in history if "validation" in entry]
    return (
        np.array([entry["step"] * batch for entry in history][7:]),
        loss,
        np.array([entry["step"] * batch for entry in checked]),
        np.array([entry["validation"]["roc_auc"] for entry in checked]),
    )


@cache
def first_runs(segments: int) -> dict[tuple[str, int], dict[str, Any]]:
    """(model, clips) -> the record of the first seed of the poster's pair, trained on so many segments."""
    return {
        (model, clips): find_row(model, clips, count).row.runs[0]
        for clips, count in scales()
        for model in PAIR
        if count == segments
    }


def draw_repetition(segments: int = SHORT, title: str = "") -> Figure:
    """Training loss and validation ROC-AUC of both networks, one line a number of clips.

    Args:
        segments: training segments of the runs.
        title: of the figure.

    Book: ``book/scales``.
    """
    figure, panels = figure_for(2, 5.2, rows=2)
    for (left, right), model in zip((panels[:2], panels[2:]), PAIR, strict=True):
        for (name, clips), record in first_runs(segments).items():
            if name == model:
                steps, loss, checked, scores = learned(record)
                style: dict[str, Any] = {
                    "color": MODEL_COLOURS[model],
                    "ls": _STYLES[clips],
                    "label": f"{short_count(clips)} clips",
                }
                left.plot(steps, loss, **style)
                right.plot(checked, scores, **style)
        left.set_ylabel(f"{model}\ntraining loss")
        right.set_ylabel("validation ROC-AUC\nover all songs")
        left.legend(fontsize=9)
        for ax in (left, right):
            ax.grid(axis="y")
            ax.xaxis.set_major_formatter(lambda count, _: f"{count / 1000:.0f}k")
    for ax in panels[2:]:
        ax.set_xlabel("training segments")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def gains(steps: Iterable[tuple[tuple[int, int], tuple[int, int]]]) -> pandas.DataFrame:
    """The gain of each step from one scale to another, within sources: one row a model and step, one column a kind of tags.

    Args:
        steps: ((clips, segments) before, (clips, segments) after).

    Book: ``book/scales``.
    """
    import pandas

    rows = []
    for model in PAIR:
        for before, after in steps:
            change = compare(find_row(model, *after), find_row(model, *before))
            cells = {name: change[part]["roc_auc"] for part, name in WITHIN.items()}
            rows.append({"model": model, "from": passes(*before), "to": passes(*after), **_signed(cells)})
    return pandas.DataFrame(rows).set_index("model")


def _signed(cells: Mapping[str, SeedInterval]) -> dict[str, str]:
    return {name: cell(change, "+.3f") for name, change in cells.items()}


def of_compositions(model: str, clips: int = CLIPS, segments: int = SHORT) -> dict[int | None, EndpointRow]:
    """Number of compositions -> the row of a model on clips of so many; None for all of the training split."""
    name, scale = "data.train_options.compositions", (model, clips, segments)
    rows = [row for row in all_rows() if (row.row.model, row.row.num_clips, row.row.num_training_segments) == scale]
    return {changes_of(row).get(name): row for row in rows if set(changes_of(row)) <= {name}}


def compositions_gained(model: str, part: str, clips: int = CLIPS, segments: int = SHORT) -> SeedInterval:
    """ROC-AUC within sources of clips of all compositions, minus that of as many clips of 1,000 compositions."""
    rows = of_compositions(model, clips, segments)
    return compare(rows[None], rows[1_000])[part]["roc_auc"]


def compositions_table(scales: Iterable[tuple[int, int]], model: str = "spectrogram") -> pandas.DataFrame:
    """What more compositions bring at some scales, by kind of tags, with the number of runs of each side.

    Args:
        scales: (clips, segments).
        model: of :data:`PAIR`.

    Book: ``book/scales``.
    """
    import pandas

    rows = []
    for clips, segments in scales:
        few, many = (of_compositions(model, clips, segments)[count] for count in (1_000, None))
        gained = {name: compare(many, few)[part]["roc_auc"] for part, name in WITHIN.items()}
        runs = f"{many.row.num_seeds}\N{NO-BREAK SPACE}and\N{NO-BREAK SPACE}{few.row.num_seeds}"
        rows.append({"clips x repetitions": passes(clips, segments), "runs": runs, **_signed(gained)})
    return pandas.DataFrame(rows).set_index("clips x repetitions")


def gained_over_all(model: str) -> list[float]:
    """The same for composition tags over all songs, seed by seed: also of runs whose predictions were not kept."""
    score = {
        (record["settings"]["data"]["train_options"].get("compositions"), record["seed"]): record
        for record in training_records()
        if (record["model"], record["num_clips"], record["num_training_segments"]) == (model, CLIPS, SHORT)
        and recipe_changes(recipe_of(record["settings"])).keys() <= {"data.train_options.compositions"}
    }
    values = {key: run["test"]["parts"]["composition"]["roc_auc"]["value"] for key, run in score.items()}
    return [value - values[1_000, seed] for (few, seed), value in sorted(values.items(), key=str) if few is None]


def draw_compositions() -> Figure:
    """What about nine times the compositions bring, at as many clips, by kind of tags.

    Book: ``book/scales``.
    """
    figure, panels = figure_for(2, 2.4)
    for ax, model in zip(panels, PAIR, strict=True):
        gained = {name: compositions_gained(model, part) for part, name in WITHIN.items()}
        differences(gained, xlabel="ROC-AUC gained within sources", title=model, ax=ax)
        ax.locator_params(axis="x", nbins=4)
    panels[0].sharex(panels[1])
    panels[1].set_yticklabels([])
    figure.suptitle("10k clips: all compositions minus 1,000", x=0.01, ha="left")
    return figure


def count_compositions(compositions: int | None = None, clips: int = CLIPS) -> int:
    """Compositions behind the first training clips."""
    corpus = SheetMusic(split="train", compositions=compositions)
    return len({corpus.composition(index) for index in range(clips)})


def bundled_names() -> list[str]:
    """The taggers of this page that ship with the package, fewest training clips first."""
    clips = {record["name"]: record["num_clips"] for record in training_records()}
    return sorted(list_bundled(), key=lambda name: clips[pretrained_card(name)["record"]])


@cache
def tag_clip(index: int) -> tuple[Any, dict[str, TrackTags]]:
    """A test clip, and what each bundled tagger returns for it.

    Args:
        index: of the clip in the test split.

    Returns:
        the track; name of a tagger -> its tags.

    Book: ``book/scales``.
    """
    track = SheetMusic(split="test")[index]
    sound = track.read()
    return track, {name: load_tagger(name).tag_waveform(sound, SheetMusic.sample_rate) for name in bundled_names()}


def annotated_table(index: int, count: int = 5) -> pandas.DataFrame:
    """The highest-scored classification tags of each bundled tagger for a test clip; a star marks those that are annotated.

    Args:
        index: of the clip in the test split.
        count: tags a tagger.

    Book: ``book/scales``.
    """
    import pandas

    track, results = tag_clip(index)
    has = {name for name, label in zip(SheetMusic.vocabulary.names, track.labels, strict=True) if label == 1}
    rows = {
        name.removeprefix("laptop-"): {
            f"{rank + 1}": f"{tag}{'*' if tag in has else ''}\N{NO-BREAK SPACE}{score:.2f}"
            for rank, (tag, score) in enumerate(result.top(count))
        }
        for name, result in results.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tagger")
