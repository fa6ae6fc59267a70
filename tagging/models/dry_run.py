"""A tagger without memory: built and run on PyTorch's meta device, where tensors have shapes and no numbers.

So a description from a stranger is compared with its weights, and the size of a segment's maps is known, before anything is
allocated. Book: ``book/putting_together``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..errors import ConfigError

if TYPE_CHECKING:
    from .tagger import Tagger

# Numbers in one feature map of one segment: 1 GiB. The largest of the paper's models at 15 s has 27 million.
MAX_MAP = 2**28
STORED_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


class _BoundedMaps(TorchDispatchMode):
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


def check_shapes(build: Callable[[], Tagger], weights: Mapping[str, Tensor]) -> None:
    """Check that a tagger has the shapes of given weights, and can take a segment.

    Args:
        build: makes the tagger.
        weights: by the names of its ``state_dict``.

    Raises:
        ConfigError: weights that are missing, left over, or of another shape; or segments too large for a computer.
    """
    with torch.device("meta"):
        tagger = build()
    tagger = tagger.to("meta").eval()  # what was made from NumPy arrays is not there yet
    check_weights(tagger, weights)
    with torch.device("meta"), torch.inference_mode(), _BoundedMaps():
        output = tagger.frontend(torch.empty(1, tagger.segment_samples, dtype=torch.float32))
    expected = (1, tagger.frontend.out_channels, tagger.frontend.num_frames(tagger.segment_samples))
    if tuple(output.shape) != expected:
        raise ConfigError(f"the front-end makes a map of {tuple(output.shape)} where {expected} is expected")


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
