"""The published results this book is about, each with the version of the paper it comes from.

The paper has two versions that disagree on its main result, so no number is quoted without its version.
Book: ``book/welcome``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import unknown_name

if TYPE_CHECKING:
    import pandas

MODELS = ("gbt", "waveform", "spectrogram")


@dataclass(frozen=True)
class PublishedResult:
    """One row of a published table.

    Attributes:
        model: ``"gbt"`` (gradient-boosted trees on hand-crafted features), ``"waveform"`` or ``"spectrogram"``.
        num_clips: number of training songs.
        roc_auc, pr_auc: mean over the classification tags, in [0, 1]; higher is better.
        sqrt_mse: root mean squared error over the regression tags; lower is better.
        training_time: as printed, or None.
    """

    model: str
    num_clips: int
    roc_auc: float
    pr_auc: float
    sqrt_mse: float
    training_time: str | None = None

    @property
    def scores(self) -> dict[str, float]:
        """Metric -> value."""
        return {"roc_auc": self.roc_auc, "pr_auc": self.pr_auc, "sqrt_mse": self.sqrt_mse}


@dataclass(frozen=True)
class PublishedTable:
    """The results table of one version of the paper.

    Attributes:
        title: of the version, in words.
        citation: its key in the book's bibliography.
        source: where the numbers were read.
        corpus: training and test data.
        rows: every row of the table.
    """

    title: str
    citation: str
    source: str
    corpus: str
    rows: tuple[PublishedResult, ...]


@cache
def _tables() -> dict[str, PublishedTable]:
    stored = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return {
        version: PublishedTable(**{**table, "rows": tuple(PublishedResult(**row) for row in table["rows"])})
        for version, table in stored.items()
    }


def list_published() -> list[str]:
    """Versions of the paper, oldest first."""
    return list(_tables())


def published_results(version: str) -> PublishedTable:
    """The results table of one version of Pons et al., "End-to-end learning for music audio tagging at scale".

    Args:
        version: one of :func:`list_published`.

    Raises:
        ConfigError: an unknown version.

    Book: ``book/welcome``.
    """
    if version not in _tables():
        raise unknown_name("version of the paper", version, _tables())
    return _tables()[version]


def published_gaps(version: str, first: str = "spectrogram", second: str = "waveform") -> dict[int, dict[str, float]]:
    """Number of training songs -> metric -> first model minus second, wherever a version has both.

    Args:
        version: one of :func:`list_published`.
        first, second: names in :data:`MODELS`.

    Raises:
        ConfigError: an unknown version.

    Book: ``book/results``.
    """
    scores = {(row.model, row.num_clips): row.scores for row in published_results(version).rows}
    return {
        # a difference of printed numbers has as many decimals as they have
        count: {
            metric: round(value - scores[second, count][metric], 6) for metric, value in scores[first, count].items()
        }
        for count in sorted(count for model, count in scores if model == first and (second, count) in scores)
    }


def version_changes() -> pandas.DataFrame:
    """What changed from the first version of the paper to the last, in points of PR-AUC: one row a model and number of songs.

    Rows are the networks that both versions have; their lead is the spectrogram minus the waveform.

    Book: ``book/two_versions``.
    """
    import pandas

    first, last = list_published()[0], list_published()[-1]
    before, after = (
        {(row.model, row.num_clips): row.pr_auc for row in published_results(version).rows} for version in (first, last)
    )
    leads = [published_gaps(version) for version in (first, last)]
    rows = {
        (model, songs): {
            f"PR-AUC, {first[-4:]}": 100 * before[model, songs],
            f"PR-AUC, {last[-4:]}": 100 * after[model, songs],
            "PR-AUC moved by": round(100 * (after[model, songs] - before[model, songs]), 2),
            f"lead, {first[-4:]}": round(100 * leads[0][songs]["pr_auc"], 2),
            f"lead, {last[-4:]}": round(100 * leads[1][songs]["pr_auc"], 2),
        }
        for model, songs in before
        if (model, songs) in after and songs in leads[0]
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "songs"])


def results_by_title() -> dict[str, tuple[PublishedResult, ...]]:
    """Title of each version -> the rows of its table, as :func:`tagging.plots.versions` takes them.

    Book: ``book/two_versions``.
    """
    return {table.title: table.rows for table in _tables().values()}
