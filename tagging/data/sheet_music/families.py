"""Tune families: groups of related compositions that must stay within one split.

The same melody occurs in several books, in variants, under other titles. With a split that ignores this, a model can
recognise tunes instead of tags. A family joins near-duplicate melodies, equal titles in the fiddle books, the movements of
one mass or work, and the variants that collections number themselves. Heavily ornamented variants may remain apart.
Book: ``book/leaks``.
"""

from __future__ import annotations

import collections
import hashlib
import re
from typing import Any

import numpy as np

GRAM = 12
SHARE = 0.4
_LEAP = 2  # semitones; a window without a larger interval is a scale, and too common
_COMMON = 200  # windows that occur in more melodies are ignored
SPLITS = ("train", "validation", "test")


def melody(notes: np.ndarray) -> np.ndarray:
    """int32 [onsets]: pitches of the highest part, the top note at each onset.

    Args:
        notes: int32 [notes, 5].
    """
    parts = np.unique(notes[:, 4])
    top = max(parts, key=lambda part: notes[notes[:, 4] == part, 2].mean())
    line = notes[notes[:, 4] == top]
    last_at_onset = np.append(np.diff(line[:, 0]) > 0, True)  # sorted by pitch within an onset
    return line[last_at_onset, 2]


def interval_grams(pitches: np.ndarray, length: int = GRAM) -> np.ndarray:
    """The distinct windows of ``length`` intervals of a melody, each as one int64, sorted.

    Repeated notes are joined (verses and syllables differ in them), intervals are clipped to an octave, and windows
    without a leap are left out. A melody shorter than a window is one window.

    Args:
        pitches: int [notes], MIDI.
        length: intervals in a window.
    """
    joined = pitches[np.append(True, np.diff(pitches) != 0)]
    intervals = np.clip(np.diff(joined), -12, 12).astype(np.int64)
    if len(intervals) < 5:
        return np.zeros(0, np.int64)
    if len(intervals) < length:
        return np.array([_as_number(intervals[None] + 13)[0]])
    windows = np.lib.stride_tricks.sliding_window_view(intervals, length)
    return np.unique(_as_number(windows[np.abs(windows).max(axis=1) > _LEAP] + 13))


def _as_number(digits: np.ndarray) -> np.ndarray:
    # 27 symbols, 12 places: 27 ** 12 < 2 ** 63; digits are never 0, so that lengths cannot be confused
    return digits @ (np.int64(27) ** np.arange(digits.shape[1], dtype=np.int64))


def near_duplicates(grams: list[np.ndarray], share: float = SHARE) -> list[tuple[int, int]]:
    """Pairs of melodies in which the shorter one shares at least ``share`` of its windows with the other.

    Args:
        grams: the windows of each melody (see :func:`interval_grams`).
        share: in [0, 1].
    """
    owner = np.repeat(np.arange(len(grams)), [len(windows) for windows in grams])
    window = np.concatenate(grams)
    order = np.argsort(window, kind="stable")
    owner, window = owner[order], window[order]
    starts = np.flatnonzero(np.append(True, np.diff(window) != 0))
    common: collections.Counter[tuple[int, int]] = collections.Counter()
    for start, end in zip(starts, np.append(starts[1:], len(window)), strict=True):
        if 1 < end - start <= _COMMON:
            holders = owner[start:end].tolist()
            common.update((a, b) for index, b in enumerate(holders) for a in holders[:index])
    pairs = []
    for (a, b), count in common.items():
        shorter = min(len(grams[a]), len(grams[b]))
        if count >= min(4, shorter) and count >= share * shorter:
            pairs.append((a, b))
    return sorted(pairs)


def _title(piece: dict[str, Any]) -> str:
    """A tune's first title without article, dance name after a dash, and punctuation."""
    title = (piece.get("T") or [""])[0].lower()
    title = re.sub(r"[^a-z0-9 ]", "", re.sub(r"\s--\s.*", "", title))
    return " ".join(re.sub(r"^(the|a|an) ", "", title).split())


def work_of(piece: dict[str, Any]) -> tuple[str, ...] | None:
    """The work that a composition is a part or variant of, according to its collection; None if it stands alone."""
    collection, name = piece["collection"], piece["file"]
    if collection == "essenFolksong":
        # numbers like A0004A and A0004B are variants of one song, where the collection has a file of variants
        return (collection, re.sub(r"[A-Z]+$", "", piece["N"][0])) if name == "variant0.abc" else None
    if collection == "palestrina":
        return (collection, piece.get("OPR", name))
    if collection == "bach":
        return (collection, re.sub(r"^bwv(\d+).*", r"\1", name))
    if collection == "josquin":
        return (collection, name)
    if collection in ("oneills1850", "ryansMammoth", "airdsAirs", "miscFolk"):
        return ("title", _title(piece)) if _title(piece) else None
    return (collection, name.rsplit("/", 1)[0]) if "/" in name else None


def find_families(pieces: list[dict[str, Any]], notes: list[np.ndarray]) -> np.ndarray:
    """int32 [pieces]: the family of each composition, named by the first composition in it."""
    root = list(range(len(pieces)))

    def find(piece: int) -> int:
        while root[piece] != piece:
            root[piece] = root[root[piece]]
            piece = root[piece]
        return piece

    def join(a: int, b: int) -> None:
        a, b = sorted((find(a), find(b)))
        root[b] = a

    for a, b in near_duplicates([interval_grams(melody(table)) for table in notes]):
        join(a, b)
    first: dict[tuple[str, ...], int] = {}
    for index, piece in enumerate(pieces):
        if (work := work_of(piece)) is not None:
            join(first.setdefault(work, index), index)
    return np.array([find(piece) for piece in range(len(pieces))], np.int32)


def identity(piece: dict[str, Any]) -> str:
    """The name of a composition: collection, file, and its number in the file."""
    return f"{piece['collection']}/{piece['file']}#{piece['number']}"


def family_split(name: str) -> int:
    """0 (train), 1 (validation) or 2 (test), in shares of 80, 10 and 10 %, from a hash of the family's name.

    The number in the hashed text is the first that leaves every composition tag at least 30 compositions in both small
    splits.
    """
    share = int.from_bytes(hashlib.sha256(f"split 6 {name}".encode()).digest()[:8], "big") / 2**64
    return 0 if share < 0.8 else 1 if share < 0.9 else 2


def assign(pieces: list[dict[str, Any]], notes: list[np.ndarray]) -> dict[str, np.ndarray]:
    """``family`` int32 [pieces] and ``split`` int8 [pieces] (an index into :data:`SPLITS`)."""
    family = find_families(pieces, notes)
    split = {first: family_split(identity(pieces[first])) for first in np.unique(family).tolist()}
    return {"family": family, "split": np.array([split[first] for first in family.tolist()], np.int8)}
