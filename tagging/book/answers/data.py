"""Right answers of the exercises of the part *Data*. Book: ``book/how_to_use``."""

from __future__ import annotations

import numpy as np

from ...data.base import open_corpus
from ..clip_study import training_clips
from ..datasets import magnatagatune_positives
from ..leak_study import key_alone, library


def shares_apart() -> float:
    """*Public datasets*, 1."""
    shares = magnatagatune_positives()
    return shares["lee"] - shares["pons"]


def songs_in_major() -> int:
    """*Your own folder*, 1; in the folder that the page has made."""
    corpus = open_corpus("folder", root="music", labels="music/tags.csv", split="test")
    labels = corpus.labels_of(np.arange(len(corpus)))
    return int((labels[:, corpus.vocabulary.names.index("major")] == 1).sum())


def largest_family() -> int:
    """*Leaks and shortcuts*, 1."""
    return int(np.bincount(library().facts["family"]).max())


def small_shift() -> float:
    """*Leaks and shortcuts*, 2."""
    shift = np.random.default_rng(0).integers(-2, 3, len(library()))
    return key_alone((library().facts["tonic"] + shift) % 12, "Irish")


def tunes_of_oneills() -> int:
    """*A million clips*, 1."""
    corpus = training_clips()
    return sum(corpus[index].source.startswith("oneills") for index in range(100))


def clips_per_composition() -> float:
    """*A million clips*, 2."""
    corpus = training_clips()
    return len(corpus) / len(corpus.pool)


def unknown_reels() -> float:
    """*A million clips*, 3."""
    corpus = training_clips()
    column = corpus.vocabulary.position("reel")
    return float(np.mean([np.isnan(corpus[index].labels[column]) for index in range(300)]))
