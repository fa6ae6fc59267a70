"""Run records: one JSON file a measurement, with what is needed to judge and repeat it."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import tagging
from tagging.cache import atomic_write

FOLDER = Path(tagging.__file__).parent / "runs"
PACKAGES = (
    "torch",
    "torchaudio",
    "numpy",
    "numba",
    "scikit-learn",
    "music21",
    "symusic",
    "verovio",
    "tinysoundfont",
    "pretty_midi",
)


def write(name: str, results: dict[str, Any], path: str | None = None) -> Path:
    """Write ``tagging/runs/<name>.json``, or ``path``, with command, device, versions, commit and date added."""
    record = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        **results,
        "device": f"{cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end",
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    target = Path(path) if path else FOLDER / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    with atomic_write(target) as part:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    print(f"record: {target.name}")
    return target


def cpu_name() -> str:
    """The processor, as it calls itself."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor() or "CPU"
    )


def commit() -> str:
    """The commit this ran from, marked where the code had changed since."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "../tagging/corpora", ".")
    return (git("rev-parse", "HEAD") or "unknown") + (" and changes" if changed else "")
