"""``tagging compare``: two runs, with paired intervals of their differences. Book: ``book/results``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .base import OK, Run, command
from .terminal import show


@command(
    "compare",
    help="compare two runs: differences with paired intervals",
    description="Compare two runs that were tested on the same songs: settings that differ, scores, and differences with paired "
    "95 % intervals over groups of test songs. They contain no spread over seeds.",
)
def compare(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging compare``."""
    for name in ("first", "second"):
        parser.add_argument(name, metavar="RUN", help="folder of a run, of one of its models, or a record (.json)")
    return _compare


def _compare(options: argparse.Namespace) -> int:
    from ..evaluation.evaluate import Evaluation, difference
    from ..evaluation.metrics import METRICS

    one, other = (_read(Path(path)) for path in (options.first, options.second))
    show(f"first:  {one['name']}", f"second: {other['name']}")
    for name, values in _differences(one, other).items():
        show(f"  {name}: {values[0]} and {values[1]}")
    first, second = Evaluation.from_dict(one["test"]), Evaluation.from_dict(other["test"])
    if first.fingerprint != second.fingerprint and (
        folds := [record["name"] for record in (one, other) if _folds(record)]
    ):
        raise ConfigError(
            f"{folds[0]} was tested on all songs, fold by fold, the other on its test songs: make the probe once more with "
            "--own-splits (its features are kept)"
        )
    show(f"{first.num_songs:,} test songs in {first.num_groups:,} groups")
    for metric, mean in first.means.items():
        gap = difference(first, second, metric)
        direction = "higher is better" if METRICS[metric].higher_is_better else "lower is better"
        show(f"{metric} ({direction}): {mean:.4f} and {second.means[metric]:.4f}, first minus second {gap:+.4f}")
    return OK


def _read(path: Path) -> dict[str, Any]:
    """The record of a run with one model, of a model, or in a file."""
    from ..training.records import read_record

    if path.is_file():
        return read_record(path)
    records = [path / "record.json"] if (path / "record.json").exists() else sorted(path.glob("*/record.json"))
    if len(records) == 1:
        return read_record(records[0])
    if not records:
        raise ConfigError(f"{path}: no finished run here; give the folder of a run, or of one of its models")
    names = ", ".join(str(record.parent) for record in records)
    raise ConfigError(f"{path}: a run of {len(records)} models; name one of {names}")


def _folds(record: dict[str, Any]) -> int | None:
    """Folds of the cross-validation of a probe; None for all that was tested on the test split."""
    folds: int | None = record.get("probe", {}).get("folds")
    return folds


def _differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings, model and corpus that differ: name -> both values. Speed and reporting do not count."""
    from ..training.settings import Settings, flat

    first, second = ({"model": record["model"], "corpus": record["corpus"]["train"],
                      **flat(Settings.from_dict(record["settings"]))} for record in (one, other))  # fmt: skip
    names = [name for name in first if not name.startswith("runtime.") and name != "models"]
    return {name: (first[name], second.get(name)) for name in names if first[name] != second.get(name)}
