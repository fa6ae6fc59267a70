"""Scores and annotations from CSV tables that must fit each other."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError, TaggingError, unknown_name
from ..tags import Tag, Vocabulary
from .predictions import Predictions


def read_tables(scores: Path, labels: Path | None = None, groups: Path | None = None) -> Predictions:
    """Read scores, and if given annotations and exclusive groups, of the same songs and tags.

    Args:
        scores: a CSV file: a header with the names of the tags after the first column, then a row for each song, its id
            first and its scores in [0, 1] after it.
        labels: a CSV file of the same form with 1, 0 or nothing (unknown); rows and columns in any order.
        groups: a JSON file, name of a group -> list of tags that exclude each other.

    Raises:
        TaggingError: a file that cannot be read, is empty, or is not of this form.
        ConfigError: a song or tag that is missing or given twice, a score outside [0, 1].

    Book: ``book/popular_tags``.
    """
    songs, names, values = _read_csv(scores)
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        song, tag = np.argwhere(outside)[0]
        raise ConfigError(
            f"{scores}: song {songs[song]!r}, tag {names[tag]!r}: a score of {_cell(values[song, tag])} is outside [0, 1]; "
            f"{outside.sum()} such cells; give a probability for every song and tag"
        )
    vocabulary = _vocabulary(names, groups)
    if labels is None:
        return Predictions(values, vocabulary)
    return Predictions(values, vocabulary, _aligned(labels, scores, songs, names))


def _read_csv(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Ids of the songs, names of the tags, and numbers float64 [songs, tags], nan where a cell is empty."""
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
    _refuse_doubles(path, "tags", names)
    if len(rows) == 1:
        raise TaggingError(f"{path}: a header and no songs")
    songs, values = [], np.empty((len(rows) - 1, len(names)))
    for place, (line, row) in enumerate(rows[1:]):
        if len(row) != 1 + len(names):
            raise TaggingError(f"{path}, line {line}: {len(row)} cells, the header has {1 + len(names)}")
        songs.append(row[0].strip())
        for tag, cell in enumerate(row[1:]):
            values[place, tag] = _number(cell, path, line, names[tag])
    if not all(songs):
        raise TaggingError(f"{path}, line {rows[1 + songs.index('')][0]}: the first cell, the id of the song, is empty")
    _refuse_doubles(path, "songs", songs)
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


def _cell(value: float) -> str:
    return "nothing (an empty cell)" if math.isnan(value) else f"{value:g}"


def _refuse_doubles(path: Path, kind: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    if twice := {name for name in names if name in seen or seen.add(name)}:
        raise ConfigError(f"{path}: {kind} given twice: {_some(twice)}; every one may be there once")


def _some(names: set[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(map(repr, shown)) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _aligned(path: Path, scores: Path, songs: list[str], names: list[str]) -> np.ndarray:
    """The labels in the order of the scores: float64 [songs, tags]."""
    own_songs, own_names, values = _read_csv(path)
    for kind, own, needed in (("tags", own_names, names), ("songs", own_songs, songs)):
        missing, more = set(needed) - set(own), set(own) - set(needed)
        if missing or more:
            differences = [
                *([f"{_some(missing)} only in {scores}"] if missing else []),
                *([f"{_some(more)} only in {path}"] if more else []),
            ]
            raise ConfigError(f"{kind} differ: {'; '.join(differences)}; both files must hold the same {kind}")
    bad = ~(np.isnan(values) | (values == 0) | (values == 1))
    if bad.any():
        song, tag = np.argwhere(bad)[0]
        raise ConfigError(
            f"{path}: song {own_songs[song]!r}, tag {own_names[tag]!r}: {values[song, tag]:g} is no annotation; "
            "give 1, 0, or nothing where unknown"
        )
    row, column = ({name: place for place, name in enumerate(own)} for own in (own_songs, own_names))
    return values[np.ix_([row[song] for song in songs], [column[name] for name in names])]


def _vocabulary(names: list[str], groups: Path | None) -> Vocabulary:
    if groups is None:
        return Vocabulary(names)
    group_of = {tag: group for group, tags in read_groups(groups, names).items() for tag in tags}
    return Vocabulary(Tag(name, exclusive_group=group_of.get(name)) for name in names)


def read_groups(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Read groups of tags, such as those that exclude each other, or that mean the same.

    Args:
        path: a JSON file, name of a group -> list of tags; a tag is in one group at most.
        names: the tags there are.

    Raises:
        TaggingError: a file that cannot be read, or is not of this form.
        ConfigError: a tag that is unknown or given twice.

    Book: ``book/popular_tags``.
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
                    f"{path}: tag {tag!r} is given twice, in {group_of[tag]!r} and {group!r}; one is allowed"
                )
            group_of[tag] = group
    return groups


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, in which a name that is given twice would silently replace the first."""
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"given twice: {_some(twice)}")
    return dict(pairs)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
    except (OSError, ValueError) as error:
        raise TaggingError(f"{path}: cannot be read as JSON ({error})") from error
