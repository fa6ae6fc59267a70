"""Run records: one JSON file a run or measurement, with what is needed to judge and repeat it.

The records that the book quotes ship with the package, in ``tagging/runs``. Book: ``book/results``.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .cache import atomic_write
from .errors import TaggingError

_NUMBERS = re.compile(r"\[(?:\s*(?:-?[\d.]+(?:e[-+]?\d+)?|null),?)+\s*\]")
SHIPPED = Path(__file__).parent / "runs"
# Settings that came later than the first records, as these, which do not name them, were made.
BEFORE = {"loss": "plain", "onednn": False, "trees": {}}
PACKAGES = ("torch", "torchaudio", "numpy", "accelerate", "numba", "scikit-learn", "librosa")


def circumstances(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
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
    from . import __version__

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


def write_record(path: Path, record: dict[str, Any]) -> Path:
    """Write a record, whole or not at all."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    # a list of numbers on one line: a thousand resamples should not take a thousand lines
    text = _NUMBERS.sub(lambda match: " ".join(match[0].split()), text)
    with atomic_write(path) as part:
        part.write_text(text + "\n", encoding="utf-8")
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        TaggingError: no such file, or not a record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaggingError(f"{path}: not a run record ({error})") from error
    if not isinstance(record, dict) or "date" not in record:
        raise TaggingError(f"{path}: not a run record: it has no date")
    return record


def training_records(folders: Iterable[Path] | None = None) -> list[dict[str, Any]]:
    """All records of training runs in some folders, by default those that ship with the package; sorted by name.

    A file that cannot be read is left out with a warning that names it.
    """
    paths = [path for folder in folders or [SHIPPED] for path in sorted(Path(folder).rglob("*.json"))]
    records = []
    for path in paths:
        try:
            record = read_record(path)
        except TaggingError as error:
            if error.__cause__:  # else it is sound, but no record: settings and other files of a run's folder
                warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        if record.get("kind") == "training":
            records.append(record)
    return sorted(records, key=lambda record: record["name"])
