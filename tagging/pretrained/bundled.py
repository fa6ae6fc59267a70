"""Taggers of this book's own making: quarter-width models, trained on synthesized clips of scores. They ship with the package.

Book: ``book/scales``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

_FOLDER = Path(__file__).parent / "weights"


def list_bundled() -> list[str]:
    """Names of the taggers that were trained with this package. Book: ``book/scales``."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def bundled_path(name: str) -> Path:
    """Where the weights of one of :func:`list_bundled` are. Book: ``book/scales``."""
    return _FOLDER / f"{name}.safetensors"


def bundled_card(name: str) -> dict[str, Any]:
    """What the file says of itself, without reading the weights.

    Raises:
        CheckpointError: the file is damaged.

    Book: ``book/scales``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(bundled_path(name), framework="numpy") as file:
            about = json.loads((file.metadata() or {})["tagging"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{bundled_path(name)}: damaged ({error}); install the package again") from error
    return {"name": name, **about["card"], "tags": [tag["name"] for tag in about["tags"]]}
