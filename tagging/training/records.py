"""Run records: one JSON file a run or measurement, with what is needed to judge and repeat it. Book: ``book/results``."""

from __future__ import annotations

import json
import re
import shlex
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TaggingError
from ..utils.files import atomic_write
from ..utils.legacy import current_record
from .run_names import run_name
from .settings import Settings

if TYPE_CHECKING:
    from ..data import Corpus
    from ..evaluation.evaluate import Evaluation
    from .data import Split

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
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
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
    """Write a record atomically."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    # a list of numbers on one line: a thousand resamples should not take a thousand lines
    text = _NUMBERS.sub(lambda match: " ".join(match[0].split()), text)
    with atomic_write(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; those of earlier versions get the field names of now.

    Raises:
        TaggingError: no such file, or not a record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaggingError(f"{path}: not a run record ({error})") from error
    if not isinstance(record, dict) or "date" not in record:
        raise TaggingError(f"{path}: not a run record: it has no date")
    try:
        return current_record(record)
    except (AttributeError, KeyError, TypeError) as error:
        raise TaggingError(f"{path}: damaged run record ({type(error).__name__}: {error})") from error


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
