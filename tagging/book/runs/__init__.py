"""The runs that the book quotes: their records and predictions, one file each. Book: ``book/how_made``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import TaggingError, unknown_name
from ...evaluation.predictions import Predictions, read_predictions, read_run, write_predictions
from ...training.records import read_record

BUNDLED_RUNS = Path(__file__).parent
_FOLDER = BUNDLED_RUNS / "predictions"


def training_records(folders: Iterable[Path] | None = None) -> list[dict[str, Any]]:
    """All records of training runs in some folders, by default those that ship with the package; sorted by name.

    A file that cannot be read is left out with a warning that names it.
    """
    paths = [path for folder in folders or [BUNDLED_RUNS] for path in sorted(Path(folder).rglob("*.json"))]
    records = []
    for path in paths:
        try:
            record = read_record(path)
        except TaggingError as error:
            if error.__cause__:  # else it is sound, but no record: settings and other files of a run's folder
                warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        if record.get("kind") == "training":
            records.append(record)
    return sorted(records, key=lambda record: record["name"])


def list_predictions() -> list[str]:
    """Names of the runs whose predictions ship with the package. Book: ``book/results``."""
    return sorted(path.name.removesuffix("-test.npz") for path in _FOLDER.glob("*-test.npz"))


def load_predictions(name: str, split: str = "test") -> Predictions:
    """What a model of the book said about songs it was not trained on.

    Args:
        name: of a run, one of :func:`list_predictions`.
        split: ``"test"`` or ``"validation"``.

    Raises:
        ConfigError: no such run or split.

    Book: ``book/results``.
    """
    if name not in list_predictions():
        raise unknown_name("run with predictions", name, list_predictions())
    if split not in ("test", "validation"):
        raise unknown_name("split", split, ("test", "validation"))
    return read_predictions(_FOLDER / f"{name}-{split}.npz")


def ship_predictions(run: Path, name: str, folder: Path | None = None) -> None:
    """Copy the predictions of a finished run, by default into the package, in half precision; those of trees, in single.

    A few trees give many songs nearly the same score, which half precision would make equal.
    """
    folder = _FOLDER if folder is None else folder
    precision = np.float32 if run.name == "gbt" else np.float16
    for split in ("test", "validation"):
        said = read_run(run, split)
        if said.labels is not None:  # equal in all files, so that models can be compared
            said = replace(said, labels=said.labels.astype(np.float16))
        write_predictions(folder / f"{name}-{split}.npz", said, precision)
