"""Models on vectors of songs: logistic regression for tags, ridge regression for attributes, or MLPs for both; and their file.

Each tag, exclusive group and attribute has its own regularisation, chosen on inner validation songs. Book: ``book/baseline``.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
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
HEADS = ("linear", "mlp")
# Units of the hidden layer of an MLP; and the strengths that are tried, fewer, since each takes many times as long.
_HIDDEN = 32
_MLP_STRENGTHS = (1e-2, 1e-1, 1.0, 10.0)
_MLP_STEPS = 200
_FORMAT = "tagging-probe-1"
_SAMPLE_RATE = 16000
_SMALL = 1e-6
_HIDDEN_ARRAYS = ("hidden_weights", "hidden_bias")


@dataclass(frozen=True)
class Target:
    """What one model predicts.

    Attributes:
        tags: indices of one tag, or of the tags of an exclusive group of which every song has exactly one.
        kind: ``"binary"``, ``"softmax"`` or ``"regression"``.
    """

    tags: tuple[int, ...]
    kind: str


@dataclass(frozen=True, eq=False)
class Probe:
    """Models of all tags on one vector a song: linear ones, or MLPs with a hidden layer each.

    Attributes:
        embedder, pooling: what makes the vectors; see :func:`tagging.training.embedders.embedder`.
        vocabulary: the tags, in the order of the scores.
        mean, scale: float64 [features], of the training songs.
        weights, bias: float64 [features, tags] and [tags], on standardised features; of MLPs [hidden, tags], on their hidden
            layers, side by side.
        targets: which tags share a softmax, and which are attributes.
        strengths: of each target, the chosen inverse regularisation.
        thresholds: tag -> the score from which on it counts as present.
        hidden_weights, hidden_bias: of MLPs, float64 [features, hidden] and [hidden]; None for linear models.
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
    hidden_weights: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """float [songs, features] -> float64 [songs, tags] in [0, 1]."""
        features = (np.asarray(vectors, np.float64) - self.mean) / self.scale
        if self.hidden_weights is not None:
            features = (features @ self.hidden_weights + self.hidden_bias).clip(min=0)
        outputs = features @ self.weights + self.bias
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
        names = ["mean", "scale", "weights", "bias", *(_HIDDEN_ARRAYS if self.hidden_weights is not None else [])]
        arrays = {name: np.asarray(getattr(self, name), np.float32) for name in names}
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
            size, units = len(arrays["mean"]), len(arrays["weights"])
            shapes = {"mean": (size,), "scale": (size,), "weights": (size, len(vocabulary)), "bias": (len(vocabulary),)}
            if _HIDDEN_ARRAYS[0] in arrays:
                shapes |= {
                    "weights": (units, len(vocabulary)),
                    "hidden_weights": (size, units),
                    "hidden_bias": (units,),
                }
            for name, shape in shapes.items():
                if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                    raise ConfigError(f"{name} of shape {arrays[name].shape}, or not finite")
            covered = sorted(tag for target in targets for tag in target.tags)
            if covered != list(range(len(vocabulary))) or {each.kind for each in targets} - set(_ACTIVATIONS):
                raise ConfigError("its targets are not its tags")
            mean, scale, weights, bias, *hidden = (arrays[name].astype(np.float64) for name in shapes)
            strengths = tuple(map(float, about["strengths"]))
            thresholds = {str(tag): float(value) for tag, value in about["thresholds"].items()}
            made_of = str(about["embedder"]), str(about["pooling"])
            return cls(*made_of, vocabulary, mean, scale, weights, bias, targets, strengths, thresholds, *hidden)
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
    head: str = "linear",
    seed: int = 0,
) -> Probe:
    """Fit a probe.

    Args:
        vectors: float [songs, features], finite.
        labels: float [songs, tags] in [0, 1], nan where unknown: such a song is left out for this tag.
        vocabulary: the tags.
        inner: int indices of songs to fit on and of songs that choose the regularisation.
        embedder, pooling: what made the vectors, for the file.
        refit: fit again to the songs of both, once the regularisation is chosen; otherwise to the first ones alone.
        head: ``"linear"``, or ``"mlp"`` for a hidden layer of 32 rectified units a target.
        seed: of the first weights of MLPs.
    """
    vectors = np.asarray(vectors, np.float64)
    fitted = np.concatenate(inner) if refit else inner[0]
    mean, scale = vectors[fitted].mean(axis=0), vectors[fitted].std(axis=0)
    scale[scale < _SMALL] = 1.0  # constant features
    standard = (vectors - mean) / scale
    targets, strengths = tuple(targets_of(labels, vocabulary)), []
    fit = partial(_fit_mlp, seed=seed) if head == "mlp" else _fit
    size = _HIDDEN * len(targets) if head == "mlp" else vectors.shape[1]
    weights, bias = np.zeros((size, len(vocabulary))), np.zeros(len(vocabulary))
    hidden: list[tuple[np.ndarray, np.ndarray]] = []
    for number, target in enumerate(targets):
        columns = list(target.tags)
        values = labels[:, columns]
        known = ~np.isnan(values).any(axis=1)
        first, second = (rows[known[rows]] for rows in inner)
        tried = _MLP_STRENGTHS if head == "mlp" else STRENGTHS
        losses = [_loss(fit, target.kind, standard, values, first, second, strength) for strength in tried]
        strengths.append(tried[int(np.argmin(losses))])
        rows = fitted[known[fitted]]
        *layer, last, bias[columns] = fit(target.kind, standard[rows], values[rows], strengths[-1])
        if layer:
            hidden.append((layer[0], layer[1]))
        units = slice(number * _HIDDEN, (number + 1) * _HIDDEN) if layer else slice(None)
        weights[units, columns] = last
    layers = [np.concatenate(arrays, axis=-1) for arrays in zip(*hidden, strict=True)] if hidden else [None, None]
    return Probe(
        embedder, pooling, vocabulary, mean, scale, weights, bias, targets, tuple(strengths), {}, layers[0], layers[1]
    )


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

    weights, bias = np.zeros((features.shape[1], values.shape[1])), _constant(kind, values)
    if kind == "regression":
        if len(values):
            ridge = Ridge(alpha=1 / strength).fit(features, values[:, 0])
            weights[:, 0], bias[0] = ridge.coef_, ridge.intercept_
        return weights, bias
    classes, present = _classes(kind, values)
    if len(present) < 2:
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
    return weights, _without_absent(kind, bias, present)


def _fit_mlp(
    kind: str, features: np.ndarray, values: np.ndarray, strength: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hidden weights [features, units] and bias, and weights [units, tags of the target] and bias, of one target."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    weights, bias = np.zeros((_HIDDEN, values.shape[1])), _constant(kind, values)
    nothing = np.zeros((features.shape[1], _HIDDEN)), np.zeros(_HIDDEN), weights, bias
    classes, present = _classes(kind, values)
    if not len(values) or (kind != "regression" and len(present) < 2):
        return nothing
    # few songs, for which this solver needs neither a learning rate nor batches
    options: dict[str, Any] = {"hidden_layer_sizes": (_HIDDEN,), "alpha": 1 / strength, "solver": "lbfgs",
                               "max_iter": _MLP_STEPS, "random_state": seed % 2**32}  # fmt: skip
    model = MLPRegressor(**options) if kind == "regression" else MLPClassifier(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, values[:, 0] if kind == "regression" else classes)
    if kind != "softmax":
        weights[:, 0], bias[0] = model.coefs_[1][:, 0], model.intercepts_[1][0]
    elif len(present) == 2:
        weights[:, present[1]], bias[present[1]] = model.coefs_[1][:, 0], model.intercepts_[1][0]
        bias[present[0]] = 0.0
    else:
        weights[:, present], bias[present] = model.coefs_[1], model.intercepts_[1]
    return model.coefs_[0], model.intercepts_[0], weights, _without_absent(kind, bias, present)


def _classes(kind: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int [songs], the class of each; and the classes that occur."""
    classes = values.argmax(axis=1) if kind == "softmax" else values[:, 0].round().astype(int)
    return classes, np.unique(classes)


def _constant(kind: str, values: np.ndarray) -> np.ndarray:
    """float [tags of the target]: the bias of a model that has nothing to learn from: no songs, or one class."""
    classes, present = _classes(kind, values)
    bias = np.zeros(values.shape[1])
    if kind == "binary" and len(present) < 2:
        share = (classes.sum() + 0.5) / (len(classes) + 1)
        bias[0] = np.log(share / (1 - share))
    elif kind == "softmax" and len(present) < 2:
        bias[np.setdiff1d(np.arange(values.shape[1]), present)] = -np.log(len(values) + 1)
    return bias


def _without_absent(kind: str, bias: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The bias, with classes of a softmax that no training song has nearly impossible."""
    return np.where(np.isin(np.arange(len(bias)), present), bias, -30.0) if kind == "softmax" else bias


def _loss(
    fit: Callable[..., tuple[np.ndarray, ...]],
    kind: str,
    features: np.ndarray,
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    strength: float,
) -> float:
    """Mean cross-entropy, or squared error, on the second songs of a model fitted to the first."""
    if not len(first) or not len(second):
        return 0.0
    *layer, weights, bias = fit(kind, features[first], values[first], strength)
    inputs = (features[second] @ layer[0] + layer[1]).clip(min=0) if layer else features[second]
    scores = _ACTIVATIONS[kind](inputs @ weights + bias)
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


def with_thresholds(probe: Probe, thresholds: dict[str, float]) -> Probe:
    """The probe with thresholds."""
    return replace(probe, thresholds=thresholds)
