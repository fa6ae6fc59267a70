"""A run lives in one folder, which says what it is: no other run, and no process with another copy of it, may go on there.

Book: ``book/recipe``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..errors import ConfigError
from ..utils.files import atomic_write
from ..utils.legacy import LEGACY_DEFAULTS
from .settings import Settings


def create_run_dir(folder: Path, settings: Settings) -> None:
    """Write the settings into a new folder.

    Raises:
        ConfigError: the folder holds a run with other settings.
    """
    check_same_run(folder, settings)
    if not (path := folder / "settings.json").exists():
        with atomic_write(path) as part:
            part.write_text(json.dumps(settings.to_dict(), indent=1) + "\n", encoding="utf-8")


def check_same_run(folder: Path, settings: Settings) -> None:
    """Check that a folder is new, or holds this very run.

    Raises:
        ConfigError: it holds a run with other settings.
    """
    path = folder / "settings.json"
    if not path.exists():
        return
    try:
        there = LEGACY_DEFAULTS | json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: damaged ({error}); choose another folder, or remove this one") from error
    # how many processes make the clips changes nothing about the run
    for name, wanted in settings.to_dict().items():
        if name != "workers" and there.get(name) != wanted:
            raise ConfigError(
                f"{folder} holds a run with other settings ({name}: {there.get(name)} there, {wanted} here); "
                "choose another folder, or remove this one"
            )


def check_same_checkpoint(folder: Path, done: int, accelerator: Any) -> None:
    """Check that all processes of a run found the same state in its folder.

    Args:
        folder: of the run.
        done: after which update this process would go on.
        engine: of the run.

    Raises:
        ConfigError: they would go on from different updates, as machines do that do not share the folder.
    """
    places = accelerator.gather(torch.tensor([done], device=accelerator.device)).tolist()
    if len(set(places)) > 1:
        raise ConfigError(
            f"{folder}: the processes of this run would go on after updates {', '.join(map(str, places))}; all machines "
            "need one shared folder, or a copy of its newest state"
        )
