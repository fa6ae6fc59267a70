"""Graphs of the pretrained taggers, which ship without weights: onnxruntime runs them with the weights of any of their kind.

So a tagger needs no PyTorch, and its weights are kept once, in one form, for both. ``python -m tagging.pretrained.write_graphs``
writes them again. Book: ``book/putting_together``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..models.onnx.container import DESCRIPTION, fill, metadata, weights
from ..models.onnx.description import OnnxDescription
from ..models.onnx.onnx_tagger import OnnxTagger
from ..tags import Vocabulary

FOLDER = Path(__file__).with_name("graphs")


@dataclass(frozen=True)
class Graph:
    """One of the shipped graphs.

    Args:
        kind: name of its file: an architecture of musicnn, or what the names of bundled taggers begin with.
    """

    kind: str

    @cached_property
    def model(self) -> bytes:
        """Contents of the file."""
        return (FOLDER / f"{self.kind}.onnx").read_bytes()

    @cached_property
    def description(self) -> OnnxDescription:
        """What it says of itself; tags and card are those of a tagger that it was made of."""
        return OnnxDescription(**json.loads(metadata(self.model)[DESCRIPTION]))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of the weights that it needs."""
        return {weight.name: weight.shape for weight in weights(self.model) if weight.array is None}

    def tagger(
        self, arrays: Mapping[str, np.ndarray], tags: list[dict[str, Any]], card: Mapping[str, Any], threads: int = 1
    ) -> OnnxTagger:
        """The graph with weights.

        Args:
            arrays: name -> weights, in any floating type.
            tags: as :meth:`tagging.tags.Vocabulary.to_list` gives them.
            card: what a user should know.
            threads: of the computation.

        Raises:
            CheckpointError: weights or tags do not fit.
        """
        kinds = Vocabulary.from_list(self.description.tags).classification
        if not np.array_equal(Vocabulary.from_list(tags).classification, kinds):
            raise CheckpointError(f"these tags do not fit the graph {self.kind!r}, which has others in their places")
        single = {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}
        description = replace(self.description, tags=tags, card=dict(card))
        return OnnxTagger(fill(self.model, single), description, threads)
