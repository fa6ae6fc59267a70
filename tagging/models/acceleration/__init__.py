"""Faster versions of modules, with results that differ by rounding only.

Each replaces modules of a model that exists: :mod:`.fusion` for inference, :mod:`.toeplitz` and :mod:`.onednn` for training
on a CPU. Front-ends know nothing of them. Book: ``book/recipe``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from .onednn import with_onednn
from .toeplitz import with_toeplitz

M = TypeVar("M", bound=nn.Module)


def replace_modules(module: M, replace: Callable[[nn.Module], nn.Module]) -> M:
    """Give each submodule, innermost first, and the module itself to ``replace``, and put in its place what that returns."""
    for name, child in module.named_children():
        setattr(module, name, replace_modules(child, replace))
    return replace(module)  # type: ignore[return-value]  # what replaces a module can do what it does


def accelerate_cpu_training(model: M) -> M:
    """Speed up training on a CPU, in place: timbral filters as Toeplitz matrices, the sample-level front-end in oneDNN's layout.

    Parameters, names of weights, configuration and evaluation mode stay what they are, so a saved tagger does not show it.
    In evaluation mode the plain forms are computed. In training mode the Toeplitz matrices always are; oneDNN's layout only where
    it applies: in single precision, on a CPU, without autocast, and without hooks on the layers.

    Args:
        model: a tagger, or any model; other modules are left as they are.

    Returns:
        The same model.
    """
    return replace_modules(model, lambda module: with_onednn(with_toeplitz(module)))
