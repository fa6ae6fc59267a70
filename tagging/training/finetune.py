"""``tagging.finetune``: a run that starts from a trained tagger. Book: ``book/recipe``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .defaults import settings_for
from .finetuned import FINETUNED, following_pretrained
from .loop import train
from .settings import Settings


def finetune(
    tagger: str | os.PathLike[str],
    data: str | Settings,
    folder: str | Path,
    *,
    body: str | None = None,
    head: str = "linear",
    models: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    cpu_only: bool = False,
    progress: bool = True,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    minutes: float | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Train a trained tagger on, with a new head for the tags of another corpus; see :func:`tagging.train` for all else.

    Sample rate and length of the segments follow the tagger. The statistics of batch normalisation are retaken from training
    segments before each validation, so that they belong to the weights that are kept.

    Args:
        tagger: one of :func:`tagging.list_pretrained`, or the path of a saved tagger.
        data: a corpus by its name, such as ``"folder"``, with its ``options``; or complete settings.
        folder: where the run lives.
        body: ``"whole"`` trains front-end and back-end with the head, by default at a twentieth of its learning rate;
            ``"frozen"`` trains the head alone; ``"gradual"`` the head, after a quarter of the run the back-end too, after half
            of it the front-end. None leaves it to the settings; their default is ``"whole"``. A frozen body computes its
            features once for each segment, of which eight of each song are taken (``data.segments_per_track``); with
            augmentation, or beside further models, it computes them again in each step.
        head: one of :func:`tagging.list_heads`; ``"exclusive"`` for tags that exclude each other.
        models: further models that train on the same segments, for comparison, such as ``["spectrogram"]``.
        settings: settings by their dotted names, such as ``{"optimization.body_learning_rate": 1e-4}``.
        cpu_only, progress, on_event, minutes: see :func:`tagging.train`.
        options: of the corpus, such as ``root`` and ``labels``.

    Returns:
        The record of each model; that of the tagger first. Its weights are in ``folder/finetuned/tagger.safetensors``.

    Raises:
        ConfigError: an unknown tagger, corpus, setting or head, or a corpus of another sample rate that cannot be changed.
        CorpusError, TrainingError, TaggingError: see :func:`tagging.train`.

    >>> tagging.finetune("msd-musicnn", "folder", "runs/mine", root="music", labels="tags.csv")  # doctest: +SKIP

    Book: ``book/recipe``.
    """
    model = FINETUNED if head == "linear" else f"{FINETUNED}:{head}"
    chosen = {
        "model.pretrained": os.fspath(tagger),
        **({"optimization.body": body} if body else {}),
        **(settings or {}),
    }
    if isinstance(data, Settings):
        if options:
            raise ConfigError(f"{', '.join(options)}: options of a corpus are part of the settings; set them there")
        complete = data.override({"models": [model, *models], **chosen})
        complete = complete.override(following_pretrained(complete))
    else:
        complete = settings_for(data, models=[model, *models], settings=chosen, **options)
    return train(complete, folder, cpu_only=cpu_only, progress=progress, on_event=on_event, minutes=minutes)
