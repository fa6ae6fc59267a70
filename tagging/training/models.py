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
from ..tags import Vocabulary
from ..utils.registry import Registry
from .settings import ModelSettings, Settings

# Baselines by name. A network is registered as (model settings, vocabulary, sample rate, head) -> module. What is fitted to
# whole tracks instead, as trees are, is a function (settings, folder, progress) -> record with `fits_whole_tracks = True`.
BASELINES = Registry("baseline")


@BASELINES.register("mel-statistics")
def build_mel_statistics(
    settings: ModelSettings, vocabulary: Vocabulary, sample_rate: int, head: str = "linear"
) -> nn.Module:
    """A small network on statistics of the log-mel spectrogram."""
    model = MelStatistics(
        vocabulary, settings.segment_seconds, sample_rate=sample_rate, head=head, dropout=settings.dropout
    )
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = settings.norm_momentum
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
    if first in BASELINES.names():
        if len(others) > 1:
            raise ConfigError(f"model {name!r}: write {first} or {first}:HEAD")
        return BASELINES.get(first)(settings, vocabulary, sample_rate, *others)
    if len(others) > 2:
        raise ConfigError(f"model {name!r}: write FRONTEND, FRONTEND:BACKEND or FRONTEND:BACKEND:HEAD")
    backend, head = (*others, *("temporal-pooling", "linear")[len(others) :])
    return build_tagger(
        first,
        backend,
        vocabulary,
        settings.segment_seconds,
        width=settings.width,
        sample_rate=sample_rate,
        head=head,
        dropout=settings.dropout,
        norm_momentum=settings.norm_momentum,
        frontend_options=options_for(FRONTENDS, first, settings.frontend_options),
        backend_options=options_for(BACKENDS, backend, settings.backend_options),
        head_options=options_for(HEADS, head, settings.head_options),
    )


def options_for(registry: Registry, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that a registered part takes."""
    taken = registry.options(name)
    return {option: value for option, value in options.items() if option in taken}


def check_options(settings: Settings) -> None:
    """Raise ConfigError for an option of a part that none of the models of a run takes."""
    names = [name.split(":") for name in settings.models if name.split(":")[0] not in BASELINES.names()]
    parts = {
        "frontend": (FRONTENDS, {name[0] for name in names}),
        "backend": (BACKENDS, {name[1] if len(name) > 1 else "temporal-pooling" for name in names}),
        "head": (HEADS, {name[2] if len(name) > 2 else "linear" for name in names}),
    }
    usual = Settings().model
    for kind, (registry, used) in parts.items():
        taken = {option for name in used for option in registry.options(name)}
        for option in getattr(settings.model, f"{kind}_options"):
            # the log-mel that an edition sets for spectrograms may stand beside other models
            if option not in taken and option not in getattr(usual, f"{kind}_options"):
                raise ConfigError(
                    f"model.{kind}_options.{option}: none of {', '.join(sorted(used)) or 'the models'} takes it; "
                    f"they take {', '.join(sorted(taken)) or 'none'}"
                )
