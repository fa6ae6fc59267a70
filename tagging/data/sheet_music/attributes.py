"""The ten regression attributes, uniformly distributed over [0, 1].

Six are computed from the notes of the segment and replaced by their rank among training segments of the same length. Four
are drawn uniformly by the arranger.
"""

from __future__ import annotations

import math

import numpy as np

from ...tags import REGRESSION, Tag
from .arranger import DRUMS, TUNE, Arrangement
from .synthesizer import SAMPLE_RATE

COMPUTED = (
    Tag("note density", REGRESSION, source="computed", description="notes that begin in a second, drums left out"),
    Tag("register", REGRESSION, source="computed", description="mean pitch of the tune, weighted by duration"),
    Tag("pitch range", REGRESSION, source="computed", description="from the lowest to the highest note of the tune"),
    Tag("polyphony", REGRESSION, source="computed", description="mean number of notes held at once"),
    Tag(
        "stepwise motion",
        REGRESSION,
        source="computed",
        description="share of melodic intervals of one or two semitones",
    ),
    Tag("rhythmic variety", REGRESSION, source="computed", description="entropy of the times between melody notes"),
)
DRAWN = (
    Tag("tempo", REGRESSION, source="arranger", description="from 0.62 to 1.62 times the tempo the notation suggests"),
    Tag("articulation", REGRESSION, source="arranger", description="sounded share of the written durations, 0.6 to 1"),
    Tag(
        "accompaniment level",
        REGRESSION,
        source="arranger",
        description="how loud the accompaniment is beside the tune",
    ),
    Tag("reverb", REGRESSION, source="arranger", description="how much of the room is heard"),
)


def measure(arrangement: Arrangement, begin: int, end: int) -> np.ndarray:
    """The six computed attributes of a segment, before ranking.

    Args:
        arrangement: the notes.
        begin, end: the segment, in samples.

    Returns:
        float64 [6], in the order of :data:`COMPUTED`; nan where the segment has too few notes.
    """
    pitched = arrangement.role != DRUMS
    stop = arrangement.start + arrangement.duration
    overlap = np.minimum(stop, end) - np.maximum(arrangement.start, begin)
    begins = (arrangement.start >= begin) & (arrangement.start < end)
    seconds = (end - begin) / SAMPLE_RATE
    held = np.where(pitched, np.maximum(overlap, 0), 0)
    tune = (arrangement.role == TUNE) & (overlap > 0)
    values = np.full(len(COMPUTED), np.nan)
    values[0] = (pitched & begins).sum() / seconds
    values[3] = held.sum() / (end - begin)
    if tune.any():
        pitch = arrangement.pitch[tune]
        values[1] = (pitch * overlap[tune]).sum() / overlap[tune].sum()
        values[2] = pitch.max() - pitch.min()
        values[4:6] = _line(arrangement, tune)
    return values


def _line(arrangement: Arrangement, tune: np.ndarray) -> tuple[float, float]:
    """Stepwise share and rhythmic variety of the top part."""
    part, pitch = arrangement.part[tune], arrangement.pitch[tune]
    if part.min() != part.max():
        heights = np.bincount(part, weights=pitch) / np.maximum(np.bincount(part), 1)
        top = part == int(np.argmax(heights))
    else:
        top = np.ones(len(part), bool)
    order = np.lexsort((pitch[top], arrangement.start[tune][top]))
    start, pitch = arrangement.start[tune][top][order], pitch[top][order]
    highest = np.append(np.diff(start) > 0, True)
    start, intervals = start[highest], np.abs(np.diff(pitch[highest]))
    moving = intervals[intervals > 0]
    stepwise = float((moving <= 2).mean()) if len(moving) >= 3 else np.nan
    steps = np.diff(start)
    if len(steps) < 4:
        return stepwise, np.nan
    # half-octave classes, so that inexact timing does not count as rhythm
    classes = np.rint(2 * np.log2(steps / np.median(steps)))
    share = np.unique(classes, return_counts=True)[1] / len(classes)
    return stepwise, float(-(share * np.log2(share)).sum())


def drawn(arrangement: Arrangement, degraded: bool) -> tuple[float, ...]:
    """The four drawn attributes, in the order of :data:`DRAWN`; reverb is nan for clips without degradations."""
    reverb = float(arrangement.mix[0]) if degraded else np.nan
    return arrangement.tempo, arrangement.articulation, arrangement.balance, reverb


def ranks(values: np.ndarray, table: list[np.ndarray]) -> np.ndarray:
    """Ranks in [0, 1] among training segments; equal values share their mean rank.

    Args:
        values: float64 [6].
        table: for each attribute its sorted values over training segments.
    """
    out = np.full(len(values), np.nan)
    for row, (value, known) in enumerate(zip(values.tolist(), table, strict=True)):
        if not math.isnan(value):
            below = known.searchsorted(value, side="left") + known.searchsorted(value, side="right")
            out[row] = below / (2 * len(known))
    return out
