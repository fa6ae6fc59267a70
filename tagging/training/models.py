"""The models of a run: built by name, made ready for short runs, and for several processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..models.build import build_tagger
from ..models.frontends import FRONTENDS
from ..models.layers import SingleChannelBatchNorm
from ..tags import Vocabulary
from .settings import Settings

STATISTICS = "mel-statistics"
DEFAULT_PARTS = ("temporal-pooling", "together")


def build_model(name: str, settings: Settings, vocabulary: Vocabulary, sample_rate: int) -> nn.Module:
    """An untrained model for a run.

    Args:
        name: ``"FRONTEND"``, ``"FRONTEND:BACKEND"`` or ``"FRONTEND:BACKEND:HEAD"`` (by default temporal pooling, all tags
            together), or ``"mel-statistics"`` or ``"mel-statistics:HEAD"``.
        settings: of the run.
        vocabulary: the tags.
        sample_rate: of the corpus, Hz.

    Raises:
        ConfigError: unknown parts.
    """
    parts = name.split(":")
    if parts[0] == STATISTICS:
        from ..baselines.mel_statistics import MelStatistics

        if len(parts) > 2:
            raise ConfigError(f"model {name!r}: write {STATISTICS} or {STATISTICS}:HEAD")
        head = parts[1] if len(parts) == 2 else DEFAULT_PARTS[-1]
        model: Any = MelStatistics(
            vocabulary, settings.segment_seconds, sample_rate=sample_rate, head=head, dropout=settings.dropout
        )
    else:
        if len(parts) > 3:
            raise ConfigError(f"model {name!r}: write FRONTEND, FRONTEND:BACKEND or FRONTEND:BACKEND:HEAD")
        frontend, backend, head = (*parts, *DEFAULT_PARTS[len(parts) - 1 :])
        frontend = FRONTENDS.resolve(frontend)
        options: dict[str, Any] = {}
        if frontend.startswith("spectrogram") and settings.mel:
            options["mel"] = dict(settings.mel)
        if frontend == "spectrogram-musically-motivated" and settings.toeplitz:
            options["toeplitz"] = True
        if frontend == "waveform-sample-level" and settings.onednn:
            options["onednn"] = True
        model = build_tagger(
            frontend,
            backend,
            vocabulary,
            settings.segment_seconds,
            width=settings.width,
            sample_rate=sample_rate,
            head=head,
            dropout=settings.dropout,
            frontend_options=options,
        )
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = settings.norm_momentum
    return model


def share_norms(model: nn.Module) -> None:
    """Let every batch normalisation see the batches of all processes as one; exact, on any device.

    ``torch.nn.SyncBatchNorm`` runs on GPUs only, and would undo the reshaping of ``SingleChannelBatchNorm``.
    """
    for module in model.modules():
        if getattr(module, "onednn", False):
            module.onednn = False  # whose batch normalisation knows of one process only
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            # on the instance, so that the names of weights stay what they are
            module.forward = functools.partial(_shared_norm, module, module.forward)


def _shared_norm(norm: nn.modules.batchnorm._BatchNorm, alone: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if not norm.training:
        return alone(x)
    values = (x[:, None] if isinstance(norm, SingleChannelBatchNorm) else x).float()  # [batch, channels, ...]
    axes = [0, *range(2, values.ndim)]
    shape = [1, -1] + [1] * (values.ndim - 2)
    all_reduce = torch.distributed.nn.functional.all_reduce
    count = all_reduce(values.new_tensor(values.numel() / values.shape[1]))
    mean = all_reduce(values.sum(axes)) / count
    centred = values - mean.view(shape)
    variance = all_reduce(centred.square().sum(axes)) / count
    with torch.no_grad():
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
    y = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y.reshape(x.shape).to(x.dtype)
