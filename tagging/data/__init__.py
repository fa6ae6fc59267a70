"""Music with tags: every corpus is a sequence of tracks that can be read and know their labels.

Book: ``book/million_clips``.
"""

from .base import Corpus, Segment, Track, list_corpora, open_corpus, prepare_corpus
from .loader import Batch, NothingReadableError, random_starts, stream
from .sheet_music import corpus as _scores  # noqa: F401  (registers itself)

__all__ = [
    "Batch",
    "Corpus",
    "NothingReadableError",
    "Segment",
    "Track",
    "list_corpora",
    "open_corpus",
    "prepare_corpus",
    "random_starts",
    "stream",
]
