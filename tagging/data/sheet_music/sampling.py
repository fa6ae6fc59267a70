"""Sampling: which composition each clip renders.

Collections have fixed shares, flatter than their sizes: four fifths of all compositions are German songs or Irish tunes.
Within a collection no composition is repeated before all have been used. The first n clips of a large sample are the sample
of n clips, so that small training sets are subsets of large ones.
"""

from __future__ import annotations

import hashlib

import numpy as np

from ...errors import ConfigError
from .arranger import Numbers
from .families import identity
from .library import Library

# Clips per hundred. Collections that are not named here belong to the last group.
SHARES: dict[tuple[str, ...], int] = {
    ("essenFolksong",): 42,
    ("oneills1850",): 16,
    ("ryansMammoth",): 12,
    ("airdsAirs",): 8,
    ("palestrina",): 11,
    ("bach",): 5,
    (): 6,
}


def sample_compositions(library: Library, pool: np.ndarray, count: int, key: str) -> np.ndarray:
    """Sample the composition of each clip.

    Args:
        library: the compositions.
        pool: int [pool]: indices of the compositions to sample from.
        count: number of clips.
        key: names the random stream.

    Returns:
        int32 [count], indices into the library.

    Raises:
        ConfigError: the pool is empty.
    """
    if len(pool) == 0:
        raise ConfigError("no compositions left: choose another split or licence, or a larger limit of compositions")
    named = [collection for collections in SHARES for collection in collections]
    collection = np.array([library.pieces[piece]["collection"] for piece in pool])
    members, shares = [], []
    for collections, share in SHARES.items():
        inside = np.isin(collection, collections) if collections else ~np.isin(collection, named)
        if inside.any():
            members.append(pool[inside])
            shares.append(share)
    pattern = np.repeat(np.arange(len(members)), shares)
    blocks = -(-count // len(pattern))
    # "hands" and "round" are keys of random streams: other words would make another corpus
    order = Numbers(f"{key} hands").take(blocks * len(pattern)).reshape(blocks, -1).argsort(axis=1, kind="stable")
    group = pattern[order].ravel()[:count]
    sampled = np.empty(count, np.int32)
    for number, compositions in enumerate(members):
        clips = np.flatnonzero(group == number)
        sampled[clips] = _shuffled_rounds(compositions, len(clips), f"{key} {number}")
    return sampled


def _shuffled_rounds(compositions: np.ndarray, count: int, key: str) -> np.ndarray:
    """All compositions in a random order, then all again in another, up to ``count``."""
    rounds = -(-count // len(compositions))
    shuffled = [
        compositions[Numbers(f"{key} round {turn}").take(len(compositions)).argsort(kind="stable")]
        for turn in range(rounds)
    ]
    return np.concatenate(shuffled)[:count] if shuffled else compositions[:0]


def first_compositions(library: Library, pool: np.ndarray, limit: int | None) -> np.ndarray:
    """Reduce the pool to ``limit`` compositions, chosen by hash: a smaller choice is a subset of a larger one.

    Args:
        library: the compositions.
        pool: int [pool]: indices of compositions.
        limit: how many to keep; None keeps all.

    Raises:
        ConfigError: the limit is below 1 or above the size of the pool.
    """
    if limit is None:
        return pool
    if not 1 <= limit <= len(pool):
        raise ConfigError(f"compositions={limit}: give a number from 1 to {len(pool)}")
    rank = [hashlib.sha256(f"limit {identity(library.pieces[piece])}".encode()).digest() for piece in pool]
    return np.sort(pool[sorted(range(len(pool)), key=rank.__getitem__)[:limit]])
