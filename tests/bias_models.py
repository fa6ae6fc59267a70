"""Two models with known bias: one gives the true probabilities, one gives popular tags; and songs to evaluate them on."""

from __future__ import annotations

import numpy as np

from tagging.evaluation.bootstrap import Resampling
from tagging.tags import Tag, Vocabulary

LIKELY = 0.9  # the probability of each of a song's three likely tags; that of all others is 0
TOP = 3
MODES = np.array([0.5, 0.42, 0.08])
OTHERS = np.array([0.4, 0.35, 0.3, 0.25, 0.2, 0.17, 0.13, 0.11, 0.09])
VOCABULARY = Vocabulary(
    [Tag(f"mode {n}", exclusive_group="mode") for n in range(3)] + [Tag(f"tag {n}") for n in range(len(OTHERS))]
)


def songs(count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities and labels drawn from them, float [songs, 12] each: one likely mode and two other likely tags a song."""
    random = np.random.default_rng(seed)
    probabilities = np.zeros((count, 12))
    probabilities[np.arange(count), random.choice(3, count, p=MODES)] = LIKELY
    # two others each, popular ones more often: the two largest of noisy log-weights
    keys = np.log(OTHERS) + random.gumbel(size=(count, len(OTHERS)))
    np.put_along_axis(probabilities[:, 3:], np.argsort(-keys, axis=1)[:, :2], LIKELY, axis=1)
    return probabilities, (random.uniform(size=probabilities.shape) < probabilities).astype(np.float32)


def by_popularity(labels: np.ndarray) -> np.ndarray:
    """The same scores for every song, higher for frequent tags than their frequency: float [songs, tags]."""
    return np.sqrt(labels.mean(axis=0, dtype=np.float64))[None].repeat(len(labels), axis=0)


def resampled(resampling: Resampling) -> list[np.ndarray]:
    """Indices of the songs themselves, then of each resample, repeated as often as they occur in it."""
    counts = np.concatenate([counts for _, counts in resampling.chunks()])
    return [np.repeat(np.arange(resampling.num_songs), row) for row in counts]
