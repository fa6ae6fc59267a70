"""The runs that the book quotes: one record and two files of predictions each. Book: ``book/how_made``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import TaggingError, unknown_name
from ...evaluation.predictions import Predictions, read_predictions, read_run, write_predictions
from ...tags import Vocabulary
from ...training.records import read_record
from ...utils.legacy import current_evaluation, current_parts

BUNDLED_RUNS = Path(__file__).parent
_PREDICTIONS = BUNDLED_RUNS / "predictions"
SPLITS = ("test", "validation")


def training_records(folders: Iterable[Path] | None = None) -> list[dict[str, Any]]:
    """All records of training runs below some folders, sorted by name; by default the bundled ones.

    A damaged file is skipped with a warning that names it.
    """
    paths = [path for folder in folders or [BUNDLED_RUNS] for path in sorted(Path(folder).rglob("*.json"))]
    records = []
    for path in paths:
        try:
            record = read_record(path)
        except TaggingError as error:
            if error.__cause__:  # without a cause it is valid JSON of another kind, such as the settings of a run
                warnings.warn(f"skipped: {error}", stacklevel=2)
            continue
        if record.get("kind") == "training":
            records.append(record | {"test": current_evaluation(record["test"])})
    return sorted(records, key=lambda record: record["name"])


def bundled_record(name: str) -> dict[str, Any]:
    """The record of a bundled run or measurement.

    Raises:
        ConfigError: an unknown name.
    """
    names = [path.stem for path in BUNDLED_RUNS.glob("*.json")]
    if name not in names:
        raise unknown_name("record", name, names)
    return current_parts(read_record(BUNDLED_RUNS / f"{name}.json"))


def list_predictions() -> list[str]:
    """Names of the runs with bundled predictions."""
    return sorted(path.name.removesuffix("-test.npz") for path in _PREDICTIONS.glob("*-test.npz"))


def load_predictions(name: str, split: str = "test") -> Predictions:
    """The bundled predictions of a run.

    Args:
        name: one of :func:`list_predictions`.
        split: ``"test"`` or ``"validation"``.

    Raises:
        ConfigError: an unknown run or split.

    Book: ``book/results``.
    """
    if name not in list_predictions():
        raise unknown_name("run with predictions", name, list_predictions())
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    return read_predictions(_PREDICTIONS / f"{name}-{split}.npz")


def ship_predictions(run: Path, name: str, folder: Path | None = None) -> None:
    """Copy the predictions of a finished run into the package, in half precision; those of trees in single precision.

    Trees with few leaves give many songs nearly equal scores, which half precision would merge.

    Args:
        run: folder of one model of the run.
        name: of the run.
        folder: another target folder.
    """
    folder = _PREDICTIONS if folder is None else folder
    precision = np.float32 if run.name == "gbt" else np.float16
    for split in SPLITS:
        predictions = read_run(run, split)
        if predictions.labels is not None:  # the same labels in all files, so that models can be compared
            predictions = replace(predictions, labels=predictions.labels.astype(np.float16))
        write_predictions(folder / f"{name}-{split}.npz", predictions, precision)


def tag_parts(vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """Parts of the sheet-music vocabulary, as masks for ``evaluate(parts=...)``.

    Returns:
        ``"composition"`` (tags of the notes) and ``"instrument"`` (tags that the arranger decided): bool [tags].
    """
    instrument = np.array([tag.source == "arranger" for tag in vocabulary])
    return {"composition": ~instrument, "instrument": instrument}
