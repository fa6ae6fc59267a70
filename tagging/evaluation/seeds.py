"""Means over runs that differ in their seed, with intervals over groups of songs and over seeds, and what may be said of them.

Book: ``book/results``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .bootstrap import UNBOUNDED, Interval, interval

# With two runs the deviation of one decides what their spread is; with three an interval is wide, but can be right.
MIN_SEEDS = 3
VERDICTS = ("higher", "lower", "undecided", "too few seeds")


@dataclass(frozen=True)
class SeedInterval(Interval):
    """A mean over runs, or the difference of two, with its 95 % interval.

    Attributes:
        num_seeds: runs in it; of a difference, those of the side with fewer.
        over_seeds: whether the interval holds the spread over seeds. That of a single run does not.
    """

    num_seeds: int = 1
    over_seeds: bool = False

    @property
    def verdict(self) -> str:
        """What may be said of a difference, one of :data:`VERDICTS`.

        ``"higher"`` or ``"lower"`` if the interval over songs and seeds excludes 0, ``"undecided"`` if it does not, and
        ``"too few seeds"`` if a side has fewer than three runs, whatever the interval.
        """
        if self.num_seeds < MIN_SEEDS:
            return VERDICTS[3]
        return VERDICTS[(0, 2, 1)[1 - self.sign]]


def over_seeds(
    runs: Sequence[Interval], others: Sequence[Interval] = (), limits: tuple[float, float] = UNBOUNDED
) -> SeedInterval:
    """The mean over runs that differ in their seed, minus the mean over other runs, with an interval over songs and seeds.

    Songs are resampled by groups, the same ones for every run, as in each run's own interval. To the mean of the runs on each
    resample a deviation is added for the seeds: three runs are too few to be resampled themselves (their interval would hold
    the true mean three times in four), so it is drawn from Student's t with the variance between the runs, for a difference
    with the degrees of freedom of Welch 1947. Seeds are not paired: equal seeds of two models give them the same clips in the
    same order, but other weights.

    Args:
        runs: one measurement in each run, on the same songs with the same resamples.
        others: the same of another model or setting; none for the mean itself.
        limits: the smallest and the largest possible value.

    Returns:
        The interval; over songs alone where a side has a single run.

    Raises:
        ConfigError: no runs, an interval without resamples, or different numbers of resamples.
    """
    return combined([(1, runs), (-1, others)] if others else [(1, runs)], limits)


def combined(terms: Sequence[tuple[int, Sequence[Interval]]], limits: tuple[float, float] = UNBOUNDED) -> SeedInterval:
    """The sum of means over runs, each with its sign, e.g. a difference of differences; see :func:`over_seeds`.

    Args:
        terms: (1 or -1, one measurement in each run), all on the same songs with the same resamples.
        limits: the smallest and the largest possible value.

    Raises:
        ConfigError: as :func:`over_seeds`.
    """
    if not terms or not all(len(runs) for _, runs in terms):
        raise ConfigError("a mean over seeds needs at least one run")
    signs, sides = [sign for sign, _ in terms], [runs for _, runs in terms]
    resamples = [[run.resampled for run in side if run.resampled is not None] for side in sides]
    if sum(map(len, resamples)) < sum(map(len, sides)) or len({len(one) for side in resamples for one in side}) > 1:
        raise ConfigError(
            "runs without resamples, or with different numbers of them: evaluate all runs in the same way"
        )
    values = [np.array([run.value for run in side]) for side in sides]
    songs = [np.mean(side, axis=0) for side in resamples]
    has_spread = all(len(side) > 1 for side in sides)
    deviations = _deviations(values, len(songs[0])) if has_spread else 0.0
    value = sum(sign * float(side.mean()) for sign, side in zip(signs, values, strict=True))
    resampled = sum(sign * side for sign, side in zip(signs, songs, strict=True)) + deviations
    # of one run there is the interval itself, of resamples that no record has rounded
    is_one = len(sides) == 1 and len(sides[0]) == 1 and signs[0] == 1
    ends = sides[0][0] if is_one else interval(value, np.asarray(resampled), limits)
    fewest = min(len(side) for side in sides)
    return SeedInterval(ends.value, ends.low, ends.high, ends.resampled, num_seeds=fewest, over_seeds=has_spread)


def _deviations(values: list[np.ndarray], count: int) -> np.ndarray:
    """float64 [count]: quantiles of the deviation of the means of runs from those of all seeds, shuffled."""
    from scipy.special import stdtrit

    variances = np.array([side.var(ddof=1) / len(side) for side in values])
    if not (total := variances.sum()) > 0:
        return np.zeros(count)
    freedom = total**2 / sum(variance**2 / (len(side) - 1) for variance, side in zip(variances, values, strict=True))
    quantiles = np.sqrt(total) * stdtrit(freedom, (np.arange(count) + 0.5) / count)
    return np.random.default_rng(0).permutation(quantiles)
