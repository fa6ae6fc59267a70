"""How good scores are: metrics tag by tag and their means, all with bootstrap intervals. Book: ``book/results``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConfigError, unknown_name
from ..tags import CLASSIFICATION, Tag, Vocabulary
from .bootstrap import Interval, Resampling, interval, interval_of
from .metrics import mean_squares, squared_errors
from .ranking import Ranking
from .validation import check_arrays

CLASSIFICATION_METRICS = ("roc_auc", "pr_auc")
REGRESSION_METRICS = ("sqrt_mse",)
METRICS = (*CLASSIFICATION_METRICS, *REGRESSION_METRICS)
LIMITS = {"roc_auc": (0.0, 1.0), "pr_auc": (0.0, 1.0), "sqrt_mse": (0.0, math.inf)}
# Decimals of a resampled mean in a record: 0.00001 is far below the width of any interval here.
DECIMALS = 5


@dataclass(frozen=True)
class TagResult:
    """How well one tag is predicted.

    Attributes:
        name, kind, source: those of the tag.
        known: songs of which it is known whether, or how much, they have the tag.
        positives: songs that have it; 0 for an attribute.
        positive_groups: groups that hold a positive: an interval that rests on one or two of them is not to be trusted.
        roc_auc, pr_auc: for classification tags; None where the tag has one class only.
        sqrt_mse: root of the mean squared error, for attributes; None where no song is known.

    Book: ``book/glossary``.
    """

    name: str
    kind: str
    source: str
    known: int
    positives: int
    positive_groups: int
    roc_auc: Interval | None = None
    pr_auc: Interval | None = None
    sqrt_mse: Interval | None = None


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` found.

    Attributes:
        tags: one result a tag, in the order of the vocabulary.
        means: metric -> mean over the tags in which it is defined: ``"roc_auc"`` and ``"pr_auc"`` over classification
            tags, ``"sqrt_mse"`` over attributes (the root of the mean of their squared errors).
        parts: the same means for parts of the vocabulary: ``"all"`` and, where it has both, ``"instrument"`` (what the
            arranger decided) and ``"score"`` (all other tags).
        undefined: names of the tags with one class only, or with nothing known; they are in no mean.
        resampled: metric -> float64 [resamples], the mean over all tags in each resample; a tag that a resample leaves
            with one class is not in the mean of that resample, for any model.
        fingerprint: equal for two evaluations if and only if their resamples may be compared one by one.
        songs, groups: how many were evaluated, and how many groups intervals resample.

    Source: Pons et al. 2018, section 4 (the three metrics). Book: ``book/glossary``.
    """

    tags: list[TagResult]
    means: dict[str, Interval]
    parts: dict[str, dict[str, Interval]]
    undefined: list[str]
    resampled: dict[str, np.ndarray] = field(compare=False, repr=False)
    fingerprint: str
    songs: int
    groups: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a run record; two of them are enough for a paired :func:`difference`."""
        return {
            "songs": self.songs,
            "groups": self.groups,
            "fingerprint": self.fingerprint,
            "means": _plain(self.means),
            "parts": {part: _plain(means) for part, means in self.parts.items()},
            "undefined": list(self.undefined),
            "tags": [
                {name: value for name, value in _plain(vars(tag)).items() if value is not None} for tag in self.tags
            ],
            "resampled": {
                metric: [None if math.isnan(mean) else round(mean, DECIMALS) for mean in means.tolist()]
                for metric, means in self.resampled.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """The inverse of :meth:`to_dict`, but for the decimals of ``resampled``.

        Raises:
            ConfigError: something is missing, or is not what :meth:`to_dict` writes.
        """
        try:
            return cls(
                tags=[TagResult(**_intervals(tag)) for tag in data["tags"]],
                means=_intervals(data["means"]),
                parts={part: _intervals(means) for part, means in data["parts"].items()},
                undefined=list(data["undefined"]),
                resampled={metric: np.array(means, np.float64) for metric, means in data["resampled"].items()},
                fingerprint=data["fingerprint"],
                songs=data["songs"],
                groups=data["groups"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"this is no evaluation as Evaluation.to_dict() writes it ({type(error).__name__}: {error}); evaluate again"
            ) from error


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.to_dict() if isinstance(value, Interval) else value for name, value in fields.items()}


def _intervals(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Interval.from_dict(value) if name in METRICS else value for name, value in fields.items()}


def song_scores(segment_scores: np.ndarray, songs: np.ndarray, count: int | None = None) -> np.ndarray:
    """The scores of songs: the mean over the segments of each.

    Args:
        segment_scores: float [segments, tags].
        songs: int [segments]: to which song a segment belongs, counted from 0; in any order.
        count: how many songs there are; by default as many as ``songs`` names.

    Returns:
        float32 [songs, tags].

    Raises:
        ConfigError: shapes that differ, a song outside the count, a song without a segment.

    Source: Pons et al. 2018, section 3. Book: ``book/glossary``.
    """
    segment_scores, songs = np.asarray(segment_scores), np.asarray(songs)
    if segment_scores.ndim != 2 or songs.shape != segment_scores.shape[:1] or not len(songs):
        raise ConfigError(
            f"segment_scores {segment_scores.shape} and songs {songs.shape}: expected [segments, tags] and [segments], "
            "at least one segment"
        )
    if songs.dtype.kind not in "iu" or songs.min() < 0 or (count is not None and songs.max() >= count):
        raise ConfigError(
            f"songs ({songs.dtype}) from {songs.min()} to {songs.max()}: expected whole numbers from 0 to "
            f"{'the number of songs' if count is None else count} - 1"
        )
    segments = np.bincount(songs, minlength=count or 0)
    if not segments.all():
        raise ConfigError(
            f"songs without a segment: {(segments == 0).sum()}, the first is number {segments.argmin()}; leave them out"
        )
    means = np.empty((len(segments), segment_scores.shape[1]), np.float32)
    for tag, scores in enumerate(segment_scores.T):
        means[:, tag] = np.bincount(songs, weights=scores, minlength=len(segments)) / segments
    return means


def evaluate(
    labels: np.ndarray,
    scores: np.ndarray,
    vocabulary: Vocabulary,
    *,
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Every tag and the means over tags, with 95 % bootstrap intervals over groups of songs.

    Args:
        labels: float [songs, tags]: 0 or 1 for classification tags, [0, 1] for attributes, nan where unknown.
        scores: float [songs, tags], finite; of songs, not of segments (:func:`song_scores`).
        vocabulary: the tags.
        groups: int or str [songs]: what intervals resample, such as tune families or artists, since songs of one group
            are no independent evidence; by default every song on its own.
        resamples: how many.
        seed: of the drawing; equal seeds make two models on the same songs comparable by :func:`difference`.

    Raises:
        ConfigError: shapes that differ, no songs, scores that are not finite, labels outside their range, groups that do
            not fit, fewer than one resample.

    Source: Pons et al. 2018, section 4, for the metrics; they give no intervals. Book: ``book/glossary``.
    """
    labels, scores = check_arrays(labels, scores, vocabulary)
    resampling = Resampling(len(labels), groups, resamples=resamples, seed=seed)
    classification, regression = np.flatnonzero(vocabulary.classification), np.flatnonzero(vocabulary.regression)
    rankings = {tag: Ranking(labels[:, tag], scores[:, tag]) for tag in classification}
    squares, known = squared_errors(labels[:, regression], scores[:, regression])
    # row 0: the songs themselves; for attributes squared errors until their roots are drawn
    values = {metric: np.full((1 + resamples, len(vocabulary)), np.nan) for metric in METRICS}
    for rows, counts in resampling.chunks():
        for tag, ranking in rankings.items():
            values["roc_auc"][rows, tag], values["pr_auc"][rows, tag] = ranking.areas(counts)
        values["sqrt_mse"][rows, regression] = mean_squares(squares, known, counts)

    from_arranger = np.array([tag.source == "arranger" for tag in vocabulary])
    parts = {"all": np.ones(len(vocabulary), bool)}
    if from_arranger.any() and not from_arranger.all():
        parts |= {"score": ~from_arranger, "instrument": from_arranger}
    means = {part: _means(values, chosen) for part, chosen in parts.items()}
    intervals = {
        part: {metric: interval_of(series, LIMITS[metric]) for metric, series in found.items()}
        for part, found in means.items()
    }
    values["sqrt_mse"] = np.sqrt(values["sqrt_mse"])
    results = [
        _tag_result(tag, labels[:, place], resampling.member, {metric: values[metric][:, place] for metric in METRICS})
        for place, tag in enumerate(vocabulary)
    ]
    return Evaluation(
        tags=results,
        means=intervals["all"],
        parts=intervals,
        undefined=[tag.name for tag in results if all(getattr(tag, metric) is None for metric in METRICS)],
        resampled={metric: series[1:] for metric, series in means["all"].items()},
        fingerprint=resampling.fingerprint(
            np.where(np.isnan(labels), -1, labels).astype("<f4").tobytes(),
            repr([(tag.name, tag.kind, tag.source) for tag in vocabulary]).encode(),
        ),
        songs=len(labels),
        groups=resampling.count,
    )


def _means(values: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Metric -> float64 [1 + resamples]: the mean over those tags that are defined, in each row."""
    means = {}
    for metric, table in values.items():
        # what is undefined on the songs themselves is so in every resample
        table = table[:, chosen & ~np.isnan(table[0])]
        if table.shape[1]:
            defined = ~np.isnan(table)
            with np.errstate(invalid="ignore"):  # a resample may leave no tag defined
                mean = np.where(defined, table, 0.0).sum(axis=1) / defined.sum(axis=1)
            means[metric] = np.sqrt(mean) if metric in REGRESSION_METRICS else mean
    return means


def _tag_result(tag: Tag, labels: np.ndarray, member: np.ndarray, series: dict[str, np.ndarray]) -> TagResult:
    has = labels == 1 if tag.kind == CLASSIFICATION else np.zeros(len(labels), bool)
    defined = {metric: values for metric, values in series.items() if not math.isnan(values[0])}
    return TagResult(
        name=tag.name,
        kind=tag.kind,
        source=tag.source,
        known=int((~np.isnan(labels)).sum()),
        positives=int(has.sum()),
        positive_groups=len(np.unique(member[has])),
        **{metric: interval_of(values, LIMITS[metric]) for metric, values in defined.items()},
    )


def difference(first: Evaluation, second: Evaluation, metric: str, part: str = "all") -> Interval:
    """How much higher a mean is in the first evaluation than in the second, with a paired interval.

    Both models were measured on the same resamples, so what makes a resample easy or hard for both cancels out.

    Args:
        first, second: evaluations of the same songs; for the mean over all tags, from records as good as fresh ones.
        metric: ``"roc_auc"``, ``"pr_auc"`` or ``"sqrt_mse"``.
        part: of the tags, one of ``Evaluation.parts``.

    Returns:
        First minus second; an interval without 0 is a difference at the level of about 5 %.

    Raises:
        ConfigError: a metric or a part that the evaluations lack; other songs, labels, groups, seed or number of resamples;
            evaluations from records, which hold no resamples of a part.

    Source: Davison & Hinkley 1997, section 5.2. Book: ``book/glossary``.
    """
    if part not in first.parts:
        raise unknown_name("part", part, first.parts)
    if metric not in first.parts[part]:
        raise unknown_name("metric", metric, first.parts[part])
    if first.fingerprint != second.fingerprint:
        raise ConfigError(
            f"fingerprints {first.fingerprint} and {second.fingerprint} differ: the two evaluations differ in songs, labels, "
            "tags, groups, seed or number of resamples; evaluate both alike to compare them"
        )
    if part != "all":
        return first.parts[part][metric].paired_difference(second.parts[part][metric])
    value = first.means[metric].value - second.means[metric].value
    return interval(value, first.resampled[metric] - second.resampled[metric])
