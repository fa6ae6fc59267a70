"""Measures of tag bias on any scores: popularity bias, contradictions, disagreement of synonyms, miscalibration.

Every measure takes arrays [songs, tags] of classification tags; :func:`bias_report` combines them. Rank correlations need
SciPy, and recalibration scikit-learn (extra ``train``); everything else needs NumPy only. Book: ``book/popular_tags``.
"""

from .agreement import Agreement, Agreements, Disagreement, agreement
from .calibration import Band, Calibration, calibration
from .contradictions import Contradiction, Contradictions, contradictions
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
from .report import BiasReport, bias_report
from .text import text

__all__ = [
    "AccuracyByPopularity",
    "Agreement",
    "Agreements",
    "Band",
    "BiasReport",
    "Calibration",
    "Contradiction",
    "Contradictions",
    "Cooccurrence",
    "Disagreement",
    "OverRepresentation",
    "TopPrecision",
    "accuracy_by_popularity",
    "agreement",
    "bias_report",
    "calibration",
    "contradictions",
    "cooccurrence",
    "over_representation",
    "text",
    "top_precision",
    "variety",
]
