"""Fine-tuning: a trained tagger with a new head, its body frozen, unfrozen part by part, or trained as a whole.

It is a model of a run like any other, called ``finetuned``: one loop trains, resumes, validates and records it.
Book: ``book/recipe``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn

from ..errors import ConfigError
from ..models.heads import HEADS
from ..models.tagger import Tagger
from ..pretrained import load_tagger
from ..tags import Vocabulary
from .parts import open_part
from .settings import AugmentationSettings, ModelSettings, OptimizationSettings, Settings

FINETUNED = "finetuned"
# Of the learning rate of the new head: the body knows already, and moves less.
_BODY_SHARE = 0.05
# Share of a run after which a part of the body is trained: (back-end, front-end).
_STARTS = {"whole": (0.0, 0.0), "gradual": (0.25, 0.5), "frozen": (1.0, 1.0)}


def with_new_head(
    settings: ModelSettings, vocabulary: Vocabulary, sample_rate: int, head: str, options: dict[str, Any]
) -> Tagger:
    """The tagger that ``model.pretrained`` names, with a new head of these options for the tags of the corpus."""
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


def trains_heads_alone(settings: Settings) -> bool:
    """Whether all models of a run are heads of one frozen body whose segments stay as they are: its features can be kept."""
    return (
        all(model.partition(":")[0] == FINETUNED for model in settings.models)
        and _STARTS[settings.optimization.body] == _STARTS["frozen"]
        and settings.augmentation == AugmentationSettings()
    )


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
    rate = open_part(settings.data, "train").sample_rate
    if rate != tagger.sample_rate:
        following["data.corpus_options.sample_rate"] = tagger.sample_rate
    return following
