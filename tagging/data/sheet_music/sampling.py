"""Which composition each clip is made of.

Collections are dealt in fixed shares, flatter than natural: four fifths of all compositions are German songs or Irish
tunes. Inside a collection no composition comes again before all have come. The first n clips of a long deal are the
deal of n clips, so that small training sets are parts of large ones.
"""

from __future__ import annotations

import hashlib

import numpy as np

from ...errors import ConfigError
from .arranger import Numbers
from .families import identity
from .library import Library

# In a hundred clips. A collection that is not named here belongs to the last group.
SHARES = {
    ("essenFolksong",): 42,
    ("oneills1850",): 16,
    ("ryansMammoth",): 12,
    ("airdsAirs",): 8,
    ("palestrina",): 11,
    ("bach",): 5,
    (): 6,
}


def deal(library: Library, pool: np.ndarray, count: int, key: str) -> np.ndarray:
    """int32 ``[count]``: the composition of each clip.

    Args:
        library: the compositions.
        pool: the compositions to deal from, as indices.
        count: how many clips.
        key: names the random stream.

    Raises:
        ConfigError: the pool is empty.
    """
    if len(pool) == 0:
        raise ConfigError("no compositions to make clips of: the split, the licence or the limit leaves none")
    named = [collection for collections in SHARES for collection in collections]
    collection = np.array([library.pieces[piece]["collection"] for piece in pool])
    members, shares = [], []
    for collections, share in SHARES.items():
        inside = np.isin(collection, collections) if collections else ~np.isin(collection, named)
        if inside.any():
            members.append(pool[inside])
            shares.append(share)
    pattern = np.repeat(np.arange(len(members)), shares)
    hands = -(-count // len(pattern))
    order = Numbers(f"{key} hands").take(hands * len(pattern)).reshape(hands, -1).argsort(axis=1, kind="stable")
    group = pattern[order].ravel()[:count]
    dealt = np.empty(count, np.int32)
    for number, compositions in enumerate(members):
        places = np.flatnonzero(group == number)
        dealt[places] = _rounds(compositions, len(places), f"{key} {number}")
    return dealt


def _rounds(compositions: np.ndarray, count: int, key: str) -> np.ndarray:
    """All compositions in a random order, then all again in another, until there are ``count``."""
    rounds = -(-count // len(compositions))
    shuffled = [
        compositions[Numbers(f"{key} round {turn}").take(len(compositions)).argsort(kind="stable")]
        for turn in range(rounds)
    ]
    return np.concatenate(shuffled)[:count] if shuffled else compositions[:0]


def first_compositions(library: Library, pool: np.ndarray, limit: int | None) -> np.ndarray:
    """The pool cut down to ``limit`` compositions, chosen by hash: a smaller choice is part of a larger one.

    Raises:
        ConfigError: there are not that many.
    """
    if limit is None:
        return pool
    if not 1 <= limit <= len(pool):
        raise ConfigError(f"compositions={limit}: there are 1 to {len(pool)} here")
    rank = [hashlib.sha256(f"limit {identity(library.pieces[piece])}".encode()).digest() for piece in pool]
    return np.sort(pool[sorted(range(len(pool)), key=rank.__getitem__)[:limit]])
