"""Fine-tuning: a trained tagger with a new head, its body frozen, unfrozen part by part, or trained as a whole.

It is a model of a run like any other, called ``finetuned``: one loop trains, resumes, validates and records it.
Book: ``book/recipe``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from ..data import open_corpus
from ..errors import ConfigError
from ..models.heads import HEADS
from ..models.tagger import Tagger
from ..pretrained import load_tagger
from ..tags import Vocabulary
from .settings import ModelSettings, OptimizationSettings, Settings

FINETUNED = "finetuned"
# Of the learning rate of the new head: the body knows already, and moves less.
_BODY_SHARE = 0.05
# Share of a run after which a part of the body is trained: (back-end, front-end).
_STARTS = {"whole": (0.0, 0.0), "gradual": (0.25, 0.5), "frozen": (1.0, 1.0)}


def build_finetuned(
    settings: ModelSettings, vocabulary: Vocabulary, sample_rate: int, head: str = "linear"
) -> nn.Module:
    """The tagger that ``model.pretrained`` names, with a new head for the tags of the corpus."""
    from .models import options_for

    if settings.pretrained is None:
        raise ConfigError(
            f"model {FINETUNED!r} starts from a trained tagger: name it with model.pretrained=msd-musicnn"
        )
    old = load_tagger(settings.pretrained)
    if old.sample_rate != sample_rate:
        raise ConfigError(
            f"{settings.pretrained} takes {old.sample_rate} Hz, the corpus has {sample_rate} Hz: give the corpus the option "
            f"sample_rate={old.sample_rate}, if it takes one"
        )
    if round(settings.segment_seconds * sample_rate) != old.segment_samples:
        raise ConfigError(
            f"{settings.pretrained} takes segments of {old.segment_seconds:g} s, not of {settings.segment_seconds:g} s: leave "
            f"model.segment_seconds out, or set it to {old.segment_seconds:g}"
        )
    options = {"dropout": settings.dropout} | options_for("head", head, settings.head_options)
    config = dataclasses.replace(
        old.config, head=HEADS.resolve(head), head_options=options, norm_momentum=settings.norm_momentum
    )
    new = Tagger(config, vocabulary)
    new.frontend.load_state_dict(old.frontend.state_dict())
    new.backend.load_state_dict(old.backend.state_dict())
    return new


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a model, and when and how fast it is trained.

    Attributes:
        module: the part.
        factor: on the learning rate of the run.
        start: share of the run after which it is trained; 1 is never.
    """

    module: nn.Module
    factor: float = 1.0
    start: float = 0.0

    def factor_at(self, done: float) -> float:
        """The factor on the learning rate when this share of the run is done; 0 while the part is frozen."""
        return self.factor if done > self.start else 0.0


def parts_to_train(name: str, module: nn.Module, optimization: OptimizationSettings) -> list[Part]:
    """The parts of a model of a run; of all but ``finetuned`` the whole model is one. Those that never train are frozen here."""
    if name.partition(":")[0] != FINETUNED:
        return [Part(module)]
    assert isinstance(module, Tagger)
    rate = optimization.body_learning_rate
    factor = _BODY_SHARE if rate is None else rate / optimization.learning_rate
    backend, frontend = _STARTS[optimization.body]
    parts = [Part(module.head), Part(module.backend, factor, backend), Part(module.frontend, factor, frontend)]
    for part in parts:
        if part.start >= 1:
            part.module.requires_grad_(False)
    return parts


def check_pretrained(settings: Settings) -> None:
    """Raise ConfigError where settings of fine-tuning are given, and no model is fine-tuned."""
    if any(model.partition(":")[0] == FINETUNED for model in settings.models):
        return
    usual = Settings().optimization
    given = {
        "model.pretrained": settings.model.pretrained is not None,
        "optimization.body": settings.optimization.body != usual.body,
        "optimization.body_learning_rate": settings.optimization.body_learning_rate is not None,
    }
    if named := [name for name, is_given in given.items() if is_given]:
        raise ConfigError(f"{named[0]} is for the model {FINETUNED!r}, which this run does not train")


def following_pretrained(settings: Settings) -> dict[str, Any]:
    """Settings that follow the pretrained tagger: the length of segments and, of corpora that have one, the sample rate."""
    if settings.model.pretrained is None:
        return {}
    tagger = load_tagger(settings.model.pretrained)
    following: dict[str, Any] = {"model.segment_seconds": tagger.segment_seconds}
    rate = open_corpus(settings.data.corpus, split="train", **settings.data.corpus_options).sample_rate
    if rate != tagger.sample_rate:
        following["data.corpus_options.sample_rate"] = tagger.sample_rate
    return following


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
            of it the front-end. None leaves it to the settings; their default is ``"whole"``.
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
    from .defaults import settings_for
    from .loop import train

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
