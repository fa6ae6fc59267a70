"""The table of a library: a row for each file, a column for each tag; Parquet or CSV, written and read in blocks.

Book: ``book/tag_library``.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, TaggingError
from ..utils.extras import DISTRIBUTION, MissingPackageError
from ..utils.files import DamagedError, atomic_write, read_json
from ..utils.tables import Table, cells_up_to
from .description import Description, newer_format
from .results import Row

PARQUET, CSV = ".parquet", ".csv"
_BLOCK = 1000  # rows in memory
_METADATA = b"tagging"


def check_table_name(path: Path) -> None:
    """Raise an error for a name that is of no kind of table, or of one that cannot be written here."""
    if path.suffix.lower() not in (PARQUET, CSV):
        raise ConfigError(f"{path}: the name of the table must end in {PARQUET} or {CSV}")
    if path.suffix.lower() == PARQUET:
        try:  # said before the work
            import pyarrow  # noqa: F401
        except ModuleNotFoundError as error:
            other = path.with_suffix(CSV).name
            raise MissingPackageError(
                f"{path}: Parquet needs pyarrow, which the extra 'library' brings: pip install \"{DISTRIBUTION}[library]\"; "
                f"or name the table {other}"
            ) from error


def write_table(path: Path, description: Description, rows: Iterable[Row]) -> None:
    """Write a table, atomically.

    Args:
        path: ends in ``.parquet`` or ``.csv``.
        description: of the table.
        rows: of all files.

    Raises:
        TaggingError: it cannot be written.
    """
    if path.suffix.lower() == PARQUET:
        _write_parquet(path, description, rows)
        return
    with atomic_write(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names, count = list(description.kinds), 0
        writer.writerow(names)
        for row in rows:
            values = {**_fixed(row), **_values(description, row)}
            writer.writerow([_cell(values.get(name)) for name in names])
            count += 1
    facts = description.to_dict() | {"columns": names, "rows": count}  # by which a table that was cut is told
    with atomic_write(_beside(path)) as part:
        part.write_text(json.dumps(facts), encoding="utf-8")


def _write_parquet(path: Path, description: Description, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "text": pa.string(), "number": pa.float64(), "score": pa.float32(), "truth": pa.bool_(),
        "vector": pa.list_(pa.float32()),
    }  # fmt: skip
    kinds = {name: types[kind] for name, kind in description.kinds.items()} | {"bytes": pa.int64()}
    metadata = {_METADATA: json.dumps(description.to_dict()).encode()}
    schema = pa.schema(list(kinds.items()), metadata=metadata)
    rows = iter(rows)
    with atomic_write(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        while block := list(islice(rows, _BLOCK)):
            columns: dict[str, list[Any]] = {name: [] for name in kinds}
            for row in block:
                values = {**_fixed(row), **_values(description, row)}
                for name, column in columns.items():
                    column.append(values.get(name))
            writer.write_table(pa.table([pa.array(columns[name], kinds[name]) for name in kinds], schema=schema))


def _fixed(row: Row) -> dict[str, Any]:
    result = row.result
    has_scores = result.scores is not None
    return {
        "path": text_of(row.path),
        "duplicate_of": text_of(row.duplicate_of) or None,
        "error": result.error or None,
        "notes": "; ".join(result.notes) or None,
        "seconds": round(result.seconds, 3) if has_scores else None,
        "bytes": row.size,
        "sha256": row.digest or None,
    }


def _values(description: Description, row: Row) -> dict[str, Any]:
    """Scores, whether they reach their threshold, and embeddings."""
    scores, vector, values = row.result.scores, row.result.embeddings, {}
    if scores is None:
        return {}
    for (name, (model, tag)), score in zip(description.columns.items(), scores, strict=True):
        values[name] = score
        if tag in model.thresholds:
            values[f"{name}_present"] = bool(score >= model.thresholds[tag])
    start = 0
    for name, model in description.embedding_columns.items():
        values[name] = None if vector is None else vector[start : start + model.features]
        start += model.features
    return values


def text_of(path: str) -> str:
    r"""A path as text: bytes that are no UTF-8 as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def path_of(text: str) -> list[str]:
    r"""The paths of which :func:`text_of` may have made a text: two where it has ``\xff``, which may also be in a name."""
    name = text.encode("utf-8", "surrogateescape")
    unescaped = re.sub(rb"\\x([89a-f][0-9a-f])", lambda match: bytes.fromhex(match[1].decode()), name)
    return [os.fsdecode(each) for each in dict.fromkeys((name, unescaped))]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, np.ndarray):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def library_scores(path: Path) -> Table | None:
    """The scores of a table that :func:`tagging.tag_library` wrote; None for other files."""
    if path.suffix.lower() == PARQUET or (path.suffix.lower() == CSV and _beside(path).is_file()):
        return LibraryTable(path).scores()
    return None


class LibraryTable:
    """A table that :func:`tagging.tag_library` wrote, read in blocks.

    Args:
        path: of the table.

    Attributes:
        description: what it is of.

    Raises:
        TaggingError: no such table, one of a newer version, or something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigError(f"{self.path}: no such table; `tagging tag-library MUSIC --out {self.path}` writes it")
        check_table_name(self.path)
        try:
            facts = self._facts()
            if form := newer_format(facts):
                raise TaggingError(
                    f"{self.path}: of the format {form}, which a newer version wrote; update the package"
                )
            self.description = Description.parse(facts)
            self._columns, self._rows = facts.get("columns"), facts.get("rows")
        except (ValueError, RecursionError) as error:
            raise self._damaged(error) from error

    def _damaged(self, reason: object) -> DamagedError:
        return DamagedError(self.path, f"{reason}; write it again with `tagging tag-library`")

    def _facts(self) -> Any:
        if self.path.suffix.lower() == CSV:
            try:
                return read_json(_beside(self.path))
            except DamagedError as error:
                raise ValueError(f"{_beside(self.path).name}, which says what it is of: {error.reason}") from error
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            metadata = pq.read_schema(self.path).metadata or {}
        except (pa.ArrowException, OSError) as error:
            raise ValueError(str(error)) from error
        return json.loads(metadata.get(_METADATA, b"null"))

    def blocks(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        """Yield some columns of some rows at a time: column -> values, None where empty.

        Texts are str, numbers and scores float, embeddings float64 [features of the model]; all numbers are finite, and a row
        has all scores or none.

        Raises:
            TaggingError: the table cannot be read, lacks a column, or a value in it is damaged.
        """
        reader = self._csv(columns) if self.path.suffix.lower() == CSV else self._parquet(columns)
        start = 0
        try:
            for block in reader:
                yield self._checked(block, start)
                start += len(block[columns[0]])
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError, OSError, csv.Error) as error:
            if isinstance(error, TaggingError):
                raise
            raise self._damaged(error) from error

    def scores(self) -> Table:
        """The scores of the songs that have any: of all models, with duplicates.

        Raises:
            TaggingError: the table cannot be read, or no song in it has scores.
        """
        names, ids, rows = list(self.description.columns), [], []
        for block in self.blocks(["path", *names]):
            for path, *scores in zip(*block.values(), strict=True):
                if None not in scores:
                    ids.append(path)
                    rows.append(scores)
        if not rows:
            raise TaggingError(f"{self.path}: no song has scores; its column `error` says why")
        return Table(tuple(ids), tuple(names), np.array(rows, dtype=np.float64))

    def _checked(self, block: dict[str, list[Any]], start: int) -> dict[str, list[Any]]:
        """A block with values of the right kinds; ``start`` is the number of rows in front of it."""
        kinds, vectors = self.description.kinds, self.description.embedding_columns
        for name, values in block.items():
            length = vectors[name].features if name in vectors else 0
            for row, value in enumerate(values):
                if value is None and name != "path":
                    continue
                try:
                    values[row] = _converted(value, kinds[name], length)
                except (ValueError, TypeError, OverflowError) as error:
                    raise ValueError(f"row {start + row + 1}, column {name}: {error}") from error
        scores = [name for name in block if kinds[name] == "score"]
        for row, present in enumerate(zip(*(block[name] for name in scores), strict=True)):
            if None in present and present.count(None) < len(present):
                raise ValueError(f"row {start + row + 1}, column {scores[present.index(None)]}: no score")
        return block

    def _parquet(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(_BLOCK, columns=list(columns)):
                    yield {name: batch.column(name).to_pylist() for name in columns}
        except pa.ArrowException as error:
            raise ValueError(str(error)) from error

    def _csv(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        _check_last_line(self.path)
        # an embedding is longer than the usual limit
        with cells_up_to(2**24), open(self.path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if self._columns is not None and header != self._columns:
                raise ValueError("line 1: the names of the columns are others than were written")
            if absent := [name for name in columns if header.count(name) != 1]:
                raise ValueError(f"line 1: {header.count(absent[0])} columns {absent[0]!r}, where 1 is expected")
            positions = [header.index(name) for name in columns]
            count = 0
            while block := list(islice(self._rows_of(reader, len(header)), _BLOCK)):
                yield {
                    name: [_parsed(row[position], self.description.kinds[name]) for row in block]
                    for name, position in zip(columns, positions, strict=True)
                }
                count += len(block)
        # a table has at least one row
        if count != self._rows and (self._rows is not None or not count):
            raise ValueError(f"{count} rows, where {self._rows or 'some'} were written")

    def _rows_of(self, reader: Any, cells: int) -> Iterator[list[str]]:
        for row in reader:
            if len(row) != cells:
                raise ValueError(f"line {reader.line_num}: {len(row)} cells, but the header has {cells}")
            yield row


def _check_last_line(path: Path) -> None:
    """Raise an error for a text that ends within a line; rows that are cut off are counted."""
    with open(path, "rb") as file:
        if not file.seek(0, os.SEEK_END):
            raise ValueError("it is empty")
        file.seek(-1, os.SEEK_END)
        if file.read() not in (b"\r", b"\n"):
            raise ValueError("its last line is cut off")


def _parsed(cell: str, kind: str) -> Any:
    """The value of a CSV cell."""
    if not cell or kind == "text":
        return cell or None
    if kind == "truth":
        return {"true": True, "false": False}.get(cell, cell)
    return json.loads(cell) if kind == "vector" else float(cell)


def _converted(value: Any, kind: str, length: int) -> Any:
    """A value of its kind; ``length`` is that of a vector."""
    if kind == "text":
        if not isinstance(value, str) or not value:
            raise ValueError("text is expected")
        return value
    if kind == "truth":
        if not isinstance(value, bool):
            raise ValueError("true or false is expected")
        return value
    if kind == "vector":
        numbers = np.array(value)
        if numbers.shape != (length,) or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
            raise ValueError(f"{length} numbers are expected")
        return numbers.astype(np.float64)
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number):
        raise ValueError("a finite number is expected")
    return float(number)
