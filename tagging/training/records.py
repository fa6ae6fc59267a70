"""Run records: one JSON file a run or measurement, with what is needed to judge and repeat it. Book: ``book/results``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import TaggingError
from ..utils.files import atomic_write

_NUMBERS = re.compile(r"\[(?:\s*(?:-?[\d.]+(?:e[-+]?\d+)?|null),?)+\s*\]")


def write_record(path: Path, record: dict[str, Any]) -> Path:
    """Write a record, whole or not at all."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    # a list of numbers on one line: a thousand resamples should not take a thousand lines
    text = _NUMBERS.sub(lambda match: " ".join(match[0].split()), text)
    with atomic_write(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        TaggingError: no such file, or not a record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaggingError(f"{path}: not a run record ({error})") from error
    if not isinstance(record, dict) or "date" not in record:
        raise TaggingError(f"{path}: not a run record: it has no date")
    return record
