"""Reads scores and labels of songs from CSV files, and groups of tags from JSON files."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError, TaggingError, unknown_name
from ..tags import Tag, Vocabulary
from .predictions import Predictions


def read_tables(scores: Path, labels: Path | None = None, exclusive: Path | None = None) -> Predictions:
    """Read scores and, if given, labels of the same songs and tags and which tags exclude each other.

    Args:
        scores: CSV file: a header with the names of the tags after the first column, then a row per song with its id and
            its scores in [0, 1].
        labels: CSV file of the same form with 1, 0 or an empty cell (unknown); rows and columns in any order.
        exclusive: JSON file, name of a group -> list of mutually exclusive tags.

    Raises:
        TaggingError: a file that cannot be read, is empty, or has another form.
        ConfigError: a song or tag that is missing or given twice, a score outside [0, 1].

    Book: ``book/popular_tags``.
    """
    songs, names, values = _read_csv(scores)
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        song, tag = np.argwhere(outside)[0]
        value = values[song, tag]
        raise ConfigError(
            f"{scores}: song {songs[song]!r}, tag {names[tag]!r}: "
            f"{'an empty cell' if math.isnan(value) else f'{value:g}'} is not a score in [0, 1]; {outside.sum()} such cells; "
            "give a probability for every song and tag"
        )
    vocabulary = _vocabulary(names, exclusive)
    return Predictions(values, vocabulary, None if labels is None else _aligned(labels, scores, songs, names))


def _read_csv(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Song ids, tag names, and float64 [songs, tags] with nan for empty cells."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaggingError(f"{path}: cannot be read as a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise TaggingError(f"{path}: empty; expected a header of tags and a row for each song")
    names = [name.strip() for name in rows[0][1][1:]]
    if not names or not all(names):
        raise TaggingError(
            f"{path}: the header must name a tag for every column after the first; it is {','.join(rows[0][1])!r}"
        )
    _refuse_duplicates(path, "tags", names)
    if len(rows) == 1:
        raise TaggingError(f"{path}: a header without songs")
    songs, values = [], np.empty((len(rows) - 1, len(names)))
    for song, (line, row) in enumerate(rows[1:]):
        if len(row) != 1 + len(names):
            raise TaggingError(f"{path}, line {line}: {len(row)} cells, but the header has {1 + len(names)}")
        songs.append(row[0].strip())
        values[song] = [_number(cell, path, line, name) for cell, name in zip(row[1:], names, strict=True)]
    if not all(songs):
        raise TaggingError(f"{path}, line {rows[1 + songs.index('')][0]}: the first cell, the id of the song, is empty")
    _refuse_duplicates(path, "songs", songs)
    return songs, names, values


def _number(cell: str, path: Path, line: int, name: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ConfigError(f"{path}, line {line}, tag {name!r}: {cell!r} is not a number")
    return number


def _refuse_duplicates(path: Path, kind: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        twice = {name for name, count in Counter(names).items() if count > 1}
        raise ConfigError(f"{path}: {kind} given twice: {_some(twice)}; give each once")


def _some(names: set[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(map(repr, shown)) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _aligned(path: Path, scores: Path, songs: list[str], names: list[str]) -> np.ndarray:
    """The labels in the order of the scores: float64 [songs, tags]."""
    label_songs, label_names, values = _read_csv(path)
    for kind, given, needed in (("tags", label_names, names), ("songs", label_songs, songs)):
        missing, extra = set(needed) - set(given), set(given) - set(needed)
        if missing or extra:
            differences = [
                *([f"{_some(missing)} only in {scores}"] if missing else []),
                *([f"{_some(extra)} only in {path}"] if extra else []),
            ]
            raise ConfigError(f"{kind} differ: {'; '.join(differences)}; both files must contain the same {kind}")
    bad = ~(np.isnan(values) | (values == 0) | (values == 1))
    if bad.any():
        song, tag = np.argwhere(bad)[0]
        raise ConfigError(
            f"{path}: song {label_songs[song]!r}, tag {label_names[tag]!r}: {values[song, tag]:g} is not a label; "
            "give 1, 0, or an empty cell where unknown"
        )
    row, column = ({name: index for index, name in enumerate(given)} for given in (label_songs, label_names))
    return values[np.ix_([row[song] for song in songs], [column[name] for name in names])]


def _vocabulary(names: list[str], exclusive: Path | None) -> Vocabulary:
    if exclusive is None:
        return Vocabulary(names)
    group_of = {tag: group for group, tags in read_groups(exclusive, names).items() for tag in tags}
    return Vocabulary(Tag(name, exclusive_group=group_of.get(name)) for name in names)


def read_groups(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Read groups of tags, such as mutually exclusive tags or synonyms.

    Args:
        path: JSON file, name of a group -> list of tags; a tag may be in one group only.
        names: the known tags.

    Raises:
        TaggingError: a file that cannot be read, or has another form.
        ConfigError: a tag that is unknown or given twice.
    """
    groups = _read_json(path)
    if not isinstance(groups, dict) or not all(
        isinstance(tags, list) and all(isinstance(tag, str) for tag in tags) for tags in groups.values()
    ):
        raise TaggingError(f'{path}: expected {{"name of a group": ["tag", "another tag"], ...}}')
    group_of: dict[str, str] = {}
    for group, tags in groups.items():
        for tag in tags:
            if tag not in names:
                raise ConfigError(f"{path}, group {group!r}: {unknown_name('tag', tag, names)}")
            if tag in group_of:
                raise ConfigError(
                    f"{path}: tag {tag!r} is given twice, in {group_of[tag]!r} and {group!r}; give it once"
                )
            group_of[tag] = group
    return groups


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object, of which json would silently keep only the last of two equal keys."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"given twice: {_some(twice)}")
    return dict(pairs)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique_keys)
    except (OSError, ValueError) as error:
        raise TaggingError(f"{path}: cannot be read as JSON ({error})") from error
