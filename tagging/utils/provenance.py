"""Where a result comes from: versions, commit, processor, date."""

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
    """Versions of Python and of installed packages, the commit of the code, the date."""
    versions = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not needed for what was run
    return {"versions": versions, "commit": commit(), "date": datetime.datetime.now(datetime.UTC).date().isoformat()}


def cpu_name() -> str:
    """The processor, as it calls itself."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "CPU"
    )


def cpu() -> str:
    """Processor, number of cores, and how busy the machine is."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cpu_name()}, {os.cpu_count()} cores{load}"


def commit() -> str:
    """The commit the package runs from, marked where its code had changed since.

    Outside of a checkout what ``TAGGING_COMMIT`` says, or else the version.
    """
    from .. import __version__

    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        try:
            result = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return result.stdout.strip()

    if not (head := git("rev-parse", "HEAD")):
        return os.environ.get("TAGGING_COMMIT") or f"version {__version__}"
    changed = git("status", "--porcelain", "--", "*.py")
    return head + (" and changes" if changed else "")
