"""Gradient-boosted trees on hand-made features: the row "GBT + features" of the poster, each tag predicted independently.

Book: ``book/baseline``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..tags import Vocabulary
from ..utils.parallel import ProgressCallback, parallel_map
from .binning import Binning
from .features.extraction import Features

# Iterations after which the loss on the validation clips is looked at first, and then whenever there are twice as many; in
# between, trees are grown blindly. Each look costs as much as a dozen trees: scikit-learn bins the features anew.
FIRST_LOOK = 75


@dataclass(frozen=True)
class TreeSettings:
    """How trees are grown. What was compared on validation clips is in ``tagging/book/runs/baseline-tuning.json``.

    Attributes:
        iterations: the most trees for a tag.
        learning_rate: how much of each tree is added.
        leaves: of a tree, at most.
        leaf_samples: clips in a leaf, at least.
        share: of the features that are tried at a split, drawn anew for each.
        bins: values of a feature that are told apart.
        seed: of those draws.

    Raises:
        ConfigError: a value outside what is allowed.

    Book: ``book/baseline``.
    """

    iterations: int = 600
    learning_rate: float = 0.05
    leaves: int = 15
    leaf_samples: int = 20
    share: float = 0.3
    bins: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.iterations, self.leaf_samples) < 1 or self.leaves < 2:
            raise ConfigError(
                f"iterations={self.iterations}, leaves={self.leaves}, leaf_samples={self.leaf_samples}: "
                "at least 1 is needed, and 2 leaves"
            )
        if not (0 < self.learning_rate <= 1 and 0 < self.share <= 1 and 2 <= self.bins <= 255):
            raise ConfigError(
                f"learning_rate={self.learning_rate}, share={self.share}, bins={self.bins}: the first two must be above 0 "
                "and up to 1, the last from 2 to 255"
            )


@dataclass(frozen=True)
class Trees:
    """A fitted set of trees, one ensemble for each tag. Made by :func:`fit_trees`.

    They cannot be saved: scikit-learn's only format is a pickle, and this package writes and reads none. What a run keeps
    are its predictions and its record; fitting again with the same seed to the same features gives the same trees.

    Attributes:
        vocabulary: the tags, in the order of the scores.
        iterations: int [tags]: how many trees each tag uses; 0 where its prediction is constant.
        constant: for each tag that is predicted by a constant, why.

    Book: ``book/baseline``.
    """

    vocabulary: Vocabulary
    iterations: np.ndarray
    constant: dict[str, str]
    _ensembles: tuple[Ensemble, ...] = field(repr=False)
    _binning: Binning = field(repr=False)

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Scores of clips.

        Args:
            values: float [clips, features], as they were fitted to.

        Returns:
            float32 [clips, tags] in [0, 1].

        Raises:
            ConfigError: another number of features, or features that are not finite.
        """
        binned = self._binning(values)
        return np.stack([ensemble.predict(binned) for ensemble in self._ensembles], axis=1)


@dataclass(frozen=True)
class Ensemble:
    """The trees of one tag: the first ``iterations`` of a model; a constant where there is no model.

    Attributes:
        base: share or mean of the tag in training.
        model: of scikit-learn, fitted to binned features.
        iterations: how many of its trees are used.
        why_constant: why there is no model.
        seconds: what fitting took.

    Book: ``book/baseline``.
    """

    base: float
    model: Any = None
    iterations: int = 0
    why_constant: str = ""
    seconds: float = 0.0

    def predict(self, binned: np.ndarray) -> np.ndarray:
        """float32 [clips] in [0, 1], of the features of clips as :class:`Binning` gives them."""
        if self.model is None or len(binned) == 0:
            return np.full(len(binned), self.base, np.float32)
        raw = next(itertools.islice(_stages(self.model, binned), self.iterations - 1, None))
        if hasattr(self.model, "classes_"):
            raw = 1 / (1 + np.exp(-raw))
        return np.clip(raw, 0, 1).astype(np.float32)


class TreeFitter:
    """Fits a classifier to every bi-modal tag and a regressor to every attribute, each by itself.

    How many trees a tag gets is decided on the validation clips, which should share no group with the training clips:
    a random part of the training clips, as scikit-learn would take, has the same tune families in it and stops too late.
    An attribute or tag that has one value only in training, or of which nothing is known in training or validation, is
    predicted by its mean, and says why.

    Args:
        train, validation: features and labels, nan where unknown.
        vocabulary: the tags, in the order of the labels.
        settings: of the trees.

    Attributes:
        binning: what turns features into those that the trees are fitted to.

    Raises:
        ConfigError: features and labels that do not fit each other, or the vocabulary.

    Source: the poster's "GBT + features", "predicting each tag independently"; trees after Ke et al. 2017 (LightGBM).
    Book: ``book/baseline``.
    """

    def __init__(
        self, train: Features, validation: Features, vocabulary: Vocabulary, settings: TreeSettings | None = None
    ) -> None:
        _check("train", train, vocabulary)
        _check("validation", validation, vocabulary)
        if train.values.shape[1] != validation.values.shape[1]:
            raise ConfigError(
                f"{train.values.shape[1]} features in training, {validation.values.shape[1]} in validation"
            )
        self._vocabulary, self._settings = vocabulary, settings or TreeSettings()
        self.binning = Binning(train.values, self._settings.bins)
        self._train = self.binning(train.values), train.labels
        self._validation = self.binning(validation.values), validation.labels

    def fit(self, tag: int, tick: ProgressCallback = lambda steps: None) -> Ensemble:
        """The trees of one tag, by its place in the vocabulary; ``tick(0)`` is called now and then."""
        start = time.perf_counter()
        return replace(self._fit(tag, tick), seconds=time.perf_counter() - start)

    def _fit(self, tag: int, tick: ProgressCallback) -> Ensemble:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        classification = bool(self._vocabulary.classification[tag])
        (x, y), (validation_x, validation_y) = _known(*self._train, tag), _known(*self._validation, tag)
        if len(y) == 0:
            return Ensemble(0.5, why_constant="nothing is known in training")
        base = float(y.mean())
        if np.ptp(y) == 0:
            return Ensemble(base, why_constant=f"always {base:g} in training")
        if len(validation_y) == 0:
            return Ensemble(base, why_constant="nothing is known in validation")
        kind = HistGradientBoostingClassifier if classification else HistGradientBoostingRegressor
        grown = self._settings
        model = kind(
            warm_start=True,
            early_stopping=False,
            learning_rate=grown.learning_rate,
            max_leaf_nodes=grown.leaves,
            min_samples_leaf=grown.leaf_samples,
            max_features=grown.share,
            max_bins=grown.bins,
            random_state=grown.seed,
        )
        looks = (FIRST_LOOK * 2**step for step in itertools.count())
        for look in (*itertools.takewhile(lambda look: look < grown.iterations, looks), grown.iterations):
            tick(0)
            model.set_params(max_iter=look)
            model.fit(x, y)
            losses = [_loss(raw, validation_y, classification) for raw in _stages(model, validation_x)]
            best = int(np.argmin(losses)) + 1
            # the second half of the trees has brought nothing: more will not either
            if best <= look // 2:
                break
        return Ensemble(base, model, best)

    def fit_all(
        self, tags: Sequence[int], then: Callable[[int, Ensemble], Any], *, workers: int, progress: bool = True
    ) -> dict[int, Any]:
        """Fit many tags, several at a time.

        Args:
            tags: their places in the vocabulary.
            then: what is done with each as soon as it is fitted, in the process that has fitted it.
            workers: processes.
            progress: show a progress bar on standard error.

        Returns:
            For each tag, what ``then`` has given.

        Raises:
            ConfigError: no worker.
            TaggingError: a worker process died.
        """
        if workers < 1:
            raise ConfigError(f"workers={workers}: at least 1 is needed")
        # imported before workers are forked, so that they share it
        import sklearn.ensemble  # noqa: F401
        from tqdm import tqdm

        def work(tag: int, tick: ProgressCallback) -> Any:
            result = then(tag, self.fit(tag, tick))
            tick(1)
            return result

        with tqdm(total=len(tags), desc="trees", unit="tag", disable=not progress) as bar:
            return dict(parallel_map(work, tags, workers, bar.update))


def fit_trees(
    train: Features,
    validation: Features,
    vocabulary: Vocabulary,
    settings: TreeSettings | None = None,
    *,
    workers: int = 2,
    progress: bool = True,
) -> Trees:
    """Fit trees to every tag, several at a time.

    Args:
        train, validation: features and labels, nan where unknown. They should share no group.
        vocabulary: the tags, in the order of the labels.
        settings: of the trees.
        workers: processes.
        progress: show a progress bar on standard error.

    Raises:
        ConfigError: features and labels that do not fit each other, or no worker.
        TaggingError: a worker process died.

    Book: ``book/baseline``.
    """
    fitter = TreeFitter(train, validation, vocabulary, settings)
    fitted = fitter.fit_all(range(len(vocabulary)), lambda tag, ensemble: ensemble, workers=workers, progress=progress)
    ensembles = tuple(fitted[tag] for tag in range(len(vocabulary)))
    return Trees(
        vocabulary=vocabulary,
        iterations=np.array([ensemble.iterations for ensemble in ensembles]),
        constant={
            tag.name: ensemble.why_constant
            for tag, ensemble in zip(vocabulary, ensembles, strict=True)
            if ensemble.model is None
        },
        _ensembles=ensembles,
        _binning=fitter.binning,
    )


def _check(name: str, features: Features, vocabulary: Vocabulary) -> None:
    rows, tags = len(features), len(vocabulary)
    if rows == 0:
        raise ConfigError(f"{name}: no clips; {len(features.failed)} could not be read")
    if features.labels.shape != (rows, tags):
        raise ConfigError(f"{name}: labels {features.labels.shape} for {rows} clips and a vocabulary of {tags} tags")


def _known(features: np.ndarray, labels: np.ndarray, tag: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and float64 labels of the clips of which a tag is known."""
    known = ~np.isnan(labels[:, tag])
    rows = features if known.all() else features.T[:, known].T  # feature after feature in memory, as it was
    return rows, labels[known, tag].astype(np.float64)


def _stages(model: Any, values: np.ndarray) -> Iterator[np.ndarray]:
    """What the first tree says, the first two, and so on: log-odds of a classifier, values of a regressor; [clips] each."""
    if not hasattr(model, "classes_"):
        return model.staged_predict(values)
    return (np.ravel(raw) for raw in model.staged_decision_function(values))


def _loss(raw: np.ndarray, truth: np.ndarray, classification: bool) -> float:
    """Binary cross-entropy of log-odds, or squared error of values: what a tagger's loss has for the tag."""
    if classification:
        return float(np.mean(np.logaddexp(0, raw) - truth * raw))
    return float(np.mean((raw - truth) ** 2))
