"""One file per tagger: weights, configuration, tags and card. Nothing in it is executed.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckpointError, ConfigError, TaggingError
from ..utils.files import atomic_write
from .config import Description, parse_description

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "tagging/1"


def write_tagger(
    path: str | os.PathLike[str], description: Mapping[str, Any], weights: Mapping[str, Any], half: bool = False
) -> Path:
    """Write a ``.safetensors`` file atomically; see :meth:`tagging.models.tagger.Tagger.save`.

    Args:
        path: of the file.
        description: ``config``, ``tags`` and ``card``, as plain data for JSON.
        weights: the ``state_dict``, or the same as NumPy's arrays, which needs no PyTorch.
        half: store filters and matrices in half precision.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    try:
        text = json.dumps({"format": FORMAT, **description})
        parse_description(text)  # what is written can be read
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: the tagger's card cannot be saved ({error}); give plain numbers, strings, lists and mappings"
        ) from error
    if all(isinstance(tensor, np.ndarray) for tensor in weights.values()):
        from safetensors.numpy import save

        tensors = dict(weights)
    else:
        from safetensors.torch import save  # type: ignore[assignment]

        tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    if half:
        tensors = {name: _half(name, tensor) for name, tensor in tensors.items()}
    with atomic_write(path) as part:
        part.write_bytes(save(tensors, metadata={"tagging": signed(text, tensors)}))
    return path


def signed(text: str, weights: Mapping[str, Any]) -> str:
    """A description, as JSON, with a digest of itself and the weights as its last entry.

    Inside the description, because safetensors writes several entries of its own in any order.
    """
    return f'{text[:-1]}, "sha256": "{digest(text, weights)}"}}'


def digest(text: str, weights: Mapping[str, Any]) -> str:
    """SHA-256 over a description and the names, types, shapes and numbers of all weights, in hexadecimal.

    The same for PyTorch's tensors and NumPy's arrays.
    """
    sha256 = hashlib.sha256(text.encode())
    for name, tensor in sorted(weights.items()):
        kind = str(tensor.dtype)
        sha256.update(f"{name} {kind if '.' in kind else f'torch.{kind}'} {tuple(tensor.shape)}".encode())
        sha256.update(_numbers(tensor).data)
    return sha256.hexdigest()


def _numbers(tensor: Any) -> np.ndarray:
    """The bytes of a tensor or an array, uint8 [bytes]."""
    if isinstance(tensor, np.ndarray):
        return np.ascontiguousarray(tensor).reshape(-1).view(np.uint8)
    import torch

    return tensor.cpu().contiguous().flatten().view(torch.uint8).numpy()


def _half(name: str, tensor: Tensor) -> Tensor:
    """A filter or a matrix in half precision; biases and statistics, which are few and span many magnitudes, as they are."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    if (tensor.abs() > np.finfo(np.float16).max).any():
        raise TaggingError(f"{name} has weights above 65504, the maximum of half precision: save with half=False")
    return tensor.half()


def read_tagger(path: str | os.PathLike[str]) -> tuple[Description, dict[str, Tensor]]:
    """Read what :func:`write_tagger` wrote: the description and the weights.

    Raises:
        CheckpointError: no such file, another kind of file, a damaged one, or one of a newer version.
    """
    return _read(path, "pt")


def read_arrays(path: str | os.PathLike[str]) -> tuple[Description, dict[str, np.ndarray]]:
    """The same with NumPy's arrays, without PyTorch.

    Raises:
        CheckpointError: as :func:`read_tagger`.
    """
    return _read(path, "np")


def read_description(path: str | os.PathLike[str]) -> Description:
    """The description alone; the weights are not read, and their digest is not compared.

    Raises:
        CheckpointError: as :func:`read_tagger`.
    """
    return _read(path, None)[0]


def _read(path: str | os.PathLike[str], framework: str | None) -> tuple[Description, dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib raises for a name that is too long)
        raise CheckpointError(f"{path}: no such file; give the path of a tagger saved with .save()")
    try:
        with safe_open(path, framework=framework or "np") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()} if framework else {}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: a type that NumPy does not have
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
    if framework and description.sha256 is not None:
        unsigned = text[: text.rfind(', "sha256": ')] + "}"
        if signed(unsigned, weights) != text:
            raise CheckpointError(f"{path}: damaged: its contents do not have its SHA-256; fetch or save it again")
    if description.format != FORMAT:
        raise CheckpointError(
            f"{path}: format {description.format!r}, this version reads {FORMAT!r}; update the package"
        )
    return description, weights
