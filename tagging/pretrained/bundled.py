"""Taggers trained with this package: quarter-width models, trained on synthesized clips of sheet music. They ship with it.

Book: ``book/scales``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

_FOLDER = Path(__file__).parent / "weights"


def list_bundled() -> list[str]:
    """Names of the taggers that were trained with this package."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def bundled_path(name: str) -> Path:
    """Path of the weights of one of :func:`list_bundled`."""
    return _FOLDER / f"{name}.safetensors"


def bundled_card(name: str) -> dict[str, Any]:
    """Return the card of a bundled tagger, without reading its weights.

    Raises:
        CheckpointError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(bundled_path(name), framework="numpy") as file:
            description = json.loads((file.metadata() or {})["tagging"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{bundled_path(name)}: damaged ({error}); install the package again") from error
    return {"name": name, **description["card"], "tags": [tag["name"] for tag in description["tags"]]}
