"""The models a run can train: any front-end with any back-end and head, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..baselines.mel_statistics import MelStatistics
from ..errors import ConfigError
from ..models.base import BACKENDS, FRONTENDS
from ..models.build import build_tagger
from ..models.heads import HEADS
from ..models.normalization import set_momentum
from ..tags import Vocabulary
from ..utils.registry import Registry
from .finetuned import FINETUNED, check_pretrained, with_new_head
from .settings import ModelSettings, Settings

# Baseline networks by name: (model settings, vocabulary, sample rate, head) -> module.
BASELINES = Registry("baseline")

# The parts of other models, with how many arguments each is given by position.
_PARTS = {"frontend": (FRONTENDS, 0), "backend": (BACKENDS, 2), "head": (HEADS, 2)}
_USUAL_PARTS = ("", "temporal-pooling", "linear")


@BASELINES.register(FINETUNED)
def build_finetuned(
    settings: ModelSettings, vocabulary: Vocabulary, sample_rate: int, head: str = "linear"
) -> nn.Module:
    """The trained tagger of model.pretrained, with a new head; see `tagging finetune`."""
    options = {"dropout": settings.dropout} | options_for("head", head, settings.head_options)
    return with_new_head(settings, vocabulary, sample_rate, head, options)


@BASELINES.register("mel-statistics")
def build_mel_statistics(
    settings: ModelSettings, vocabulary: Vocabulary, sample_rate: int, head: str = "linear"
) -> nn.Module:
    """A small network on statistics of the log-mel spectrogram."""
    model = MelStatistics(
        vocabulary,
        settings.segment_seconds,
        sample_rate=sample_rate,
        head=head,
        dropout=settings.dropout,
        head_options=options_for("head", head, settings.head_options),
    )
    set_momentum(model, settings.norm_momentum)
    return model


def build_model(name: str, settings: ModelSettings, vocabulary: Vocabulary, sample_rate: int) -> nn.Module:
    """An untrained network.

    Args:
        name: ``"FRONTEND"``, ``"FRONTEND:BACKEND"`` or ``"FRONTEND:BACKEND:HEAD"`` (by default temporal pooling and a linear
            head), or ``"BASELINE"`` or ``"BASELINE:HEAD"``.
        settings: of the models of a run; each part gets those options that its class takes.
        vocabulary: the tags.
        sample_rate: of the waveforms, Hz.

    Raises:
        ConfigError: unknown parts.
    """
    first, *others = name.split(":")
    if first in BASELINES:
        if len(others) > 1:
            raise ConfigError(f"model {name!r}: write {first} or {first}:HEAD")
        return BASELINES.get(first)(settings, vocabulary, sample_rate, *others)
    frontend, backend, head = parts_of(name)
    return build_tagger(
        frontend,
        backend,
        vocabulary,
        settings.segment_seconds,
        width=settings.width,
        sample_rate=sample_rate,
        head=head,
        dropout=settings.dropout,
        norm_momentum=settings.norm_momentum,
        frontend_options=options_for("frontend", frontend, settings.frontend_options),
        backend_options=options_for("backend", backend, settings.backend_options),
        head_options=options_for("head", head, settings.head_options),
    )


def _options(kind: str, name: str) -> set[str]:
    """What a part takes by name, apart from the settings that all parts share."""
    registry, num_positional = _PARTS[kind]
    return set(registry.options(name, num_positional)) - {"width", "sample_rate"}


def options_for(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a part takes; ``kind`` is ``"frontend"``, ``"backend"`` or ``"head"``."""
    taken = _options(kind, name)
    return {option: value for option, value in options.items() if option in taken}


def parts_of(model: str) -> tuple[str, str, str]:
    """Front-end, back-end and head of ``"FRONTEND"``, ``"FRONTEND:BACKEND"`` or ``"FRONTEND:BACKEND:HEAD"``.

    Raises:
        ConfigError: more parts.
    """
    parts = model.split(":")
    if len(parts) > 3:
        raise ConfigError(f"model {model!r}: write FRONTEND, FRONTEND:BACKEND or FRONTEND:BACKEND:HEAD")
    return (*parts, *_USUAL_PARTS[len(parts) :])  # type: ignore[return-value]


def check_options(settings: Settings) -> None:
    """Raise ConfigError for an option of a part that none of the models of a run takes."""
    check_pretrained(settings)
    models = [parts_of(model) for model in settings.models if model.partition(":")[0] not in BASELINES]
    # baselines take no options but those of their heads
    heads = {(*model.split(":"), "linear")[1] for model in settings.models if model.partition(":")[0] in BASELINES}
    usual = Settings().model
    for position, kind in enumerate(_PARTS):
        used = sorted({parts[position] for parts in models} | (heads if kind == "head" else set()))
        taken = set().union(*(_options(kind, name) for name in used))
        for option in getattr(settings.model, f"{kind}_options"):
            # the log-mel that an edition sets for spectrograms may stand beside other models
            if option not in taken and option not in getattr(usual, f"{kind}_options"):
                raise ConfigError(
                    f"model.{kind}_options.{option}: none of {', '.join(used) or 'the models'} takes it; "
                    f"they take {', '.join(sorted(taken)) or 'none'}"
                )
