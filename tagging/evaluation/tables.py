"""Reads scores and labels of songs from tables, and groups of tags from JSON files."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError, TaggingError, unknown_name
from ..tags import Tag, Vocabulary
from ..utils.tables import Table, read_table, some
from .predictions import Predictions


def read_tables(scores: Path | Table, labels: Path | None = None, exclusive: Path | None = None) -> Predictions:
    """Read scores and, if given, labels of the same songs and tags and which tags exclude each other.

    Args:
        scores: table (:func:`tagging.utils.tables.read_table`): a header with the names of the tags after the first column, then
            a row per song with its id and its scores in [0, 1]; or one that has been read.
        labels: table of the same form with 1, 0 or an empty cell (unknown); rows and columns in any order.
        exclusive: JSON file, name of a group -> list of mutually exclusive tags.

    Raises:
        TaggingError: a file that cannot be read, is empty, or has another form.
        ConfigError: a song or tag that is missing or given twice, a score outside [0, 1], labels in place of scores.

    Book: ``book/popular_tags``.
    """
    name, table = ("the scores", scores) if isinstance(scores, Table) else (str(scores), read_table(scores))
    _check_scores(name, table)
    vocabulary = _vocabulary(table.columns, exclusive)
    return Predictions(table.values, vocabulary, None if labels is None else _aligned(labels, name, table))


def _check_scores(path: str, table: Table) -> None:
    outside = ~((table.values >= 0) & (table.values <= 1))
    if outside.any():
        song, tag = np.argwhere(outside)[0]
        value = table.values[song, tag]
        raise ConfigError(
            f"{path}: song {table.ids[song]!r}, tag {table.columns[tag]!r}: "
            f"{'an empty cell' if math.isnan(value) else f'{value:g}'} is not a score in [0, 1]; {outside.sum()} such cells; "
            "give a probability for every song and tag"
        )
    if np.isin(table.values, (0, 1)).all():
        raise ConfigError(
            f"{path}: every score is 0 or 1, like labels; give the model's probabilities, since equal scores leave the order of "
            "a song's tags to chance"
        )


def _aligned(path: Path, scores: str, needed: Table) -> np.ndarray:
    """The labels in the order of the scores: float64 [songs, tags]."""
    table = read_table(path)
    for kind, given, names in (("tags", table.columns, needed.columns), ("songs", table.ids, needed.ids)):
        missing, extra = set(names) - set(given), set(given) - set(names)
        if missing or extra:
            differences = [
                *([f"{some(missing)} only in {scores}"] if missing else []),
                *([f"{some(extra)} only in {path}"] if extra else []),
            ]
            raise ConfigError(f"{kind} differ: {'; '.join(differences)}; both files must contain the same {kind}")
    bad = ~(np.isnan(table.values) | (table.values == 0) | (table.values == 1))
    if bad.any():
        song, tag = np.argwhere(bad)[0]
        raise ConfigError(
            f"{path}: song {table.ids[song]!r}, tag {table.columns[tag]!r}: {table.values[song, tag]:g} is not a label; "
            "give 1, 0, or an empty cell where unknown"
        )
    row, column = ({name: index for index, name in enumerate(given)} for given in (table.ids, table.columns))
    return table.values[np.ix_([row[song] for song in needed.ids], [column[name] for name in needed.columns])]


def _vocabulary(names: Sequence[str], exclusive: Path | None) -> Vocabulary:
    if exclusive is None:
        return Vocabulary(names)
    group_of = {tag: group for group, tags in read_groups(exclusive, names).items() for tag in tags}
    return Vocabulary(Tag(name, exclusive_group=group_of.get(name)) for name in names)


def read_groups(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Read groups of tags, such as mutually exclusive tags or synonyms.

    Args:
        path: JSON file, name of a group -> list of tags; a tag may be in one group only.
        names: the known tags. The same name in another Unicode form is the same tag.

    Returns:
        Name of a group -> its tags, as they are called in ``names``.

    Raises:
        TaggingError: a file that cannot be read, or has another form.
        ConfigError: a tag that is unknown or given twice.
    """
    groups = _read_json(path)
    if not isinstance(groups, dict) or not all(
        isinstance(tags, list) and all(isinstance(tag, str) for tag in tags) for tags in groups.values()
    ):
        raise TaggingError(f'{path}: expected {{"name of a group": ["tag", "another tag"], ...}}')
    known = {unicodedata.normalize("NFC", name): name for name in names}
    groups = {
        group: [known.get(unicodedata.normalize("NFC", tag), tag) for tag in tags] for group, tags in groups.items()
    }
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
        raise ValueError(f"given twice: {some(twice)}")
    return dict(pairs)


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique_keys)
    except (OSError, ValueError, RecursionError) as error:
        raise TaggingError(f"{path}: cannot be read as JSON ({error})") from error
