"""The parts of a run's corpus: what it trains, validates and tests on."""

from __future__ import annotations

from ..data import Corpus, open_corpus
from .settings import DataSettings


def open_part(data: DataSettings, part: str) -> Corpus:
    """Open a part of the corpus of a run.

    Args:
        data: the corpus and its options. The option ``split`` names the way to split where there are several: with ``"pons"``
            of ``magnatagatune``, ``"train"`` is ``"pons/train"``.
        part: ``"train"``, ``"validation"``, ``"test"``, or another split of the corpus.

    Raises:
        ConfigError: an unknown corpus, split or option.
        CorpusError: the corpus is not prepared.

    >>> open_part(DataSettings(), "test").split  # doctest: +SKIP
    'test'
    """
    options = dict(data.corpus_options) | (data.train_options if part == "train" else {})
    way = options.pop("split", None)
    return open_corpus(data.corpus, split=f"{way}/{part}" if way and "/" not in part else part, **options)
