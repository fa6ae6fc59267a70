"""The runs that the book quotes: one record and two files of predictions each. Book: ``book/how_made``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.sheet_music.corpus import tag_parts as tag_parts
from ...errors import unknown_name
from ...evaluation.predictions import Predictions, read_predictions, read_run, write_predictions
from ...training.records import read_record, read_training_records
from ...utils.arrays import read_arrays, write_arrays
from ...utils.legacy import current_parts

BUNDLED_RUNS = Path(__file__).parent
_PREDICTIONS = BUNDLED_RUNS / "predictions"
# Sources of the clips that predictions are of, and what these annotate: for files that do not hold them.
_SOURCES = _PREDICTIONS / "sources.npz"
SPLITS = ("test", "validation")


def training_records() -> list[dict[str, Any]]:
    """The records of all bundled training runs, sorted by name."""
    return read_training_records([BUNDLED_RUNS])


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
    predictions = read_predictions(_PREDICTIONS / f"{name}-{split}.npz")
    if predictions.strata is not None or predictions.tracks is None:
        return predictions
    stored = read_arrays(_SOURCES)  # for files that were written before songs had sources
    if not np.isin(predictions.tracks, stored[f"{split}_tracks"]).all():
        return predictions
    rows = np.searchsorted(stored[f"{split}_tracks"], predictions.tracks)
    strata, annotated = (stored[f"{split}_{name}"][rows] for name in ("strata", "annotated"))
    return replace(predictions, strata=strata, annotated=annotated)


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


def write_sources(splits: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Write the sources of clips: split -> tracks int [clips], strata str [clips], annotated bool [clips, tags]."""
    arrays: dict[str, Any] = {
        f"{split}_{name}": array
        for split, of_split in splits.items()
        for name, array in zip(("tracks", "strata", "annotated"), of_split, strict=True)
    }
    write_arrays(_SOURCES, arrays)
