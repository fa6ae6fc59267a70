"""All measures of tag bias of one model, in one report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ConfigError
from ...tags import Vocabulary
from ..bootstrap import Interval, Resampling
from ..validation import check_arrays, check_scores
from .agreement import Agreements, agreement
from .calibration import Calibration, calibration
from .common import list_length
from .contradictions import Contradictions, contradictions
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


@dataclass(frozen=True, eq=False)
class BiasReport:
    """The result of :func:`bias_report`. Indices of tags in the measures are indices into ``tags``.

    :func:`tagging.evaluation.bias.text` turns it into plain text, :func:`tagging.plots.bias.figures` into figures.

    Attributes:
        tags: names of the classification tags, in the order of the vocabulary.
        num_songs, num_groups: number of songs, and of groups that were resampled.
        fingerprint: equal for two models exactly if their measures can be paired by resample.
        top_k: length of a song's list.
        popularity_of: where the popularity of tags comes from, in words.
        variety: effective number of tags in the lists.
        over_representation, accuracy, precision, calibration, contradictions: the measures; None if ``skipped`` says why.
        cooccurrence: of pairs of tags.
        agreement: of synonyms; None if none were given.
        skipped: measure -> why it was skipped.

    Book: ``book/popular_tags``.
    """

    tags: tuple[str, ...]
    num_songs: int
    num_groups: int
    fingerprint: str
    top_k: int
    popularity_of: str
    variety: Interval
    over_representation: OverRepresentation | None
    accuracy: AccuracyByPopularity | None
    precision: TopPrecision | None
    calibration: Calibration | None
    contradictions: Contradictions | None
    cooccurrence: Cooccurrence
    agreement: Agreements | None
    skipped: dict[str, str]

    def __repr__(self) -> str:
        return f"BiasReport({len(self.tags)} tags, {self.num_songs} songs)"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a run record: arrays as lists, nan as None."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}


def bias_report(
    scores: np.ndarray,
    vocabulary: Vocabulary,
    labels: np.ndarray | None = None,
    train_positives: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    *,
    top_k: int | None = None,
    thresholds: float | np.ndarray | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    bins: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> BiasReport:
    """Measure the tag bias of a model; regression tags are ignored.

    Args:
        scores: float [songs, tags] in [0, 1].
        vocabulary: the tags; its exclusive groups are checked for contradictions.
        labels: 0, 1 or nan [songs, tags]; without them some measures are skipped, and the report says which.
        train_positives: 0 or more [tags], number of training examples with each tag; by default the prevalence in ``labels``.
        groups: int or str [songs], what is resampled together; by default each song is its own group.
        top_k: length of a song's list; by default 10, at most half of the tags.
        thresholds: one number, or one per tag of the vocabulary, from which on a tag is assigned; by default each tag is
            assigned to as many songs as are labelled with it, and without labels from 0.5 on.
        synonyms: name of a group -> names of classification tags with the same meaning.
        bins: of the reliability curves.
        resamples, seed: as in :func:`tagging.evaluation.evaluate`.

    Raises:
        ConfigError: fewer than two classification tags, arguments outside their range.

    Book: ``book/popular_tags``.
    """
    if vocabulary.classification.sum() < 2:
        raise ConfigError("vocabulary: tag bias needs two classification tags or more")
    scores = check_scores(scores, vocabulary, probabilities=True)
    if labels is not None:
        labels, scores = check_arrays(labels, scores, vocabulary)
    chosen = np.flatnonzero(vocabulary.classification)
    scores = scores[:, chosen]
    top_k = list_length(top_k, len(chosen))
    labels = None if labels is None else labels[:, chosen]
    if labels is not None and not np.nan_to_num(labels).any():
        raise ConfigError("labels: no song has any tag; give labels=None for the measures that need no labels")
    popularity = None if train_positives is None else _of_tags("train_positives", train_positives, vocabulary)
    if thresholds is not None and np.ndim(thresholds):
        thresholds = _of_tags("thresholds", thresholds, vocabulary)
    index = {tag: column for column, tag in enumerate(chosen.tolist())}
    exclusive = {
        name: [index[tag] for tag in tags if tag in index] for name, tags in vocabulary.exclusive_groups.items()
    }
    exclusive = {name: tags for name, tags in exclusive.items() if len(tags) > 1}
    same = {name: [_index(tag, vocabulary, index) for tag in group] for name, group in (synonyms or {}).items()}
    resampling = Resampling(len(scores), groups, resamples=resamples, seed=seed)
    skipped = {}
    if labels is None:
        skipped["accuracy by popularity, precision of the lists, calibration"] = "labels are needed"
        if popularity is None:
            skipped["over-representation of frequent tags"] = "labels or numbers of training examples are needed"
    if not exclusive:
        skipped["contradictions"] = "no exclusive groups of tags are known"
    report = BiasReport(
        tags=tuple(vocabulary.names[tag] for tag in chosen),
        num_songs=len(scores),
        num_groups=resampling.num_groups,
        fingerprint=resampling.fingerprint(b"" if labels is None else np.asarray(labels, np.float32).tobytes()),
        top_k=top_k,
        popularity_of=_popularity_of(popularity, labels),
        variety=variety(scores, top_k=top_k, resampling=resampling),
        over_representation=None,
        accuracy=None,
        precision=None,
        calibration=None,
        contradictions=None,
        cooccurrence=cooccurrence(scores, labels, resampling=resampling),
        agreement=None,
        skipped=skipped,
    )
    measured: dict[str, Any] = {}
    if labels is not None or popularity is not None:
        measured["over_representation"] = over_representation(
            scores, labels, popularity=popularity, top_k=top_k, resampling=resampling
        )
    if labels is not None:
        measured |= {
            "accuracy": accuracy_by_popularity(scores, labels, popularity=popularity, resampling=resampling),
            "precision": top_precision(scores, labels, popularity=popularity, top_k=top_k, resampling=resampling),
            "calibration": calibration(scores, labels, popularity=popularity, bins=bins, resampling=resampling),
        }
    if exclusive:
        measured["contradictions"] = contradictions(
            scores, exclusive, labels, thresholds=thresholds, top_k=top_k, resampling=resampling
        )
    if synonyms is not None:
        measured["agreement"] = agreement(
            scores, same, labels, thresholds=thresholds, top_k=top_k, resampling=resampling
        )
    return dataclasses.replace(report, **measured)


def _of_tags(name: str, values: Any, vocabulary: Vocabulary) -> np.ndarray:
    """The values of the classification tags, from one value per tag of the vocabulary."""
    values = np.asarray(values)
    if values.shape != (len(vocabulary),):
        raise ConfigError(f"{name} {values.shape}: give one for each of the {len(vocabulary)} tags of the vocabulary")
    return values[vocabulary.classification]


def _index(tag: str, vocabulary: Vocabulary, index: Mapping[int, int]) -> int:
    """The index of a tag among the classification tags."""
    position = vocabulary.position(tag)
    if position not in index:
        raise ConfigError(f"synonyms: {tag!r} is a regression tag; only classification tags can be compared")
    return index[position]


def _popularity_of(popularity: np.ndarray | None, labels: np.ndarray | None) -> str:
    if popularity is not None:
        return "frequency in training"
    return "unknown" if labels is None else "frequency in the labels"


def plain(value: Any) -> Any:
    """Measures as plain data for JSON: dataclasses as mappings, arrays as lists, nan as None."""
    if isinstance(value, Interval):
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(inner) for inner in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and math.isnan(value) else value
