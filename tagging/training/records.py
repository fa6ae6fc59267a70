"""Run records: one JSON file a run or measurement, with what is needed to judge and repeat it. Book: ``book/results``."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, TaggingError
from ..evaluation.bootstrap import Interval
from ..evaluation.evaluate import Evaluation
from ..evaluation.metrics import METRICS
from ..utils.files import DamagedError, atomic_write, read_json
from ..utils.legacy import current_record
from ..utils.provenance import command_line
from .run_names import run_name
from .settings import Settings

if TYPE_CHECKING:
    from ..data import Corpus
    from .data import Split

_CHECKSUM = "sha256"
# What every training record has, and of which kind.
_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("name", "command", "edition", "model", "date", "device"), str),
    **dict.fromkeys(("num_clips", "num_training_segments", "seed"), int),
    **dict.fromkeys(("seconds",), (int, float)),
    **dict.fromkeys(("settings", "corpus", "test"), dict),
}
_NUMBERS = re.compile(r"\[(?:\s*(?:-?[\d.]+(?:e[-+]?\d+)?|null),?)+\s*\]")


def training_record(
    settings: Settings,
    model: str,
    train: Split,
    test: Split,
    evaluation: Evaluation,
    tag_prior: np.ndarray,
    environment: dict[str, Any],
    **measured: Any,
) -> dict[str, Any]:
    """The record of a trained model, a network or trees.

    Args:
        settings: of the run.
        model: which of its models.
        train, test: the clips.
        evaluation: of the test predictions.
        tag_prior: float [tags], share of training clips with each tag; NaN where unknown.
        environment: versions, commit and date at the start of the run.
        measured: further fields, such as ``seconds`` and ``history``.
    """
    return {
        "kind": "training",
        "name": run_name(settings, model),
        "command": command_line("tagging.train"),
        "edition": settings.edition,
        "model": model,
        "num_clips": len(train),
        "seed": settings.seed,
        "settings": settings.to_dict(),
        "corpus": describe_corpus(train.corpus, test.corpus),
        **measured,
        "tag_prior": [None if np.isnan(value) else round(float(value), 5) for value in tag_prior],
        "test": evaluation.to_dict(),
        **environment,
    }


def describe_corpus(train: Corpus, test: Corpus) -> dict[str, Any]:
    """Name and versions of the training and test clips."""
    return {"name": train.name, "train": train.version, "test": test.version, **train.provenance()}


def write_record(path: Path, record: dict[str, Any]) -> Path:
    """Write a record atomically, with its SHA-256."""
    record = {name: value for name, value in record.items() if name != _CHECKSUM}
    record[_CHECKSUM] = _digest(record)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    # a list of numbers on one line: a thousand resamples should not take a thousand lines
    text = _NUMBERS.sub(lambda match: " ".join(match[0].split()), text)
    with atomic_write(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; those of earlier versions get the field names of now.

    Records of earlier versions have no SHA-256: of them a reader knows that all fields are there and of their kind.

    Raises:
        TaggingError: no such file, not a record, or one that is damaged, changed or incomplete.
    """
    try:
        record = read_json(path)
    except DamagedError as error:
        raise TaggingError(f"{path}: not a run record ({error.reason})") from error
    if not isinstance(record, dict) or "date" not in record:
        raise TaggingError(f"{path}: not a run record: it has no date")
    try:
        if _CHECKSUM in record and record.pop(_CHECKSUM) != _digest(record):
            raise ConfigError("it was changed after it had been written")
        record = current_record(record)
        if record.get("kind") == "training":
            _check_complete(record)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        known = isinstance(error, ConfigError)
        raise TaggingError(
            f"{path}: damaged run record ({error if known else f'{type(error).__name__}: {error}'})"
        ) from error
    return record


def _digest(record: dict[str, Any]) -> str:
    """SHA-256 of what a record says, however it is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _check_complete(record: dict[str, Any]) -> None:
    """Raise ConfigError unless a training record has what tables and figures read."""
    for name, kind in _FIELDS.items():
        if not isinstance(record.get(name), kind) or isinstance(record[name], bool):
            raise ConfigError(f"{name}: {record.get(name, 'missing')!r:.60}")
    if not isinstance(record.get("parameters", 0), int):
        raise ConfigError(f"parameters: {record['parameters']!r:.60}")
    if not isinstance(record["corpus"].get("name"), str):
        raise ConfigError(f"corpus: {record['corpus']!r:.60}")
    settings = record["settings"]
    Settings.from_dict(settings)
    # which fills in what is missing: here it would be a guess
    _ = settings["models"], settings["optimization"]["loss"]
    _ = [settings["data"][name] for name in ("shuffle_labels", "corpus_options", "train_options")]
    test = Evaluation.from_dict(record["test"])
    numbers: list[float] = [test.num_songs, test.num_groups]
    for means in (test.means, *test.parts.values()):
        for interval in (value for value in means.values() if isinstance(value, Interval)):
            numbers += [interval.value, interval.low, interval.high]
    if not all(type(number) in (int, float) for number in numbers) or not isinstance(test.fingerprint, str):
        raise ConfigError("test: a measurement that is no number")
    measured = {name for name in test.parts.get("all", {}) if name in METRICS}
    if {len(test.resampled.get(name, ())) for name in measured} - {settings["evaluation"]["num_resamples"]}:
        raise ConfigError("test: resamples are missing")


def read_training_records(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """All records of training runs below some folders, sorted by name.

    A damaged file is skipped with a warning that names it.
    """
    records = []
    for path in (path for folder in folders for path in sorted(Path(folder).rglob("*.json"))):
        try:
            record = read_record(path)
        except TaggingError as error:
            if error.__cause__:  # without a cause it is valid JSON of another kind, such as the settings of a run
                warnings.warn(f"skipped: {error}", stacklevel=2)
            continue
        if record.get("kind") == "training":
            records.append(record)
    return sorted(records, key=lambda record: record["name"])


def model_folder(run_folder: Path, model: str) -> Path:
    """Where a run keeps the results of one of its models."""
    return run_folder / model.replace(":", "+")


def finished_records(run_folder: Path, models: Sequence[str]) -> list[dict[str, Any]]:
    """The records of a complete run, in the order of its models; an empty list for any other."""
    paths = [model_folder(run_folder, model) / "record.json" for model in models]
    return [read_record(path) for path in paths] if all(path.exists() for path in paths) else []
