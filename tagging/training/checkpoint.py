"""Checkpoints: the complete state needed to resume a run exactly, written atomically and verified on load.

Weights, optimizer and progress of all models of a run are one ``.safetensors`` file, named by its step. The two newest are kept:
where the last is damaged, the one before it is used. Nothing in them is code.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import CheckpointError
from ..utils.files import atomic_write
from ..utils.legacy import current_checkpoint, current_state

NUM_KEPT = 2


class Checkpoint(NamedTuple):
    """What a run resumes from.

    Attributes:
        tensors: name -> tensor.
        progress: plain data, as :func:`save_checkpoint` was given.
        remarks: one sentence for each damaged file that was skipped.
    """

    tensors: dict[str, Tensor]
    progress: dict[str, Any]
    remarks: list[str]


def save_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], progress: dict[str, Any]) -> Path:
    """Write the state after ``step`` steps, and remove all but the two newest files. One process at a time may do so.

    Files of later steps are removed: a run that arrives here again has skipped them, since they were damaged.

    Raises:
        TaggingError: it cannot be written; existing files are left as they are.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(progress)
    path = folder / f"state-{step:08d}.safetensors"
    for left_over in folder.glob(".state-*.part"):  # of an earlier version that died while it wrote
        left_over.unlink(missing_ok=True)
    with atomic_write(path) as part:
        part.write_bytes(save(tensors, metadata={"about": text, "digest": _digest(tensors, text)}))
    files = _files(folder)
    newest = files.index(path)
    for other in (*files[:newest], *files[newest + NUM_KEPT :]):
        other.unlink(missing_ok=True)
    return path


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest file that can be read; None where there is no file.

    Raises:
        CheckpointError: there are files, and all are damaged.
    """
    remarks = []
    for path in _files(folder):
        try:
            tensors, progress = _read(path)
        except CheckpointError as error:
            remarks.append(str(error))
        else:
            return Checkpoint(tensors, progress, remarks)
    if remarks:
        raise CheckpointError(f"{remarks[0]}; there is no older one: remove {folder} and start again")
    return None


def _files(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("state-*.safetensors"), reverse=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: damaged (it is not a regular file)")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        if metadata["digest"] != _digest(tensors, metadata["about"]):
            raise CheckpointError(f"{path}: damaged (its contents differ from their checksum)")
        progress = json.loads(metadata["about"])
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged or half-written ({error})") from error
    return current_state(tensors), current_checkpoint(progress) if "history" in progress else progress


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def learner_tensors(name: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and optimizer of one model, under names that begin with the model's."""
    tensors = {f"{name}/model/{key}": tensor for key, tensor in model.state_dict().items()}
    for number, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"{name}/optimizer/{number}/{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    return tensors


def restore_learner(name: str, tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The inverse of :func:`learner_tensors`.

    Raises:
        CheckpointError: they are of another model.
    """
    of_model = {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}
    weights = {key.removeprefix("model/"): tensor for key, tensor in of_model.items() if key.startswith("model/")}
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in of_model.items():
        if match := re.fullmatch(r"optimizer/(\d+)/(.+)", key):
            # a copy: the optimizer would continue in these very tensors
            slots.setdefault(int(match[1]), {})[match[2]] = tensor.clone()
    try:
        model.load_state_dict(weights)
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"the saved state of {name} is of another model ({error})") from error
