"""Provenance of a result: versions, commit, command, processor, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchaudio", "numpy", "accelerate", "numba", "scikit-learn", "librosa")


def environment_info(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Versions of Python and of the installed packages, the commit of the code, and the date.

    Args:
        packages: distribution names; those that are not installed are left out.
    """
    versions = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"versions": versions, "commit": commit(), "date": datetime.datetime.now(datetime.UTC).date().isoformat()}


def cpu_name() -> str:
    """The model name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "CPU"
    )


def cpu() -> str:
    """Processor, number of cores, and the load of the machine where it is known."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cpu_name()}, {os.cpu_count()} cores{load}"


# `python -m tagging.cli` is the command `tagging`
COMMAND = ("tagging.cli", "tagging.cli.__main__")


def command_line(function: str) -> str:
    """The command that runs this process, as a user would type it, without the path of the interpreter or of the script.

    Args:
        function: what was called, such as ``"tagging.train"``: named where there is no command, in a notebook or a prompt.
    """
    main = sys.modules.get("__main__")
    script = Path(sys.argv[0]) if sys.argv else Path()
    if "ipykernel" in script.parts[-1:] + script.parent.parts[-1:] or script.stem == "ipykernel_launcher":
        return f"{function} in a notebook"
    if hasattr(sys, "ps1") or script.name in ("", "-c", "-"):
        return f"{function} in Python"
    module = getattr(getattr(main, "__spec__", None), "name", None)
    if module in COMMAND:
        command = ["tagging"]
    elif module:
        command = ["python", "-m", module.removesuffix(".__main__")]
    elif script.suffix == ".py":
        command = ["python", str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else script.name]
    else:
        command = [script.name]
    return shlex.join([*command, *sys.argv[1:]])


def commit() -> str:
    """The commit the package runs from, marked if Python files have changed since.

    Outside a checkout of the package, also where an installed copy lies in the repository of somebody's own project: the
    environment variable ``TAGGING_COMMIT``, or else the version.
    """
    from ..version import __version__

    root = Path(__file__).parents[2]
    # a variable such as GIT_DIR, which hooks of git set, would name another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        try:
            result = subprocess.run(
                ["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
            )
        except OSError:
            return ""
        return result.stdout.strip()

    head = git("rev-parse", "HEAD") if (root / ".git").exists() and _is_checkout(root) else ""
    if not head:
        return os.environ.get("TAGGING_COMMIT") or f"version {__version__}"
    changed = git("status", "--porcelain", "--", "*.py")
    return head + (" and changes" if changed else "")


def _is_checkout(root: Path) -> bool:
    """Whether a folder is this project's own, not one that the package has been installed into."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == "music-tagging-at-scale"
