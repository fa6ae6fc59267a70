"""Learning curves as they are made: into a CSV file, or for TensorBoard. Book: ``book/recipe``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import TaggingError
from ..utils.extras import MissingPackageError
from ..utils.files import atomic_write

Event = dict[str, Any]
FIELDS = ("step", "model", "name", "value")


def values_of(event: Event) -> list[tuple[str, str, float]]:
    """Model, name and value of everything in an entry of a run's history; the learning rate belongs to no model."""
    values = [("", "learning_rate", event["learning_rate"])]
    values += [(model, "loss", value) for model, value in event["loss"].items()]
    for model, scores in event.get("validation", {}).items():
        values += [(model, f"validation_{name}", value) for name, value in scores.items()]
    return values


def to_csv(path: Path) -> Callable[[Event], None]:
    """Return a function for ``on_event`` of :func:`tagging.train` that writes a row for each value: step, model, name, value.

    The rows of an earlier part of the run stay; those after the step at which a run resumes are replaced.
    """
    rows: list[tuple[str, ...]] | None = None

    def write(event: Event) -> None:
        nonlocal rows
        if rows is None:
            rows = [row for row in _read(path) if int(row[0]) < event["step"]]
        rows += [(str(event["step"]), model, name, repr(value)) for model, name, value in values_of(event)]
        with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([FIELDS, *rows])

    return write


def _read(path: Path) -> list[tuple[str, ...]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = [tuple(row) for row in csv.reader(file)] or [()]
    except OSError:
        return []
    if header != FIELDS or not all(len(row) == len(FIELDS) and row[0].isdecimal() for row in rows):
        raise TaggingError(f"{path}: not the curves of a run; choose another folder, or remove this file")
    return rows


def to_tensorboard(folder: Path) -> Callable[[Event], None]:
    """Return a function for ``on_event`` of :func:`tagging.train` that writes files for TensorBoard.

    Raises:
        MissingPackageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "curves for TensorBoard need the package tensorboard: pip install tensorboard", name=error.name
        ) from error
    writer: SummaryWriter | None = None

    def write(event: Event) -> None:
        nonlocal writer
        if writer is None:
            writer = SummaryWriter(str(folder), purge_step=event["step"])
        for model, name, value in values_of(event):
            writer.add_scalar("/".join(filter(None, (name, model))), value, event["step"])
        writer.flush()

    return write


LOGGERS = {
    "csv": lambda folder: to_csv(folder / "curves.csv"),
    "tensorboard": lambda folder: to_tensorboard(folder / "tensorboard"),
}


def loggers(names: list[str], folder: Path) -> Callable[[Event], None]:
    """One function for ``on_event`` that writes all curves asked for into the folder of a run; names of ``LOGGERS``."""
    writers = [LOGGERS[name](folder) for name in names]

    def write(event: Event) -> None:
        for writer in writers:
            writer(event)

    return write
