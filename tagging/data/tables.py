"""Tables of any kind as rows: CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, CorpusError, unknown_name
from ..utils.extras import MissingPackageError
from ..utils.tables import read_cells, read_text
from .scan import AUDIO_SUFFIXES

NONE = "none"  # as the name of a column: there is none


@dataclass(frozen=True)
class Table:
    """Rows of a file.

    Attributes:
        source: name of the file, for messages.
        columns: their names.
        rows: column -> value; a column may be missing from a row.
        lines: where each row stands in the file, for messages; counted from 1.
    """

    source: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    lines: Sequence[int]

    def find(self, name: str | None, usual: Iterable[str]) -> str | None:
        """The column of this name, or the first with a usual one; None for ``"none"``, and where there is none.

        Raises:
            ConfigError: no column has this name.
        """
        if name == NONE:
            return None
        if name is not None:
            if name not in self.columns:
                raise ConfigError(f"{self.source}: {unknown_name('column', name, self.columns)}")
            return name
        lower = {column.lower(): column for column in reversed(self.columns)}
        return next((lower[name] for name in usual if name in lower), None)

    def values(self, column: str) -> list[Any]:
        """The values of a column, None where there is none."""
        return [row.get(column) for row in self.rows]


def read_table(path: Path) -> Table:
    """Read a table: ``.tsv``, ``.parquet``, ``.jsonl``, or else CSV with commas, semicolons or tabs.

    Raises:
        CorpusError: no such file, or not such a table.
        ConfigError: rows of different lengths, a column without a name or with the name of another.
        MissingPackageError: a Parquet file, and pandas or pyarrow is not installed.
    """
    readers = {".parquet": _read_parquet, ".pq": _read_parquet, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
    try:
        table = readers.get(path.suffix.lower(), _read_csv)(path)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error})") from error
    if not table.rows:
        raise CorpusError(
            f"{path}: no songs; expected a header with the names of the columns, then a row for each song"
        )
    if twice := sorted(name for name, count in Counter(table.columns).items() if count > 1):
        raise ConfigError(f"{path}: columns given twice: {', '.join(twice)}; give each once")
    return table


def _read_csv(path: Path) -> Table:
    marks = ["\t"] if path.suffix.lower() in (".tsv", ".tab") else ["\t", ";", ","]
    # lyrics and notes are longer than the default
    delimiter, numbered = read_cells(path, marks, max_cell=2**24, strict=True, error=CorpusError)
    if not numbered:
        return Table(str(path), (), [], [])
    columns = tuple(name.strip() for name in numbered[0][1])
    if any(Path(name).suffix.lower() in AUDIO_SUFFIXES for name in columns):
        raise ConfigError(
            f"{path}: the first line must name the columns, e.g. path,rock,slow; it is {delimiter.join(columns)}"
        )
    if not all(columns):
        raise ConfigError(
            f"{path}: column {columns.index('') + 1} of the header has no name; the first line must name every column"
        )
    for line, row in numbered[1:]:
        if len(row) != len(columns):
            raise ConfigError(
                f"{path}, line {line}: {len(row)} cells, but the header names {len(columns)} columns; put cells that "
                f"contain {delimiter!r} into quotation marks"
            )
    rows = [dict(zip(columns, row, strict=True)) for _, row in numbered[1:]]
    return Table(str(path), columns, rows, [line for line, _ in numbered[1:]])


def _read_json_lines(path: Path) -> Table:
    rows, lines = [], []
    for line, text in enumerate(io.StringIO(read_text(path, CorpusError), newline=None), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            raise CorpusError(f"{path}, line {line}: not JSON ({error}); expected one object on each line") from error
        if not isinstance(row, dict):
            raise CorpusError(f'{path}, line {line}: expected an object such as {{"path": "a.mp3", "tags": ["rock"]}}')
        rows.append(row)
        lines.append(line)
    return Table(str(path), tuple(dict.fromkeys(name for row in rows for name in row)), rows, lines)


def _read_parquet(path: Path) -> Table:
    try:
        import pandas
        import pyarrow  # noqa: F401  (pandas reads Parquet with it)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{path}: reading Parquet needs pandas and pyarrow: pip install pandas pyarrow, or save the table as CSV",
            name=error.name,
        ) from error
    try:
        frame = pandas.read_parquet(path)
    except ValueError as error:
        raise CorpusError(f"{path}: not a Parquet file ({error})") from error
    if frame.index.name is not None:
        frame = frame.reset_index()
    frame.columns = [str(name) for name in frame.columns]
    return Table(str(path), tuple(frame.columns), frame.to_dict("records"), range(1, len(frame) + 1))
