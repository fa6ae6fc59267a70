"""Settings that follow the data: how many clips, how long to train and how often to validate on songs of your own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..data import Corpus
from . import settings as _settings
from .finetuned import following_pretrained, trains_heads_alone
from .parts import open_part
from .settings import DataSettings, EditionName, Settings, flat

# Passes over the songs; at least so many segments, with which small models learn what there is to learn from few songs.
_PASSES, _MIN_SEGMENTS = 32, 6_400
# Different segments of each song that the head of a frozen body trains on: their features are computed once.
_FROZEN_SEGMENTS = 8
_VALIDATIONS = 10
_MAX_VALIDATION_CLIPS = 500
# Whose duration gives the length of the segments.
_MEASURED_TRACKS = 200
_MIN_SEGMENT_SECONDS = 0.5


def settings_for(
    corpus: str,
    *,
    models: Sequence[str] = ("spectrogram",),
    settings: Mapping[str, Any] | None = None,
    edition: EditionName = "laptop",
    **options: Any,
) -> Settings:
    """Settings of a run on a corpus, with defaults that follow its size.

    All training clips are used, up to 500 validation clips and all test clips. Training lasts 32 passes, at least 6,400 segments
    and at most as many as the edition has, with ten validations. Segments are shortened where most clips are shorter. The head of
    a frozen body trains on eight segments of each clip, whose features are computed once.

    Args:
        corpus: one of :func:`tagging.list_corpora`.
        models: what to train; see ``tagging list``.
        settings: settings of your own by their dotted names, such as ``{"optimization.learning_rate": 0.004}``.
        edition: ``"laptop"`` or ``"poster"``, for all that does not follow the data.
        options: of the corpus, such as ``root`` and ``labels``.

    Raises:
        ConfigError: an unknown corpus, option or setting.
        CorpusError: the corpus cannot be opened.

    >>> settings = settings_for("folder", root="music", labels="tags.csv")  # doctest: +SKIP
    >>> tagging.train(settings, "runs/mine")  # doctest: +SKIP

    Book: ``book/recipe``.
    """
    chosen = {"models": list(models), "data.corpus": corpus, **(settings or {})}
    plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in options.items()}
    chosen |= {f"data.corpus_options.{name}": value for name, value in plain.items()}
    return follow_data(_settings.edition(edition).override(chosen), chosen)


def follow_data(settings: Settings, chosen: Iterable[str] = ()) -> Settings:
    """These settings with those that were not chosen set after the corpus. The editions' own are made for ``sheet-music``.

    Args:
        settings: of a run.
        chosen: dotted names of settings that stay as they are.

    Raises:
        CorpusError, ConfigError: the corpus cannot be opened.
    """
    following = {name: value for name, value in following_pretrained(settings).items() if name not in chosen}
    settings, chosen = settings.override(following), {*chosen, *following}
    if settings.data.corpus == DataSettings().corpus:
        return settings
    train, validation, test = (open_part(settings.data, name) for name in ("train", "validation", "test"))
    clips = len(train) if "data.num_clips" not in chosen else settings.data.num_clips or len(train)
    batch_size = settings.optimization.batch_size
    budget = min(max(_PASSES * clips, _MIN_SEGMENTS), settings.optimization.num_training_segments)
    if "optimization.num_training_segments" in chosen:
        budget = settings.optimization.num_training_segments
    following = {
        "data.num_clips": None,
        "data.segments_per_track": _FROZEN_SEGMENTS
        if trains_heads_alone(settings)
        else settings.data.segments_per_track,
        "model.segment_seconds": _segment_seconds(train, settings.model.segment_seconds),
        "optimization.num_training_segments": max(1, budget // batch_size) * batch_size,
        "evaluation.validation_interval": max(1, budget // batch_size // _VALIDATIONS) * batch_size,
        "evaluation.num_validation_clips": min(len(validation), _MAX_VALIDATION_CLIPS),
        "evaluation.num_test_clips": len(test),
    }
    return settings.override({name: value for name, value in following.items() if name not in chosen})


def names_in(values: Mapping[str, Any]) -> set[str]:
    """Dotted names of all settings in nested values, such as those of a TOML file."""
    known = flat(Settings())
    names = set()
    for name, value in values.items():
        if name in known or not isinstance(value, Mapping):
            names.add(name)
        else:
            names |= {f"{name}.{inner}" for inner in value}
    return names


def _segment_seconds(corpus: Corpus, usual: float) -> float:
    """The usual length, or the median duration of the clips where that is shorter, in tenths of a second."""
    indices = np.unique(np.linspace(0, len(corpus) - 1, min(len(corpus), _MEASURED_TRACKS)).astype(np.int64))
    durations = corpus.durations(indices)
    known = durations[durations > 0]
    median = float(np.median(known)) if len(known) else usual
    return min(usual, max(_MIN_SEGMENT_SECONDS, float(np.floor(median * 10) / 10)))
