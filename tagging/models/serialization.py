"""One file per tagger: weights, configuration, tags and card. Nothing in it is executed.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, TaggingError
from ..utils.files import atomic_write

FORMAT = "tagging/1"


def write_tagger(
    path: str | os.PathLike[str], description: Mapping[str, Any], weights: Mapping[str, Tensor], half: bool = False
) -> Path:
    """Write a ``.safetensors`` file atomically; see :meth:`tagging.models.tagger.Tagger.save`.

    Args:
        path: of the file.
        description: ``config``, ``tags`` and ``card``, as plain data for JSON.
        weights: the ``state_dict``.
        half: store filters and matrices in half precision.
    """
    from safetensors.torch import save

    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    if half:
        tensors = {name: _half(name, tensor) for name, tensor in tensors.items()}
    with atomic_write(path) as part:
        part.write_bytes(save(tensors, metadata={"tagging": json.dumps({"format": FORMAT, **description})}))
    return path


def _half(name: str, tensor: Tensor) -> Tensor:
    """A filter or a matrix in half precision; biases and statistics, which are few and span many magnitudes, as they are."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    if (tensor.abs() > torch.finfo(torch.float16).max).any():
        raise TaggingError(f"{name} has weights above 65504, the maximum of half precision: save with half=False")
    return tensor.half()


def read_tagger(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`write_tagger` wrote: the description and the weights.

    Raises:
        CheckpointError: no such file, another kind of file, a damaged one, or one of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib raises for a name that is too long)
        raise CheckpointError(f"{path}: no such file; give the path of a tagger saved with .save()")
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["tagging"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch or save it again") from error
    except (KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path}: a safetensors file, but not of a tagger: it lacks the description that .save() writes"
        ) from error
    version = description.get("format") if isinstance(description, dict) else None
    if version != FORMAT:
        raise CheckpointError(f"{path}: format {version!r}, this version reads {FORMAT!r}; update the package")
    return description, weights
