"""Taggers trained with this package: quarter-width models, trained on synthesized clips of sheet music. They ship with it.

Book: ``book/scales``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..models.onnx.onnx_tagger import OnnxTagger
from ..tags import Vocabulary
from ..utils.legacy import CORPORA, current_state
from .graphs import Graph

_FOLDER = Path(__file__).parent / "weights"


def list_bundled() -> list[str]:
    """Names of the taggers that were trained with this package."""
    return sorted(path.stem for path in _FOLDER.glob("*.safetensors"))


def bundled_path(name: str) -> Path:
    """Path of the weights of one of :func:`list_bundled`."""
    return _FOLDER / f"{name}.safetensors"


def graph_of(name: str) -> str:
    """Name of the graph of one of :func:`list_bundled`: its own without the number of clips."""
    return name.rpartition("-")[0]


def load_bundled_onnx(name: str, threads: int = 1) -> OnnxTagger:
    """One of :func:`list_bundled`, run by onnxruntime.

    Raises:
        CheckpointError: the file is damaged.
    """
    from ..models.serialization import read_arrays

    description, arrays = read_arrays(bundled_path(name))
    arrays = current_state(arrays)
    return Graph(graph_of(name)).tagger(
        arrays, Vocabulary.from_list(description.tags).to_list(), description.card, threads
    )


def bundled_card(name: str) -> dict[str, Any]:
    """Return the card of a bundled tagger, without reading its weights.

    Raises:
        CheckpointError: the file is damaged.
    """
    from ..models.serialization import read_description

    description = read_description(bundled_path(name))
    card = dict(description.card)
    card["dataset"] = CORPORA.get(card["dataset"], card["dataset"])
    return {"name": name, **card, "tags": [tag["name"] for tag in description.tags]}
