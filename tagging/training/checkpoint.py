"""Everything a killed run needs to go on as if nothing had happened, in files that are whole or not used.

Weights, optimizer and progress of all models of a run are one ``.safetensors`` file, named by its update. The two newest
are kept: where the last was damaged, the one before it serves. Nothing in them is code. Book: ``book/recipe``.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..utils.files import atomic_write

KEPT = 2


def save_state(folder: Path, update: int, tensors: dict[str, Tensor], about: dict[str, Any]) -> Path:
    """Write the state after ``update`` updates, and remove all but the two newest. One process at a time may do so.

    States of later updates are removed: a run that comes to this one has passed over them, since they were damaged.

    Raises:
        TaggingError: it cannot be written; what was there before is untouched.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(about)
    path = folder / f"state-{update:08d}.safetensors"
    for left_over in folder.glob(".state-*.part"):  # of a process that died as it wrote
        left_over.unlink(missing_ok=True)
    with atomic_write(path) as part:
        part.write_bytes(save(tensors, metadata={"about": text, "digest": _digest(tensors, text)}))
    states = _states(folder)
    newest = states.index(path)
    for other in (*states[:newest], *states[newest + KEPT :]):
        other.unlink(missing_ok=True)
    return path


def newest_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[str]] | None:
    """Tensors, progress, and a remark on each damaged file that was passed over; None where there is no state.

    Raises:
        CheckpointError: there are some, and all are damaged.
    """
    remarks = []
    for path in _states(folder):
        try:
            tensors, about = _read(path)
        except CheckpointError as error:
            remarks.append(str(error))
        else:
            return tensors, about, remarks
    if remarks:
        raise CheckpointError(f"{remarks[0]}; there is no older one: remove {folder} and start again")
    return None


def _states(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("state-*.safetensors"), reverse=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        if metadata["digest"] != _digest(tensors, metadata["about"]):
            raise CheckpointError(f"{path}: damaged (its contents differ from their checksum)")
        return tensors, json.loads(metadata["about"])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: damaged or half-written ({error})") from error


def _digest(tensors: dict[str, Tensor], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def learner_tensors(name: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and optimizer of one model, under names of its own."""
    tensors = {f"{name}/model/{key}": tensor for key, tensor in model.state_dict().items()}
    for number, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"{name}/optimizer/{number}/{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    return tensors


def restore_learner(name: str, tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The inverse of :func:`learner_tensors`.

    Raises:
        CheckpointError: they are of another model.
    """
    own = {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}
    weights = {key.removeprefix("model/"): tensor for key, tensor in own.items() if key.startswith("model/")}
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in own.items():
        if match := re.fullmatch(r"optimizer/(\d+)/(.+)", key):
            # a copy: the optimizer would go on in these very tensors
            slots.setdefault(int(match[1]), {})[match[2]] = tensor.clone()
    try:
        model.load_state_dict(weights)
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"the saved state of {name} is of another model ({error})") from error
