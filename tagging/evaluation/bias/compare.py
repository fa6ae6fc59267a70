"""Two reports on the same songs, measure by measure: what a remedy gives, and what it costs. Book: ``book/remedies``."""

from __future__ import annotations

from ...errors import ConfigError
from ..bootstrap import Interval
from .report import BiasReport

# What two reports must share, and what it is called in an error
SAME = {"tags": "tags", "songs": "songs", "top_k": "top_k", "fingerprint": "annotations, groups, resamples or seed"}


def summary_metrics(report: BiasReport) -> dict[str, Interval]:
    """The measures of a report that are one number, by name; those that were not taken are left out.

    Returns:
        ``variety`` (tags the lists make use of), ``popularity of lists`` and ``popularity of scores`` (1: as annotated),
        ``precision`` of the lists and their ``gain over popularity``, ``recall and popularity`` and ``rank and popularity``
        (correlations; 0: rare tags do as well), ``calibration error``, ``contradictions given`` and ``contradictions
        listed`` (shares of songs).

    Book: ``book/remedies``.
    """
    found = {"variety": report.variety}
    if (popularity := report.over_representation) is not None:
        found["popularity of lists"] = popularity.against_annotations
        found["popularity of scores"] = popularity.scores_against_annotations
    if (precision := report.precision) is not None:
        found["precision"] = precision.model
        found["gain over popularity"] = precision.gain
    if (accuracy := report.accuracy) is not None:
        found["recall and popularity"] = accuracy.recall_correlation
        found["rank and popularity"] = accuracy.rank_correlation
    if (calibration := report.calibration) is not None:
        found["calibration error"] = calibration.mean_error
    if (contradictions := report.contradictions) is not None:
        found["contradictions given"] = contradictions.above
        found["contradictions listed"] = contradictions.listed
    return found


def paired_differences(before: BiasReport, after: BiasReport) -> dict[str, Interval]:
    """After minus before, resample by resample, of every measure that both reports have.

    Raises:
        ConfigError: the reports are about other songs, annotations or tags, or measured otherwise.

    Book: ``book/remedies``.
    """
    for name, what in SAME.items():
        if getattr(before, name) != getattr(after, name):
            raise ConfigError(f"two reports with different {what} cannot be compared")
    first, second = summary_metrics(before), summary_metrics(after)
    return {name: second[name].paired_difference(first[name]) for name in first if name in second}
