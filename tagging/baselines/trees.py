"""Gradient-boosted trees (GBT) on hand-made features, each tag predicted independently.

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

# Trees before the first check of the validation loss; each later check has twice as many. A check costs as much as a dozen
# trees, because scikit-learn bins the features again.
FIRST_CHECK = 75


@dataclass(frozen=True)
class TreeSettings:
    """Settings of the trees. The defaults were chosen on validation clips (``tagging/book/runs/baseline-tuning.json``).

    Attributes:
        iterations: the most trees for a tag.
        learning_rate: in (0, 1].
        leaves: the most leaves of a tree.
        leaf_samples: the fewest clips in a leaf.
        share: of the features, in (0, 1]: how many are tried at each split, drawn at random.
        bins: the most bins of a feature, 2 to 255.
        seed: of the random draws.

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
                "each must be at least 1, and there must be at least 2 leaves"
            )
        if not (0 < self.learning_rate <= 1 and 0 < self.share <= 1 and 2 <= self.bins <= 255):
            raise ConfigError(
                f"learning_rate={self.learning_rate}, share={self.share}, bins={self.bins}: the first two must be "
                "above 0 and up to 1, the last from 2 to 255"
            )


@dataclass(frozen=True)
class Trees:
    """Fitted trees, one ensemble for each tag. Made by :func:`fit_trees`.

    They cannot be saved: the only format of scikit-learn is a pickle, which this package neither writes nor reads. The same
    seed and features give the same trees.

    Attributes:
        vocabulary: the tags, in the order of the scores.
        iterations: int [tags]: number of trees; 0 for tags that are predicted by a constant.
        constant: tag -> reason, for tags that are predicted by a constant.

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
            values: float [clips, features], in the order of the training features.

        Returns:
            float32 [clips, tags] in [0, 1].

        Raises:
            ConfigError: another number of features, or NaN or infinite features.
        """
        binned = self._binning(values)
        return np.stack([ensemble.predict(binned) for ensemble in self._ensembles], axis=1)


@dataclass(frozen=True)
class Ensemble:
    """The trees of one tag: the first ``iterations`` of a model, or a constant without a model.

    Attributes:
        base: prevalence or mean of the tag in training.
        model: scikit-learn model, fitted to binned features.
        iterations: number of its trees that are used.
        why_constant: why there is no model.
        seconds: duration of the fitting.
    """

    base: float
    model: Any = None
    iterations: int = 0
    why_constant: str = ""
    seconds: float = 0.0

    def predict(self, binned: np.ndarray) -> np.ndarray:
        """Scores of clips, float32 [clips] in [0, 1].

        Args:
            binned: float64 [clips, features], from :class:`~tagging.baselines.binning.Binning`.
        """
        if self.model is None or len(binned) == 0:
            return np.full(len(binned), self.base, np.float32)
        raw = next(itertools.islice(_stages(self.model, binned), self.iterations - 1, None))
        if hasattr(self.model, "classes_"):
            raw = 1 / (1 + np.exp(-raw))
        return np.clip(raw, 0, 1).astype(np.float32)


class TreeFitter:
    """Fits a classifier to every classification tag and a regressor to every regression tag, independently.

    The number of trees is chosen on the validation clips, which should share no group with the training clips: a random part
    of the training clips, as in scikit-learn, has the same tune families, and stops too late. A tag with a single value in
    training, or unknown in all training or validation clips, is predicted by its mean.

    Args:
        train, validation: features and labels, nan where unknown.
        vocabulary: the tags, in the order of the labels.
        settings: of the trees.

    Attributes:
        binning: makes the features that the trees are fitted to.

    Raises:
        ConfigError: features and labels that do not fit each other, or the vocabulary.

    Source: the poster's "GBT + features", "predicting each tag independently"; Ke et al. 2017 (LightGBM).
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

    def fit(self, tag: int) -> Ensemble:
        """Fit the trees of one tag, by its index in the vocabulary."""
        start = time.perf_counter()
        return replace(self._fit(tag), seconds=time.perf_counter() - start)

    def _fit(self, tag: int) -> Ensemble:
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
        settings = self._settings
        model = kind(
            warm_start=True,
            early_stopping=False,
            learning_rate=settings.learning_rate,
            max_leaf_nodes=settings.leaves,
            min_samples_leaf=settings.leaf_samples,
            max_features=settings.share,
            max_bins=settings.bins,
            random_state=settings.seed,
        )
        trees, best = 0, 1
        # until the second half of the trees has not lowered the loss
        while trees < settings.iterations and best > trees // 2:
            trees = min(2 * trees or FIRST_CHECK, settings.iterations)
            model.set_params(max_iter=trees)
            model.fit(x, y)
            losses = [_loss(raw, validation_y, classification) for raw in _stages(model, validation_x)]
            best = int(np.argmin(losses)) + 1
        return Ensemble(base, model, best)

    def fit_all(
        self, tags: Sequence[int], then: Callable[[int, Ensemble], Any], *, workers: int, progress: bool = True
    ) -> dict[int, Any]:
        """Fit several tags in parallel.

        Args:
            tags: indices in the vocabulary.
            then: called with each tag and its trees, in the process that fitted them.
            workers: number of processes.
            progress: show a progress bar on standard error.

        Returns:
            for each tag the result of ``then``.

        Raises:
            ConfigError: no worker.
            TaggingError: a worker process died.
        """
        if workers < 1:
            raise ConfigError(f"workers={workers}: give at least 1")
        # imported before workers are forked, which then share it
        import sklearn.ensemble  # noqa: F401
        from tqdm import tqdm

        def work(tag: int, on_progress: ProgressCallback) -> Any:
            result = then(tag, self.fit(tag))
            on_progress(1)
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
    """Fit trees to every tag, in parallel.

    Args:
        train, validation: features and labels, nan where unknown. They should share no group.
        vocabulary: the tags, in the order of the labels.
        settings: of the trees.
        workers: number of processes.
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
    """Features and float64 labels of the clips in which a tag is known."""
    known = ~np.isnan(labels[:, tag])
    rows = features if known.all() else features.T[:, known].T  # keeps the memory order
    return rows, labels[known, tag].astype(np.float64)


def _stages(model: Any, values: np.ndarray) -> Iterator[np.ndarray]:
    """Predictions [clips] of the first tree, the first two, and so on: log-odds of a classifier, values of a regressor."""
    if not hasattr(model, "classes_"):
        return model.staged_predict(values)
    return (np.ravel(raw) for raw in model.staged_decision_function(values))


def _loss(raw: np.ndarray, labels: np.ndarray, classification: bool) -> float:
    """Binary cross-entropy of log-odds, or squared error of values: the loss of a tagger for this tag."""
    if classification:
        return float(np.mean(np.logaddexp(0, raw) - labels * raw))
    return float(np.mean((raw - labels) ** 2))
