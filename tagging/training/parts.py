"""The parts of a run's corpus: what it trains, validates and tests on."""

from __future__ import annotations

from ..data import CORPORA, Corpus, open_corpus
from ..errors import ConfigError, unknown_name
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
    if way is not None and "/" not in part:
        splits = getattr(CORPORA.get(data.corpus), "splits", None) or ()
        ways = sorted({name.rpartition("/")[0] for name in splits} - {""})
        if not ways:
            raise ConfigError(f"split={way!r}: {data.corpus} is split in one way; leave the option out")
        if str(way) not in ways:
            raise unknown_name("way to split", way, ways)
        part = part if part in splits else f"{way}/{part}"
    return open_corpus(data.corpus, split=part, **options)
