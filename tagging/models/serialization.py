"""One file per tagger: weights, configuration, tags and card. Nothing in it is executed.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, ConfigError, TaggingError
from ..utils.files import atomic_write
from .config import Description, parse_description

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
    try:
        text = json.dumps({"format": FORMAT, **description})
        parse_description(text)  # what is written can be read
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: the tagger's card cannot be saved ({error}); give plain numbers, strings, lists and mappings"
        ) from error
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    if half:
        tensors = {name: _half(name, tensor) for name, tensor in tensors.items()}
    with atomic_write(path) as part:
        part.write_bytes(save(tensors, metadata={"tagging": signed(text, tensors)}))
    return path


def signed(text: str, weights: Mapping[str, Tensor]) -> str:
    """A description, as JSON, with a digest of itself and the weights as its last entry.

    Inside the description, because safetensors writes several entries of its own in any order.
    """
    return f'{text[:-1]}, "sha256": "{digest(text, weights)}"}}'


def digest(text: str, weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over a description and the names, types, shapes and numbers of all weights, in hexadecimal."""
    sha256 = hashlib.sha256(text.encode())
    for name, tensor in sorted(weights.items()):
        sha256.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        numbers = tensor.cpu().contiguous().flatten().view(torch.uint8).numpy()
        sha256.update(numbers.data)
    return sha256.hexdigest()


def _half(name: str, tensor: Tensor) -> Tensor:
    """A filter or a matrix in half precision; biases and statistics, which are few and span many magnitudes, as they are."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    if (tensor.abs() > torch.finfo(torch.float16).max).any():
        raise TaggingError(f"{name} has weights above 65504, the maximum of half precision: save with half=False")
    return tensor.half()


def read_tagger(path: str | os.PathLike[str]) -> tuple[Description, dict[str, Tensor]]:
    """Read what :func:`write_tagger` wrote: the description and the weights.

    Raises:
        CheckpointError: no such file, another kind of file, a damaged one, or one of a newer version.
    """
    return _read(path, with_weights=True)


def read_description(path: str | os.PathLike[str]) -> Description:
    """The description alone; the weights are not read, and their digest is not compared.

    Raises:
        CheckpointError: as :func:`read_tagger`.
    """
    return _read(path, with_weights=False)[0]


def _read(path: str | os.PathLike[str], with_weights: bool) -> tuple[Description, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib raises for a name that is too long)
        raise CheckpointError(f"{path}: no such file; give the path of a tagger saved with .save()")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()} if with_weights else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch or save it again") from error
    if "tagging" not in metadata:
        raise CheckpointError(
            f"{path}: a safetensors file, but not of a tagger: it lacks the description that .save() writes"
        )
    text = metadata["tagging"]
    try:
        description = parse_description(text)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its description cannot be read ({error}); fetch or save it again") from error
    # files of earlier versions have no digest
    if with_weights and description.sha256 is not None:
        unsigned = text[: text.rfind(', "sha256": ')] + "}"
        if signed(unsigned, weights) != text:
            raise CheckpointError(f"{path}: damaged: its contents do not have its SHA-256; fetch or save it again")
    if description.format != FORMAT:
        raise CheckpointError(
            f"{path}: format {description.format!r}, this version reads {FORMAT!r}; update the package"
        )
    return description, weights
