"""A bias report as plain text, each number beside its reference value."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ...utils.text import printable
from ..bootstrap import Interval
from .report import BiasReport

# Length of the lists of tags and of pairs.
LINES = 8


def text(report: BiasReport) -> str:
    """A bias report as plain text, at most 125 characters wide; what a terminal would obey in a tag's name is escaped."""
    report = dataclasses.replace(report, tags=tuple(map(printable, report.tags)))
    return "\n".join(
        printable(line)
        for line in [
            f"Tag bias of {len(report.tags)} classification tags on {report.num_songs} songs",
            f"Intervals: 95 %, {report.num_groups} groups of songs resampled. Popularity of tags: {report.popularity_of}.",
            *(["With one group, intervals have no width."] if report.num_groups == 1 else []),
            *_popularity_lines(report),
            *_accuracy_lines(report),
            *_calibration_lines(report),
            *_contradiction_lines(report),
            *_agreement_lines(report),
            *_cooccurrence_lines(report),
            *(line for name, reason in report.skipped.items() for line in ("", f"Not measured: {name}: {reason}.")),
        ]
    )


def _heading(title: str) -> list[str]:
    return ["", title, "-" * len(title)]


def _row(label: str, measured: Interval, note: str = "", spec: str = ".3f") -> str:
    shown = "undefined" if math.isnan(measured.value) else f"{measured:{spec}}"
    return f"  {label:<50} {shown:<24} {note}".rstrip()


def _reference(value: float, meaning: str) -> str:
    return "" if math.isnan(value) else f"({value:.2f}: {meaning})"


def _popularity_lines(report: BiasReport) -> list[str]:
    lines = _heading(f"Do popular tags win the top {report.top_k}?")
    limits = f"({report.top_k}: one list for all; {len(report.tags)}: all tags alike)"
    lines.append(_row("effective number of listed tags", report.variety, limits, ".1f"))
    measure = report.over_representation
    if measure is None:
        return lines
    perfect = _reference(measure.if_perfect, "a perfect list")
    lines += [
        _row("popularity of listed / of labelled tags", measure.against_labels, perfect, ".2f"),
        _row("popularity by scores / of labelled tags", measure.scores_against_labels, "(1: as labelled)", ".2f"),
        _row("popularity of listed / of random tags", measure.against_random, "", ".2f"),
        "  Most over-represented tags:",
    ]
    for tag in np.argsort(measure.labelled - measure.predicted, kind="stable")[:LINES]:
        if measure.predicted[tag] > measure.labelled[tag]:
            lines.append(
                f"    {report.tags[tag]:<36} {measure.predicted[tag]:6.1%} of list entries, "
                f"{measure.labelled[tag]:6.1%} of labels"
            )
    return lines


def _accuracy_lines(report: BiasReport) -> list[str]:
    precision, accuracy = report.precision, report.accuracy
    if precision is None or accuracy is None:
        return []
    ceiling = f"(at most {precision.ceiling:.3f}: songs have few tags)"
    by_lot = _reference(accuracy.recall_if_random, "random scores")
    perfect = _reference(accuracy.rank_if_perfect, "a perfect model")
    return [
        *_heading("What does the model know of a song, beyond popularity?"),
        _row(f"precision of a song's top {precision.top_k}", precision.model, ceiling),
        _row("precision of the most popular tags for every song", precision.popularity),
        _row("gain over popularity", precision.gain),
        *_heading("Are rare tags predicted worse? Rank correlation with popularity"),
        _row("recall, assigned as often as labelled", accuracy.recall_correlation, by_lot, ".2f"),
        _row("PR-AUC / share of positives", accuracy.lift_correlation, "(rare tags can gain more)", ".2f"),
        _row("rank of the tag in songs that have it", accuracy.rank_correlation, perfect, ".2f"),
    ]


def _calibration_lines(report: BiasReport) -> list[str]:
    measure = report.calibration
    if measure is None:
        return []
    lines = _heading("Are scores probabilities?")
    if_true = f"({measure.mean_error_if_true:.3f}: true probabilities)"
    lines.append(_row("expected calibration error, mean over tags", measure.mean_error, if_true))
    for band in measure.bands:
        name = f"{band.name} tags ({len(band.tags)})"
        lines += [
            _row(f"  {name}: error", band.error),
            _row(f"  {name}: predicted / labelled", band.ratio, "(1: as often as true)", ".2f"),
        ]
    return lines


def _contradiction_lines(report: BiasReport) -> list[str]:
    measure = report.contradictions
    if measure is None:
        return []
    lines = [
        *_heading("Are exclusive tags assigned together? Shares of songs"),
        f"  Rule of assignment: {measure.thresholds}.",
        _row("any exclusive pair assigned", measure.by_threshold),
        _row(f"any exclusive pair in the top {measure.top_k}", measure.in_top_k),
    ]
    for name, (by_threshold, in_top_k) in measure.groups.items():
        lines += [_row(f"  {name}: assigned", by_threshold), _row(f"  {name}: in the top {measure.top_k}", in_top_k)]
    violated = [pair for pair in measure.pairs if pair.by_threshold.value > 0]
    if violated:
        lines.append("  Most frequent pairs. Confidence: mean of the lower score. Left out: songs labelled with both.")
    for pair in sorted(violated, key=lambda pair: -pair.by_threshold.value)[:LINES]:
        note = (
            f"confidence {pair.by_threshold_confidence:.2f}, by chance {pair.by_threshold_if_independent:.3f}, "
            f"left out {pair.num_labelled_both}"
        )
        lines.append(_row(f"  {report.tags[pair.first]} + {report.tags[pair.second]}", pair.by_threshold, note))
    return lines


def _agreement_lines(report: BiasReport) -> list[str]:
    measure = report.agreement
    if measure is None:
        return []
    lines = [
        *_heading("Do synonyms agree? Share of songs with only one, among those with any"),
        f"  Rule of assignment: {measure.thresholds}.",
        _row("only one assigned, all pairs", measure.by_threshold),
        _row(f"only one in the top {measure.top_k}, all pairs", measure.in_top_k),
        _row("rank correlation of scores, mean over pairs", measure.correlation, "(1: the same order of songs)", ".2f"),
    ]
    for pair in sorted(measure.pairs, key=lambda pair: np.nan_to_num(pair.correlation.value, nan=-1))[:LINES]:
        names = report.tags[pair.first], report.tags[pair.second]
        higher = f"({names[pair.offset.value < 0]} has higher scores)" if pair.offset.value else ""
        lines += [
            _row(f"  {names[0]} + {names[1]}: rank correlation", pair.correlation, spec=".2f"),
            _row("    mean difference of scores", pair.difference, higher),
        ]
        for name, rule in (("assigned", pair.by_threshold), (f"in the top {measure.top_k}", pair.in_top_k)):
            note = f"by chance {rule.if_independent:.2f}, at least {rule.minimum:.2f}, {rule.num_songs} songs"
            lines.append(_row(f"    only one {name}", rule.rate, note if rule.num_songs else "in no song"))
    return lines


def _cooccurrence_lines(report: BiasReport) -> list[str]:
    measure = report.cooccurrence
    if measure.reproduced is None or measure.distance is None or measure.labelled_phi is None:
        return []
    lines = _heading("Do tags co-occur as in the labels? Phi of all pairs")
    if math.isnan(measure.reproduced.value):
        return [*lines, "  undefined: no two tags vary in these songs"]
    predicted, labelled = measure.predicted_phi, measure.labelled_phi
    first, second = np.triu_indices(len(report.tags), k=1)
    gap = np.nan_to_num(np.abs(predicted - labelled))[first, second]
    largest = [(first[pair], second[pair]) for pair in np.argsort(-gap, kind="stable")[:LINES] if gap[pair] > 0]
    slope_note = f"({measure.reproduced_if_true:.2f}: true probabilities)"
    distance_note = f"({measure.distance_if_true:.3f}: true probabilities)"
    return [
        *lines,
        _row("slope of predicted over labelled phi", measure.reproduced, slope_note, ".2f"),
        _row("distance of predicted and labelled phi", measure.distance, distance_note),
        "  Largest differences:",
        *(
            f"    {f'{report.tags[a]} + {report.tags[b]}':<48} predicted {predicted[a, b]:5.2f}, labelled {labelled[a, b]:5.2f}"
            for a, b in largest
        ),
    ]
