"""Taggers trained with this package: quarter-width models, trained on synthesized clips of sheet music. They ship with it.

Book: ``book/scales``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..models.serialization import read_description

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
    description = read_description(bundled_path(name))
    return {"name": name, **description.card, "tags": [tag["name"] for tag in description.tags]}
