"""Provenance of a result: versions, commit, processor, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
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


def commit() -> str:
    """The commit the package runs from, marked if Python files have changed since.

    Outside a checkout: the environment variable ``TAGGING_COMMIT``, or else the version.
    """
    from ..version import __version__

    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        try:
            result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return result.stdout.strip()

    if not (head := git("rev-parse", "HEAD")):
        return os.environ.get("TAGGING_COMMIT") or f"version {__version__}"
    changed = git("status", "--porcelain", "--", "*.py")
    return head + (" and changes" if changed else "")
