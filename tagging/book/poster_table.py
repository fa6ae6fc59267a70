"""The poster's table from run records, beside the published ones. Book: ``book/results``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError
from ..evaluation.bootstrap import Interval, interval
from ..evaluation.metrics import METRICS
from ..utils.legacy import LEGACY_DEFAULTS, current_evaluation
from ..utils.text import duration
from .published import list_published, published_gaps, published_results

if TYPE_CHECKING:
    import pandas

# Best last, as on the poster.
ORDER = ("gbt", "mel-statistics", "waveform", "spectrogram")


@dataclass(frozen=True)
class _Run:
    """What the table needs of a run record; :func:`_run` is the only function that knows the names in one."""

    edition: str
    model: str
    corpus: str
    num_clips: int
    num_training_segments: int
    seed: int
    num_models: int
    is_plain: bool
    recipe: dict[str, Any]
    test: dict[str, Any]
    seconds: float
    parameters: int | None
    device: str
    date: str


# Settings in which the runs of one row may differ: size, seed, what they were trained beside, speed and reporting.
_NOT_RECIPE = {
    "models", "clips", "clips_seen", "seed", "workers", "log_every", "validate_every", "resamples", "toeplitz", "onednn",
    "compile",
}  # fmt: skip


def _run(record: Mapping[str, Any]) -> _Run:
    settings = LEGACY_DEFAULTS | record["settings"]
    return _Run(
        edition=record["edition"],
        model=record["model"],
        corpus=record["corpus"]["name"],
        num_clips=record["clips"],
        num_training_segments=record["clips_seen"],
        seed=record["seed"],
        num_models=len(settings["models"]),
        is_plain=settings["loss"] == "plain"
        and not any(settings.get(name) for name in ("shuffled_labels", "corpus_options", "train_options")),
        recipe=_flat({name: value for name, value in settings.items() if name not in _NOT_RECIPE}),
        test=current_evaluation(record["test"]),
        seconds=seconds_of(record),
        parameters=record.get("parameters"),
        device=record["device"],
        date=record["date"],
    )


def seconds_of(record: Mapping[str, Any]) -> float:
    """Training time of a run, with that of the features of trees."""
    return record["seconds"] + record.get("seconds_for_features", 0.0)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``{"trees.leaves": 31, ...}``."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


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
    runs = ((record, _run(record)) for record in records)
    return [
        record
        for record, run in runs
        if run.edition == edition and run.is_plain and (models is None or run.model in models)
    ]


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
    runs = map(_run, records if edition is None else table_runs(records, edition, models))
    groups: dict[tuple[Any, ...], dict[int, _Run]] = {}
    for run in sorted(runs, key=lambda run: run.date):
        recipe = json.dumps(run.recipe, sort_keys=True)
        key = (run.model, run.num_clips, run.num_training_segments, recipe, run.test["fingerprint"])
        groups.setdefault(key, {})[run.seed] = run
    rows = [_row([group[seed] for seed in sorted(group)], part) for group in groups.values()]
    rows = [replace(row, variant=_variant(row, [other for other in rows if other.model == row.model])) for row in rows]
    order = {model: index for index, model in enumerate(ORDER)}
    return sorted(
        rows,
        key=lambda row: (
            row.num_training_segments, row.num_clips, order.get(row.model, len(ORDER)), row.model, row.variant
        ),
    )  # fmt: skip


def _variant(row: Row, rows: Iterable[Row]) -> str:
    """``learning_rate=0.002, 1,999 test songs, 3fa2b1``: how a row differs from others of its model."""
    names = sorted(name for name, value in row.recipe.items() if any(other.recipe.get(name) != value for other in rows))
    differences = [f"{name}={row.recipe[name]}" for name in names]
    if any(other.fingerprint != row.fingerprint for other in rows):
        differences.append(f"{row.num_songs:,} test songs, {row.fingerprint[:6]}")
    return ", ".join(differences)


def _row(runs: Sequence[_Run], part: str) -> Row:
    """The mean of runs that differ in their seed alone."""
    scores, by_run, resampled = {}, {}, {}
    first, tests = runs[0], [run.test for run in runs]
    for metric in METRICS:
        if metric not in first.test["parts"].get(part, {}):
            continue
        intervals = [Interval.from_dict(test["parts"][part][metric]) for test in tests]
        by_run[metric] = tuple(run.value for run in intervals)
        if part == "all":
            resampled[metric] = np.mean([np.array(test["resampled"][metric], np.float64) for test in tests], axis=0)
            scores[metric] = interval(np.mean(by_run[metric]), resampled[metric])
        else:
            value, low, high = np.mean([(run.value, run.low, run.high) for run in intervals], axis=0).tolist()
            scores[metric] = Interval(value, low, high)
    num_models = min(run.num_models for run in runs)
    return Row(
        model=first.model,
        num_clips=first.num_clips,
        num_training_segments=first.num_training_segments,
        num_seeds=len(runs),
        scores=scores,
        by_run=by_run,
        resampled=resampled,
        fingerprint=first.test["fingerprint"],
        num_songs=first.test["num_songs"],
        seconds=float(np.mean([run.seconds for run in runs if run.num_models == num_models])),
        num_models=num_models,
        variant="",
        recipe=first.recipe,
        parameters=first.parameters,
        device=first.device,
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
    import pandas

    frame = pandas.DataFrame(
        {
            **_scale(row),
            "seeds": str(row.num_seeds),
            **{METRICS[metric].title: f"{value:{spec}}" for metric, value in row.scores.items()},
            "time": f"{row.time} ({row.variant})" if row.variant else row.time,
        }
        for row in rows
    )
    return frame.fillna("-")


def text_table(records: Iterable[dict[str, Any]], edition: str | None = None) -> str:
    """The poster's table as plain text: our rows with 95 % intervals, then both published versions; needs pandas.

    Args:
        records: of training runs.
        edition: keeps only :func:`table_runs` of this edition; None keeps every run.

    Raises:
        ConfigError: there are no such records.
    """
    import pandas

    records = list(records)
    runs = [_run(record) for record in (records if edition is None else table_runs(records, edition))]
    if not runs:
        which = f"no run of the {edition} edition" if edition else "no training run"
        raise ConfigError(f"{which} among these records; make one with `tagging train`")
    rows = rows_of(records, edition)
    kinds = sorted({f"{run.edition} edition, {run.corpus}" for run in runs})
    sections = [
        (f"{'; '.join(kinds)}: song-level scores, 95 % intervals over groups of test songs", table(rows, ".4f"))
    ]
    if pairs := _pairs(rows, "spectrogram", "waveform"):
        measured = gaps(rows)
        differences = [
            {
                **_scale(pair[0], model=False),
                **{METRICS[metric].title: f"{value:+.4f}" for metric, value in measured.get(scale, {}).items()},
                "": "" if scale in measured else "not comparable: other settings, or other test songs",
            }
            for scale, pair in pairs.items()
        ]
        sections.append(("spectrogram minus waveform, paired", pandas.DataFrame(differences)))
    if repeated := [row for row in rows if row.num_seeds > 1]:
        ranges = [
            {
                **_scale(row),
                **{METRICS[metric].title: f"{min(v):.4f} to {max(v):.4f}" for metric, v in row.by_run.items()},
                "": f"({row.variant})" if row.variant else "",
            }
            for row in repeated
        ]
        sections.append(("runs that differ in their seed only, lowest to highest", pandas.DataFrame(ranges)))
    for version in list_published():
        published = published_results(version)
        results = [
            {
                "model": row.model,
                "songs": f"{row.num_clips:,}",
                **{METRICS[metric].title: f"{value:.4f}" for metric, value in row.scores.items()},
                "time": row.training_time or "-",
            }
            for row in published.rows
        ]
        sections.append((f"{published.title} ({published.corpus})", pandas.DataFrame(results)))
        leads = [
            {"songs": f"{songs:,}", **{METRICS[metric].title: f"{value:+.4f}" for metric, value in lead.items()}}
            for songs, lead in published_gaps(version).items()
        ]
        sections.append((f"{published.title}: spectrogram minus waveform", pandas.DataFrame(leads)))
    return "\n\n".join(f"{title}\n{frame.fillna('-').to_string(index=False)}" for title, frame in sections)


def _scale(row: Row, model: bool = True) -> dict[str, str]:
    """The columns that say what was trained."""
    scale = {"clips": f"{row.num_clips:,}", "segments": f"{row.num_training_segments:,}"}
    return {"model": row.model, **scale} if model else scale
