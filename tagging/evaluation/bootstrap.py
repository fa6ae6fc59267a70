"""Bootstrap confidence intervals from resamples of songs, drawn with replacement by whole groups."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import ConfigError

# Bytes of counts per chunk: they and what is computed from them stay within a core's cache.
CHUNK_BYTES = 1 << 19
PERCENTILES = (2.5, 97.5)
UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Interval:
    """A measurement with its 95 % confidence interval.

    ``f"{interval:.3f}"`` gives ``0.713 [0.693, 0.727]``.

    Attributes:
        value: the measurement on the songs themselves.
        low: lower end; nan if the measurement is undefined in every resample.
        high: upper end.
        resampled: float64 [resamples], the measurement on each resample; None if it was read from a record.

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
        """1 if the whole interval is above zero, -1 if it is below, 0 if it includes zero or is undefined."""
        return int(self.low > 0) - int(self.high < 0)

    def to_dict(self) -> dict[str, float | None]:
        """Plain data for JSON: value, low and high, with None for nan."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(end) else end for name, end in ends.items()}

    def paired_difference(self, other: Interval) -> Interval:
        """This measurement minus another model's, resample by resample.

        Songs that are hard for one model are hard for the other, so the interval of the difference is narrower than the
        two intervals suggest.

        Args:
            other: the same measurement of another model on the same songs, with the same :class:`Resampling`.

        Raises:
            ConfigError: an interval without resamples, or different numbers of resamples.
        """
        if self.resampled is None or other.resampled is None:
            raise ConfigError("a paired difference needs the resamples of both intervals; evaluate both models again")
        if self.resampled.shape != other.resampled.shape:
            raise ConfigError(f"{len(self.resampled)} and {len(other.resampled)} resamples cannot be paired")
        return interval(self.value - other.value, self.resampled - other.resampled)

    @classmethod
    def from_dict(cls, data: Mapping[str, float | None]) -> Interval:
        """Read what :meth:`to_dict` wrote."""
        value, low, high = (math.nan if (end := data[name]) is None else end for name in ("value", "low", "high"))
        return cls(value, low, high)


def interval(value: float, resampled: np.ndarray, limits: tuple[float, float] = UNBOUNDED) -> Interval:
    """The 95 % basic bootstrap interval of a measurement.

    The basic interval reflects the percentiles of the resamples about the value. The percentiles themselves are biased: a
    resample contains songs twice, which raises the PR-AUC of rare tags and calibration errors, and with 1,000 songs nearly
    all resamples may lie above the value.

    Args:
        value: the measurement on the songs themselves; always inside the interval.
        resampled: float [resamples]; undefined resamples (nan) are ignored.
        limits: the smallest and the largest possible value.

    Source: Davison & Hinkley 1997, section 5.2.
    """
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Interval(float(value), math.nan, math.nan, resampled)
    below, above = np.percentile(defined, PERCENTILES)
    low, high = max(2 * value - above, limits[0]), min(2 * value - below, limits[1])
    return Interval(float(value), float(min(low, value)), float(max(high, value)), resampled)


def interval_of(series: np.ndarray, limits: tuple[float, float] = UNBOUNDED) -> Interval:
    """The :func:`interval` of float [1 + resamples], whose first entry is the value on the songs themselves."""
    return interval(series[0], series[1:], limits)


class Resampling:
    """Bootstrap resamples of songs, drawn with replacement by whole groups.

    Each resample draws as many groups as there are. The draw depends only on the seed and the number of groups, in sorted
    order, so two models evaluated on the same songs get the same resamples and can be compared by paired differences.
    With one group all resamples are equal and intervals have no width.

    Args:
        num_songs: number of songs.
        groups: int or str [songs], songs that are drawn together, such as a tune family or an artist; by default each song
            is its own group.
        resamples: number of resamples.
        seed: 0 or more.

    Attributes:
        num_groups: number of groups.
        group_index: int [songs], each song's index among the sorted groups.

    Raises:
        ConfigError: groups that do not fit the songs, fewer than one resample, a negative seed.

    Book: ``book/glossary``.
    """

    def __init__(
        self, num_songs: int, groups: np.ndarray | None = None, *, resamples: int = 1000, seed: int = 0
    ) -> None:
        if resamples < 1:
            raise ConfigError(f"resamples={resamples}: give at least 1; 1000 is usual")
        if seed < 0:
            raise ConfigError(f"seed={seed}: give 0 or a positive number")
        if num_songs < 1:
            raise ConfigError("no songs to resample")
        self.num_songs, self.resamples, self.seed = num_songs, resamples, seed
        if groups is None:
            self.num_groups, self.group_index = num_songs, np.arange(num_songs)
        else:
            self.num_groups, self.group_index = sorted_groups(groups, num_songs)

    def _group_counts(self) -> Iterator[np.ndarray]:
        """How often each resample contains each group: one int [groups] per resample."""
        random = np.random.default_rng([self.seed, self.num_groups])
        for _ in range(self.resamples):
            yield np.bincount(random.integers(0, self.num_groups, self.num_groups), minlength=self.num_groups)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[slice, np.ndarray]]:
        """How often each resample contains each song, in chunks of resamples; the first chunk is the songs themselves.

        Args:
            chunk_bytes: size of a chunk; a larger resample is a chunk of its own.

        Yields:
            Rows of a table [1 + resamples, ...], whose row 0 is the songs themselves, and for these rows unsigned integer
            counts [rows, songs].
        """
        yield slice(0, 1), np.ones((1, self.num_songs), np.uint8)
        rows, group_counts = max(1, chunk_bytes // self.num_songs), self._group_counts()
        for start in range(1, 1 + self.resamples, rows):
            counts = np.stack([next(group_counts) for _ in range(min(rows, 1 + self.resamples - start))])
            # counts are small: single bytes are read from memory eight times as fast as int64
            small = counts.astype(np.min_scalar_type(counts.max()))
            yield slice(start, start + len(small)), small.take(self.group_index, axis=1)

    def sums(self, columns: np.ndarray) -> np.ndarray:
        """Column sums over the songs themselves, then over each resample.

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
        """Twelve hexadecimal digits, equal exactly if the resamples and the contents are equal.

        Args:
            contents: whatever else must agree before two measurements may be paired, such as the labels.
        """
        digest = hashlib.sha256(repr((self.num_songs, self.resamples, self.seed, self.num_groups)).encode())
        # with the first draw, since another NumPy version might draw differently from the same seed
        first_draw = next(self._group_counts()).astype("<i8").tobytes()
        for part in (self.group_index.astype("<i8").tobytes(), first_draw, *contents):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:12]


def sorted_groups(groups: np.ndarray, num_songs: int, name: str = "groups") -> tuple[int, np.ndarray]:
    """How many groups there are, and int [songs]: each song's index among the sorted groups.

    Raises:
        ConfigError: groups that do not fit the songs, or contain NaN.
    """
    groups, one = np.asarray(groups), "stratum" if name == "strata" else name.removesuffix("s")
    if groups.shape != (num_songs,):
        raise ConfigError(f"{name} of shape {groups.shape}: give one {one} for each of the {num_songs} songs")
    if groups.dtype.kind == "f" and np.isnan(groups).any():
        raise ConfigError(f"{name} contain NaN: give every song a {one}, a unique one if it belongs to no other")
    if groups.dtype.kind == "O":  # a column of names as some readers return it
        groups = groups.astype(str)
    names, group_index = np.unique(groups, return_inverse=True)
    return len(names), group_index.reshape(num_songs)
