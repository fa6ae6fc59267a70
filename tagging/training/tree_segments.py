"""What trees are fitted to: whole tracks, or segments of them as networks hear them.

Networks learn from one segment of a track at a time, with the labels of that segment, and score a track by the mean over its
segments. Whether trees are better or only hear more is told by trees that do the same. Book: ``book/baseline``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..baselines.features.extraction import Features, extract
from ..errors import ConfigError
from ..evaluation.segments import song_scores
from .data import SegmentOrder, Split, even_starts
from .settings import Settings

# The tree option that asks for segments.
OPTION = "segments"


def takes_segments(settings: Settings) -> bool:
    """Whether ``model.tree_options`` asks for segments.

    Raises:
        ConfigError: it is neither true nor false.
    """
    value = settings.model.tree_options.get(OPTION, False)
    if not isinstance(value, bool):
        raise ConfigError(f"model.tree_options.{OPTION}={value!r}: give true or false")
    return value


def extract_rows(split: Split, settings: Settings, *, progress: bool = True) -> Features:
    """Features and labels of the tracks of a split, or of segments of them.

    Of a training track it is the one segment that a network takes in its first pass, of the others those that cover the
    track in an evaluation. Labels are those of the segment, but of test tracks, whose labels nothing is fitted to.

    Args:
        split: the tracks.
        settings: whether segments are taken, how long and how many.
        progress: show a bar.
    """
    corpus = split.corpus
    if not takes_segments(settings):
        return extract(corpus, split.indices, progress=progress)
    if split.name == "train":
        indices, starts = SegmentOrder(split, settings).between(0, len(split))
    else:
        starts = even_starts(split, split.indices, settings).ravel()
        indices = np.repeat(split.indices, settings.evaluation.segments_per_clip)
    seconds = settings.model.segment_seconds
    features = extract(corpus, indices, seconds=seconds, starts=starts, progress=progress)
    # a track of which one segment cannot be read is left out
    failed = list(features.failed)
    rows, starts = ~np.isin(features.indices, failed), starts[~np.isin(indices, failed)]
    features = replace(
        features, values=features.values[rows], labels=features.labels[rows], groups=features.groups[rows],
        indices=features.indices[rows],
    )  # fmt: skip
    if split.name == "test":
        return features
    segments = zip(features.indices.tolist(), starts.tolist(), strict=True)
    labels = [corpus.segment(index, start, seconds).labels for index, start in segments]
    return replace(features, labels=np.array(labels, np.float32))


def track_scores(scores: np.ndarray, rows: Features) -> tuple[np.ndarray, np.ndarray]:
    """Scores of tracks from those of rows: float32 [tracks, tags], the mean over each track's rows, and the tracks.

    Args:
        scores: float [rows, tags].
        rows: what was scored.
    """
    tracks, track_of_row = np.unique(rows.indices, return_inverse=True)
    return song_scores(scores, track_of_row), tracks
