"""A report of bias as a page of plain text, each number beside what it would be for a model that is right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..bootstrap import Interval

if TYPE_CHECKING:
    from .report import BiasReport

# How many tags or pairs a list on the page shows.
LINES = 8


def page(report: BiasReport) -> str:
    """What :meth:`~tagging.evaluation.bias.report.BiasReport.text` prints. Book: ``book/popular_tags``."""
    return "\n".join(
        [
            f"Tag bias of {len(report.tags)} classification tags on {report.songs} songs",
            f"Intervals: 95 %, {report.groups} groups of songs resampled. Popularity of tags: {report.popularity_of}.",
            *(["With one group intervals have no width."] if report.groups == 1 else []),
            *_popularity_text(report),
            *_accuracy_text(report),
            *_calibration_text(report),
            *_contradictions_text(report),
            *_agreement_text(report),
            *_cooccurrence_text(report),
            *(line for name, why in report.skipped.items() for line in ("", f"Not measured: {name}: {why}.")),
        ]
    )


def _heading(title: str) -> list[str]:
    return ["", title, "-" * len(title)]


def _row(label: str, measured: Interval, note: str = "", spec: str = ".3f") -> str:
    text = "undefined" if math.isnan(measured.value) else f"{measured:{spec}}"
    return f"  {label:<50} {text:<24} {note}".rstrip()


def _yardstick(value: float, whose: str) -> str:
    return "" if math.isnan(value) else f"({value:.2f}: {whose})"


def _popularity_text(report: BiasReport) -> list[str]:
    lines = _heading(f"Do popular tags win the top {report.top_k}?")
    lines.append(
        _row("tags in use", report.variety, f"({report.top_k}: one list for all; {len(report.tags)}: all alike)", ".1f")
    )
    found = report.over_representation
    if found is None:
        return lines
    lines += [
        _row(
            "popularity of listed tags / of annotated tags",
            found.against_annotations,
            _yardstick(found.if_perfect, "a perfect list"),
            ".2f",
        ),
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
        *_heading("Are rare tags predicted worse? Rank correlation with popularity"),
        _row(
            "recall at the annotated rate",
            accuracy.recall_correlation,
            _yardstick(accuracy.recall_if_random, "scores drawn by lot"),
            ".2f",
        ),
        _row("PR-AUC / share of positives", accuracy.lift_correlation, "(rare tags have more room)", ".2f"),
        _row(
            "rank of the tag in songs that have it",
            accuracy.rank_correlation,
            _yardstick(accuracy.rank_if_perfect, "a perfect model"),
            ".2f",
        ),
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
