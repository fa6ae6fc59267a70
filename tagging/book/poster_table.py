"""The poster's table from run records, beside the published ones. Book: ``book/results``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..evaluation.bootstrap import Interval, interval
from ..utils.legacy import LEGACY_DEFAULTS
from ..utils.text import duration
from .published import list_published, published_gaps, published_results

METRICS = ("roc_auc", "pr_auc", "sqrt_mse")
# Best last, as on the poster, from which the baselines differ in what they see.
ORDER = ("gbt", "mel-statistics", "waveform", "spectrogram")
# Settings in which runs of one row may differ: what they were trained beside, how often they were looked at, how fast.
_INDIFFERENT = {
    "models", "clips", "clips_seen", "seed", "workers", "log_every", "validate_every", "resamples", "toeplitz", "onednn",
    "compile",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One model at one scale.

    Attributes:
        model: as in the record.
        clips: training clips there were; ``clips_seen`` counts repetitions.
        seeds: how many runs this is the mean of.
        scores: metric -> mean over the runs, with its interval over test songs.
        by_run: metric -> the score of each run, in the order of seeds. The interval says nothing about how far these are apart.
        resampled: metric -> float64 [resamples]: the same means in each resample, for paired differences. Empty for a part of
            the tags: records keep those of all.
        fingerprint: says which rows were tested on the same songs, of which there are ``songs``.
        seconds: mean time of training, of trees with that of their features, as far as these were not in the cache already.
            Where some of the runs trained fewer models at a time than others, those count alone. Machines differ, and so do
            their loads.
        company: how many models were trained in that time, on one stream of clips.
        variant: what sets this row apart from others of the same model, be they of another scale: settings, or test songs;
            empty where nothing does.
        recipe: all settings that make it the experiment it is, as JSON: rows of one recipe may be compared.
        parameters: of the model; None for trees.
        device: where the first run was made.
    """

    model: str
    clips: int
    clips_seen: int
    seeds: int
    scores: dict[str, Interval]
    by_run: dict[str, tuple[float, ...]]
    resampled: dict[str, np.ndarray]
    fingerprint: str
    songs: int
    seconds: float
    company: int
    variant: str
    recipe: str
    parameters: int | None
    device: str

    @property
    def time(self) -> str:
        """How long the training took, for a reader."""
        return duration(self.seconds) + (f" for {self.company} models" if self.company > 1 else "")


def table_runs(
    records: Iterable[dict[str, Any]], edition: str, models: Iterable[str] | None = ORDER
) -> list[dict[str, Any]]:
    """The runs of an edition that make its table: no control, no further option of the corpus, no other loss.

    Args:
        records: of training runs.
        edition: ``"laptop"`` or ``"poster"``.
        models: which ones; None takes all.
    """
    special = ("shuffled_labels", "corpus_options", "train_options")
    return [
        record
        for record in records
        if record["edition"] == edition
        and (models is None or record["model"] in models)
        and not any(record["settings"].get(name) for name in special)
        and (LEGACY_DEFAULTS | record["settings"])["loss"] == "plain"
    ]


def rows_of(
    records: Iterable[dict[str, Any]], edition: str, part: str = "all", models: Iterable[str] | None = ORDER
) -> list[Row]:
    """One row for each model, scale, budget and recipe among :func:`table_runs`; seeds are averaged.

    Of several records of one run the newest counts. Runs that were tested on different songs are rows of their own.

    Args:
        records, edition, models: as for :func:`table_runs`.
        part: of the tags: ``"all"``, ``"score"`` or ``"instrument"``; intervals of a part come from each run alone.
    """
    found: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for record in sorted(table_runs(records, edition, models), key=lambda record: record["date"]):
        recipe = json.dumps(_recipe(record), sort_keys=True)
        key = (record["model"], record["clips"], record["clips_seen"], recipe, record["test"]["fingerprint"])
        found.setdefault(key, {})[record["seed"]] = record
    rows = [
        _row(model, clips, [runs[seed] for seed in sorted(runs)], part, recipe)
        for (model, clips, _, recipe, _), runs in found.items()
    ]
    rows = [
        replace(row, variant=_difference(row, [other for other in rows if other.model == row.model])) for row in rows
    ]
    return sorted(rows, key=lambda row: (row.clips_seen, row.clips, _place(row.model), row.model, row.variant))


def _recipe(record: dict[str, Any]) -> dict[str, Any]:
    """The settings that make it another experiment."""
    return {name: value for name, value in (LEGACY_DEFAULTS | record["settings"]).items() if name not in _INDIFFERENT}


def _difference(row: Row, rows: Iterable[Row]) -> str:
    """``learning_rate=0.002, trees.leaves=31, 1,999 test songs, 3fa2b1``: in what a row is not like all the others."""
    own, others = json.loads(row.recipe), [json.loads(other.recipe) for other in rows]
    found = []
    for name, value in own.items():
        theirs = [other.get(name) for other in others]
        if isinstance(value, dict):  # of a table, the entries that are not the same everywhere
            unlike = {key for key in value if any((table or {}).get(key) != value[key] for table in theirs)}
            found += [f"{name}.{key}={value[key]}" for key in sorted(unlike)]
        elif any(other != value for other in theirs):
            found.append(f"{name}={value}")
    if any(other.fingerprint != row.fingerprint for other in rows):
        found.append(f"{row.songs:,} test songs, {row.fingerprint[:6]}")
    return ", ".join(found)


def _place(model: str) -> int:
    return ORDER.index(model) if model in ORDER else len(ORDER)


def _row(model: str, clips: int, runs: list[dict[str, Any]], part: str, recipe: str) -> Row:
    """One row, before it is known what sets it apart."""
    tests = [run["test"] for run in runs]
    scores, by_run, resampled = {}, {}, {}
    for metric in METRICS:
        if metric not in tests[0]["parts"][part]:
            continue
        values = [test["parts"][part][metric] for test in tests]
        by_run[metric] = tuple(value["value"] for value in values)
        if part == "all":
            resampled[metric] = np.mean([np.array(test["resampled"][metric], np.float64) for test in tests], axis=0)
            scores[metric] = interval(np.mean(by_run[metric]), resampled[metric])
        else:
            scores[metric] = Interval(
                *(float(np.mean([value[end] for value in values])) for end in ("value", "low", "high"))
            )
    first = runs[0]
    company = min(len(run["settings"]["models"]) for run in runs)
    times = [seconds_of(run) for run in runs if len(run["settings"]["models"]) == company]
    return Row(
        model=model,
        clips=clips,
        clips_seen=first["clips_seen"],
        seeds=len(runs),
        scores=scores,
        by_run=by_run,
        resampled=resampled,
        fingerprint=tests[0]["fingerprint"],
        songs=tests[0]["songs"],
        seconds=float(np.mean(times)),
        company=company,
        variant="",
        recipe=recipe,
        parameters=first.get("parameters"),
        device=first["device"],
    )


def gap(first: Row, second: Row, metric: str) -> Interval:
    """First minus second, paired: both were tested on the same resamples of songs.

    Raises:
        ConfigError: they were tested on different songs, or are rows of a part of the tags, of which records keep no resamples.
    """
    if metric not in first.resampled or metric not in second.resampled:
        raise ConfigError(
            f"{first.model} and {second.model}: no resamples of {metric} here; of a part of the tags, evaluate their predictions"
        )
    if first.fingerprint != second.fingerprint:
        raise ConfigError(f"{first.model} and {second.model} were tested on different songs: no paired difference")
    value = first.scores[metric].value - second.scores[metric].value
    return interval(value, first.resampled[metric] - second.resampled[metric])


def gaps(
    rows: Sequence[Row], first: str = "spectrogram", second: str = "waveform"
) -> dict[tuple[int, int], dict[str, Interval]]:
    """(Clips, clips seen) -> metric -> how far one model is ahead of the other, wherever both were trained alike.

    Where a model has several rows at one scale, of which two the difference should be, they do not say: they are left out. So
    are pairs of different recipes or test songs.
    """
    found = {}
    for scale, (one, other) in _pairs(rows, first, second).items():
        if (one.recipe, one.fingerprint) == (other.recipe, other.fingerprint):
            found[scale] = {metric: gap(one, other, metric) for metric in one.scores}
    return found


def _pairs(rows: Sequence[Row], first: str, second: str) -> dict[tuple[int, int], tuple[Row, Row]]:
    found = {}
    for scale in sorted({(row.clips, row.clips_seen) for row in rows}):
        one, other = (
            [row for row in rows if row.model == model and (row.clips, row.clips_seen) == scale]
            for model in (first, second)
        )
        if len(one) == len(other) == 1:
            found[scale] = one[0], other[0]
    return found


def cell(found: Interval | None, spec: str = ".3f") -> str:
    """A measurement for a Markdown table: may break before its interval, not inside; ``-`` for none."""
    return "-" if found is None else f"{found:{spec}}".replace(", ", ",\N{NO-BREAK SPACE}")


def text_table(records: Iterable[dict[str, Any]], edition: str) -> str:
    """The poster's table as plain text: ours, with 95 % intervals, then both published versions.

    Raises:
        ConfigError: there are no records of this edition.
    """
    records = list(records)
    rows = rows_of(records, edition)
    if not rows:
        raise ConfigError(f"no run of the {edition} edition among these records; make one with `tagging train`")
    corpora = ", ".join(sorted({record["corpus"]["name"] for record in table_runs(records, edition)}))
    lines = [
        f"{edition} edition, {corpora}: song-level scores, 95 % intervals over groups of test songs",
        _line("model", "clips", "seen", "seeds", "ROC-AUC", "PR-AUC", "sqrt(MSE)", "time"),
    ]
    lines += [_line(*_runs(row), *(_cell(row, metric) for metric in METRICS), _remark(row.time, row)) for row in rows]
    lines += ["time: on the machine of each run, which its record names, beside whatever else ran there"]
    if pairs := _pairs(rows, "spectrogram", "waveform"):
        lines += ["", "spectrogram minus waveform, paired"]
        between = gaps(rows)
        for clips, seen in pairs:
            found = between.get((clips, seen), {})
            cells = [f"{found[metric]:+.4f}" if metric in found else "-" for metric in METRICS]
            remark = "" if found else "not comparable: other settings, or other test songs"
            lines.append(_line("", f"{clips:,}", f"{seen:,}", "", *cells, remark))
    if several := [row for row in rows if row.seeds > 1]:
        lines += ["", "runs that differ in their seed alone, lowest to highest"]
        lines += [_line(*_runs(row), *(_range(row, metric) for metric in METRICS), _remark("", row)) for row in several]
    for version in list_published():
        table = published_results(version)
        lines += [
            "",
            f"{table.title} ({table.corpus})",
            _line("model", "songs", "", "", "ROC-AUC", "PR-AUC", "sqrt(MSE)", "time"),
        ]
        for row in table.rows:
            scores = (f"{row.roc_auc:.4f}", f"{row.pr_auc:.4f}", f"{row.sqrt_mse:.4f}")
            lines.append(_line(row.model, f"{row.examples:,}", "", "", *scores, row.training_time or "-"))
        lines += ["spectrogram minus waveform"]
        for songs, found in published_gaps(version).items():
            lines.append(_line("", f"{songs:,}", "", "", *(f"{found[metric]:+.4f}" for metric in METRICS), ""))
    return "\n".join(lines)


def _runs(row: Row) -> tuple[object, ...]:
    """The columns that say what was trained."""
    return row.model, f"{row.clips:,}", f"{row.clips_seen:,}", row.seeds


def _remark(text: str, row: Row) -> str:
    """A last cell, with what sets the row apart."""
    return f"{text} ({row.variant})".lstrip() if row.variant else text


def _range(row: Row, metric: str) -> str:
    found = row.by_run.get(metric)
    return f"{min(found):.4f} to {max(found):.4f}" if found else "-"


def _cell(row: Row, metric: str) -> str:
    return f"{row.scores[metric]:.4f}" if metric in row.scores else "-"


def _line(model: object, clips: object, seen: object, seeds: object, *rest: object) -> str:
    roc, pr, error, time = rest
    return f"{model!s:<28}{clips!s:>10}{seen!s:>11}{seeds!s:>6}  {roc!s:<27}{pr!s:<27}{error!s:<27}{time}".rstrip()


def seconds_of(record: dict[str, Any]) -> float:
    """How long a run took; trees need features first."""
    return record["seconds"] + record.get("seconds_for_features", 0.0)
