"""Evaluation of song-level scores: metrics per tag and their means, with bootstrap intervals. Book: ``book/results``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, unknown_name
from ..tags import CLASSIFICATION, REGRESSION, Tag, Vocabulary
from ..utils.legacy import current_evaluation, legacy_kind
from .bootstrap import Interval, Resampling, interval, interval_of
from .metrics import METRICS, Ranking, mean_squares, squared_errors
from .stratified import COLLECTION, StratifiedRanking, mask_unannotated, stratum_index
from .validation import check_arrays, check_parts

if TYPE_CHECKING:
    import pandas

# Decimals of a resampled mean in a record: 0.00001 is far below the width of any interval here.
DECIMALS = 5


@dataclass(frozen=True)
class TagResult:
    """How well one tag is predicted.

    Attributes:
        name, kind, source: the tag's.
        known: songs whose label is known.
        positives: songs with the tag; 0 for a regression tag.
        positive_groups: groups with a positive song; with one or two of them the interval is not reliable.
        num_strata: sources in which it was ranked; None if it was ranked over all songs.
        roc_auc, pr_auc: of a classification tag; None if it has one class only.
        sqrt_mse: root mean squared error of a regression tag; None if no label is known.

    Book: ``book/glossary``.
    """

    name: str
    kind: str
    source: str
    known: int
    positives: int
    positive_groups: int
    num_strata: int | None = None
    roc_auc: Interval | None = None
    pr_auc: Interval | None = None
    sqrt_mse: Interval | None = None


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The result of :func:`evaluate`.

    Attributes:
        tags: one result per tag, in the order of the vocabulary.
        means: metric -> mean over the tags that have it: ``"roc_auc"`` and ``"pr_auc"`` over classification tags,
            ``"sqrt_mse"`` over regression tags (the root of the mean of their squared errors).
        parts: the same means for parts of the vocabulary; ``"all"`` is the whole of it, within strata without ``"collection"``.
        undefined: names of the tags with one class only, or without a known label; they are in no mean.
        resampled: metric -> float64 [resamples], the mean over all tags on each resample. A tag that has one class only in
            a resample is left out of that resample's mean, for every model.
        fingerprint: equal for two evaluations exactly if they can be compared by a paired :func:`difference`.
        num_songs: number of songs.
        num_groups: number of groups that were resampled.

    Source: Pons et al. 2018, section 4 (the three metrics). Book: ``book/glossary``.
    """

    tags: list[TagResult]
    means: dict[str, Interval]
    parts: dict[str, dict[str, Interval]]
    undefined: list[str]
    resampled: dict[str, np.ndarray] = field(compare=False)
    fingerprint: str
    num_songs: int
    num_groups: int

    def __repr__(self) -> str:
        means = "".join(f", {metric} {mean:.3f}" for metric, mean in self.means.items())
        return f"Evaluation({len(self.tags)} tags, {self.num_songs} songs{means})"

    def table(self) -> pandas.DataFrame:
        """One row per tag: kind, counts, and each metric with both ends of its interval; needs pandas."""
        import pandas

        rows = []
        for tag in self.tags:
            row = {"kind": tag.kind, "known": tag.known, "positives": tag.positives}
            for metric in self.means:
                result: Interval | None = getattr(tag, metric)
                for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high")):
                    row[f"{metric}{suffix}"] = math.nan if result is None else getattr(result, end)
            rows.append(row)
        return pandas.DataFrame(rows, index=pandas.Index([tag.name for tag in self.tags], name="tag"))

    def to_dict(self, *, resampled_parts: bool = False) -> dict[str, Any]:
        """Plain data for a run record; two of them are enough for a paired :func:`difference`.

        Args:
            resampled_parts: with the resamples of each part's ranking metrics, for differences and means over seeds of parts.
        """
        data = {
            "num_songs": self.num_songs,
            "num_groups": self.num_groups,
            "fingerprint": self.fingerprint,
            "means": _plain(self.means),
            "parts": {part: _plain(means) for part, means in self.parts.items()},
            "undefined": list(self.undefined),
            "tags": [
                {name: value for name, value in _plain(vars(tag)).items() if value is not None} for tag in self.tags
            ],
            "resampled": {metric: _rounded(means) for metric, means in self.resampled.items()},
        }
        if resampled_parts:
            data["resampled_parts"] = {
                part: {
                    metric: _rounded(mean.resampled)
                    for metric, mean in means.items()
                    if METRICS[metric].kind == CLASSIFICATION and mean.resampled is not None
                }
                for part, means in self.parts.items()
                if part != "all"
            }
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read what :meth:`to_dict` wrote, also in earlier versions; ``resampled`` is rounded to 5 decimals.

        Raises:
            ConfigError: a field is missing or not what :meth:`to_dict` writes.
        """
        try:
            data = current_evaluation(data)
            resampled = {
                part: {metric: np.array(means, np.float64) for metric, means in series.items()}
                for part, series in {"all": data["resampled"], **data.get("resampled_parts", {})}.items()
            }
            return cls(
                tags=[TagResult(**_intervals(tag)) for tag in data["tags"]],
                means=_intervals(data["means"], resampled["all"]),
                parts={part: _intervals(means, resampled.get(part)) for part, means in data["parts"].items()},
                undefined=list(data["undefined"]),
                resampled=resampled["all"],
                fingerprint=data["fingerprint"],
                num_songs=data["num_songs"],
                num_groups=data["num_groups"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"not an evaluation as Evaluation.to_dict() writes it ({type(error).__name__}: {error}); evaluate again"
            ) from error


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.to_dict() if isinstance(value, Interval) else value for name, value in fields.items()}


def _rounded(means: np.ndarray) -> list[float | None]:
    return [None if math.isnan(mean) else round(mean, DECIMALS) for mean in means.tolist()]


def _intervals(fields: Mapping[str, Any], resampled: Mapping[str, np.ndarray] | None = None) -> dict[str, Any]:
    series = resampled or {}
    return {
        name: replace(Interval.from_dict(value), resampled=series.get(name)) if name in METRICS else value
        for name, value in fields.items()
    }


def evaluate(
    labels: np.ndarray,
    scores: np.ndarray,
    vocabulary: Vocabulary | Iterable[Tag | str],
    *,
    groups: np.ndarray | None = None,
    parts: Mapping[str, np.ndarray] | None = None,
    strata: np.ndarray | None = None,
    annotated: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Evaluate every tag, and the means over tags, with 95 % bootstrap intervals over groups of songs.

    >>> import numpy as np, tagging
    >>> labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    >>> scores = np.array([[0.9, 0.2], [0.3, 0.6], [0.7, 0.8], [0.8, 0.4]])
    >>> tagging.evaluate(labels, scores, ["guitar", "slow"], resamples=100).means["roc_auc"].value
    0.875

    Args:
        labels: float [songs, tags]: 0 or 1 for classification tags, [0, 1] for regression tags, nan where unknown.
        scores: float [songs, tags], finite, per song and not per segment (see :func:`.segments.song_scores`).
        vocabulary: the tags; a list of names stands for classification tags.
        groups: int or str [songs], what is resampled together, such as tune families or artists, since songs of one group
            are not independent evidence; by default each song is its own group.
        parts: name -> bool [tags]: parts of the vocabulary to give means for. A part without tags is left out.
        strata: [songs], sources such as collections: tags are ranked within them, see :class:`.stratified.StratifiedRanking`.
            Tags of the part ``"collection"``, which the source decides, are ranked over all songs and are in no other mean.
        annotated: bool [songs, tags], whether the source of a song annotates a tag; where not, its label counts as unknown.
        resamples: number of bootstrap resamples.
        seed: of the resamples; models evaluated with equal seeds on the same songs can be compared by :func:`difference`.

    Raises:
        ConfigError: shapes that differ, no songs, scores that are not finite, labels outside their range, groups, parts,
            strata or annotated that do not fit, fewer than one resample.

    Source: Pons et al. 2018, section 4, for the metrics; they give no intervals. Book: ``book/glossary``.
    """
    vocabulary = vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary(vocabulary)
    labels, scores = check_arrays(labels, scores, vocabulary)
    labels = mask_unannotated(labels, annotated)
    masks = check_parts(parts or {}, len(vocabulary))
    resampling = Resampling(len(labels), groups, resamples=resamples, seed=seed)
    regression = np.flatnonzero(vocabulary.regression)
    rankings: dict[int, Ranking | StratifiedRanking] = {
        tag: Ranking(labels[:, tag], scores[:, tag]) for tag in np.flatnonzero(vocabulary.classification).tolist()
    }
    stratified: list[bytes] = []  # what makes this another measurement, for its fingerprint
    if strata is not None:
        index, over_all = stratum_index(strata, len(labels)), masks.get(COLLECTION, ~masks["all"])
        for tag in set(rankings) - set(np.flatnonzero(over_all).tolist()):
            rankings[tag] = StratifiedRanking(labels[:, tag], scores[:, tag], index, resampling.group_index)
        within = {name: part & ~over_all if name != COLLECTION else part for name, part in masks.items()}
        masks = {name: part for name, part in within.items() if name == "all" or part.any()}
        stratified = [index.astype("<i8").tobytes(), over_all.tobytes()]
    squares, known = squared_errors(labels[:, regression], scores[:, regression])
    # row 0: the songs themselves; sqrt_mse holds squared errors until their roots are taken
    values = {metric: np.full((1 + resamples, len(vocabulary)), np.nan) for metric in METRICS}
    for rows, counts in resampling.chunks():
        for tag, ranking in rankings.items():
            values["roc_auc"][rows, tag], values["pr_auc"][rows, tag] = ranking.areas(counts)
        values["sqrt_mse"][rows, regression] = mean_squares(squares, known, counts)

    hashed = np.where(np.isnan(labels), -1, labels)
    if strata is not None:
        # of the bundled predictions, whose labels are in half precision, as of the run that made them
        with np.errstate(over="ignore"):
            hashed = hashed.astype(np.float16)
    means = {part: _means(values, mask) for part, mask in masks.items()}
    intervals = {
        part: {metric: interval_of(series, METRICS[metric].limits) for metric, series in series_of.items()}
        for part, series_of in means.items()
    }
    values["sqrt_mse"] = np.sqrt(values["sqrt_mse"])
    results = [
        _tag_result(
            tag,
            labels[:, number],
            resampling.group_index,
            {name: table[:, number] for name, table in values.items()},
            getattr(rankings.get(number), "num_strata", None),
        )
        for number, tag in enumerate(vocabulary)
    ]
    return Evaluation(
        tags=results,
        means=intervals["all"],
        parts=intervals,
        undefined=[tag.name for tag in results if all(getattr(tag, metric) is None for metric in METRICS)],
        resampled={metric: series[1:] for metric, series in means["all"].items()},
        fingerprint=resampling.fingerprint(
            hashed.astype("<f4").tobytes(),
            # kinds by their first names, so that new evaluations can be compared with records that exist
            repr([(tag.name, legacy_kind(tag.kind), tag.source) for tag in vocabulary]).encode(),
            *stratified,
        ),
        num_songs=len(labels),
        num_groups=resampling.num_groups,
    )


def _means(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
    """Metric -> float64 [1 + resamples], the mean over the tags that are defined in each row."""
    means = {}
    for metric, table in values.items():
        # a tag that is undefined on the songs themselves is undefined in every resample
        table = table[:, mask & ~np.isnan(table[0])]
        if table.shape[1]:
            defined = ~np.isnan(table)
            with np.errstate(invalid="ignore"):  # a resample may leave no tag defined
                mean = np.where(defined, table, 0.0).sum(axis=1) / defined.sum(axis=1)
            means[metric] = np.sqrt(mean) if METRICS[metric].kind == REGRESSION else mean
    return means


def _tag_result(
    tag: Tag, labels: np.ndarray, group_index: np.ndarray, series: dict[str, np.ndarray], num_strata: int | None
) -> TagResult:
    positive = labels == 1 if tag.kind == CLASSIFICATION else np.zeros(len(labels), bool)
    defined = {metric: values for metric, values in series.items() if not math.isnan(values[0])}
    return TagResult(
        name=tag.name,
        kind=tag.kind,
        source=tag.source,
        known=int((~np.isnan(labels)).sum()),
        positives=int(positive.sum()),
        positive_groups=len(np.unique(group_index[positive])),
        num_strata=num_strata,
        **{metric: interval_of(values, METRICS[metric].limits) for metric, values in defined.items()},
    )


def difference(first: Evaluation, second: Evaluation, metric: str, part: str = "all") -> Interval:
    """The mean of a metric in the first evaluation minus that in the second, with a paired interval.

    Both models are measured on the same resamples, so whatever makes a resample easy or hard for both cancels out.

    Args:
        first, second: evaluations of two models on the same songs. Evaluations read from records are enough for the mean
            over all tags.
        metric: ``"roc_auc"``, ``"pr_auc"`` or ``"sqrt_mse"``.
        part: of the vocabulary, one of ``Evaluation.parts``.

    Returns:
        First minus second; an interval without 0 is a significant difference at about the 5 % level.

    Raises:
        ConfigError: a metric or part that the evaluations lack; different songs, labels, tags, groups, seeds or numbers of
            resamples; a part of evaluations read from records, which hold no resamples of parts.

    Source: Davison & Hinkley 1997, section 5.2. Book: ``book/glossary``.
    """
    if part not in first.parts:
        raise unknown_name("part", part, first.parts)
    if metric not in first.parts[part]:
        raise unknown_name("metric", metric, first.parts[part])
    if first.fingerprint != second.fingerprint:
        raise ConfigError(
            f"fingerprints {first.fingerprint} and {second.fingerprint} differ: the evaluations differ in songs, labels, "
            "tags, groups, seed or number of resamples; evaluate both models in the same way to compare them"
        )
    if part not in second.parts or metric not in second.parts[part]:
        raise ConfigError(
            f"the second evaluation has no {metric} of part {part!r}; evaluate both models with equal parts"
        )
    if part != "all":
        return first.parts[part][metric].paired_difference(second.parts[part][metric])
    value = first.means[metric].value - second.means[metric].value
    return interval(value, first.resampled[metric] - second.resampled[metric])
