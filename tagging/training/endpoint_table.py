"""A table of runs by their endpoints within sources, with intervals over songs and seeds. Book: ``book/results``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..evaluation.bootstrap import Interval
from ..evaluation.evaluate import Evaluation
from ..evaluation.metrics import METRICS
from ..evaluation.seeds import SeedInterval, over_seeds
from .results_table import ORDER, Row, rows_of, table_runs
from .settings import Settings, flat

if TYPE_CHECKING:
    import pandas

# Where a vocabulary has these parts, they are the columns; otherwise all its parts are.
GROUPS = ("collection", "human", "computed", "instrument")
SOURCE_ALONE = "source alone"
# Follows from another setting: how many segments cover a clip.
_IMPLIED = {"evaluation.segments_per_clip"}


@dataclass(frozen=True, eq=False)
class EndpointRow:
    """One model at one scale.

    Attributes:
        row: as in the table over all songs; of the runs whose predictions were kept.
        evaluations: the endpoints of each run, in the order of seeds.
        endpoints: part -> metric -> mean over the runs, with its interval over songs and seeds.
    """

    row: Row
    evaluations: tuple[Evaluation, ...]
    endpoints: dict[str, dict[str, SeedInterval]]


def endpoint_rows(
    records: Iterable[dict[str, Any]], edition: str | None = None, models: Iterable[str] | None = ORDER
) -> list[EndpointRow]:
    """One row per model, scale and recipe, of the records that hold endpoints; seeds are averaged.

    Runs that were measured on other songs, labels or sources have rows of their own. A record with damaged endpoints is
    skipped with a warning that names it.

    Args:
        records: of training runs.
        edition, models: as in :func:`~tagging.training.results_table.rows_of`.
    """
    alike: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        if "endpoints" in record and _is_readable(record):
            alike.setdefault(record["endpoints"]["fingerprint"], []).append(record)
    return [_endpoint_row(row) for group in alike.values() for row in rows_of(group, edition, models=models)]


def _is_readable(record: dict[str, Any]) -> bool:
    try:
        Evaluation.from_dict(record["endpoints"])
    except ConfigError as error:
        warnings.warn(f"skipped the endpoints of {record.get('name', 'a run')}: {error}", stacklevel=3)
        return False
    return True


def _endpoint_row(row: Row) -> EndpointRow:
    evaluations = tuple(Evaluation.from_dict(run["endpoints"]) for run in row.runs)
    first = evaluations[0]
    means = {
        part: {
            metric: over_seeds([run.parts[part][metric] for run in evaluations], limits=METRICS[metric].limits)
            for metric, mean in metrics.items()
            if mean.resampled is not None
        }
        for part, metrics in first.parts.items()
    }
    return EndpointRow(row, evaluations, means)


def compare(first: EndpointRow, second: EndpointRow) -> dict[str, dict[str, SeedInterval]]:
    """Part -> metric -> first minus second, with an interval over songs and seeds.

    Raises:
        ConfigError: rows with different test songs, labels or sources.
    """
    fingerprints = {run.fingerprint for row in (first, second) for run in row.evaluations}
    if len(fingerprints) > 1:
        raise ConfigError(
            f"{first.row.model} and {second.row.model} were tested on different songs, labels or sources: no difference"
        )
    return {
        part: {
            metric: over_seeds(
                [run.parts[part][metric] for run in first.evaluations],
                [run.parts[part][metric] for run in second.evaluations],
            )
            for metric in metrics
        }
        for part, metrics in first.endpoints.items()
    }


def one_change(rows: Sequence[EndpointRow]) -> list[tuple[str, EndpointRow, EndpointRow]]:
    """Pairs of rows of one model and scale that differ in one setting: what was changed, the changed row, the usual one."""
    usual, pairs = flat(Settings()), []
    for changed in rows:
        for other in rows:
            scale = [(row.row.model, row.row.num_clips, row.row.num_training_segments) for row in (changed, other)]
            names = [name for name in differing(changed.row, other.row) if name not in _IMPLIED]
            if scale[0] != scale[1] or len(names) != 1:
                continue
            # a setting of a part is usual where it is not set
            if other.row.recipe.get(names[0], usual.get(names[0])) == usual.get(names[0]):
                pairs.append((f"{names[0]}={changed.row.recipe.get(names[0])}", changed, other))
    return pairs


def differing(first: Row, second: Row) -> list[str]:
    """The settings of the experiment in which two rows differ."""
    names = sorted({*first.recipe, *second.recipe})
    return [name for name in names if first.recipe.get(name) != second.recipe.get(name)]


def text(records: Iterable[dict[str, Any]], edition: str | None = None) -> str:
    """The endpoints as plain text: rows with 95 % intervals over songs and seeds, differences with verdicts; needs pandas.

    Args:
        records: of training runs.
        edition: keeps only :func:`~tagging.training.results_table.table_runs` of this edition; None keeps every run.

    Returns:
        Empty if no record holds endpoints.
    """
    records = list(records) if edition is None else table_runs(records, edition)
    rows = endpoint_rows(records)
    if not rows:
        return ""
    columns = columns_of(rows)
    intervals = "95 % intervals over groups of test songs and, where there is more than one, over seeds"
    over_all = "; collection: over all songs" if "collection" in columns else ""
    sections = [
        (f"{METRICS[metric].title}{where}; {intervals}", frame)
        for metric, where, shown in (
            ("roc_auc", f" within sources{over_all}", columns),
            ("pr_auc", f" within sources{over_all}", columns),
            ("sqrt_mse", " of attributes", ["all"]),
        )
        if len(frame := table(rows, metric, shown))
    ]
    for title, pairs in (("spectrogram minus waveform", _models(rows)), ("one setting changed", one_change(rows))):
        if len(frame := _differences(pairs, columns)):
            sections.append((f"{title}, ROC-AUC within sources: difference, interval, verdict", frame))
    printed = "\n\n".join(f"{title}\n{frame.to_string(index=False)}" for title, frame in sections)
    lacking = sum("endpoints" not in record for record in records)
    remark = (
        f"\n\n{lacking} of {len(records)} runs have no endpoints: their predictions were not kept" if lacking else ""
    )
    return printed + remark


def columns_of(rows: Sequence[EndpointRow]) -> list[str]:
    """The parts of the tags that a table shows, ``"all"`` last."""
    parts = dict.fromkeys(part for row in rows for part in row.endpoints if part != "all")
    return [*([part for part in GROUPS if part in parts] or parts), "all"]


def table(rows: Sequence[EndpointRow], metric: str, columns: Sequence[str], spec: str = ".3f") -> pandas.DataFrame:
    """One metric of each row and part as text; the first rows are of a predictor that knows the source alone; needs pandas.

    Args:
        rows: from :func:`endpoint_rows`.
        metric: one of ``METRICS``.
        columns: parts of the tags.
        spec: format of a measurement.
    """
    import pandas

    alone = {
        row.evaluations[0].fingerprint: row.row.runs[0]["source_alone"]
        for row in rows
        if "source_alone" in row.row.runs[0]
    }
    cells = [
        {"model": SOURCE_ALONE, "clips": "-", "segments": "-", "seeds": "-"}
        | {
            part: f"{Interval.from_dict(parts[part][metric]):{spec}}"
            for part in columns
            if metric in parts.get(part, {})
        }
        for parts in alone.values()
    ]
    cells += [
        _scale(row.row)
        | {part: f"{row.endpoints[part][metric]:{spec}}" for part in columns if metric in row.endpoints.get(part, {})}
        | {"": row.row.variant and f"({row.row.variant})"}
        for row in rows
    ]
    shown = pandas.DataFrame(cells).fillna("-")
    return shown if any(part in shown for part in columns) else shown.iloc[:0]


def _scale(row: Row) -> dict[str, Any]:
    scale = {"clips": f"{row.num_clips:,}", "segments": f"{row.num_training_segments:,}"}
    return {"model": row.model, **scale, "seeds": row.num_seeds}


def _models(rows: Sequence[EndpointRow]) -> list[tuple[str, EndpointRow, EndpointRow]]:
    """Spectrogram and waveform, trained alike."""
    pairs = []
    for first in (row for row in rows if row.row.model == "spectrogram"):
        for second in (row for row in rows if row.row.model == "waveform"):
            scale = [(row.row.num_clips, row.row.num_training_segments) for row in (first, second)]
            if scale[0] == scale[1] and not differing(first.row, second.row):
                pairs.append(("spectrogram minus waveform", first, second))
    return pairs


def _differences(
    pairs: Sequence[tuple[str, EndpointRow, EndpointRow]], columns: Sequence[str], metric: str = "roc_auc"
) -> pandas.DataFrame:
    """What was changed, at which scale, and the difference in each part, of rows that were tested alike."""
    import pandas

    rows = []
    for change, first, second in pairs:
        if first.evaluations[0].fingerprint == second.evaluations[0].fingerprint:
            difference = compare(first, second)
            cells = {
                part: f"{difference[part][metric]:+.3f} {difference[part][metric].verdict}"
                for part in columns
                if metric in difference.get(part, {})
            }
            seeds = f"{first.row.num_seeds}, {second.row.num_seeds}"
            rows.append(_scale(first.row) | {"seeds": seeds} | cells | {"": change})
    return pandas.DataFrame(rows).fillna("-")
