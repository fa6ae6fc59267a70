"""Running statistics of batch normalisation: their momentum, and their recomputation after a short training.

Book: ``book/recipe``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .base import check_waveform, modes_restored


def _norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def has_statistics(model: nn.Module) -> bool:
    """Whether a model has batch normalisation."""
    return bool(_norms(model))


def set_momentum(model: nn.Module, momentum: float) -> None:
    """Set the momentum of the running statistics of every batch normalisation of a model."""
    for norm in _norms(model):
        norm.momentum = momentum


def renormalise(tagger: nn.Module, batches: Iterable[Tensor], *, parts: Iterable[nn.Module] | None = None) -> None:
    """Recompute the running means and variances of batch normalisation, as averages over batches, in place.

    With a momentum of m the running statistics need some 1/m training steps to follow the weights; after a short training
    they lag behind, and the scores in evaluation mode are wrong. Dropout is off, gradients are not computed, and training
    or evaluation mode of every module is as before.

    Args:
        tagger: any model that takes a batch of waveforms.
        batches: float32 [batch, samples] each, of at least 2 training waveforms; some hundreds of waveforms in all suffice.
        parts: parts of the tagger whose statistics are recomputed, such as ``[tagger.backend]``; None is all of it.

    Raises:
        ConfigError: no batches, one that is no tensor of floats [batch, samples], a batch of one waveform, or samples that
            are not finite. The statistics are then as before.

    Book: ``book/recipe``.
    """
    norms = _norms(tagger) if parts is None else [norm for part in parts for norm in _norms(part)]
    before = [(copy.deepcopy(norm.state_dict()), norm.momentum) for norm in norms]
    count = 0
    try:
        with modes_restored(tagger), torch.no_grad():
            tagger.eval()
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # PyTorch's cumulative average
                norm.train()
            for count, batch in enumerate(batches, start=1):
                try:
                    check_waveform(batch)
                except ConfigError as error:
                    raise ConfigError(f"batch {count}: {error}") from error
                if len(batch) < 2:
                    raise ConfigError(f"batch {count} has {len(batch)} waveforms: batch normalisation needs at least 2")
                if not batch.isfinite().all():
                    raise ConfigError(f"batch {count} holds NaN or infinite samples")
                tagger(batch)
        if not count:
            raise ConfigError("no batches: running statistics need at least one batch of waveforms")
    except BaseException:
        for norm, (state, _) in zip(norms, before, strict=True):
            norm.load_state_dict(state)
        raise
    finally:
        for norm, (_, momentum) in zip(norms, before, strict=True):
            norm.momentum = momentum
