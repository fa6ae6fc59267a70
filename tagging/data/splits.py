"""Splits by group, with about the same share of every tag in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ConfigError
from ..utils.text import some

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.15, 0.15)


def split_by_group(groups: Sequence[str], labels: np.ndarray, shares: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """Assign songs to splits; no group is in two of them.

    Groups come in a seeded order, large ones first; each goes to the split that lacks most of its songs and of its tags, so that
    rare tags are spread as well as can be.

    Args:
        groups: of the songs.
        labels: float [songs, tags]; 1 counts as a positive.
        shares: name of each split -> its share of the songs.
        seed: of the order.

    Returns:
        str [songs].

    Raises:
        ConfigError: fewer groups than splits, or shares that are not positive.

    Source: after Sechidis et al. 2011, iterative stratification, with groups in place of songs.
    """
    names, sizes = list(shares), np.array(list(shares.values()), np.float64)
    if not (sizes > 0).all():
        raise ConfigError(f"shares of the splits {dict(shares)}: each must be positive")
    kinds, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(kinds) < len(names):
        raise ConfigError(
            f"{len(kinds)} groups cannot be split into {', '.join(names)}: songs of one group (artist or album) stay together. "
            "Name another column with group=NAME, or group='none' if every song may stand for itself"
        )
    # of each group: its share of all songs, and of the positives and the negatives of every tag
    counts = np.zeros((len(kinds), 1 + 2 * labels.shape[1]))
    np.add.at(counts, members, np.column_stack([np.ones(len(members)), labels == 1, labels == 0]))
    counts /= np.maximum(counts.sum(axis=0), 1)
    lacking = np.outer(sizes / sizes.sum(), np.minimum(counts.sum(axis=0), 1))
    shuffled = np.random.default_rng(seed).permutation(len(kinds))
    order = shuffled[np.argsort(-counts[shuffled, 0], kind="stable")]
    assigned = np.empty(len(kinds), np.int64)
    empty = set(range(len(names)))
    for position, group in enumerate(order):
        # as many groups as splits without one are left: each takes one
        choices = sorted(empty) if len(order) - position <= len(empty) else list(range(len(names)))
        # songs weigh as much as all tags together, so that sizes are met
        weights = counts[group].copy()
        weights[0] *= 2 * labels.shape[1]
        gains = lacking[choices] @ weights / (sizes[choices] / sizes.sum())
        best = choices[int(np.argmax(gains))]
        assigned[group] = best
        lacking[best] -= counts[group]
        empty.discard(best)
    return np.array(names)[assigned][members]


def assign_splits(
    groups: Sequence[str],
    labels: np.ndarray,
    given: np.ndarray | None,
    shares: Sequence[float],
    seed: int,
    readable: np.ndarray,
) -> tuple[np.ndarray, list[str]]:
    """The splits of songs: those that are given, and others at random by group.

    Args:
        groups: of the songs.
        labels: float [songs, tags].
        given: str [songs], empty for songs in no split; None where there are none. Splits that are missing are taken from train.
        shares: of train, validation and test.
        seed: of the random ones.
        readable: bool [songs]; the others are split, too, so that repairing a file moves no song, but not counted.

    Returns:
        str [songs], empty for songs in no split; and lines about them.

    Raises:
        ConfigError: a split without a readable song.
    """
    wanted = dict(zip(SPLITS, shares, strict=True))
    if given is None:
        assigned, how = split_by_group(groups, labels, wanted, seed), f"at random by group, seed {seed}"
    else:
        assigned, how = given.astype("<U10"), "by the table"
        missing = [name for name in SPLITS if not (given == name).any()]
        if "train" in missing:
            raise ConfigError("no song is in the split train; with split_column='none' songs are split at random")
        if missing:
            rows = np.flatnonzero(given == "train")
            wanted = {name: wanted[name] for name in ("train", *missing)}
            assigned[rows] = split_by_group([groups[row] for row in rows.tolist()], labels[rows], wanted, seed)
            how += f", and {' and '.join(missing)} from train at random by group, seed {seed}"
        if outside := int((given == "").sum()):
            how += f"; {outside:,} songs are in none"
    sizes = {name: int(((assigned == name) & readable).sum()) for name in SPLITS}
    remarks = [f"splits: {', '.join(f'{size:,} {name}' for name, size in sizes.items())}, {how}"]
    if empty := [name for name, size in sizes.items() if not size]:
        raise ConfigError(
            f"no readable song in the split {empty[0]} ({remarks[0]}); label more songs, or change the splits"
        )
    homes: dict[str, set[str]] = {}
    for group, name in zip(groups, assigned, strict=True):
        if name:
            homes.setdefault(group, set()).add(str(name))
    if crossing := sorted(group for group, names in homes.items() if len(names) > 1):
        remarks.append(f"groups in more than one split: {len(crossing):,}: {some(crossing)}; scores may be too good")
    return assigned, remarks
