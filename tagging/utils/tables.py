"""One reader for all tables of numbers in text files: a row for each song, a column for each tag.

It reads what spreadsheets, pandas and R write, or says what is wrong with it; it never guesses between two readings.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, TaggingError

# In the order in which they are tried: a tag may contain a comma, and decimal commas need another separator.
_DELIMITERS = ("\t", ";", ",")
_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# float() alone would take "1_0" for 10, and digits of every script
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
_TRUTH = {"true": 1.0, "false": 0.0}
_ID_NAMES = {
    "", "#", "id", "ids", "index", "name", "names", "nr", "no", "song", "songs", "track", "tracks", "clip", "clips", "file",
    "files", "filename", "filepath", "path", "item_id", "song_id", "songid", "track_id", "trackid", "clip_id",
    "file_id", "file_name", "file_path", "unnamed: 0",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Table:
    """A table of numbers.

    Attributes:
        ids: what names each row, such as ids of songs; all different, in Unicode's composed form (NFC).
        columns: what names each column of numbers, such as tags; likewise.
        values: float64 [rows, columns]; nan where a cell is empty.
    """

    ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray

    def __repr__(self) -> str:
        return f"Table({len(self.ids)} rows, {len(self.columns)} columns)"


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a table of numbers: a header, then a row for each song with its id and a number for each tag.

    Columns are separated by commas, semicolons or tabs; the text is UTF-8, or UTF-16 with a byte order mark; numbers may have
    decimal commas, and be ``True`` or ``False``. An index that pandas or R has written in front of the ids is left out. Names
    are stripped of spaces around them and compared in Unicode's composed form: the ``é`` of a Mac's file name is the ``é`` of a
    keyboard.

    Args:
        path: of the file.

    Returns:
        Ids, column names and numbers. What the numbers may be is for the caller to check.

    Raises:
        TaggingError: a file that cannot be read, is empty, or has another form.
        ConfigError: a row or column given twice, a cell that is no number, a table without ids; the message names the first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tags.csv"
    ...     _ = path.write_text("song;rock;calm\\na.mp3;0,5;1\\nb.mp3;;0\\n")
    ...     table = read_table(path)
    >>> table.ids, table.columns, table.values.tolist()
    (('a.mp3', 'b.mp3'), ('rock', 'calm'), [[0.5, 1.0], [nan, 0.0]])

    Book: ``book/popular_tags``.
    """
    path = Path(path)
    text = _read_text(path)
    lines = _without_empty_columns(_split(path, text))
    _, header = lines[0]
    if len(lines) == 1:
        raise TaggingError(f"{path}: a header without songs")
    for line, row in lines[1:]:
        if len(row) != len(header):
            hint = "; decimal commas need semicolons or tabs between the cells" if len(row) > len(header) else ""
            raise TaggingError(f"{path}, line {line}: {len(row)} cells, but the header has {len(header)}{hint}")
    lines = _without_index(lines)
    _, header = lines[0]
    if len(header) < 2 or not all(header[1:]):
        raise TaggingError(
            f"{path}: the header must name a tag for every column after the first; it is {','.join(header)!r}"
        )
    check_unique(path, "tags", header[1:])
    _check_ids(path, lines)
    values = np.array(
        [
            [_number(cell, path, line, name) for cell, name in zip(row[1:], header[1:], strict=True)]
            for line, row in lines[1:]
        ]
    )
    return Table(tuple(row[0] for _, row in lines[1:]), tuple(header[1:]), values)


_Lines = list[tuple[int, list[str]]]  # number of the line in the file, cells


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
        encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
        text = data.decode(encoding)
        if "\0" in text:
            raise ValueError("it contains null characters")
        return text
    except OSError as error:
        raise TaggingError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise TaggingError(
            f"{path}: cannot be read as a CSV file in UTF-8 ({error}); save it as CSV in UTF-8"
        ) from error


def _split(path: Path, text: str) -> _Lines:
    """The cells of all lines that are not empty, with the separator that cuts every line into as many cells as the header."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    offset = 0
    if (declaration := first.strip().lower()).startswith("sep=") and len(declaration) == 5:  # as Excel writes it
        delimiters, offset = [declaration[4]], 1
        text = text.partition("\n")[2]
    else:
        delimiters = [delimiter for delimiter in _DELIMITERS if delimiter in first] or [","]
    tables = [_cells(path, text, delimiter, offset) for delimiter in delimiters]
    if not tables[0]:
        raise TaggingError(f"{path}: empty; expected a header of tags and a row for each song")
    fitting = [table for table in tables if {len(row) for _, row in table} == {len(table[0][1])} != {1}]
    if len(fitting) > 1:
        fitting = [table for table in fitting if _is_numeric(table)] or fitting
    # where none fits, the one that cuts most: the errors are about its rows
    return fitting[0] if fitting else max(tables, key=lambda table: len(table[0][1]))


def _is_numeric(lines: _Lines) -> bool:
    return all(not cell or _is_number(cell) for _, row in lines[1:] for cell in row[1:])


def _cells(path: Path, text: str, delimiter: str, offset: int) -> _Lines:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num + offset, [_name(cell) for cell in row]) for row in reader]
    except csv.Error as error:
        raise TaggingError(f"{path}: cannot be read as a CSV file ({error}); save it as CSV in UTF-8") from error
    return [(line, row) for line, row in rows if any(row)]


def _name(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip())


def _without_empty_columns(lines: _Lines) -> _Lines:
    """Lines of equal length without the columns at their end that have neither a name nor a value, as spreadsheets write."""
    width = len(lines[0][1])
    if all(len(row) == width for _, row in lines):
        while width and not any(row[width - 1] for _, row in lines):
            width -= 1
        return [(line, row[:width]) for line, row in lines]
    return lines


def _without_index(lines: _Lines) -> _Lines:
    """Lines without a first column that only counts them, where the ids stand in the second."""
    (_, header), rows = lines[0], [row for _, row in lines[1:]]
    if len(header) < 3 or header[0].lower() not in ("", "index", "unnamed: 0"):
        return lines
    counts = [[str(start + row) for row in range(len(rows))] for start in (0, 1)]
    has_index = [row[0] for row in rows] in counts
    is_id = header[1].lower() in _ID_NAMES or any(row[1] and not _is_number(row[1]) for row in rows)
    return [(line, row[1:]) for line, row in lines] if has_index and is_id else lines


def _check_ids(path: Path, lines: _Lines) -> None:
    """Raise an error where the first column does not name the songs: where it is empty, or looks like scores of a tag."""
    name, ids = lines[0][1][0], [row[0] for _, row in lines[1:]]
    if not all(ids):
        raise TaggingError(f"{path}, line {lines[1 + ids.index('')][0]}: the first cell, the id of the song, is empty")
    if name.lower() not in _ID_NAMES and all(map(_is_number, ids)):
        numbers = [_to_float(cell) for cell in ids]
        if all(0 <= number <= 1 for number in numbers) or not all(number.is_integer() for number in numbers):
            raise ConfigError(
                f"{path}: the first column, {name!r}, has numbers like those of a tag, where the ids of the songs are expected; "
                "put the ids first, or a column of line numbers called id"
            )
    check_unique(path, "songs", ids)


def _number(cell: str, path: Path, line: int, name: str) -> float:
    if not cell:
        return math.nan
    if not _is_number(cell):
        raise ConfigError(
            f"{path}, line {line}, tag {name!r}: {cell!r} is not a number; leave the cell empty where unknown"
        )
    if math.isinf(number := _to_float(cell)):
        raise ConfigError(f"{path}, line {line}, tag {name!r}: {cell!r} is too large")
    return number


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None or cell.lower() in _TRUTH


def _to_float(cell: str) -> float:
    return _TRUTH[cell.lower()] if cell.lower() in _TRUTH else float(cell.replace(",", "."))


def check_unique(path: Path, kind: str, names: Sequence[str]) -> None:
    """Raise ConfigError for names that stand twice in a file."""
    if len(set(names)) < len(names):
        twice = {name for name, count in Counter(names).items() if count > 1}
        raise ConfigError(f"{path}: {kind} given twice: {some(twice)}; give each once")


def some(names: Iterable[str]) -> str:
    """The first five of some names, in order, and how many more there are."""
    names = sorted(names)
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
