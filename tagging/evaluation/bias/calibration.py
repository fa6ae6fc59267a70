"""Do scores mean what they say? Reliability and calibration error of each tag, by how frequent it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError
from ..bootstrap import Interval, Resampling, interval_of
from .common import DRAWS, check_popularity, prepare

BANDS = ("frequent", "middle", "rare")


@dataclass(frozen=True, eq=False)
class Band:
    """Tags of like frequency, and their scores beside what is true, in bins of the score.

    Attributes:
        name: ``"frequent"``, ``"middle"`` or ``"rare"``: a third of the tags each.
        tags: places of its tags.
        count: int [bins]: pairs of song and tag with a score in the bin.
        mean_score: float64 [bins]: nan for an empty bin.
        observed: float64 [bins]: share of them where the song has the tag; nan for an empty bin.
        error: mean expected calibration error of its tags.
        ratio: sum of scores / number of annotations; 1 where tags are predicted as often as they are true.

    Book: ``book/popular_tags``.
    """

    name: str
    tags: tuple[int, ...]
    count: np.ndarray
    mean_score: np.ndarray
    observed: np.ndarray
    error: Interval
    ratio: Interval


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far scores are from the share of songs that have the tag.

    A model that gives every song the base rates is calibrated and knows nothing: read this beside accuracy.

    Attributes:
        edges: float64 [bins + 1]: of the bins of the score, equally wide.
        error: float64 [tags]: expected calibration error; nan where nothing is known.
        error_if_true: float64 [tags]: what scores that are true probabilities show on as few songs.
        mean_score: float64 [tags]: over songs where the tag is known.
        base_rate: float64 [tags]: share of these that have it.
        mean_error: mean of ``error`` over tags.
        mean_error_if_true: mean of ``error_if_true`` over tags.
        bands: the same by thirds of the tags, most frequent first.

    Book: ``book/popular_tags``.
    """

    edges: np.ndarray
    error: np.ndarray
    error_if_true: np.ndarray
    mean_score: np.ndarray
    base_rate: np.ndarray
    mean_error: Interval
    mean_error_if_true: float
    bands: list[Band]


def calibration(
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    popularity: np.ndarray | None = None,
    bins: int = 10,
    resampling: Resampling | None = None,
) -> Calibration:
    """Reliability curves and expected calibration errors, tag by tag and by thirds of their popularity.

    The error is the mean over songs of the distance between mean score and share of positives in the song's bin. It is
    above 0 by chance alone; how much is found by drawing labels from the scores (Bröcker & Smith 2007).

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        popularity: 0 or more [tags], such as training positives; by default the annotated share of songs.
        bins: how many, equally wide in the score.
        resampling: what intervals resample.

    Raises:
        ConfigError: anything outside its range.

    Source: Naeini et al. 2015; Guo et al. 2017. Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare(scores, labels, resampling)
    if bins < 1:
        raise ConfigError(f"bins={bins}: give at least one")
    popularity, base_rate = check_popularity(popularity, labels, scores.shape[1])
    tags = [_BinnedTag(*columns, bins) for columns in zip(labels.T, scores.T, strict=True)]
    errors = np.full((1 + resampling.resamples, len(tags)), np.nan)
    for rows, counts in resampling.chunks():
        for place, tag in enumerate(tags):
            errors[rows, place] = tag.error(counts)
    random = np.random.default_rng(0)
    by_chance = np.array([tag.error_if_true(random) for tag in tags])
    known = ~np.isnan(labels)
    predicted = resampling.sums(np.where(known, scores, 0))
    annotated = resampling.sums(labels == 1)
    counts = known.sum(axis=0)
    return Calibration(
        edges=np.linspace(0, 1, bins + 1),
        error=errors[0],
        error_if_true=by_chance,
        mean_score=np.divide(predicted[0], counts, out=np.full(len(tags), np.nan), where=counts > 0),
        base_rate=base_rate,
        mean_error=interval_of(_mean(errors), (0.0, 1.0)),
        mean_error_if_true=float(_mean(by_chance[None])[0]),
        bands=[
            _band(name, members, tags, errors, predicted, annotated, bins)
            for name, members in zip(
                BANDS, np.array_split(np.argsort(-popularity, kind="stable"), len(BANDS)), strict=True
            )
            if len(members)
        ],
    )


class _BinnedTag:
    """The known songs of one tag, sorted into bins of their score."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, bins: int) -> None:
        known = np.flatnonzero(~np.isnan(labels))
        place = np.minimum((scores[known].astype(np.float64) * bins).astype(int), bins - 1)
        order = np.argsort(place, kind="stable")
        self.songs, self.bin = known[order], place[order]
        self.labels, self.scores = labels[self.songs].astype(np.float64), scores[self.songs].astype(np.float64)
        # where the bins begin that hold a song
        self.starts = np.flatnonzero(np.diff(self.bin, prepend=-1))

    def error(self, counts: np.ndarray) -> np.ndarray:
        """Expected calibration error, float64 [resamples], of songs held as often as int [resamples, songs] says."""
        if not len(self.songs):
            return np.full(len(counts), np.nan)
        weight = counts.take(self.songs, axis=1).astype(np.float64)
        residuals = np.add.reduceat(weight * (self.labels - self.scores), self.starts, axis=1)
        with np.errstate(invalid="ignore"):  # a resample without a known song
            return np.abs(residuals).sum(axis=1) / weight.sum(axis=1)

    def error_if_true(self, random: np.random.Generator) -> float:
        """The mean error of labels drawn from the scores."""
        if not len(self.songs):
            return np.nan
        drawn = random.random((DRAWS, len(self.songs))) < self.scores
        residuals = np.add.reduceat(drawn - self.scores, self.starts, axis=1)
        return float(np.abs(residuals).sum(axis=1).mean() / len(self.songs))


def _band(
    name: str,
    members: np.ndarray,
    tags: list[_BinnedTag],
    errors: np.ndarray,
    predicted: np.ndarray,
    annotated: np.ndarray,
    bins: int,
) -> Band:
    place = np.concatenate([tags[member].bin for member in members])
    count = np.bincount(place, minlength=bins)
    means = []
    for values in ("scores", "labels"):
        together = np.concatenate([getattr(tags[member], values) for member in members])
        sums = np.bincount(place, weights=together, minlength=bins)
        means.append(np.divide(sums, count, out=np.full(bins, np.nan), where=count > 0))
    scored, given = (sums[:, members].sum(axis=1) for sums in (predicted, annotated))
    ratio = np.divide(scored, given, out=np.full(len(given), np.nan), where=given > 0)  # a resample may lack positives
    return Band(
        name=name,
        tags=tuple(members.tolist()),
        count=count,
        mean_score=means[0],
        observed=means[1],
        error=interval_of(_mean(errors[:, members]), (0.0, 1.0)),
        ratio=interval_of(ratio, (0.0, np.inf)),
    )


def _mean(table: np.ndarray) -> np.ndarray:
    """Mean of each row over what is defined; nan where nothing is."""
    defined = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.where(defined, table, 0).sum(axis=1) / defined.sum(axis=1)
