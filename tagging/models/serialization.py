"""A tagger in one file that explains itself: weights, configuration, tags and card, and nothing that is run.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import CheckpointError, TaggingError
from ..utils.files import atomic_write

if TYPE_CHECKING:
    from .tagger import Tagger

FORMAT = "tagging/1"


def save_tagger(tagger: Tagger, path: str | os.PathLike[str], half: bool = False) -> Path:
    """Write a tagger to one ``.safetensors`` file, whole or not at all; see :meth:`tagging.models.tagger.Tagger.save`."""
    from safetensors.torch import save

    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    about = {
        "format": FORMAT,
        "config": asdict(tagger.config),
        "tags": tagger.vocabulary.to_list(),
        "card": tagger.card,
    }
    weights = {name: tensor.contiguous() for name, tensor in tagger.state_dict().items()}
    if half:
        weights = {name: _halved(name, tensor) for name, tensor in weights.items()}
    with atomic_write(path) as part:
        part.write_bytes(save(weights, metadata={"tagging": json.dumps(about)}))
    return path


def _halved(name: str, tensor: Tensor) -> Tensor:
    """A filter or a matrix in half precision; biases and statistics, which are few and span many sizes, as they are."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return tensor
    if (tensor.abs() > torch.finfo(torch.float16).max).any():
        raise TaggingError(
            f"{name} has weights beyond 65504, the largest number of half precision: save with half=False"
        )
    return tensor.half()


def read_tagger(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`save_tagger` wrote: a description with ``config``, ``tags`` and ``card``, and the weights.

    Raises:
        CheckpointError: no such file, not such a file, damaged, or made by a newer version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    if not os.path.isfile(path):  # noqa: PTH113  (pathlib raises for a name that is too long)
        raise CheckpointError(f"{path}: no such file; give the path of a tagger saved with .save()")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["tagging"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); fetch or save it again") from error
    except (KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path}: a safetensors file, but not of a tagger: it lacks the description .save() writes"
        ) from error
    kind = about.get("format") if isinstance(about, dict) else None
    if kind != FORMAT:
        raise CheckpointError(f"{path}: of format {kind!r}, this version reads {FORMAT!r}; update the package")
    return about, weights
