"""Chords for the accompaniment of a melody: for each span the triad that covers most of the melody.

No tag is derived from them.
"""

from __future__ import annotations

import numpy as np

# Scale degrees of the major key of the same signature: I ii iii IV V vi, as semitones above its tonic.
TRIADS = np.array([(0, 4, 7), (2, 5, 9), (4, 7, 11), (5, 9, 0), (7, 11, 2), (9, 0, 4)])
_COVERS = np.zeros((12, len(TRIADS)))
for _index, _triad in enumerate(TRIADS):
    _COVERS[_triad, _index] = 1
# Preferences of simple accompaniments where the melody fits several chords.
_PREFERRED = {False: np.array([0.25, 0, -0.1, 0.12, 0.2, 0.02]), True: np.array([0.02, 0, 0.15, 0, 0, 0.25])}


def key_root(tonic: int, minor: bool) -> int:
    """The tonic of the major key with the same signature."""
    return (tonic + 3) % 12 if minor else tonic


def harmonise(notes: np.ndarray, tonic: int, minor: bool, span: int, phase: int) -> np.ndarray:
    """The chord of every span of a single-line tune.

    Args:
        notes: int32 [notes, 5].
        tonic: pitch class.
        minor: whether the third is minor.
        span: length of one chord, in ticks.
        phase: where the first full span begins; a span before it holds the upbeat.

    Returns:
        int8 [spans], indices into :data:`TRIADS`; span ``k`` begins at ``(k - 1) * span + phase``.
    """
    row = (notes[:, 0] - phase) // span + 1
    weight = np.zeros((int(row.max()) + 1, 12))
    np.add.at(weight, (row, (notes[:, 2] - key_root(tonic, minor)) % 12), np.minimum(notes[:, 1], span))
    weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1)
    # rounded, so that ties are decided alike by all implementations of the matrix product
    return np.round(weight @ _COVERS + _PREFERRED[bool(minor)], 9).argmax(axis=1).astype(np.int8)
