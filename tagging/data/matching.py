"""Which sound file each song of a table is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import ConfigError
from .scan import AUDIO_SUFFIXES


def match_files(ids: Sequence[str], names: Sequence[str], folder: Path, source: str) -> np.ndarray:
    """int [songs]: the file of each song, -1 where there is none.

    Args:
        ids: the songs: paths of files, or ends of paths, with or without a suffix.
        names: of the files, relative to the folder.
        folder: in which they are; its own name and those above it may stand in front of a song's path.
        source: of the ids, for messages.

    Raises:
        ConfigError: a song that could be several files, or two songs that are one file.
    """
    by_end: dict[str, set[int]] = {}
    for row, name in enumerate(names):
        for end in _ends(_normal(name)):
            by_end.setdefault(end, set()).add(row)
    exact = {_normal(name): row for row, name in enumerate(names)}
    above = [part for part in folder.resolve().parts if part not in ("/", "\\")]
    rows, songs = np.full(len(ids), -1), dict[int, str]()
    for song, text in enumerate(ids):
        for candidate in _candidates(_normal(text), above):
            files = {exact[candidate]} if candidate in exact else by_end.get(candidate, set())
            if len(files) > 1:
                first, second, *_ = sorted(names[row] for row in files)
                raise ConfigError(
                    f"{source}: song {text!r} could be {first} or {second}; name songs by their paths below the folder"
                )
            if files:
                (rows[song],) = files
                break
        if rows[song] >= 0 and songs.setdefault(int(rows[song]), text) != text:
            raise ConfigError(
                f"{source}: songs {songs[int(rows[song])]!r} and {text!r} are one file, {names[rows[song]]}"
            )
    return rows


def _normal(text: str) -> str:
    path = PurePosixPath(unicodedata.normalize("NFC", text.replace("\\", "/")))
    return "/".join(part for part in path.parts if part not in ("/", "."))


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in AUDIO_SUFFIXES else name


def _ends(name: str) -> Iterable[str]:
    """``a/b.mp3``, ``b.mp3``, ``a/b``, ``b``: all that may name a file."""
    for whole in (name, _without_suffix(name)):
        parts = whole.split("/")
        yield from ("/".join(parts[first:]) for first in range(len(parts)))


def _candidates(name: str, above: list[str]) -> Iterable[str]:
    """A song's name as it is, without the folders that lead to the root, and both without the suffix."""
    parts = name.split("/")
    shorter = [parts[count:] for count in range(len(parts) - 1, 0, -1) if parts[:count] == above[-count:]]
    for whole in (name, *("/".join(rest) for rest in shorter)):
        yield whole
        yield _without_suffix(whole)
