"""What the columns of a table of labels are: songs, tags, artists, splits; and the labels in them."""

from __future__ import annotations

import ast
import contextlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError, unknown_name
from ..tags import REGRESSION, Tag, Vocabulary
from ..utils.text import some
from .tables import Table

# Names of columns that are recognised, the first in the table that is one of them; upper or lower case.
ID_COLUMNS = (
    *(
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "audio",
        "id",
        "track_id",
        "song_id",
        "clip_id",
    ),
    *("track", "song", "clip"),
)
TAG_COLUMNS = ("tags", "tag", "labels", "label", "genres", "genre")
GROUP_COLUMNS = ("group", "artist", "artist_id", "artist_name", "album", "album_id")
SPLIT_COLUMNS = ("split", "subset", "partition")
SEPARATORS = (";", "|", "\t", ",")
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_UNKNOWN = {"", "nan", "na", "n/a", "#n/a", "null", "none"}
_BOOLEANS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True)
class Annotations:
    """What a table says of songs.

    Attributes:
        ids: of the songs, each once.
        vocabulary: the tags.
        labels: float32 [songs, tags], nan where unknown.
        groups: of the songs; None where the table has no such column.
        splits: ``"train"``, ``"validation"``, ``"test"`` or, for songs outside of all, an empty text; None without a column.
        remarks: how the table was understood, one line each.
    """

    ids: list[str]
    vocabulary: Vocabulary
    labels: np.ndarray
    groups: list[str] | None
    splits: list[str] | None
    remarks: list[str] = field(default_factory=list)


def annotate(
    table: Table,
    *,
    ids: str | None = None,
    tags: str | Sequence[str] | None = None,
    separator: str | None = None,
    group: str | None = None,
    split: str | None = None,
    regression: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
) -> Annotations:
    """Find out what each column of a table is, and read the labels.

    Args:
        table: the table.
        ids: the column that names the songs; by default one called ``path``, ``file``, ``id`` or alike, else the first.
        tags: the column with all tags of a song; or the columns that are tags. By default a column called ``tags``, ``label``,
            ``genre`` or alike if it contains text, else all columns of numbers that are left.
        separator: between the tags in one column; by default the first of ``; |``, tab and comma that stands in it.
        group: the column of artists or albums, by default one of this name; ``"none"`` for none.
        split: the column of splits, by default one of this name; ``"none"`` for none.
        regression: the columns with numbers in [0, 1]; by default those with other known values than 0 and 1.
        ignore: columns that are not tags.

    Raises:
        ConfigError: a column that is missing, a value outside [0, 1], a song given twice, no tags.
    """
    names = {name: [value] if isinstance(value, str) else list(value) for name, value in
             {"regression": regression or [], "ignore": ignore}.items()}  # fmt: skip
    for column in [*names["regression"], *names["ignore"], *([] if isinstance(tags, str) or tags is None else tags)]:
        table.find(column, ())
    id_column = table.find(ids, ID_COLUMNS) or table.columns[0]
    group_column, split_column = table.find(group, GROUP_COLUMNS), table.find(split, SPLIT_COLUMNS)
    used = {id_column, group_column, split_column, *names["ignore"]}
    remarks = [f"songs: column {id_column!r}"]
    groups = None if group_column is None else _texts(table, group_column)
    remarks += _about_groups(group_column, groups)
    remarks += [f"splits: column {split_column!r}"] if split_column else []

    tag_column = tags if isinstance(tags, str) else None
    if tags is None and (usual := table.find(None, [name for name in TAG_COLUMNS if name not in used])):
        tag_column = usual if any(_number(value) is None for value in table.values(usual)) else None
    if isinstance(tags, str):
        table.find(tags, ())
    if tag_column is not None:
        wanted, remark = names["regression"], f"tags: column {tag_column!r}"
    elif tags is not None:
        wanted, remark = list(tags), f"tags: {len(tags)} columns"
    else:
        wanted = [column for column in table.columns if column not in used]
        remark = "tags: columns of numbers"
    columns = [_numbers(table, name, names["regression"] if regression is not None else None, remarks,
                        is_chosen=tags is not None or name in names["regression"]) for name in wanted]  # fmt: skip
    all_tags, labels = [], []
    if tag_column is not None:
        listed, values, mark = _listed_tags(table, tag_column, separator)
        remark += f" separated by {mark!r}" if mark else ""
        remark += ", one for each song: they exclude each other" if listed and listed[0].exclusive_group else ""
        all_tags += listed
        labels.append(values)
        skipped = [name for name in table.columns if name not in {*used, tag_column, *wanted}]
        remarks += [f"not used: columns {', '.join(map(repr, skipped))}"] if skipped else []
    remarks.append(remark)
    for parsed in columns:
        if parsed is not None:
            all_tags.append(parsed[0])
            labels.append(parsed[1][:, None])
    if not all_tags:
        raise ConfigError(
            f"{table.source}: no tags; columns are {', '.join(table.columns)}. Give a column with 0, 1 or an empty cell for each "
            f"tag, or one column of tags, and its name as {as_option('tags=NAME')}"
        )
    return Annotations(
        _ids(table, id_column),
        Vocabulary(all_tags),
        np.concatenate(labels, axis=1).astype(np.float32),
        groups if groups and any(groups) else None,
        None if split_column is None else _splits(table, split_column),
        remarks,
    )


def as_option(assignment: str) -> str:
    """How an option of the corpus is given, for messages: in Python, and on the command lines."""
    return (
        f"{assignment} (to `tagging corpus info` and `tagging probe` as --set {assignment}, to a run and to `tagging evaluate` "
        f"as --set data.corpus_options.{assignment})"
    )


def _about_groups(column: str | None, groups: list[str] | None) -> list[str]:
    """Which songs belong together: what the table says, and what follows where it says nothing."""
    if groups is None or not any(groups):
        empty = f", column {column!r} is empty" if column else ""
        return [
            f"groups: none{empty}; each song is a group of its own, so that songs of one artist may be in two splits, and scores "
            f"too high. Give the column of artists or albums as {as_option('group=NAME')}"
        ]
    lacking = groups.count("")
    return [
        f"groups: column {column!r}"
        + (f", empty for {lacking:,} songs, which are groups of their own" if lacking else "")
    ]


def _number(value: Any) -> float | None:
    """The number in a cell, nan where it is empty; None for other text."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _UNKNOWN:
            return math.nan
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        value = re.sub(r"^(-?\d*),(\d+)$", r"\1.\2", text)  # a decimal comma
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _numbers(
    table: Table, column: str, regression: Sequence[str] | None, remarks: list[str], *, is_chosen: bool
) -> tuple[Tag, np.ndarray] | None:
    """A column as a tag with its labels; None for text, and for a column without a known value."""
    numbers = [_number(value) for value in table.values(column)]
    if all(number is None or math.isnan(number) for number in numbers):
        if any(number is None for number in numbers) and is_chosen:
            raise ConfigError(
                f"{table.source}: column {column!r} contains text; for a column of tags give tags={column!r}"
            )
        remarks.append(f"not used: column {column!r}, which contains no numbers")
        return None
    for line, number, value in zip(table.lines, numbers, table.values(column), strict=True):
        if number is None or not (math.isnan(number) or 0 <= number <= 1):
            what = "is not a number" if number is None else "is outside [0, 1]"
            raise ConfigError(
                f"{table.source}, line {line}: column {column!r}: {value!r} {what}; labels are 0, 1, numbers between them, or "
                f"empty where unknown. If this column is no tag, give {as_option(f'ignore={column}')}"
            )
    values = np.array(numbers, np.float64)
    has_fractions = bool(((values > 0) & (values < 1)).any())
    is_regression = has_fractions if regression is None else column in regression
    if has_fractions and not is_regression:
        raise ConfigError(f"{table.source}: column {column!r} has values between 0 and 1; name it in regression, too")
    if is_regression:
        remarks.append(f"regression: column {column!r}")
    return Tag(column, **({"kind": REGRESSION} if is_regression else {})), values


def _listed_tags(table: Table, column: str, separator: str | None) -> tuple[list[Tag], np.ndarray, str]:
    """Tags in alphabetical order, float [songs, tags], and the separator. A song lists all it has, or nothing is known."""
    values = table.values(column)
    texts = [value for value in values if isinstance(value, str)]
    if separator is None:
        separator = next((mark for mark in SEPARATORS if any(mark in text for text in texts if text[:1] != "[")), "")
    listed = [_tags_in(value, separator) for value in values]
    names = sorted({name for tags in listed if tags is not None for name in tags})
    rows = {name: row for row, name in enumerate(names)}
    labels = np.full((len(values), len(names)), np.nan)
    for song, tags in enumerate(listed):
        if tags is not None:
            labels[song] = 0
            labels[song, [rows[name] for name in tags]] = 1
    known = [tags for tags in listed if tags is not None]
    is_exclusive = len(names) > 1 and all(len(tags) == 1 for tags in known)
    return [Tag(name, exclusive_group=column if is_exclusive else None) for name in names], labels, separator


def _tags_in(value: Any, separator: str) -> list[str] | None:
    """The tags in a cell; None where it is empty."""
    if isinstance(value, str) and value.strip().startswith("["):
        with contextlib.suppress(ValueError, SyntaxError):
            value = ast.literal_eval(value.strip())  # as pandas writes a list; literals only, no code is run
    if isinstance(value, (list, tuple, np.ndarray)):
        return list(dict.fromkeys(str(tag).strip() for tag in value if str(tag).strip()))
    if value is None or (isinstance(value, float) and math.isnan(value)) or not str(value).strip():
        return None
    text = str(value)
    parts = (part.strip() for part in (text.split(separator) if separator else [text]))
    return list(dict.fromkeys(part for part in parts if part))


def _texts(table: Table, column: str) -> list[str]:
    """A column as text; empty where nothing is known."""
    values = table.values(column)
    return ["" if value is None or value != value else str(value).strip() for value in values]


def _ids(table: Table, column: str) -> list[str]:
    ids = _texts(table, column)
    if "" in ids:
        raise ConfigError(f"{table.source}, line {table.lines[ids.index('')]}: column {column!r}, the song, is empty")
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise ConfigError(
            f"{table.source}: songs in more than one row: {len(twice)}, the first {twice[0]!r}; give each song one row "
            f"with all its tags. If another column names the songs, give {as_option('ids=NAME')}"
        )
    return ids


def _splits(table: Table, column: str) -> list[str]:
    names = []
    for line, text in zip(table.lines, _texts(table, column), strict=True):
        if text and text.lower() not in SPLIT_NAMES:
            raise ConfigError(
                f"{table.source}, line {line}: column {column!r}: {unknown_name('split', text, SPLIT_NAMES)}; with "
                "split_column='none' the songs are split at random"
            )
        names.append(SPLIT_NAMES.get(text.lower(), ""))
    return names


def check_classes(labels: np.ndarray, vocabulary: Vocabulary) -> list[str]:
    """Lines about tags with one class only.

    Args:
        labels: float [songs, tags].
        vocabulary: the tags.

    Raises:
        ConfigError: no tag has two classes, and none is a regression tag.
    """
    has_positive, has_negative = (labels == 1).any(axis=0), (labels == 0).any(axis=0)
    classification = vocabulary.classification
    if classification.all() and not (has_positive & has_negative).any():
        raise ConfigError(
            f"no tag has both songs with it and songs without it among {len(labels)} readable songs: there is nothing to "
            f"learn; tags: {some(vocabulary.names)}"
        )
    remarks = []
    for kind, lacking in (("never positive", ~has_positive), ("never negative", ~has_negative)):
        if names := [vocabulary.names[row] for row in np.flatnonzero(classification & lacking)]:
            remarks.append(f"{kind}, so in no mean: {some(names)}")
    return remarks
