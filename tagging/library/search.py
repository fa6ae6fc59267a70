"""Search in a table: songs that sound like another one, songs that words describe. Book: ``book/tag_library``."""

from __future__ import annotations

import heapq
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError, TaggingError, unknown_name
from .songs import load_model, model_digest, tag_song
from .table import LibraryTable

# Words between tags that say nothing, and those that turn the next tag round.
_FILLERS = {"and", "with", "but", "a", "an", "the", "some", "of"}
_NOT = {"not", "no", "without"}
_SEPARATORS = {",", ";"}


class Match(NamedTuple):
    """A song that was found.

    Attributes:
        path: below the folder of the library.
        score: cosine in [-1, 1] for :func:`similar`, match in [0, 1] for :func:`search`; higher is better.
        scores: of the tags that were asked for.
    """

    path: str
    score: float
    scores: dict[str, float]


def similar(
    song: str | os.PathLike[str], table: str | os.PathLike[str], *, count: int = 10, model: str | None = None
) -> list[Match]:
    """Songs of a table whose embeddings point the same way as that of a song.

    Args:
        song: a path of the table, or of any sound file, which is then embedded with the model of the table.
        table: written with embeddings.
        count: how many songs.
        model: which one's embeddings, where the table has those of several; None is the first.

    Returns:
        The nearest songs, best first; the song itself and files equal to it are left out.

    Raises:
        ConfigError: a table without embeddings, an unknown model, a song that is neither in the table nor a file.
        AudioError: the file cannot be read.

    Book: ``book/tag_library``.
    """
    opened = LibraryTable(table)
    columns = {facts.name: column for column, facts in opened.description.embedding_columns.items()}
    if not columns:
        raise ConfigError(f"{opened.path}: no embeddings; write it again with `tagging tag-library --embeddings`")
    if model is not None and model not in columns:
        raise unknown_name("model", model, columns)
    name = model or next(iter(columns))
    vector, path = _vector(opened, columns[name], name, str(song))
    vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
    best: list[tuple[float, int, str]] = []
    number = 0
    for block in opened.blocks(["path", "duplicate_of", columns[name]]):
        rows = [
            row for row in zip(*block.values(), strict=True) if row[2] is not None and row[1] is None and row[0] != path
        ]
        if not rows:
            continue
        vectors = np.array([row[2] for row in rows], np.float64)
        cosines = vectors @ vector / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
        for row, cosine in zip(rows, cosines.tolist(), strict=True):
            number += 1
            heapq.heappush(best, (cosine, -number, row[0]))
            if len(best) > count:
                heapq.heappop(best)
    return [Match(path, cosine, {}) for cosine, _, path in sorted(best, reverse=True)]


def _vector(table: LibraryTable, column: str, model: str, song: str) -> tuple[np.ndarray, str]:
    """The embedding of a song, and the path it has in the table, with that of the first file that equals it; empty for none."""
    inside = _inside(table, song)
    for block in table.blocks(["path", "duplicate_of", "error", column]):
        for path, duplicate_of, error, vector in zip(*block.values(), strict=True):
            if path in inside:
                if vector is None:
                    raise ConfigError(
                        f"{song}: it could not be tagged ({error or 'it has no embedding'}); choose another song"
                    )
                return np.array(vector, np.float64), duplicate_of or path
    if not Path(song).expanduser().is_file():
        raise ConfigError(f"{song}: neither in {table.path} nor a file; give a path as the table has it")
    facts = next(facts for facts in table.description.models if facts.name == model)
    if model_digest(model) != facts.digest:
        raise ConfigError(
            f"{model}: not the model that {table.path} was written with, so embeddings cannot be compared"
        )
    result = tag_song([load_model(model)], song, hop_seconds=table.description.hop_seconds, embeddings=True)
    if result.embeddings is None:
        raise TaggingError(f"{song}: {result.error}")
    return result.embeddings.astype(np.float64), ""


def _inside(table: LibraryTable, song: str) -> set[str]:
    """What a song may be called in the table: as given, and below its folder."""
    absolute, root = os.path.realpath(os.path.expanduser(song)), table.description.root  # noqa: PTH111
    below = {os.path.relpath(absolute, root).replace(os.sep, "/")} if absolute.startswith(root + os.sep) else set()
    return {song, *below}


@dataclass(frozen=True)
class Term:
    """A tag that was asked for.

    Attributes:
        tag: as the user wrote it.
        columns: that have its scores, one for each model that knows it.
        wanted: False where the tag must not be there.
    """

    tag: str
    columns: tuple[str, ...]
    wanted: bool


def search(query: str, table: str | os.PathLike[str], *, count: int = 10) -> list[Match]:
    """Songs of a table that words describe.

    Each word must be a tag of the table, or part of one of several words; a comma stands between tags, or belongs to one.
    Scores of different tags cannot be compared, because rare tags get low ones. So each song is ranked by each tag, and its
    match is the product of the shares of songs that it is ranked above.

    Args:
        query: such as ``"slow piano, not vocals"``; ``not``, ``no`` and ``without`` turn the next tag round.
        table: of :func:`tagging.tag_library`.
        count: how many songs.

    Returns:
        The best matches, best first, with their scores; of files with equal content the first.

    Raises:
        ConfigError: an unknown word (the message names the nearest tags), or no tag at all.

    Book: ``book/tag_library``.
    """
    opened = LibraryTable(table)
    terms = parse_query(query, opened.description.columns)
    columns = sorted({column for term in terms for column in term.columns})
    paths: list[str] = []
    scores: list[list[float]] = [[] for _ in columns]
    for block in opened.blocks(["path", "duplicate_of", *columns]):
        for path, duplicate_of, *values in zip(*block.values(), strict=True):
            if duplicate_of is None and values[0] is not None:
                paths.append(path)
                for column, value in zip(scores, values, strict=True):
                    column.append(value)
    if not paths:
        return []
    ranks = {name: _rank(np.array(values)) for name, values in zip(columns, scores, strict=True)}
    match = np.ones(len(paths))
    for term in terms:
        rank = np.mean([ranks[column] for column in term.columns], axis=0)
        match *= rank if term.wanted else 1 - rank
    order = np.argsort(-match, kind="stable")[:count]
    by_name = dict(zip(columns, scores, strict=True))
    return [
        Match(
            paths[index],
            float(match[index]),
            {column: by_name[column][index] for term in terms for column in term.columns},
        )
        for index in order
    ]


def _rank(values: np.ndarray) -> np.ndarray:
    """Share of songs below each one, in (0, 1); equal songs share a rank."""
    ordered = np.sort(values)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (below + up_to) / (2 * len(values))


def parse_query(query: str, columns: dict[str, Any]) -> list[Term]:
    """The tags in some words; the longest tag first, so ``female vocals`` and ``wind, brass`` are one.

    Args:
        query: see :func:`search`.
        columns: column -> (model, tag).

    Raises:
        ConfigError: see :func:`search`.
    """
    named: dict[tuple[str, ...], list[str]] = {}
    for column, (_, tag) in columns.items():
        for name in {_key(_tokens(column)), _key(_tokens(tag))}:
            named.setdefault(name, []).append(column)
    tokens = _tokens(query)
    longest = max(map(len, named), default=0)
    terms: list[Term] = []
    position, wanted = 0, True
    while position < len(tokens):
        ends = range(min(len(tokens), position + longest), position, -1)
        end = next((end for end in ends if _key(tokens[position:end]) in named), None)
        word = tokens[position].casefold()
        if end is not None:
            tag = tokens[position:end]
            terms.append(Term(" ".join(tag), _meant(tag, named[_key(tag)], columns), wanted))
            position, wanted = end, True
            continue
        if word in _NOT:
            wanted = False
        elif word in _SEPARATORS:
            wanted = True
        elif word not in _FILLERS:
            raise _unknown(word, columns)
        position += 1
    if not terms:
        raise ConfigError(f"{query!r}: no tag in it; the table has {_some(columns)}")
    return terms


def _unknown(word: str, columns: dict[str, Any]) -> ConfigError:
    return unknown_name("tag", word, {tag for _, tag in columns.values()})


def _some(columns: Iterable[str]) -> str:
    return ", ".join(sorted(columns))


def _meant(tag: list[str], alike: list[str], columns: dict[str, Any]) -> tuple[str, ...]:
    """Of each model the column that is written so, else the only one that differs in case."""
    by_model: dict[int, list[str]] = {}
    for column in alike:
        by_model.setdefault(id(columns[column][0]), []).append(column)
    meant = []
    for names in by_model.values():
        exact = [name for name in names if tag in (_tokens(name), _tokens(columns[name][1]))]
        if len(exact or names) > 1:
            raise ConfigError(f"{' '.join(tag)}: it could be {' or '.join(names)}; write it as one of them")
        meant += exact or names
    return tuple(meant)


def _tokens(text: str) -> list[str]:
    """Words and separators."""
    return re.findall(r"[,;]|[^\s,;]+", unicodedata.normalize("NFC", text))


def _key(tokens: list[str]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", token.casefold()) for token in tokens)
