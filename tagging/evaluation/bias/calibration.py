"""Calibration: reliability and expected calibration error of each tag, and of frequent, middle and rare tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import ConfigError
from ..bootstrap import Interval, Resampling, interval_of
from .common import DRAWS, check_popularity, prepare_labelled, prevalence

BANDS = ("frequent", "middle", "rare")


@dataclass(frozen=True, eq=False)
class Band:
    """Reliability of a third of the tags, by popularity, in bins of the score.

    Attributes:
        name: ``"frequent"``, ``"middle"`` or ``"rare"``.
        tags: indices of its tags.
        count: int [bins], pairs of song and tag with a score in the bin.
        mean_score: float64 [bins]; nan for an empty bin.
        observed: float64 [bins], share of these pairs in which the song has the tag; nan for an empty bin.
        error: mean expected calibration error of its tags.
        ratio: sum of scores / number of positive labels; 1 if tags are predicted as often as they occur.

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
    """Calibration of all tags.

    A model that gives every song the prevalence of each tag is calibrated and knows nothing: read this beside accuracy.

    Attributes:
        edges: float64 [bins + 1], of the equally wide bins of the score.
        error: float64 [tags], expected calibration error; nan without labels.
        error_if_true: float64 [tags], the expected error of true probabilities on as few songs.
        mean_score: float64 [tags], over songs with a known label.
        prevalence: float64 [tags], share of these songs that have the tag.
        mean_error: mean of ``error`` over tags.
        mean_error_if_true: mean of ``error_if_true`` over tags.
        bands: the same for thirds of the tags, most frequent first.

    Book: ``book/popular_tags``.
    """

    edges: np.ndarray
    error: np.ndarray
    error_if_true: np.ndarray
    mean_score: np.ndarray
    prevalence: np.ndarray
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
    """Measure reliability and expected calibration error, per tag and for thirds of the tags by popularity.

    The error is the mean over songs of the difference, in absolute value, between mean score and share of positives in the
    song's bin. It is above 0 even for true probabilities; by how much is found by drawing labels from the scores (Bröcker &
    Smith 2007).

    Args:
        scores: float [songs, tags] in [0, 1].
        labels: 0, 1 or nan [songs, tags].
        popularity: 0 or more [tags], such as training positives; by default the prevalence in the labels.
        bins: number of equally wide bins of the score.
        resampling: of the songs.

    Raises:
        ConfigError: arguments outside their range.

    Source: Naeini et al. 2015; Guo et al. 2017. Book: ``book/popular_tags``.
    """
    scores, labels, resampling = prepare_labelled(scores, labels, resampling)
    if bins < 1:
        raise ConfigError(f"bins={bins}: give at least one")
    popularity = check_popularity(popularity, labels, scores.shape[1])
    tags = [_BinnedTag(*columns, bins) for columns in zip(labels.T, scores.T, strict=True)]
    errors = np.full((1 + resampling.resamples, len(tags)), np.nan)
    for rows, counts in resampling.chunks():
        for index, tag in enumerate(tags):
            errors[rows, index] = tag.error(counts)
    random = np.random.default_rng(0)
    error_if_true = np.array([tag.error_if_true(random) for tag in tags])
    known = ~np.isnan(labels)
    predicted = resampling.sums(np.where(known, scores, 0))
    positives = resampling.sums(labels == 1)
    counts = known.sum(axis=0)
    thirds = np.array_split(np.argsort(-popularity, kind="stable"), len(BANDS))
    return Calibration(
        edges=np.linspace(0, 1, bins + 1),
        error=errors[0],
        error_if_true=error_if_true,
        mean_score=np.divide(predicted[0], counts, out=np.full(len(tags), np.nan), where=counts > 0),
        prevalence=prevalence(labels),
        mean_error=interval_of(_mean(errors), (0.0, 1.0)),
        mean_error_if_true=float(_mean(error_if_true[None])[0]),
        bands=[
            _band(name, members, tags, errors, predicted, positives, bins)
            for name, members in zip(BANDS, thirds, strict=True)
            if len(members)
        ],
    )


class _BinnedTag:
    """The labelled songs of one tag, sorted into bins of their score."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, bins: int) -> None:
        known = np.flatnonzero(~np.isnan(labels))
        bin_index = np.minimum((scores[known].astype(np.float64) * bins).astype(int), bins - 1)
        order = np.argsort(bin_index, kind="stable")
        self.songs, self.bin = known[order], bin_index[order]
        self.labels, self.scores = labels[self.songs].astype(np.float64), scores[self.songs].astype(np.float64)
        # where each non-empty bin begins
        self.starts = np.flatnonzero(np.diff(self.bin, prepend=-1))

    def error(self, counts: np.ndarray) -> np.ndarray:
        """Expected calibration error, float64 [resamples], of songs that occur int [resamples, songs] times."""
        if not len(self.songs):
            return np.full(len(counts), np.nan)
        weight = counts.take(self.songs, axis=1).astype(np.float64)
        residuals = np.add.reduceat(weight * (self.labels - self.scores), self.starts, axis=1)
        with np.errstate(invalid="ignore"):  # a resample without a labelled song
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
    positives: np.ndarray,
    bins: int,
) -> Band:
    bin_index = np.concatenate([tags[member].bin for member in members])
    count = np.bincount(bin_index, minlength=bins)
    means = []
    for values in ("scores", "labels"):
        pooled = np.concatenate([getattr(tags[member], values) for member in members])
        sums = np.bincount(bin_index, weights=pooled, minlength=bins)
        means.append(np.divide(sums, count, out=np.full(bins, np.nan), where=count > 0))
    expected, actual = (sums[:, members].sum(axis=1) for sums in (predicted, positives))
    # a resample may lack positives
    ratio = np.divide(expected, actual, out=np.full(len(actual), np.nan), where=actual > 0)
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
    """Mean of the defined entries of each row; nan for a row without any."""
    defined = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.where(defined, table, 0).sum(axis=1) / defined.sum(axis=1)
