"""All measures of bias of one model at once."""

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
from .text import page


@dataclass(frozen=True, eq=False)
class BiasReport:
    """What :func:`bias_report` found. Places of tags in the measures are places in ``tags``.

    Attributes:
        tags: names of the classification tags, in the order of the vocabulary.
        songs, groups: how many were measured, and how many groups intervals resample.
        fingerprint: equal for two models if and only if their measures can be compared resample by resample.
        top_k: length of a song's list.
        popularity_of: where the popularity of tags is from, in words.
        variety: how many tags the lists make use of.
        over_representation, accuracy, precision, calibration, contradictions: the measures; None where ``skipped`` says why.
        cooccurrence: of pairs of tags.
        agreement: of tags that mean the same; None if no such were named.
        skipped: measure -> why it was not taken.

    Book: ``book/popular_tags``.
    """

    tags: tuple[str, ...]
    songs: int
    groups: int
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a run record: arrays as lists, nan as None."""
        return plain(self)

    def text(self) -> str:
        """A page of plain text."""
        return page(self)


def bias_report(
    scores: np.ndarray,
    vocabulary: Vocabulary,
    labels: np.ndarray | None = None,
    train_positives: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    *,
    top_k: int = 10,
    thresholds: float | np.ndarray | None = None,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    bins: int = 10,
    resamples: int = 1000,
    seed: int = 0,
) -> BiasReport:
    """Measure the bias of a model; attributes of the vocabulary are left aside.

    Args:
        scores: float [songs, tags] in [0, 1].
        vocabulary: the tags; its exclusive groups are checked for contradictions.
        labels: 0, 1 or nan [songs, tags]; without them a part of the measures is skipped, and the report says which.
        train_positives: 0 or more [tags]: how often each tag is given in training; by default as often as in ``labels``.
        groups: int or str [songs]: what intervals resample; by default every song on its own.
        top_k: length of a song's list.
        thresholds: one number, or one for each tag of the vocabulary, from where on a tag counts as given; by default as
            many songs are given a tag as are annotated with it, without labels 0.5.
        synonyms: name of a group -> names of classification tags that mean the same and should agree.
        bins: of the reliability curves.
        resamples, seed: as in :func:`tagging.evaluation.evaluate`.

    Raises:
        ConfigError: fewer than two classification tags, anything outside its range.

    Book: ``book/popular_tags``.
    """
    if vocabulary.classification.sum() < 2:
        raise ConfigError(
            "vocabulary: bias towards some tags can only be measured with two classification tags or more"
        )
    scores = check_scores(scores, vocabulary, unit=True)
    if labels is not None:
        labels, scores = check_arrays(labels, scores, vocabulary)
    chosen = np.flatnonzero(vocabulary.classification)
    scores = scores[:, chosen]
    labels = None if labels is None else labels[:, chosen]
    if labels is not None and not np.nan_to_num(labels).any():
        raise ConfigError("labels: no song has any tag; give labels=None to measure what can be measured without them")
    popularity = _of_tags("train_positives", train_positives, vocabulary)
    if thresholds is not None and np.ndim(thresholds):
        thresholds = _of_tags("thresholds", thresholds, vocabulary)
    place = {tag: column for column, tag in enumerate(chosen.tolist())}
    exclusive = {
        name: [place[tag] for tag in tags if tag in place] for name, tags in vocabulary.exclusive_groups.items()
    }
    exclusive = {name: tags for name, tags in exclusive.items() if len(tags) > 1}
    same = {name: [_place(tag, vocabulary, place) for tag in words] for name, words in (synonyms or {}).items()}
    resampling = Resampling(len(scores), groups, resamples=resamples, seed=seed)

    lists = {"top_k": top_k, "resampling": resampling}
    skipped = {}
    if labels is None:
        skipped["accuracy by popularity, precision of the lists, calibration"] = "they need annotations"
        if popularity is None:
            skipped["over-representation of frequent tags"] = (
                "it needs annotations, or how often each tag is given in training"
            )
    if not exclusive:
        skipped["contradictions"] = "no exclusive groups of tags are known"
    annotated = {"popularity": popularity, "resampling": resampling}
    return BiasReport(
        tags=tuple(vocabulary.names[tag] for tag in chosen),
        songs=len(scores),
        groups=resampling.count,
        fingerprint=resampling.fingerprint(b"" if labels is None else np.asarray(labels, np.float32).tobytes()),
        top_k=top_k,
        popularity_of=_popularity_of(popularity, labels),
        variety=variety(scores, **lists),
        over_representation=(
            None
            if labels is None and popularity is None
            else over_representation(scores, labels, popularity=popularity, **lists)
        ),
        accuracy=None if labels is None else accuracy_by_popularity(scores, labels, **annotated),
        precision=None if labels is None else top_precision(scores, labels, top_k=top_k, **annotated),
        calibration=None if labels is None else calibration(scores, labels, bins=bins, **annotated),
        contradictions=(
            contradictions(scores, exclusive, labels, thresholds=thresholds, **lists) if exclusive else None
        ),
        cooccurrence=cooccurrence(scores, labels, resampling=resampling),
        agreement=agreement(scores, same, labels, thresholds=thresholds, **lists) if synonyms is not None else None,
        skipped=skipped,
    )


def _of_tags(name: str, values: np.ndarray | None, vocabulary: Vocabulary) -> np.ndarray | None:
    """The values of the classification tags, of one value for each tag of the vocabulary."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.shape != (len(vocabulary),):
        raise ConfigError(f"{name} {values.shape}: give one for each of the {len(vocabulary)} tags of the vocabulary")
    return values[vocabulary.classification]


def _place(tag: str, vocabulary: Vocabulary, place: Mapping[int, int]) -> int:
    """The place of a tag among the classification tags."""
    position = vocabulary.position(tag)
    if position not in place:
        raise ConfigError(f"synonyms: {tag!r} is an attribute; only classification tags are compared")
    return place[position]


def _popularity_of(popularity: np.ndarray | None, labels: np.ndarray | None) -> str:
    if popularity is not None:
        return "how often each is given in training"
    return "unknown" if labels is None else "how often each is annotated in these songs"


def plain(value: Any) -> Any:
    """Measures as plain data for JSON: dataclasses as mappings, arrays as lists, nan as None. Book: ``book/popular_tags``."""
    if isinstance(value, Interval):
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(inner) for inner in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and math.isnan(value) else value
