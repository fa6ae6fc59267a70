"""All measures of bias of one model at once, as data and as a page of text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import check_arrays, check_scores
from ..errors import ConfigError
from ..resampling import Interval, Resampling
from ..tags import Vocabulary
from .agreement import Agreements, agreement
from .calibration import Calibration, calibration
from .contradictions import Contradictions, contradictions
from .cooccurrence import Cooccurrence, cooccurrence
from .popularity import (
    AccuracyByPopularity,
    OverRepresentation,
    TopPrecision,
    accuracy_by_popularity,
    over_representation,
    top_precision,
    variety,
)

# How many tags or pairs a list on the page shows.
LINES = 8


@dataclass(frozen=True, eq=False)
class BiasReport:
    """What :func:`bias_report` found. Places of tags in the measures are places in ``tags``.

    Attributes:
        tags: names of the classification tags, in the order of the vocabulary.
        songs, groups: how many were measured, and how many groups intervals resample.
        top_k: length of a song's list.
        popularity_of: where the popularity of tags is from, in words.
        variety: how many tags the lists make use of.
        over_representation, accuracy, precision, calibration, contradictions: the measures; None where ``skipped`` says why.
        cooccurrence: of pairs of tags.
        agreement: of tags that mean the same; None if no such were named.
        skipped: measure -> why it was not taken.

    Book: ``book/popular_tags``.
    """

    tags: tuple[str, ...]
    songs: int
    groups: int
    top_k: int
    popularity_of: str
    variety: Interval
    over_representation: OverRepresentation | None
    accuracy: AccuracyByPopularity | None
    precision: TopPrecision | None
    calibration: Calibration | None
    contradictions: Contradictions | None
    cooccurrence: Cooccurrence
    agreement: Agreements | None
    skipped: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a run record: arrays as lists, nan as None."""
        return plain(self)

    def text(self) -> str:
        """A page of plain text."""
        return "\n".join(
            [
                f"Tag bias of {len(self.tags)} classification tags on {self.songs} songs",
                f"Intervals: 95 %, {self.groups} groups of songs resampled. Popularity of tags: {self.popularity_of}.",
                *(["With one group intervals have no width."] if self.groups == 1 else []),
                *_popularity_text(self),
                *_accuracy_text(self),
                *_calibration_text(self),
                *_contradictions_text(self),
                *_agreement_text(self),
                *_cooccurrence_text(self),
                *(line for name, why in self.skipped.items() for line in ("", f"Not measured: {name}: {why}.")),
            ]
        )


def bias_report(
    scores: np.ndarray,
    vocabulary: Vocabulary,
    labels: np.ndarray | None = None,
    train_positives: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    *,
    top_k: int = 10,
    thresholds: float | np.ndarray | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    bins: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> BiasReport:
    """Measure the bias of a model; attributes of the vocabulary are left aside.

    Args:
        scores: float [songs, tags] in [0, 1].
        vocabulary: the tags; its exclusive groups are checked for contradictions.
        labels: 0, 1 or nan [songs, tags]; without them a part of the measures is skipped, and the report says which.
        train_positives: 0 or more [tags]: how often each tag is given in training; by default as often as in ``labels``.
        groups: int or str [songs]: what intervals resample; by default every song on its own.
        top_k: length of a song's list.
        thresholds: one number, or one for each tag of the vocabulary, from where on a tag counts as given; by default as
            many songs are given a tag as are annotated with it, without labels 0.5.
        synonyms: name of a group -> names of classification tags that mean the same and should agree.
        bins: of the reliability curves.
        resamples, seed: as in :func:`tagging.evaluation.evaluate`.

    Raises:
        ConfigError: fewer than two classification tags, anything outside its range.

    Book: ``book/popular_tags``.
    """
    if vocabulary.bimodal.sum() < 2:
        raise ConfigError(
            "vocabulary: bias towards some tags can only be measured with two classification tags or more"
        )
    scores = check_scores(scores, vocabulary, unit=True)
    if labels is not None:
        labels, scores = check_arrays(labels, scores, vocabulary)
    chosen = np.flatnonzero(vocabulary.bimodal)
    scores = scores[:, chosen]
    labels = None if labels is None else labels[:, chosen]
    if labels is not None and not np.nan_to_num(labels).any():
        raise ConfigError("labels: no song has any tag; give labels=None to measure what can be measured without them")
    popularity = _of_tags("train_positives", train_positives, vocabulary)
    if thresholds is not None and np.ndim(thresholds):
        thresholds = _of_tags("thresholds", thresholds, vocabulary)
    place = {tag: column for column, tag in enumerate(chosen.tolist())}
    exclusive = {name: [place[tag] for tag in tags if tag in place] for name, tags in vocabulary.groups.items()}
    exclusive = {name: tags for name, tags in exclusive.items() if len(tags) > 1}
    same = {name: [_place(tag, vocabulary, place) for tag in words] for name, words in (synonyms or {}).items()}
    resampling = Resampling(len(scores), groups, resamples=resamples, seed=seed)

    lists = {"top_k": top_k, "resampling": resampling}
    skipped = {}
    if labels is None:
        skipped["accuracy by popularity, precision of the lists, calibration"] = "they need annotations"
        if popularity is None:
            skipped["over-representation of frequent tags"] = (
                "it needs annotations, or how often each tag is given in training"
            )
    if not exclusive:
        skipped["contradictions"] = "no exclusive groups of tags are known"
    annotated = {"popularity": popularity, "resampling": resampling}
    return BiasReport(
        tags=tuple(vocabulary.names[tag] for tag in chosen),
        songs=len(scores),
        groups=resampling.count,
        top_k=top_k,
        popularity_of=_popularity_of(popularity, labels),
        variety=variety(scores, **lists),
        over_representation=(
            None
            if labels is None and popularity is None
            else over_representation(scores, labels, popularity=popularity, **lists)
        ),
        accuracy=None if labels is None else accuracy_by_popularity(scores, labels, **annotated),
        precision=None if labels is None else top_precision(scores, labels, top_k=top_k, **annotated),
        calibration=None if labels is None else calibration(scores, labels, bins=bins, **annotated),
        contradictions=(
            contradictions(scores, exclusive, labels, thresholds=thresholds, **lists) if exclusive else None
        ),
        cooccurrence=cooccurrence(scores, labels, resampling=resampling),
        agreement=agreement(scores, same, labels, thresholds=thresholds, **lists) if synonyms is not None else None,
        skipped=skipped,
    )


def _of_tags(name: str, values: np.ndarray | None, vocabulary: Vocabulary) -> np.ndarray | None:
    """The values of the classification tags, of one value for each tag of the vocabulary."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.shape != (len(vocabulary),):
        raise ConfigError(f"{name} {values.shape}: give one for each of the {len(vocabulary)} tags of the vocabulary")
    return values[vocabulary.bimodal]


def _place(tag: str, vocabulary: Vocabulary, place: Mapping[int, int]) -> int:
    """The place of a tag among the classification tags."""
    position = vocabulary.position(tag)
    if position not in place:
        raise ConfigError(f"synonyms: {tag!r} is an attribute; only classification tags are compared")
    return place[position]


def _popularity_of(popularity: np.ndarray | None, labels: np.ndarray | None) -> str:
    if popularity is not None:
        return "how often each is given in training"
    return "unknown" if labels is None else "how often each is annotated in these songs"


def plain(value: Any) -> Any:
    """Measures as plain data for JSON: dataclasses as mappings, arrays as lists, nan as None. Book: ``book/popular_tags``."""
    if isinstance(value, Interval):
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(inner) for inner in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and math.isnan(value) else value


# The page


def _heading(title: str) -> list[str]:
    return ["", title, "-" * len(title)]


def _row(label: str, measured: Interval, note: str = "", spec: str = ".3f") -> str:
    text = "undefined" if math.isnan(measured.value) else f"{measured:{spec}}"
    return f"  {label:<50} {text:<24} {note}".rstrip()


def _popularity_text(report: BiasReport) -> list[str]:
    lines = _heading(f"Do popular tags win the top {report.top_k}?")
    lines.append(
        _row("tags in use", report.variety, f"({report.top_k}: one list for all; {len(report.tags)}: all alike)", ".1f")
    )
    found = report.over_representation
    if found is None:
        return lines
    lines += [
        _row("popularity of listed tags / of annotated tags", found.against_annotations, "(1: as annotated)", ".2f"),
        _row("the same with scores in place of lists", found.scores_against_annotations, "(1: as annotated)", ".2f"),
        _row("popularity of listed tags / of tags drawn by lot", found.against_chance, "", ".2f"),
        "  Largest gain of share among listed tags:",
    ]
    for tag in np.argsort(found.annotated - found.predicted, kind="stable")[:LINES]:
        if found.predicted[tag] > found.annotated[tag]:
            lines.append(
                f"    {report.tags[tag]:<36} {found.predicted[tag]:6.1%} of the places, {found.annotated[tag]:6.1%} as annotated"
            )
    return lines


def _accuracy_text(report: BiasReport) -> list[str]:
    if report.precision is None or report.accuracy is None:
        return []
    precision, accuracy = report.precision, report.accuracy
    ceiling = f"(at most {precision.ceiling:.3f}: songs have few tags)"
    return [
        *_heading("What is known of the song, beyond popularity?"),
        _row(f"precision of a song's top {precision.top_k}", precision.model, ceiling),
        _row("the most popular tags for every song", precision.popularity),
        _row("gain over popularity", precision.gain),
        *_heading("Are rare tags predicted worse? Rank correlation with popularity (0: no)"),
        _row("recall at the annotated rate", accuracy.recall_correlation, "", ".2f"),
        _row("PR-AUC / share of positives", accuracy.lift_correlation, "(rare tags have more room)", ".2f"),
        _row("rank of the tag in songs that have it", accuracy.rank_correlation, "", ".2f"),
    ]


def _calibration_text(report: BiasReport) -> list[str]:
    found = report.calibration
    if found is None:
        return []
    lines = _heading("Do scores mean what they say?")
    by_chance = f"({found.mean_error_if_true:.3f}: if they do)"
    lines.append(_row("expected calibration error, mean over tags", found.mean_error, by_chance))
    for band in found.bands:
        name = f"{band.name} tags ({len(band.tags)})"
        lines += [
            _row(f"  {name}: error", band.error),
            _row(f"  {name}: predicted / annotated", band.ratio, "(1: as often as true)", ".2f"),
        ]
    return lines


def _contradictions_text(report: BiasReport) -> list[str]:
    found = report.contradictions
    if found is None:
        return []
    lines = [
        *_heading("Are tags given together that exclude each other? Shares of songs"),
        f"  A tag counts as given by this rule: {found.thresholds}.",
        _row("any exclusive pair given", found.above),
        _row(f"any exclusive pair in the top {found.top_k}", found.listed),
    ]
    for name, (above, listed) in found.groups.items():
        lines += [_row(f"  {name}: given", above), _row(f"  {name}: in the top {found.top_k}", listed)]
    worst = sorted((pair for pair in found.pairs if pair.above.value > 0), key=lambda pair: -pair.above.value)[:LINES]
    if worst:
        lines.append(
            "  Pairs given most often; confidence is the mean of the lower score; songs annotated with both are left out:"
        )
    for pair in worst:
        names = f"{report.tags[pair.first]} + {report.tags[pair.second]}"
        note = f"confidence {pair.above_confidence:.2f}, by chance {pair.above_by_chance:.3f}, left out {pair.coincide}"
        lines.append(_row(f"  {names}", pair.above, note))
    return lines


def _agreement_text(report: BiasReport) -> list[str]:
    found = report.agreement
    if found is None:
        return []
    lines = [
        *_heading("Do tags that mean the same agree? Shares of songs with one only, of those with any"),
        f"  A tag counts as given by this rule: {found.thresholds}.",
        _row("one of them only, all pairs", found.above),
        _row(f"the same in the top {found.top_k}", found.listed),
        _row("rank correlation of scores, mean over pairs", found.correlation, "(1: the same order of songs)", ".2f"),
    ]
    for pair in sorted(found.pairs, key=lambda pair: np.nan_to_num(pair.correlation.value, nan=-1))[:LINES]:
        names = report.tags[pair.first], report.tags[pair.second]
        higher = f"({names[pair.offset.value < 0]} has higher scores)" if pair.offset.value else ""
        lines += [
            _row(f"  {names[0]} + {names[1]}: rank correlation", pair.correlation, spec=".2f"),
            _row("    mean difference of scores", pair.difference, higher),
        ]
        for name, rule in (("given", pair.above), (f"in the top {found.top_k}", pair.listed)):
            note = f"by chance {rule.by_chance:.2f}, at least {rule.at_least:.2f}, {rule.songs} songs"
            lines.append(_row(f"    one of them only, {name}", rule.share, note if rule.songs else "given to no song"))
    return lines


def _cooccurrence_text(report: BiasReport) -> list[str]:
    found = report.cooccurrence
    if found.reproduced is None or found.distance is None:
        return []
    lines = _heading("Do tags go together as they do in the annotations? Phi of all pairs")
    if math.isnan(found.reproduced.value):
        return [*lines, "  undefined: no two tags vary in these songs"]
    if_true = f"({found.reproduced_if_true:.2f}: if scores are true)"
    return [
        *lines,
        _row("part of the annotated association in the scores", found.reproduced, if_true, ".2f"),
        _row("distance of predicted and annotated phi", found.distance, f"({found.distance_if_true:.3f}: if true)"),
        "  Pairs that differ most:",
        *_apart(report),
    ]


def _apart(report: BiasReport) -> list[str]:
    predicted, annotated = report.cooccurrence.predicted_phi, report.cooccurrence.annotated_phi
    first, second = np.triu_indices(len(report.tags), k=1)
    apart = np.nan_to_num(np.abs(predicted - annotated))[first, second]
    return [
        f"    {f'{report.tags[a]} + {report.tags[b]}':<48} predicted {predicted[a, b]:5.2f}, annotated {annotated[a, b]:5.2f}"
        for a, b in (
            (first[pair], second[pair]) for pair in np.argsort(-apart, kind="stable")[:LINES] if apart[pair] > 0
        )
    ]
