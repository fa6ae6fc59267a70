"""Song-level scores from those of segments. Book: ``book/glossary``."""

from __future__ import annotations

import numpy as np

from ..errors import ConfigError


def song_scores(segment_scores: np.ndarray, songs: np.ndarray, num_songs: int | None = None) -> np.ndarray:
    """Song-level scores: the mean over the segments of each song.

    Args:
        segment_scores: float [segments, tags].
        songs: int [segments], the index of each segment's song, from 0, in any order.
        num_songs: number of songs; by default the highest index plus 1.

    Returns:
        float32 [songs, tags].

    Raises:
        ConfigError: shapes that differ, an index outside the songs, a song without a segment.

    Source: Pons et al. 2018, section 3. Book: ``book/glossary``.
    """
    segment_scores, songs = np.asarray(segment_scores), np.asarray(songs)
    if segment_scores.ndim != 2 or songs.shape != segment_scores.shape[:1] or not len(songs):
        raise ConfigError(
            f"segment_scores {segment_scores.shape} and songs {songs.shape}: expected [segments, tags] and [segments], "
            "at least one segment"
        )
    if songs.dtype.kind not in "iu" or songs.min() < 0 or (num_songs is not None and songs.max() >= num_songs):
        raise ConfigError(
            f"songs ({songs.dtype}) from {songs.min()} to {songs.max()}: expected whole numbers from 0 to "
            f"{'the number of songs' if num_songs is None else num_songs} - 1"
        )
    segments = np.bincount(songs, minlength=num_songs or 0)
    if not segments.all():
        raise ConfigError(
            f"{(segments == 0).sum()} songs without a segment, the first is number {segments.argmin()}; leave them out"
        )
    means = np.empty((len(segments), segment_scores.shape[1]), np.float32)
    for tag, scores in enumerate(segment_scores.T):
        means[:, tag] = np.bincount(songs, weights=scores, minlength=len(segments)) / segments
    return means
