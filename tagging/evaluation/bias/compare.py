"""Compares two bias reports on the same songs, measure by measure."""

from __future__ import annotations

from ...errors import ConfigError
from ..bootstrap import Interval
from .report import BiasReport

# Fields in which two reports must agree, and their names in messages.
SAME = {"tags": "tags", "num_songs": "songs", "top_k": "top_k", "fingerprint": "labels, groups, resamples or seed"}


def summary_metrics(report: BiasReport) -> dict[str, Interval]:
    """The measures of a report that are a single number, by name, without those that were skipped.

    Returns:
        ``variety`` (effective number of listed tags), ``popularity of lists`` and ``popularity of scores`` (1: as
        labelled), ``precision`` of the lists and their ``gain over popularity``, ``recall and popularity`` and ``rank and
        popularity`` (correlations; 0: rare tags do as well), ``calibration error``, ``contradictions assigned`` and
        ``contradictions listed`` (shares of songs).

    Book: ``book/remedies``.
    """
    metrics = {"variety": report.variety}
    if (popularity := report.over_representation) is not None:
        metrics["popularity of lists"] = popularity.against_labels
        metrics["popularity of scores"] = popularity.scores_against_labels
    if (precision := report.precision) is not None:
        metrics["precision"] = precision.model
        metrics["gain over popularity"] = precision.gain
    if (accuracy := report.accuracy) is not None:
        metrics["recall and popularity"] = accuracy.recall_correlation
        metrics["rank and popularity"] = accuracy.rank_correlation
    if (calibration := report.calibration) is not None:
        metrics["calibration error"] = calibration.mean_error
    if (contradictions := report.contradictions) is not None:
        metrics["contradictions assigned"] = contradictions.by_threshold
        metrics["contradictions listed"] = contradictions.in_top_k
    return metrics


def paired_differences(before: BiasReport, after: BiasReport) -> dict[str, Interval]:
    """After minus before, paired by resample, for every summary metric that both reports have.

    Raises:
        ConfigError: reports on different songs, labels or tags, or with different settings.

    Book: ``book/remedies``.
    """
    for name, title in SAME.items():
        if getattr(before, name) != getattr(after, name):
            raise ConfigError(f"two reports with different {title} cannot be compared")
    first, second = summary_metrics(before), summary_metrics(after)
    return {name: second[name].paired_difference(first[name]) for name in first if name in second}
