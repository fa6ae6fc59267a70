"""``tagging info``: what a report of a problem must say about the installation. Book: ``book/extend``."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from ..errors import TaggingError
from .base import OK, Run, command
from .plugins import PLUGINS
from .terminal import show

PACKAGES = (
    *(
        "numpy",
        "torch",
        "torchaudio",
        "onnxruntime",
        "safetensors",
        "av",
        "soundfile",
        "soxr",
        "accelerate",
        "librosa",
        "scikit-learn",
    ),
    *("music21", "symusic", "verovio", "numba", "tinysoundfont", "jupyter-book"),
)


@command("info", help="versions, processor, cache and plugins, for a report of a problem")
def info(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging info``: it has none."""
    return _info


def _info(options: argparse.Namespace) -> int:
    for name, value in describe_installation().items():
        show(f"{name:<13} {value}")
    return OK


def describe_installation() -> dict[str, str]:
    """Name -> value of each fact that ``tagging info`` prints."""
    from ..utils.provenance import cpu, environment_info
    from ..version import __version__

    environment = environment_info(PACKAGES)
    versions = environment["versions"]
    return {
        "tagging": f"{__version__}, {environment['commit']}",
        "python": f"{versions.pop('python')}, {platform.platform()}",
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "processor": cpu(),
        **_torch(),
        "cache": _cache(),
        "plugins": ", ".join(PLUGINS) or "none",
    }


def _torch() -> dict[str, str]:
    try:
        import torch
    except ModuleNotFoundError:
        return {"torch": "not installed"}
    accelerators = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "accelerators": ", ".join(accelerators) or "none",
        "torch": f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
    }


def _cache() -> str:
    from ..utils.files import cache_dir

    try:
        folder = cache_dir()
    except TaggingError as error:
        return str(error)
    size = sum(_size(Path(path, name)) for path, _, names in os.walk(folder) for name in names)
    return f"{folder} ({size / 1e6:,.0f} MB)"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # removed by another process since the folder was listed
