"""The published results this book is about, each with the version of the paper it comes from.

The paper has two versions that disagree on its headline, so no number is ever quoted without its version.
Book: ``book/welcome``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import unknown_name

MODELS = ("gbt", "waveform", "spectrogram")


@dataclass(frozen=True)
class PublishedResult:
    """One row of a published table.

    Attributes:
        model: ``"gbt"`` (gradient-boosted trees on hand-made features), ``"waveform"`` or ``"spectrogram"``.
        examples: number of songs it was trained on.
        roc_auc, pr_auc: area under the curve, mean over the bi-modal tags, in [0, 1]; higher is better.
        sqrt_mse: root of the mean squared error over the uniform tags; lower is better.
        training_time: as printed, or None.
    """

    model: str
    examples: int
    roc_auc: float
    pr_auc: float
    sqrt_mse: float
    training_time: str | None = None


@dataclass(frozen=True)
class PublishedTable:
    """One version of the paper.

    Attributes:
        title: the version, in words.
        citation: its key in the book's bibliography.
        source: where the numbers were read.
        corpus: what the models were trained and tested on.
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
    """Versions of the paper, oldest first. Book: ``book/welcome``."""
    return list(_tables())


def published_results(version: str) -> PublishedTable:
    """The results table of one version of Pons et al., "End-to-end learning for music audio tagging at scale".

    Args:
        version: one of :func:`list_published`.

    Raises:
        ConfigError: no such version; the message suggests the nearest.

    Book: ``book/welcome``.
    """
    if version not in _tables():
        raise unknown_name("version of the paper", version, _tables())
    return _tables()[version]


def published_gaps(version: str, first: str = "spectrogram", second: str = "waveform") -> dict[int, dict[str, float]]:
    """Songs -> metric -> how far one published model is ahead of the other, wherever a version has both.

    Args:
        version: one of :func:`list_published`.
        first, second: models of :data:`MODELS`.

    Raises:
        ConfigError: no such version; the message suggests the nearest.

    Book: ``book/results``.
    """
    rows = {(row.model, row.examples): row for row in published_results(version).rows}
    songs = sorted(examples for model, examples in rows if model == first and (second, examples) in rows)
    return {
        count: {
            # a difference of printed numbers has as many decimals as they have
            metric: round(getattr(rows[first, count], metric) - getattr(rows[second, count], metric), 6)
            for metric in ("roc_auc", "pr_auc", "sqrt_mse")
        }
        for count in songs
    }
