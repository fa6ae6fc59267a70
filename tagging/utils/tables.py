"""Tables in text files: their cells, for all readers of them; and tables of numbers, a row for each song, a column for each tag.

What spreadsheets, pandas and R write is read, or it is said what is wrong with it; there is no guess between two readings.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
_SAVE = "save it as CSV in UTF-8 (in Excel: Save as, CSV UTF-8)"
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
    lines = [(line, [_name(cell) for cell in row]) for line, row in read_cells(path)[1]]
    if not lines:
        raise TaggingError(f"{path}: empty; expected a header of tags and a row for each song")
    lines = _without_empty_columns(lines)
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


Lines = list[tuple[int, list[str]]]  # number of the line in the file, cells


def read_cells(
    path: Path,
    delimiters: Sequence[str] = _DELIMITERS,
    *,
    max_cell: int = 2**17,
    strict: bool = False,
    error: type[TaggingError] = TaggingError,
) -> tuple[str, Lines]:
    """The separator of a table, and the cells of all its lines that are not empty; no line where all are.

    Args:
        path: of the file.
        delimiters: those it may have. Of several in the first line it is the one that cuts every line into as many cells as the
            header; if none does, the one that cuts the header into most. ``sep=;`` in a first line, as Excel writes it, names it.
        max_cell: characters in a cell at most.
        strict: refuse quotation marks that do not close.
        error: what is raised where the file cannot be read.
    """
    text, offset = read_text(path, error), 0
    first = next((line for line in text.splitlines() if line.strip()), "")
    if (declaration := first.strip().lower()).startswith("sep=") and len(declaration) == 5:
        delimiters, offset = [declaration[4]], 1
        text = text.partition("\n")[2]
    else:
        delimiters = [mark for mark in delimiters if mark in first] or [delimiters[-1]]
    tables: dict[str, Lines] = {}
    for mark in delimiters:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=strict)
        try:
            with cells_up_to(max_cell):
                tables[mark] = [(reader.line_num + offset, row) for row in reader if any(map(str.strip, row))]
        except csv.Error as wrong:
            if mark == delimiters[-1] and not tables:
                raise error(f"{path}: cannot be read as a table ({wrong}); {_SAVE}") from wrong
    if not all(tables.values()):
        return delimiters[0], []
    fitting = [mark for mark, lines in tables.items() if {len(row) for _, row in lines} == {len(lines[0][1])} != {1}]
    if len(fitting) > 1:
        fitting = [mark for mark in fitting if _is_numeric(tables[mark])] or fitting
    # where none fits, the errors are about the rows of the one that cuts most
    chosen = fitting[0] if fitting else max(tables, key=lambda mark: len(tables[mark][0][1]))
    return chosen, tables[chosen]


def read_text(path: Path, error: type[TaggingError] = TaggingError) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark."""
    try:
        data = path.read_bytes()
        encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
        text = data.decode(encoding)
        if "\0" in text:
            raise ValueError("it contains null characters")
        return text
    except OSError as wrong:
        raise error(f"{path}: cannot be read ({wrong.strerror or wrong})") from wrong
    except ValueError as wrong:
        raise error(f"{path}: cannot be read as a table in UTF-8 ({wrong}); {_SAVE}") from wrong


def _is_numeric(lines: Lines) -> bool:
    return all(not cell.strip() or _is_number(cell.strip()) for _, row in lines[1:] for cell in row[1:])


def _name(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip())


def _without_empty_columns(lines: Lines) -> Lines:
    """Lines of equal length without the columns at their end that have neither a name nor a value, as spreadsheets write."""
    width = len(lines[0][1])
    if all(len(row) == width for _, row in lines):
        while width and not any(row[width - 1] for _, row in lines):
            width -= 1
        return [(line, row[:width]) for line, row in lines]
    return lines


def _without_index(lines: Lines) -> Lines:
    """Lines without a first column that only counts them, where the ids stand in the second."""
    (_, header), rows = lines[0], [row for _, row in lines[1:]]
    if len(header) < 3 or header[0].lower() not in ("", "index", "unnamed: 0"):
        return lines
    counts = [[str(start + row) for row in range(len(rows))] for start in (0, 1)]
    has_index = [row[0] for row in rows] in counts
    is_id = header[1].lower() in _ID_NAMES or any(row[1] and not _is_number(row[1]) for row in rows)
    return [(line, row[1:]) for line, row in lines] if has_index and is_id else lines


@contextlib.contextmanager
def cells_up_to(characters: int) -> Iterator[None]:
    """Let ``csv`` read cells of up to so many characters: its limit is one for the whole process, and libraries change it."""
    limit = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _check_ids(path: Path, lines: Lines) -> None:
    """Raise an error where the first column does not name the songs: where it is empty, or looks like scores of a tag."""
    name, ids = lines[0][1][0], [row[0] for _, row in lines[1:]]
    if not all(ids):
        raise TaggingError(f"{path}, line {lines[1 + ids.index('')][0]}: the first cell, the id of the song, is empty")
    if all(map(_is_number, ids)):
        numbers = [_to_float(cell) for cell in ids]
        # "song" may be a tag: no song is called 0.25, whatever the column is
        is_like_a_tag = all(0 <= number <= 1 for number in numbers) and name.lower() not in _ID_NAMES
        if is_like_a_tag or not all(number.is_integer() for number in numbers):
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
            f"{path}, line {line}, tag {name!r}: {cell[:40]!r} is not a number; leave the cell empty where unknown"
        )
    if math.isinf(number := _to_float(cell)):
        raise ConfigError(f"{path}, line {line}, tag {name!r}: {cell[:40]!r} is too large")
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
