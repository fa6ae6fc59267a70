"""The endpoints of a run: its test predictions within sources, beside a predictor that knows the source alone.

Book: ``book/results``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data import Corpus
from ..evaluation.evaluate import Evaluation, evaluate
from ..evaluation.predictions import Predictions
from ..evaluation.stratified import source_alone


def sources_of(corpus: Corpus, tracks: np.ndarray) -> dict[str, Any]:
    """``strata`` and ``annotated`` of tracks, as :class:`~tagging.evaluation.Predictions` has them."""
    return {"strata": corpus.strata(tracks), "annotated": corpus.annotated(tracks)}


def endpoints(test: Predictions, parts: Mapping[str, np.ndarray], resamples: int = 1000) -> Evaluation:
    """Test predictions within sources, over all tags and over the parts of the vocabulary.

    Of a corpus that names no sources they are measured over all songs.

    Args:
        test: with labels.
        parts: as in ``Corpus.parts``.
        resamples: of the intervals.
    """
    assert test.labels is not None
    return evaluate(
        test.labels,
        test.scores,
        test.vocabulary,
        groups=test.groups,
        parts=parts,
        strata=test.strata,
        annotated=test.annotated,
        resamples=resamples,
    )


def source_alone_predictions(test: Predictions, validation: Predictions) -> Predictions | None:
    """Scores of a predictor that knows the source of a test song and nothing else; None where there is one source.

    How often a tag occurs in a source is learnt from the validation songs.
    """
    if test.strata is None or validation.strata is None or validation.labels is None:
        return None
    scores = source_alone(validation.labels, validation.strata, test.strata, validation.annotated)
    return Predictions(
        scores, test.vocabulary, test.labels, None, test.groups, test.tracks, test.strata, test.annotated
    )


def record_fields(
    test: Predictions, validation: Predictions, parts: Mapping[str, np.ndarray], resamples: int = 1000
) -> dict[str, Any]:
    """``endpoints`` and, where there are several sources, ``source_alone`` of a run record.

    Args:
        test, validation: predictions of one model.
        parts: as in ``Corpus.parts``.
        resamples: of the intervals.
    """
    fields: dict[str, Any] = {"endpoints": endpoints(test, parts, resamples).to_dict(resampled_parts=True)}
    if alone := source_alone_predictions(test, validation):
        fields["source_alone"] = endpoints(alone, parts, resamples).to_dict()["parts"]
    return fields
