"""Limits on what the file of a tagger, which may come from a stranger, makes a computer do.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..errors import ConfigError
from .frontends.spectrogram import SpectrogramFrontend

if TYPE_CHECKING:
    from .tagger import Tagger

SPARE_NUMBERS = 2**22  # for what is computed and not stored, such as mel filters
# Numbers in one feature map of one segment: 1 GiB. The largest of the paper's models at 15 s has 27 million.
MAX_MAP = 2**28
# Segments, maps and spectrograms below these are an order of magnitude from MAX_MAP in any layer; the paper's at 15 s are 240
# thousand samples, 630 thousand numbers of a map, 90 thousand of a spectrogram.
USUAL_SAMPLES, USUAL_MAP, USUAL_SPECTROGRAM = 2**21, 2**22, 2**20
STORED_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_FACTORIES = (torch.empty, torch.zeros, torch.ones)


class AllocationLimit(TorchFunctionMode):
    """Context manager: layers that are built in it may have so many numbers, counted before memory is allocated.

    PyTorch's meta device would need no memory at all, but what it imports takes seconds.

    Args:
        weights: of the file that describes the layers.

    Raises:
        ConfigError: more numbers than twice those of the weights.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.numbers = sum(tensor.numel() for tensor in weights.values())
        self.left = 2 * self.numbers + SPARE_NUMBERS

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _FACTORIES:
            size = args[0] if len(args) == 1 else args or kwargs.get("size", ())
            self.left -= math.prod(size) if isinstance(size, tuple | list) else size
        elif func is torch.Tensor.clone:  # repeated layers are copies
            self.left -= args[0].numel()
        if self.left < 0:
            raise ConfigError(f"size mismatch: its layers have more weights than the {self.numbers:,} in the file")
        return func(*args, **kwargs)


class _MapLimit(TorchDispatchMode):
    """Refuses an operation whose result is larger than any feature map should be."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.numel() > MAX_MAP:
                raise ConfigError(
                    f"one segment needs a feature map of {tuple(tensor.shape)}, {4 * tensor.numel() / 2**30:.1f} GiB: "
                    "shorten the segments"
                )
        return result


def check_maps(tagger: Tagger) -> None:
    """Raise ConfigError if a segment is too large to compute; unusual sizes are tried on the meta device, by shapes alone."""
    frontend, samples = tagger.frontend, tagger.segment_samples
    mel = frontend.log_mel.spec if isinstance(frontend, SpectrogramFrontend) else None
    if (
        samples <= USUAL_SAMPLES
        and frontend.num_frames(samples) * frontend.out_channels <= USUAL_MAP
        and (mel is None or mel.num_frames(samples) * mel.n_mels <= USUAL_SPECTROGRAM)
    ):
        return
    with torch.inference_mode(), _MapLimit():
        copy.deepcopy(frontend).to("meta").eval()(torch.empty(1, samples, device="meta", dtype=torch.float32))


def check_weights(tagger: Tagger, weights: Mapping[str, Tensor]) -> None:
    """Raise ConfigError unless names, shapes and kinds of numbers of weights are those of a tagger."""
    state = tagger.state_dict()
    for one, other, what in ((state, weights, "no weights for"), (weights, state, "weights left over:")):
        if names := sorted(one.keys() - other.keys()):
            raise ConfigError(f"{what} {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
    for name, tensor in state.items():
        stored = weights[name]
        if stored.shape != tensor.shape:
            raise ConfigError(
                f"size mismatch for {name}: {tuple(stored.shape)} where {tuple(tensor.shape)} is expected"
            )
        if stored.dtype not in (STORED_TYPES if tensor.is_floating_point() else (tensor.dtype,)):
            raise ConfigError(f"{name} is stored as {stored.dtype} where {tensor.dtype} is expected")


def check_numbers(tagger: Tagger) -> None:
    """Raise ConfigError if a weight or a running statistic is no number that a network can compute with."""
    for name, tensor in tagger.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ConfigError(f"NaN or infinite weights in {name}")
        if name.endswith("running_var") and (tensor < 0).any():
            raise ConfigError(f"a negative variance in {name}")
