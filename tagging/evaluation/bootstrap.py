"""Bootstrap over groups of songs: which songs each resample holds, and the interval of what is measured on them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError

# Bytes of counts at a time: with what is computed from them they stay within a core's cache.
CHUNK_BYTES = 1 << 19
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A measurement and its 95 % interval, as :func:`interval` makes it.

    ``f"{interval:.3f}"`` gives ``0.713 [0.693, 0.727]``.

    Attributes:
        value: on the songs themselves.
        low: lower end; nan if the measurement is undefined in every resample.
        high: upper end.
        resampled: float64 [resamples]: the measurement in each; None for one that was read from a record.

    Book: ``book/glossary``.
    """

    value: float
    low: float
    high: float
    resampled: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    @property
    def sign(self) -> int:
        """1 if the whole interval is above zero, -1 if it is below, 0 if it holds zero or is not known."""
        return int(self.low > 0) - int(self.high < 0)

    def to_dict(self) -> dict[str, float | None]:
        """Plain data for JSON, None in the place of nan."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(end) else end for name, end in ends.items()}

    def paired_difference(self, other: Interval) -> Interval:
        """The difference of two models, resample by resample.

        A song that is hard for one is hard for the other: the interval of their difference is narrower than theirs suggest.

        Args:
            other: the same measurement of another model on the same songs, with the same :class:`Resampling`.

        Raises:
            ConfigError: a measurement without resamples, or with another number of them.
        """
        if self.resampled is None or other.resampled is None:
            raise ConfigError("a paired difference needs the resamples of both measurements; measure both anew")
        if self.resampled.shape != other.resampled.shape:
            raise ConfigError(f"{len(self.resampled)} and {len(other.resampled)} resamples cannot be paired")
        return interval(self.value - other.value, self.resampled - other.resampled)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Interval:
        """The inverse of :meth:`to_dict`."""
        return cls(*(math.nan if data[name] is None else data[name] for name in ("value", "low", "high")))


def interval(value: float, resampled: np.ndarray, limits: tuple[float, float] = (-math.inf, math.inf)) -> Interval:
    """The 95 % basic bootstrap interval of a measurement.

    Resamples are to the songs what the songs are to all music: what they exceed the value by, the value may exceed the
    truth by. So the interval reaches from the value as far down as the resamples reach up, and the other way round. The
    percentiles of the resamples themselves will not do: a resample holds songs twice, which raises the PR-AUC of rare tags
    and calibration errors, and at a thousand songs nearly all resamples may lie above the value.

    Args:
        value: the measurement on the songs themselves; the interval always holds it.
        resampled: float [resamples]; nan where a resample leaves it undefined, which says nothing about its spread.
        limits: the least and the greatest that is possible.

    Source: Davison & Hinkley 1997, section 5.2. Book: ``book/glossary``.
    """
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Interval(float(value), math.nan, math.nan, resampled)
    below, above = np.percentile(defined, PERCENTILES)
    low, high = max(2 * value - above, limits[0]), min(2 * value - below, limits[1])
    return Interval(float(value), float(min(low, value)), float(max(high, value)), resampled)


def interval_of(series: np.ndarray, limits: tuple[float, float] = (-math.inf, math.inf)) -> Interval:
    """The :func:`interval` of a measurement whose value on the songs themselves comes first: float [1 + resamples].

    Book: ``book/glossary``.
    """
    return interval(series[0], series[1:], limits)


class Resampling:
    """Resamples of songs, drawn with replacement by whole groups.

    A resample draws as many groups as there are. How often it holds each group depends on the seed and the number of
    groups alone, groups in sorted order: two models measured on the same songs get the same resamples, so that their
    difference can be measured resample by resample. With one group all resamples are equal, and intervals have no width.

    Args:
        songs: how many there are.
        groups: int or str [songs]: what is drawn together, such as a tune family or an artist; by default each song alone.
        resamples: how many.
        seed: of the drawing, 0 or more.

    Attributes:
        count: the number of groups.
        member: int [songs]: the place of each song's group in sorted order.

    Raises:
        ConfigError: groups that do not fit the songs, fewer than one resample, a seed that is none.

    Book: ``book/glossary``.
    """

    def __init__(self, songs: int, groups: np.ndarray | None = None, *, resamples: int = 1000, seed: int = 0) -> None:
        if resamples < 1:
            raise ConfigError(f"resamples={resamples}: an interval needs at least one, and 1000 is usual")
        if seed < 0:
            raise ConfigError(f"seed={seed}: give 0 or a positive number")
        if songs < 1:
            raise ConfigError("no songs: there is nothing to resample")
        self.songs, self.resamples, self.seed = songs, resamples, seed
        if groups is None:
            self.count, self.member = songs, np.arange(songs)
        else:
            self.count, self.member = _sorted_groups(groups, songs)

    def _draws(self) -> Iterator[np.ndarray]:
        """How often each resample holds each group: int [groups], one array a resample."""
        random = np.random.default_rng([self.seed, self.count])
        for _ in range(self.resamples):
            yield np.bincount(random.integers(0, self.count, self.count), minlength=self.count)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
        """How often each resample holds each song, some resamples at a time; first of all, the songs themselves.

        Args:
            chunk_bytes: how much to hand out at once; a resample that is larger comes alone.

        Yields:
            Rows of a table [1 + resamples, ...] whose first row is for the songs themselves, and for each of these rows
            unsigned integers [rows, songs].
        """
        yield slice(0, 1), np.ones((1, self.songs), np.uint8)
        rows, draws = max(1, chunk_bytes // self.songs), self._draws()
        for start in range(1, 1 + self.resamples, rows):
            counts = np.stack([next(draws) for _ in range(min(rows, 1 + self.resamples - start))])
            # a group is drawn a few times: single bytes are read from memory eight times as fast as int64
            small = counts.astype(np.min_scalar_type(counts.max()))
            yield slice(start, start + len(small)), small.take(self.member, axis=1)

    def sums(self, columns: np.ndarray) -> np.ndarray:
        """Sums over the songs themselves, then over those of each resample.

        Args:
            columns: numbers or bool [songs, columns].

        Returns:
            float64 [1 + resamples, columns].
        """
        columns = np.asarray(columns, np.float64)
        sums = np.empty((1 + self.resamples, columns.shape[1]))
        for rows, counts in self.chunks():
            sums[rows] = counts.astype(np.float64) @ columns
        return sums

    def fingerprint(self, *contents: bytes) -> str:
        """Twelve hexadecimal digits that are equal if and only if resamples and contents are.

        Args:
            contents: what else must be equal for two measurements to be comparable resample by resample.
        """
        digest = hashlib.sha256(repr((self.songs, self.resamples, self.seed, self.count)).encode())
        # the first draw as well: another version of NumPy might draw otherwise from the same seed
        for part in (self.member.astype("<i8").tobytes(), next(self._draws()).astype("<i8").tobytes(), *contents):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:12]


def _sorted_groups(groups: np.ndarray, songs: int) -> tuple[int, np.ndarray]:
    groups = np.asarray(groups)
    if groups.shape != (songs,):
        raise ConfigError(f"groups of shape {groups.shape}: give one for each of the {songs} songs")
    if groups.dtype.kind == "f" and np.isnan(groups).any():
        raise ConfigError("groups: not a number among them; give every song a group, its own if it has no other")
    if groups.dtype.kind == "O":  # a column of names as some readers return it
        groups = groups.astype(str)
    names, member = np.unique(groups, return_inverse=True)
    return len(names), member.reshape(songs)
