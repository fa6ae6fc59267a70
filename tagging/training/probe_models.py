"""Linear models on vectors of songs: logistic regression for tags, ridge regression for attributes, and their file.

Each tag, exclusive group and attribute has its own regularisation, chosen on inner validation songs. Book: ``book/baseline``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..audio.files import AudioSource, load_audio
from ..errors import CheckpointError, ConfigError
from ..tags import TrackTags, Vocabulary
from ..utils.arrays import read_arrays, write_arrays
from ..utils.files import DamagedError

# Inverse regularisation strengths that are tried: from nearly a constant to nearly none.
STRENGTHS = tuple(10.0**power for power in range(-4, 3))
_FORMAT = "tagging-probe-1"
_SAMPLE_RATE = 16000
_SMALL = 1e-6


@dataclass(frozen=True)
class Target:
    """What one linear model predicts.

    Attributes:
        tags: indices of one tag, or of the tags of an exclusive group of which every song has exactly one.
        kind: ``"binary"``, ``"softmax"`` or ``"regression"``.
    """

    tags: tuple[int, ...]
    kind: str


@dataclass(frozen=True, eq=False)
class Probe:
    """Linear models of all tags on one vector a song.

    Attributes:
        embedder, pooling: what makes the vectors; see :func:`tagging.training.embedders.embedder`.
        vocabulary: the tags, in the order of the scores.
        mean, scale: float64 [features], of the training songs.
        weights, bias: float64 [features, tags] and [tags], on standardised features.
        targets: which tags share a softmax, and which are attributes.
        strengths: of each target, the chosen inverse regularisation.
        thresholds: tag -> the score from which on it counts as present.
    """

    embedder: str
    pooling: str
    vocabulary: Vocabulary
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    targets: tuple[Target, ...]
    strengths: tuple[float, ...]
    thresholds: dict[str, float] = field(default_factory=dict)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """float [songs, features] -> float64 [songs, tags] in [0, 1]."""
        outputs = (np.asarray(vectors, np.float64) - self.mean) / self.scale @ self.weights + self.bias
        scores = np.empty_like(outputs)
        for target in self.targets:
            columns = list(target.tags)
            scores[:, columns] = _ACTIVATIONS[target.kind](outputs[:, columns])
        return scores

    def tag(self, source: AudioSource) -> TrackTags:
        """Tag a sound file as a whole: the taggram has one row."""
        from .embedders import embedder

        waveform, _ = load_audio(source, _SAMPLE_RATE)
        vector = embedder(self.embedder, self.pooling).describe(waveform, _SAMPLE_RATE)
        scores = self.scores(vector[None]).astype(np.float32)
        return TrackTags(self.vocabulary, scores[0], np.zeros(1, np.float32), scores, len(waveform) / _SAMPLE_RATE)

    def save(self, path: str | Path) -> Path:
        """Write an ``.npz`` file that NumPy reads without pickle, atomically."""
        about = {
            "format": _FORMAT, "embedder": self.embedder, "pooling": self.pooling, "tags": self.vocabulary.to_list(),
            "targets": [{"tags": target.tags, "kind": target.kind} for target in self.targets],
            "strengths": self.strengths, "thresholds": self.thresholds,
        }  # fmt: skip
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in ("mean", "scale", "weights", "bias")}
        write_arrays(Path(path), {"about": np.array(json.dumps(about, ensure_ascii=False)), **arrays})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Probe:
        """Read what :meth:`save` wrote.

        Raises:
            CheckpointError: no such file, another kind of file, or a damaged one.
        """
        try:
            arrays = read_arrays(Path(path))
            about = json.loads(str(arrays["about"]))
            if about["format"] != _FORMAT:
                raise ConfigError(f"format {about['format']!r:.40}")
            vocabulary = Vocabulary.from_list(about["tags"])
            targets = tuple(Target(tuple(map(int, each["tags"])), str(each["kind"])) for each in about["targets"])
            size = len(arrays["mean"])
            shapes = {"mean": (size,), "scale": (size,), "weights": (size, len(vocabulary)), "bias": (len(vocabulary),)}
            for name, shape in shapes.items():
                if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                    raise ConfigError(f"{name} of shape {arrays[name].shape}, or not finite")
            covered = sorted(tag for target in targets for tag in target.tags)
            if covered != list(range(len(vocabulary))) or {each.kind for each in targets} - set(_ACTIVATIONS):
                raise ConfigError("its targets are not its tags")
            mean, scale, weights, bias = (arrays[name].astype(np.float64) for name in shapes)
            strengths = tuple(map(float, about["strengths"]))
            thresholds = {str(tag): float(value) for tag, value in about["thresholds"].items()}
            made_of = str(about["embedder"]), str(about["pooling"])
            return cls(*made_of, vocabulary, mean, scale, weights, bias, targets, strengths, thresholds)
        except (DamagedError, ConfigError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{path}: not a probe, or damaged ({error})") from error


def fit_probe(
    vectors: np.ndarray,
    labels: np.ndarray,
    vocabulary: Vocabulary,
    inner: tuple[np.ndarray, np.ndarray],
    *,
    embedder: str = "",
    pooling: str = "",
    refit: bool = True,
) -> Probe:
    """Fit a probe.

    Args:
        vectors: float [songs, features], finite.
        labels: float [songs, tags] in [0, 1], nan where unknown: such a song is left out for this tag.
        vocabulary: the tags.
        inner: int indices of songs to fit on and of songs that choose the regularisation.
        embedder, pooling: what made the vectors, for the file.
        refit: fit again to the songs of both, once the regularisation is chosen; otherwise to the first ones alone.
    """
    vectors = np.asarray(vectors, np.float64)
    fitted = np.concatenate(inner) if refit else inner[0]
    mean, scale = vectors[fitted].mean(axis=0), vectors[fitted].std(axis=0)
    scale[scale < _SMALL] = 1.0  # constant features
    standard = (vectors - mean) / scale
    weights, bias = np.zeros((vectors.shape[1], len(vocabulary))), np.zeros(len(vocabulary))
    targets, strengths = tuple(targets_of(labels, vocabulary)), []
    for target in targets:
        columns = list(target.tags)
        values = labels[:, columns]
        known = ~np.isnan(values).any(axis=1)
        first, second = (rows[known[rows]] for rows in inner)
        losses = [_loss(target.kind, standard, values, first, second, strength) for strength in STRENGTHS]
        strengths.append(STRENGTHS[int(np.argmin(losses))])
        rows = fitted[known[fitted]]
        weights[:, columns], bias[columns] = _fit(target.kind, standard[rows], values[rows], strengths[-1])
    return Probe(embedder, pooling, vocabulary, mean, scale, weights, bias, targets, tuple(strengths))


def targets_of(labels: np.ndarray, vocabulary: Vocabulary) -> Iterator[Target]:
    """One target a tag; one for an exclusive group of which every song that is labelled has exactly one tag."""
    grouped: set[int] = set()
    for members in vocabulary.exclusive_groups.values():
        values = labels[:, list(members)]
        known = ~np.isnan(values).any(axis=1)
        if len(members) > 1 and known.any() and (values[known].sum(axis=1) == 1).all():
            grouped |= set(members)
            yield Target(tuple(members), "softmax")
    for tag, is_class in enumerate(vocabulary.classification):
        if tag not in grouped:
            yield Target((tag,), "binary" if is_class else "regression")


def _fit(kind: str, features: np.ndarray, values: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights [features, tags of the target] and bias of one target; of tags that no song or every song has, a constant."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    weights, bias = np.zeros((features.shape[1], values.shape[1])), np.zeros(values.shape[1])
    if kind == "regression":
        if len(values):
            ridge = Ridge(alpha=1 / strength).fit(features, values[:, 0])
            weights[:, 0], bias[0] = ridge.coef_, ridge.intercept_
        return weights, bias
    classes = values.argmax(axis=1) if kind == "softmax" else values[:, 0].round().astype(int)
    present = np.unique(classes)
    if len(present) < 2:
        if kind == "softmax":
            bias[np.setdiff1d(np.arange(values.shape[1]), present)] = -np.log(len(values) + 1)
        else:
            share = (classes.sum() + 0.5) / (len(classes) + 1)
            bias[0] = np.log(share / (1 - share))
        return weights, bias
    model = LogisticRegression(C=strength, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # nearly without regularisation: it is not chosen, or it is good
        model.fit(features, classes)
    if kind == "binary":
        weights[:, 0], bias[0] = model.coef_[0], model.intercept_[0]
    elif len(present) == 2:
        weights[:, present[1]], bias[present[1]] = model.coef_[0], model.intercept_[0]
    else:
        weights[:, present], bias[present] = model.coef_.T, model.intercept_
    if kind == "softmax":  # classes that no training song has
        bias[np.setdiff1d(np.arange(values.shape[1]), present)] = -30.0
    return weights, bias


def _loss(kind: str, features: np.ndarray, values: np.ndarray, first: np.ndarray, second: np.ndarray, strength: float):
    """Mean cross-entropy, or squared error, on the second songs of a model fitted to the first."""
    if not len(first) or not len(second):
        return 0.0
    weights, bias = _fit(kind, features[first], values[first], strength)
    scores = _ACTIVATIONS[kind](features[second] @ weights + bias)
    if kind == "regression":
        return float(((scores - values[second]) ** 2).mean())
    scores = scores.clip(_SMALL, 1 - _SMALL)
    entropy = -values[second] * np.log(scores)
    return float((entropy if kind == "softmax" else entropy - (1 - values[second]) * np.log(1 - scores)).mean())


def _sigmoid(outputs: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(outputs / 2))


def _softmax(outputs: np.ndarray) -> np.ndarray:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


_ACTIVATIONS: dict[str, Any] = {"binary": _sigmoid, "softmax": _softmax, "regression": lambda x: x.clip(0, 1)}


def strata_of(labels: np.ndarray, vocabulary: Vocabulary, folds: int) -> np.ndarray:
    """int [songs]: what folds are stratified by: the class of the first exclusive group, else the rarest tag a song has."""
    groups = list(vocabulary.exclusive_groups.values())
    columns = list(groups[0]) if groups else np.flatnonzero(vocabulary.classification).tolist()
    if not columns:
        return np.zeros(len(labels), np.int64)
    present = labels[:, columns] == 1
    rarest = np.where(present, present.sum(axis=0), len(labels) + 1).argmin(axis=1)
    strata = np.where(present.any(axis=1), rarest, -1)
    names, counts = np.unique(strata, return_counts=True)
    strata[np.isin(strata, names[counts < folds])] = names[counts.argmax()]  # too few to be in every fold
    return strata


def group_folds(
    labels: np.ndarray, vocabulary: Vocabulary, groups: Sequence[str] | np.ndarray, folds: int, seed: int
) -> list[np.ndarray]:
    """Parts of the songs that share no group, with about equal shares of each class: int indices of each.

    Raises:
        ConfigError: fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if (count := len(np.unique(groups))) < folds:
        raise ConfigError(
            f"{folds} folds need at least {folds} groups of songs, there are {count}; give --folds {count}"
        )
    strata = strata_of(labels, vocabulary, folds)
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32).split(strata, strata, groups)
    return [test for _, test in split]


def with_thresholds(probe: Probe, thresholds: dict[str, float]) -> Probe:
    """The probe with thresholds."""
    return replace(probe, thresholds=thresholds)
