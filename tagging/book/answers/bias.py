"""Right answers of the exercises of the part *Tag bias*. Book: ``book/how_to_use``."""

from __future__ import annotations

import numpy as np

from ...evaluation.bias.remedies import adjusted_scores
from ...evaluation.metrics import roc_auc
from ..exclusive_study import LARGEST as LARGEST_MODEL
from ..exclusive_study import OFTEN, counted
from ..measuring import labels_of
from ..popularity_study import SPECTROGRAM, classes, list_popularity, list_precision, training_share
from ..remedies_study import AS_IT_IS, after_training
from ..runs import bundled_record


def no_better_lists() -> float:
    """*Popular tags win*, 1."""
    test = classes(SPECTROGRAM)
    labels = labels_of(test) == 1
    listed = np.argsort(-test.scores, axis=1, kind="stable")[:, :10]
    popular = np.argsort(-training_share(), kind="stable")[:10]
    return float(np.mean(np.take_along_axis(labels, listed, axis=1).sum(axis=1) <= labels[:, popular].sum(axis=1)))


def evidence_alone() -> list[float]:
    """*Popular tags win*, 2."""
    evidence = adjusted_scores(classes(SPECTROGRAM).scores, training_share())
    return [list_popularity(evidence).value, list_precision(evidence).value]


def three_exclusive() -> float:
    """*Tags that exclude each other*, 1."""
    return 1 / 3


def most_above_chance() -> set[str]:
    """*Tags that exclude each other*, 2."""
    names = classes(SPECTROGRAM).vocabulary.names
    pairs = [pair for pair in counted(LARGEST_MODEL)[OFTEN].pairs if pair.by_threshold_if_independent > 0]
    most = max(pairs, key=lambda pair: pair.by_threshold.value / pair.by_threshold_if_independent)
    return {names[most.first], names[most.second]}


def only_one() -> float:
    """*Do real taggers agree with themselves*, 1."""
    both = 0.1 * 0.1
    return 1 - both / (0.2 - both)


def pairs_below_related() -> int:
    """*Do real taggers agree with themselves*, 2."""
    tagger = bundled_record("self-consistency")["models"]["mtt-musicnn"]
    related = next(pair for pair in tagger["related"]["pairs"] if pair["words"] == ["quiet", "soft"])
    affirmed = [pair for pair in tagger["synonyms"]["pairs"] if pair["group"] != "no voice"]
    return sum(pair["correlation"]["value"] < related["correlation"]["value"] for pair in affirmed)


def adjusted_score() -> float:
    """*What can be done*, 1."""
    return float(adjusted_scores(np.array([[0.1, 0.5]]), np.array([0.02, 0.5]))[0, 0])


def unmoved_remedies() -> int:
    """*What can be done*, 2."""
    labels = labels_of(classes(SPECTROGRAM))
    means = {name: float(np.nanmean(roc_auc(labels, scores))) for name, scores in after_training().items()}
    return sum(abs(mean - means[AS_IT_IS]) < 1e-6 for name, mean in means.items() if name != AS_IT_IS)
