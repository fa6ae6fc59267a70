"""A table of runs from their records: one row per model and scale, with intervals. Book: ``book/results``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..evaluation.bootstrap import Interval, interval
from ..evaluation.metrics import METRICS
from ..utils.text import duration
from .settings import Settings, flat

if TYPE_CHECKING:
    import pandas

# Best last, as on the poster.
ORDER = ("gbt", "mel-statistics", "waveform", "spectrogram")


# Settings in which the runs of one row may differ: size, seed, what they were trained beside, speed and reporting.
_NOT_RECIPE = {
    "models", "seed", "data.num_clips", "optimization.num_training_segments", "evaluation.validation_interval",
    "evaluation.num_resamples", "runtime.num_workers", "runtime.log_interval", "runtime.cpu_acceleration", "runtime.compile",
}  # fmt: skip


def _is_plain(record: Mapping[str, Any]) -> bool:
    """Whether a run is no control, and has no options of the corpus, no masked labels and no other loss."""
    data, loss = record["settings"]["data"], record["settings"]["optimization"]["loss"]
    changes = ("shuffle_labels", "mask_unannotated", "corpus_options", "train_options")
    return loss == "plain" and not any(data.get(name) for name in changes)


def recipe_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the experiment, flat: ``{"model.tree_options.leaves": 31, ...}``.

    A setting that did not exist yet has the default of now, which is what the run did.
    """
    defaults = {name: value for name, value in flat(Settings()).items() if not isinstance(value, Mapping)}
    return {name: value for name, value in defaults.items() if name not in _NOT_RECIPE} | _recipe(settings)


def _recipe(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if prefix + name not in _NOT_RECIPE:
            nested = isinstance(value, Mapping)
            values |= _recipe(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return values


def seconds_of(record: Mapping[str, Any]) -> float:
    """Training time of a run, with that of the features of trees."""
    return record["seconds"] + record.get("seconds_for_features", 0.0)


@dataclass(frozen=True, eq=False)
class Row:
    """One model at one scale.

    Attributes:
        model: name of the model.
        num_clips: number of training clips.
        num_training_segments: segments trained on, repetitions included.
        num_seeds: number of runs that the row is the mean of.
        scores: metric -> mean over the runs, with its interval over test songs.
        by_run: metric -> the value of each run, in the order of seeds; intervals do not include their spread.
        resampled: metric -> float64 [resamples], the means on each resample, for paired differences. Empty for a part of the
            tags, since records keep only the resamples of all.
        fingerprint: rows with equal fingerprints were tested on the same songs.
        num_songs: number of test songs.
        seconds: mean training time, for trees with their features unless these were cached. If some of the runs trained
            fewer models at a time than others, only those count. Machines and their loads differ.
        num_models: models that were trained together in that time.
        variant: the settings or test songs that distinguish this row from other rows of the model; empty if none do.
        recipe: all settings of the experiment; rows with equal recipes may be compared.
        parameters: of the model; None for trees.
        device: machine of the first run.
        runs: the records, in the order of seeds.
    """

    model: str
    num_clips: int
    num_training_segments: int
    num_seeds: int
    scores: dict[str, Interval]
    by_run: dict[str, tuple[float, ...]]
    resampled: dict[str, np.ndarray]
    fingerprint: str
    num_songs: int
    seconds: float
    num_models: int
    variant: str
    recipe: dict[str, Any]
    parameters: int | None
    device: str
    runs: tuple[dict[str, Any], ...] = ()

    @property
    def time(self) -> str:
        """Training time for a reader."""
        return duration(self.seconds) + (f" for {self.num_models} models" if self.num_models > 1 else "")


def table_runs(
    records: Iterable[dict[str, Any]], edition: str, models: Iterable[str] | None = ORDER
) -> list[dict[str, Any]]:
    """The records of an edition's table: no controls, no options of the corpus, no other losses.

    Args:
        records: of training runs.
        edition: ``"laptop"`` or ``"poster"``.
        models: names of models; None for all.
    """
    return [
        record
        for record in records
        if record["edition"] == edition and (models is None or record["model"] in models) and _is_plain(record)
    ]


def complete_records(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records that a table can be made of; a warning names each of the others, and what it lacks."""
    complete = []
    for record in records:
        try:
            (row,) = rows_of([record])
            _ = (
                _scale(row),
                _formatted(row.scores, ".4f"),
                row.time,
                _is_plain(record),
                record["edition"],
                record["corpus"]["name"],
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            name = record.get("name") or "a record without a name"
            warnings.warn(f"skipped: {name}: incomplete record ({type(error).__name__}: {error})", stacklevel=2)
        else:
            complete.append(record)
    return complete


def rows_of(
    records: Iterable[dict[str, Any]],
    edition: str | None = None,
    part: str = "all",
    models: Iterable[str] | None = ORDER,
) -> list[Row]:
    """One row per model, scale, number of training segments and recipe; seeds are averaged.

    Of several records of one run the newest counts. Runs with different test songs get separate rows.

    Args:
        records: of training runs.
        edition: keeps only :func:`table_runs` of this edition and these ``models``; None keeps every run.
        part: of the tags, such as ``"all"``, ``"composition"`` or ``"instrument"``; intervals of a part are means of the
            runs' intervals.
        models: names of models; None for all.
    """
    records = records if edition is None else table_runs(records, edition, models)
    groups: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for run in sorted(records, key=lambda run: run["date"]):
        recipe = json.dumps(recipe_of(run["settings"]), sort_keys=True)
        key = (run["model"], run["num_clips"], run["num_training_segments"], recipe, run["test"]["fingerprint"])
        groups.setdefault(key, {})[run["seed"]] = run
    rows = [_row([group[seed] for seed in sorted(group)], part) for group in groups.values()]
    rows = [replace(row, variant=_variant(row, [other for other in rows if other.model == row.model])) for row in rows]
    order = {model: index for index, model in enumerate(ORDER)}

    def position(row: Row) -> tuple[Any, ...]:
        return row.num_training_segments, row.num_clips, order.get(row.model, len(ORDER)), row.model, row.variant

    return sorted(rows, key=position)


def _variant(row: Row, rows: Iterable[Row]) -> str:
    """``learning_rate=0.002, 1,999 test songs, 3fa2b1``: how a row differs from others of its model."""
    names = sorted(name for name, value in row.recipe.items() if any(other.recipe.get(name) != value for other in rows))
    differences = [f"{name}={row.recipe[name]}" for name in names]
    if any(other.fingerprint != row.fingerprint for other in rows):
        differences.append(f"{row.num_songs:,} test songs, {row.fingerprint[:6]}")
    return ", ".join(differences)


def _row(runs: Sequence[dict[str, Any]], part: str) -> Row:
    """The mean of runs that differ in their seed alone."""
    scores, by_run, resampled = {}, {}, {}
    first, tests = runs[0], [run["test"] for run in runs]
    for metric in METRICS:
        if metric not in tests[0]["parts"].get(part, {}):
            continue
        intervals = [Interval.from_dict(test["parts"][part][metric]) for test in tests]
        by_run[metric] = tuple(run.value for run in intervals)
        value, low, high = np.mean([(run.value, run.low, run.high) for run in intervals], axis=0).tolist()
        scores[metric] = Interval(value, low, high)
        if part == "all":
            resampled[metric] = np.mean([np.array(test["resampled"][metric], np.float64) for test in tests], axis=0)
            if len(runs) > 1:  # of one run the record has the interval itself, of resamples that are not rounded
                scores[metric] = interval(value, resampled[metric])
    num_models = min(len(run["settings"]["models"]) for run in runs)
    return Row(
        model=first["model"],
        num_clips=first["num_clips"],
        num_training_segments=first["num_training_segments"],
        num_seeds=len(runs),
        scores=scores,
        by_run=by_run,
        resampled=resampled,
        fingerprint=tests[0]["fingerprint"],
        num_songs=tests[0]["num_songs"],
        seconds=float(np.mean([seconds_of(run) for run in runs if len(run["settings"]["models"]) == num_models])),
        num_models=num_models,
        variant="",
        recipe=recipe_of(first["settings"]),
        runs=tuple(runs),
        parameters=first.get("parameters"),
        device=first["device"],
    )


def gap(first: Row, second: Row, metric: str) -> Interval:
    """First minus second, paired by resample.

    Raises:
        ConfigError: rows with different test songs, or of a part of the tags, of which records keep no resamples.
    """
    if metric not in first.resampled or metric not in second.resampled:
        raise ConfigError(
            f"{first.model} and {second.model}: no resamples of {metric}; for a part of the tags evaluate the predictions"
        )
    if first.fingerprint != second.fingerprint:
        raise ConfigError(f"{first.model} and {second.model} were tested on different songs: no paired difference")
    value = first.scores[metric].value - second.scores[metric].value
    return interval(value, first.resampled[metric] - second.resampled[metric])


def gaps(
    rows: Sequence[Row], first: str = "spectrogram", second: str = "waveform"
) -> dict[tuple[int, int], dict[str, Interval]]:
    """(num_clips, num_training_segments) -> metric -> first model minus second, wherever both were trained alike.

    Scales at which either model has more than one row are skipped: it is ambiguous which rows to compare. So are pairs with
    different recipes or test songs.
    """
    return {
        scale: {metric: gap(one, other, metric) for metric in one.scores}
        for scale, (one, other) in _pairs(rows, first, second).items()
        if (one.recipe, one.fingerprint) == (other.recipe, other.fingerprint)
    }


def _pairs(rows: Sequence[Row], first: str, second: str) -> dict[tuple[int, int], tuple[Row, Row]]:
    pairs = {}
    for scale in sorted({(row.num_clips, row.num_training_segments) for row in rows}):
        one, other = (
            [row for row in rows if row.model == model and (row.num_clips, row.num_training_segments) == scale]
            for model in (first, second)
        )
        if len(one) == len(other) == 1:
            pairs[scale] = one[0], other[0]
    return pairs


def cell(measurement: Interval | None, spec: str = ".3f") -> str:
    """A measurement for a table, which may break before its interval but not inside it; ``-`` for None."""
    return "-" if measurement is None else f"{measurement:{spec}}".replace(", ", ",\N{NO-BREAK SPACE}")


def table(rows: Sequence[Row], spec: str = ".3f") -> pandas.DataFrame:
    """Rows as a DataFrame of text: model, scale, seeds, metrics with intervals, training time; needs pandas.

    Args:
        rows: from :func:`rows_of`.
        spec: format of a measurement.
    """
    columns = [
        {"model": row.model, **_scale(row), "seeds": row.num_seeds, **_formatted(row.scores, spec)}
        | {"time": f"{row.time} ({row.variant})" if row.variant else row.time}
        for row in rows
    ]
    return _frame(columns)


def text_table(records: Iterable[dict[str, Any]], edition: str | None = None) -> str:
    """The table as plain text: rows with 95 % intervals, paired differences, ranges over seeds; needs pandas.

    Args:
        records: of training runs.
        edition: keeps only :func:`table_runs` of this edition; None keeps every run.

    Raises:
        ConfigError: there are no such records.
    """
    records = complete_records(records)
    records = records if edition is None else table_runs(records, edition)
    if not records:
        which = f"no run of the {edition} edition" if edition else "no training run"
        raise ConfigError(f"{which} among these records; make one with `tagging train`")
    rows = rows_of(records)
    kinds = sorted({f"{record['edition']} edition, {record['corpus']['name']}" for record in records})
    sections = [
        (f"{'; '.join(kinds)}: song-level scores, 95 % intervals over groups of test songs", table(rows, ".4f"))
    ]
    if pairs := _pairs(rows, "spectrogram", "waveform"):
        measured, remark = gaps(rows), "not comparable: other settings, or other test songs"
        differences = [
            {**_scale(row), **_formatted(measured.get(scale, {}), "+.4f"), "": "" if scale in measured else remark}
            for scale, (row, _) in pairs.items()
        ]
        sections.append(("spectrogram minus waveform, paired", _frame(differences)))
    if repeated := [row for row in rows if row.num_seeds > 1]:
        ranges = [
            {"model": row.model, **_scale(row)}
            | {METRICS[metric].title: f"{min(runs):.4f} to {max(runs):.4f}" for metric, runs in row.by_run.items()}
            | {"": row.variant and f"({row.variant})"}
            for row in repeated
        ]
        sections.append(("runs that differ in their seed only, lowest to highest", _frame(ranges)))
    return "\n\n".join(f"{title}\n{frame.to_string(index=False)}" for title, frame in sections)


def _scale(row: Row) -> dict[str, str]:
    return {"clips": f"{row.num_clips:,}", "segments": f"{row.num_training_segments:,}"}


def _formatted(scores: Mapping[str, Interval], spec: str) -> dict[str, str]:
    return {METRICS[metric].title: f"{value:{spec}}" for metric, value in scores.items()}


def _frame(rows: list[dict[str, Any]]) -> pandas.DataFrame:
    import pandas

    return pandas.DataFrame(rows).fillna("-")
