"""Corpora: sequences of tracks with audio and labels.

Book: ``book/million_clips``.
"""

from . import fma, gtzan, jamendo, magnatagatune, mgphot, msd, openmic  # noqa: F401  (they register themselves)
from . import folder as _folder  # noqa: F401  (registers itself)
from . import huggingface as _huggingface  # noqa: F401
from .base import CORPORA, Corpus, Segment, Track, list_corpora, open_corpus, prepare_corpus
from .loader import Batch, NothingReadableError, random_starts, stream
from .sheet_music import corpus as _sheet_music  # noqa: F401  (registers itself)

__all__ = [
    "CORPORA",
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
