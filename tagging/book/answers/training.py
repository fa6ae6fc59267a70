"""Right answers of the exercises of the part *Training*. Book: ``book/how_to_use``."""

from __future__ import annotations

import numpy as np

from ...evaluation.metrics import roc_auc
from ...training.settings import Settings
from ..emotify import genre_table
from ..tree_study import TAGS, blocks, features_table, fitted


def passes() -> float:
    """*A training loop*, 1."""
    steps, batch, clips = 500, 32, 500
    return steps * batch / clips


def small_tagger() -> int:
    """*A training loop*, 2."""
    bands, filters, tags, kernel = 96, 64, 12, 7
    first, second = (channels * filters * kernel + filters for channels in (bands, filters))
    norms, head = 2 * (bands + filters + filters), 2 * filters * tags + tags
    return first + second + norms + head


def shuffled() -> float:
    """*A training loop*, 3."""
    return 0.5


def laptop_passes() -> float:
    """*The recipe*, 1."""
    return Settings().optimization.num_training_segments / 1_000


def most_random() -> str:
    """*Fine-tuning and probing*, 1."""
    return str(genre_table()["random - artist"].idxmax())


def expensive_features() -> str:
    """*Two baselines*, 1."""
    table = features_table()
    return str((table["ms a clip"] / table["numbers"]).idxmax())


def needs_more_than_timbre() -> str:
    """*Two baselines*, 2."""
    model = fitted()
    values, others = model.test.values.copy(), blocks() != "timbre"
    values[:, others] = values[np.random.default_rng(0).permutation(len(values))][:, others]
    return TAGS[int(np.argmax(model.roc_auc - roc_auc(model.test.labels, model.trees.predict(values))))]
