"""What players and other programs read: a playlist for a tag, a JSON file beside each song. Book: ``book/tag_library``."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..errors import ConfigError, TaggingError, unknown_name
from ..utils.files import atomic_write
from .description import Description, find_name
from .results import Row
from .table import text_of

SIDECAR = ".tags.json"


@dataclass(frozen=True)
class Playlist:
    """Songs with a tag.

    Attributes:
        column: of the tag.
        threshold: the score from which on a song is in.
        path: of the ``.m3u8`` file.
    """

    column: str
    threshold: float
    path: Path


def chosen_tag(text: str, description: Description) -> tuple[str, float]:
    """The column and the threshold that a user means by ``TAG`` or ``TAG=SCORE``.

    Raises:
        ConfigError: an unknown tag (the message names the nearest), a score that is no number in [0, 1], or none for a tag
            without a threshold.
    """
    columns = list(description.columns)
    tag, equals, score = text.rpartition("=")
    column = find_name(text, columns)  # a tag may hold a =
    if column is not None or not equals:
        tag, score = text, ""
    elif (column := find_name(tag, columns)) is not None and not score:
        raise ConfigError(f"{text}: give a score from 0 to 1 after the =")
    if column is None:
        raise unknown_name("tag", tag, columns)
    model, name = description.columns[column]
    try:
        threshold = float(score) if score else model.thresholds[name]
    except KeyError:
        raise ConfigError(
            f"{text}: {model.name} has no threshold for this tag; give one, such as '{tag}=0.5'"
        ) from None
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold <= 1:
        raise ConfigError(f"{text}: give a score from 0 to 1 after the =")
    return column, threshold


def playlists_of(texts: Sequence[str], description: Description, out: Path) -> list[Playlist]:
    """The playlists that a user asks for, each as ``TAG`` or ``TAG=SCORE``; they lie beside the table.

    Raises:
        ConfigError: as :func:`chosen_tag`, and for two playlists that would be one file.
    """
    playlists: dict[str, tuple[str, Playlist]] = {}
    for text in texts:
        column, threshold = chosen_tag(text, description)
        safe = re.sub(r"[^\w -]", "-", column)
        playlist = Playlist(column, threshold, out.with_name(f"{out.stem}-{safe}.m3u8"))
        # some disks do not tell upper case from lower
        key = unicodedata.normalize("NFC", playlist.path.name).casefold()
        other, before = playlists.setdefault(key, (text, playlist))
        if before != playlist:
            raise ConfigError(
                f"{other} and {text}: both playlists would be {playlist.path.name}; ask for one of them, rename its file, "
                "then ask for the other"
            )
    return [playlist for _, playlist in playlists.values()]


def write_playlists(playlists: list[Playlist], description: Description, rows: Iterable[Row]) -> Iterator[Row]:
    """Write playlists from rows as they are read, and yield the rows.

    Songs of equal content are listed once. Names with a line break, which the format cannot hold, are left out.
    """
    names = list(description.columns)
    with ExitStack() as stack:
        files: list[tuple[int, float, TextIO]] = []
        for playlist in playlists:
            part = stack.enter_context(atomic_write(playlist.path))
            # bytes of names that are no text are written as they are
            file: TextIO = stack.enter_context(
                open(part, "w", encoding="utf-8", errors="surrogateescape", newline="\n")
            )
            file.write("#EXTM3U\n")
            files.append((names.index(playlist.column), playlist.threshold, file))
        for row in rows:
            scores, path = row.result.scores, os.path.join(description.root, row.path)  # noqa: PTH118
            if scores is not None and not row.duplicate_of and not {"\n", "\r"} & set(path):
                for position, threshold, file in files:
                    if scores[position] >= threshold:
                        file.write(f"{path}\n")
            yield row


def write_sidecars(description: Description, rows: Iterable[Row], failed: list[str]) -> Iterator[Row]:
    """Write ``song.mp3.tags.json`` beside each ``song.mp3`` from rows as they are read, and yield the rows.

    Args:
        description: of the table.
        rows: of the table.
        failed: messages of those that could not be written are added; at most 20.
    """
    for row in rows:
        if row.result.scores is not None:
            path = Path(description.root, row.path + SIDECAR)
            text = json.dumps(sidecar(description, row), indent=1, ensure_ascii=False) + "\n"
            try:
                _write_if_new(path, text)
            except (TaggingError, OSError) as error:
                if len(failed) < 20:
                    failed.append(str(error))
        yield row


def sidecar(description: Description, row: Row) -> dict[str, Any]:
    """What the JSON file beside a song says: scores of each model, and which tags reach their threshold."""
    assert row.result.scores is not None
    models: list[dict[str, Any]] = []
    start = 0
    for model in description.models:
        scores = dict(zip(model.tags, map(float, row.result.scores[start:]), strict=False))
        start += len(model.tags)
        present = [tag for tag in model.tags if scores[tag] >= model.thresholds.get(tag, 2)]
        models.append({"model": model.name, "scores": scores, **({"present": present} if model.thresholds else {})})
    notes = list(row.result.notes)
    return {
        "file": text_of(row.path.rpartition("/")[2]),
        "seconds": row.result.seconds,
        "notes": notes,
        "models": models,
    }


def _write_if_new(path: Path, text: str) -> None:
    contents = text.encode()
    try:
        if path.read_bytes() == contents:
            return
    except OSError:
        pass
    with atomic_write(path) as part:
        part.write_bytes(contents)
