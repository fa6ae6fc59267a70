"""Paths as users type them: patterns that the shell left alone, taggers by folder, outputs that are checked before the work."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import AudioError, ConfigError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def sound_files(arguments: Iterable[str]) -> list[str]:
    """The files that arguments stand for: a pattern that the shell did not expand, as on Windows, becomes its matches.

    A name that exists is never taken for a pattern, and a pattern without a match stays, to be explained as a file.
    """
    files: list[str] = []
    for argument in arguments:
        pattern = os.path.expanduser(argument)  # noqa: PTH111 - unlike pathlib, it leaves ~ of nobody alone
        is_pattern = glob.has_magic(argument) and not os.path.lexists(argument)
        files += (sorted(glob.glob(pattern, recursive=True)) if is_pattern else []) or [argument]  # noqa: PTH207
    return files


def check_sound_file(path: str) -> None:
    """Raise AudioError for what is no path of a file but looks like one: an address, a pattern without a match."""
    if os.path.lexists(path):
        return
    if _URL.match(path):
        raise AudioError(f"{path}: an address, not a file; download it first, e.g. curl -LO {path}")
    if glob.has_magic(path):
        raise AudioError(f"{path}: no file has this name or matches this pattern; check the folder you are in")


def tagger_path(name: str) -> str:
    """What :func:`tagging.load_tagger` takes for a tagger on the command line, which may be the folder of a trained model.

    Raises:
        ConfigError: a path that does not exist, or a folder without a tagger; the message names the models of a run.
    """
    if name.startswith("hf:"):
        return name
    path = Path(os.path.expanduser(name))  # noqa: PTH111
    if path.is_dir():
        if (path / "tagger.safetensors").is_file():
            return str(path / "tagger.safetensors")
        models = sorted(str(model.parent) for model in path.glob("*/tagger.safetensors"))
        hint = f"its models are {', '.join(models)}: name one of them" if models else "give RUN/MODEL of a finished run"
        if (path / "probe.npz").is_file():
            hint = "a probe is none: `tagging finetune MODEL --body frozen` trains one on the same features"
        raise ConfigError(f"{name}: a folder without tagger.safetensors; {hint}")
    # a name has no folders, not even the current one
    if {"/", os.sep} & set(name) and not path.exists():
        raise ConfigError(f"{name}: no such file or folder; `tagging list` shows the names of pretrained taggers")
    return name


def check_output_folder(option: str, folder: Path) -> Path:
    """The folder, in which files can be written once the work is done; it is not made before.

    Raises:
        ConfigError: it is a file, lies below a file, or may not be written to.
    """
    _check_folder(f"{option} {folder}", folder)
    return folder


def _check_folder(subject: str, folder: Path) -> None:
    existing = next(parent for parent in (folder, *folder.absolute().parents) if os.path.lexists(parent))
    if not existing.is_dir():
        raise ConfigError(f"{subject}: {existing} is a file, not a folder; choose another name")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{subject}: {existing} may not be written to; choose another folder")


def check_output_file(option: str, path: Path, suffixes: Iterable[str] = ()) -> Path:
    """The path of a file that can be written once the work is done.

    Raises:
        ConfigError: it is a folder, its folder cannot be used, or its name has none of the ``suffixes``.
    """
    suffixes = list(suffixes)
    if suffixes and path.suffix.lower() not in suffixes:
        others = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}" if suffixes[1:] else suffixes[0]
        raise ConfigError(f"{option} {path}: the name must end in {others}")
    if path.is_dir():
        raise ConfigError(f"{option} {path}: a folder; give the name of a file in it")
    _check_folder(f"{option} {path}", path.parent)
    return path
