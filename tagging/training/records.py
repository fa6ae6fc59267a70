"""Run records: one JSON file a run or measurement, with what is needed to judge and repeat it. Book: ``book/results``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import TaggingError
from ..utils.files import atomic_write
from ..utils.legacy import current_record

_NUMBERS = re.compile(r"\[(?:\s*(?:-?[\d.]+(?:e[-+]?\d+)?|null),?)+\s*\]")


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


def model_folder(run_folder: Path, model: str) -> Path:
    """Where a run keeps the results of one of its models."""
    return run_folder / model.replace(":", "+")


def finished_records(run_folder: Path, models: Sequence[str]) -> list[dict[str, Any]]:
    """The records of a complete run, in the order of its models; an empty list for any other."""
    paths = [model_folder(run_folder, model) / "record.json" for model in models]
    return [read_record(path) for path in paths] if all(path.exists() for path in paths) else []
