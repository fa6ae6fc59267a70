"""Run directory: holds a run's settings, and refuses another run, or processes that see different checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from accelerate import Accelerator

from ..errors import ConfigError
from ..utils.files import DamagedError, atomic_write, read_json
from .records import model_folder
from .settings import Settings, flat


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
        ConfigError: it holds a run with other settings (the number of workers does not count), or a file where the results
            of a model are to be.
    """
    for results in (model_folder(folder, model) for model in settings.models):
        if results.exists() and not results.is_dir():
            raise ConfigError(
                f"{results} is a file, in the place of the results of a model: remove it, or choose another folder"
            )
    path = folder / "settings.json"
    if not path.exists():
        return
    try:
        values = read_json(path)
        if not isinstance(values, dict):
            raise DamagedError(path, "it holds no settings")
        existing = flat(Settings.from_dict(values))
    except DamagedError as error:
        raise ConfigError(f"{error}; choose another folder, or remove this one") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a ConfigError, too
        raise ConfigError(f"{path}: damaged ({error}); choose another folder, or remove this one") from error
    for name, value in flat(settings).items():
        if name != "runtime.num_workers" and value != existing[name]:
            raise ConfigError(
                f"{folder} holds a run with other settings ({name}: {existing[name]} in the folder, {value} here); "
                "choose another folder, or remove this one"
            )


def check_same_checkpoint(folder: Path, step: int, accelerator: Accelerator) -> None:
    """Check that all processes of a run see the same checkpoint.

    Args:
        folder: of the run.
        step: after which this process would resume.
        accelerator: of the run.

    Raises:
        ConfigError: they would resume after different steps, as machines do that do not share the folder.
    """
    steps = accelerator.gather(torch.tensor([step], device=accelerator.device)).tolist()
    if len(set(steps)) > 1:
        raise ConfigError(
            f"{folder}: the processes of this run would resume after steps {', '.join(map(str, steps))}; all machines need one "
            "shared folder, or a copy of its newest checkpoint"
        )
