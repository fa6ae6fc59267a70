"""Tag bias, measured on any scores: popular tags win, exclusive tags coincide, synonyms part, scores say too much or little.

Every measure takes arrays [songs, tags] of classification tags and needs NumPy alone; :func:`bias_report` takes them all.
Book: ``book/popular_tags``.
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
    "top_precision",
    "variety",
]
