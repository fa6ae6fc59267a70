"""The table of a library: a row for each file, a column for each tag; Parquet or CSV, written and read in blocks.

Book: ``book/tag_library``.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, TaggingError
from ..utils.extras import DISTRIBUTION, MissingPackageError
from ..utils.files import DamagedError, atomic_write, read_json
from ..utils.tables import long_cells
from .journal import Row
from .songs import ModelFacts

PARQUET, CSV = ".parquet", ".csv"
FIXED = ("path", "duplicate_of", "error", "notes", "seconds", "bytes", "sha256")
FORMAT = "tagging-table/1"
_BLOCK = 1000  # rows in memory
_METADATA = b"tagging"


@dataclass(frozen=True)
class Description:
    """What a table is of: in the metadata of a Parquet file, in ``<name>.csv.json`` beside a CSV file.

    Attributes:
        root: folder of the music.
        models: in the order of their columns.
        hop_seconds: from the start of one segment to the next; None is the models' own.
    """

    root: str
    models: tuple[ModelFacts, ...]
    hop_seconds: float | None = None

    @cached_property
    def columns(self) -> dict[str, tuple[ModelFacts, str]]:
        """Column -> model and tag: the tag's name; ``MODEL/TAG`` for several models, or where the table has that name."""
        taken = {name.lower() for name in FIXED} | {"embedding"}  # SQL does not tell Path from path
        named: dict[str, tuple[ModelFacts, str]] = {}
        for model in self.models:
            for tag in model.tags:
                is_clear = len(self.models) == 1 and tag.lower() not in taken
                named[tag if is_clear else f"{_stem(model)}/{tag}"] = model, tag
        return named

    @cached_property
    def embedding_columns(self) -> dict[str, ModelFacts]:
        """Column -> model: ``embedding``, or ``MODEL/embedding`` for several models."""
        models = [model for model in self.models if model.features]
        return {"embedding" if len(self.models) == 1 else f"{_stem(model)}/embedding": model for model in models}

    def to_json(self) -> str:
        """One text; :meth:`parse` reads it."""
        facts = {
            "root": self.root,
            "models": [model.to_dict() for model in self.models],
            "hop_seconds": self.hop_seconds,
        }
        return json.dumps({"format": FORMAT, **facts})

    @classmethod
    def parse(cls, facts: Any) -> Description:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: something else.
        """
        try:
            if facts["format"] != FORMAT:
                raise ValueError(f"format {facts['format']!r}, this version reads {FORMAT!r}; update the package")
            models = tuple(ModelFacts(**model) for model in facts["models"])
            if not all(all(isinstance(tag, str) for tag in model.tags) for model in models):
                raise ValueError("tags that are no texts")
            return cls(str(facts["root"]), models, facts["hop_seconds"])
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no description of a table ({error})") from error


def _stem(model: ModelFacts) -> str:
    return Path(model.name).stem if model.name.endswith((".onnx", ".safetensors")) else model.name


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
        names = _value_names(description)
        writer.writerow([*FIXED, *names])
        for row in rows:
            values = _values(description, row)
            writer.writerow([*map(_cell, _fixed(row).values()), *(_cell(values.get(name)) for name in names)])
    with atomic_write(_beside(path)) as part:
        part.write_text(description.to_json(), encoding="utf-8")


def _write_parquet(path: Path, description: Description, rows: Iterable[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, Any] = dict.fromkeys(FIXED, pa.string()) | {"seconds": pa.float64(), "bytes": pa.int64()}
    for name, (model, tag) in description.columns.items():
        kinds[name] = pa.float32()
        if tag in model.thresholds:
            kinds[f"{name}_present"] = pa.bool_()
    kinds |= dict.fromkeys(description.embedding_columns, pa.list_(pa.float32()))
    schema = pa.schema(list(kinds.items()), metadata={_METADATA: description.to_json().encode()})
    rows = iter(rows)
    with atomic_write(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        while block := list(islice(rows, _BLOCK)):
            columns: dict[str, list[Any]] = {name: [] for name in kinds}
            for row in block:
                values = {**_fixed(row), **_values(description, row)}
                for name, column in columns.items():
                    column.append(values.get(name))
            writer.write_table(pa.table([pa.array(columns[name], kinds[name]) for name in kinds], schema=schema))


def _value_names(description: Description) -> list[str]:
    names: list[str] = []
    for name, (model, tag) in description.columns.items():
        names += [name, f"{name}_present"] if tag in model.thresholds else [name]
    return [*names, *description.embedding_columns]


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


class LibraryTable:
    """A table that :func:`tagging.tag_library` wrote, read in blocks.

    Args:
        path: of the table.

    Attributes:
        description: what it is of.

    Raises:
        TaggingError: no such table, or something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigError(f"{self.path}: no such table; `tagging tag-library MUSIC --out {self.path}` writes it")
        check_table_name(self.path)
        try:
            self.description = Description.parse(self._facts())
        except ValueError as error:
            raise DamagedError(self.path, f"{error}; write it again with `tagging tag-library`") from error

    def _facts(self) -> Any:
        if self.path.suffix.lower() == CSV:
            return read_json(_beside(self.path))
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            metadata = pq.read_schema(self.path).metadata or {}
        except (pa.ArrowException, OSError) as error:
            raise ValueError(str(error)) from error
        return json.loads(metadata.get(_METADATA, b"null"))

    def blocks(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        """Yield some columns of some rows at a time: column -> values, None where empty.

        Raises:
            TaggingError: the table cannot be read, or lacks a column.
        """
        try:
            yield from self._csv(columns) if self.path.suffix.lower() == CSV else self._parquet(columns)
        except (ValueError, LookupError, OSError, csv.Error) as error:  # Arrow's errors are among these
            if isinstance(error, TaggingError):
                raise
            raise DamagedError(self.path, f"{error}; write it again with `tagging tag-library`") from error

    def _parquet(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_BLOCK, columns=list(columns)):
                yield {name: batch.column(name).to_pylist() for name in columns}

    def _csv(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        texts, vectors = set(FIXED) - {"seconds", "bytes"}, set(self.description.embedding_columns)

        def value(name: str, cell: str) -> Any:
            if not cell or name in texts:
                return cell or None
            return json.loads(cell) if name in vectors else float(cell)

        # an embedding is longer than the usual limit
        with long_cells(2**24), open(self.path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            while block := list(islice(reader, _BLOCK)):
                yield {name: [value(name, row[name]) for row in block] for name in columns}
