"""The file of an exported tagger: an ONNX model with a description and a digest in its metadata; read and written without onnx.

A file may come from a stranger, so what is in it is checked before a runtime sees it: only operations that end, no weights in
other files, whose names could be those of any file here, and nothing damaged.
Format: the fields of onnx.proto, by number.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import CheckpointError
from ...utils.protobuf import field, fields, varint

DESCRIPTION, DIGEST = "tagging", "tagging.sha256"  # entries of the metadata
MAX_BYTES = 2**31 - 1  # of any protocol buffer
MAX_NODES = 2**18

MODEL_GRAPH, MODEL_METADATA, MODEL_TRAINING, MODEL_FUNCTIONS = 7, 14, 20, 25
GRAPH_NODE, GRAPH_WEIGHT, GRAPH_SPARSE_WEIGHT = 1, 5, 15
NODE_OPERATION, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
TENSOR_DIMENSION, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 9, 13, 14
KEY, VALUE = 1, 2
TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 7: np.dtype("<i8"), 10: np.dtype("<f2")}


class Weight(NamedTuple):
    """A named tensor of a graph.

    Attributes:
        name: in the graph; that of the tagger's ``state_dict`` where it is one of its weights.
        shape: of the array.
        kind: number of the type in onnx.proto.
        array: of the contents; None where the file leaves them out, or where they are of a rare type.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    array: np.ndarray | None


def metadata(model: bytes) -> dict[str, str]:
    """The entries of the metadata: key -> value.

    Raises:
        ValueError: not a protocol buffer.
    """
    entries = {}
    for number, value in fields(model):
        if number == MODEL_METADATA:
            entry = dict(fields(value))
            entries[_text(entry.get(KEY, b""))] = _text(entry.get(VALUE, b""))
    return entries


def with_metadata(model: bytes, description: str) -> bytes:
    """The model with a description, and a digest of all of this at its end."""
    others = b"".join(field(number, value) for number, value in fields(model) if number != MODEL_METADATA)
    body = others + _entry(DESCRIPTION, description)
    return body + _signature(body)


def is_intact(model: bytes) -> bool:
    """Whether a file that :func:`with_metadata` made is what it was."""
    length = len(_signature(b""))
    return _signature(model[:-length]) == model[-length:]


def weights(model: bytes) -> Iterator[Weight]:
    """The named tensors of a model's graph."""
    for number, value in fields(_graph(model)):
        if number == GRAPH_WEIGHT:
            yield _weight(value)


def fill(model: bytes, arrays: Mapping[str, np.ndarray]) -> bytes:
    """A model with the contents of those weights that its file leaves out.

    Args:
        model: as :func:`emptied` returns it.
        arrays: name -> float32 array. Others than those that are left out are ignored.

    Raises:
        CheckpointError: one is missing, or has another shape.
    """

    def filled(tensor: memoryview) -> bytes:
        weight = _weight(tensor)
        if weight.array is not None:
            return bytes(tensor)
        if (array := arrays.get(weight.name)) is None or array.shape != weight.shape:
            problem = "missing" if array is None else f"of shape {array.shape}"
            raise CheckpointError(f"the weights {weight.name} are {problem}; the graph needs {weight.shape}")
        return bytes(tensor) + field(TENSOR_RAW, np.ascontiguousarray(array, TYPES[weight.kind]).tobytes())

    return _with_weights(model, filled)


def emptied(model: bytes, names: set[str]) -> bytes:
    """A model that leaves out the contents of some weights."""

    def without(tensor: memoryview) -> bytes:
        if _weight(tensor).name not in names:
            return bytes(tensor)
        return b"".join(field(number, value) for number, value in fields(tensor) if number != TENSOR_RAW)

    return _with_weights(model, without)


def check_model(model: bytes) -> None:
    """Refuse what a runtime should not be given: anything but ONNX's own operations that end, and finite weights.

    Args:
        model: contents of a file.

    Raises:
        ValueError: what is wrong with it; not for every damage.
    """
    for number, _ in fields(model):
        if number in (MODEL_TRAINING, MODEL_FUNCTIONS):
            raise ValueError("it has functions or training steps of its own")
    _check_graph(_graph(model))
    for weight in weights(model):
        if weight.array is None:
            raise ValueError(f"no numbers, or of another type than expected, in {weight.name}")
        if weight.array.dtype.kind == "f" and not np.isfinite(weight.array).all():
            raise ValueError(f"NaN or infinite weights in {weight.name}")
        if weight.name.endswith("running_var") and (weight.array < 0).any():
            raise ValueError(f"a negative variance in {weight.name}")


def _check_graph(graph: memoryview) -> None:
    count = 0
    for number, value in fields(graph):
        if number == GRAPH_WEIGHT:
            _check_tensor(value)
        elif number == GRAPH_SPARSE_WEIGHT:
            raise ValueError("it has sparse weights")
        elif number == GRAPH_NODE:
            _check_node(value)
            count += 1
            if count > MAX_NODES:
                raise ValueError(f"more than {MAX_NODES:,} operations")


def _check_node(node: memoryview) -> None:
    parts = list(fields(node))
    operation = next((_text(value) for number, value in parts if number == NODE_OPERATION), "")
    domain = next((_text(value) for number, value in parts if number == NODE_DOMAIN), "")
    if domain not in ("", "ai.onnx"):
        raise ValueError(f"the operation {domain}.{operation} is none of ONNX's own")
    for number, attribute in parts:
        if number != NODE_ATTRIBUTE:
            continue
        for kind, value in fields(attribute):
            if kind in ATTRIBUTE_TENSORS:
                _check_tensor(value)
            elif kind in ATTRIBUTE_SPARSE:
                raise ValueError("it has sparse weights")
            elif kind in ATTRIBUTE_GRAPHS:  # a loop, which might not end
                raise ValueError(f"the operation {operation} runs a graph of its own")


def _check_tensor(tensor: memoryview) -> None:
    for number, value in fields(tensor):
        if number == TENSOR_EXTERNAL or (number == TENSOR_LOCATION and value):
            raise ValueError("its weights are in another file, which is not read: save it as one file")


def _weight(tensor: memoryview) -> Weight:
    shape: list[int] = []
    kind, name, raw = 0, "", None
    for number, value in fields(tensor):
        if number == TENSOR_DIMENSION:
            # repeated numbers, or all of them packed into one value
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == TENSOR_TYPE:
            kind = value
        elif number == TENSOR_NAME:
            name = _text(value)
        elif number == TENSOR_RAW:
            raw = value
    array = None
    if raw is not None and kind in TYPES and len(raw) == math.prod(shape) * TYPES[kind].itemsize:
        array = np.frombuffer(raw, TYPES[kind]).reshape(shape)
    return Weight(name, tuple(shape), kind, array)


def _packed(value: memoryview) -> list[int]:
    numbers, position = [], 0
    while position < len(value):
        number, position = varint(value, position)
        numbers.append(number)
    return numbers


def _graph(model: bytes) -> memoryview:
    graphs = [value for number, value in fields(model) if number == MODEL_GRAPH]
    if len(graphs) != 1 or isinstance(graphs[0], int):
        raise ValueError("not one graph, so no ONNX model")
    return graphs[0]


def _with_weights(model: bytes, changed: Callable[[memoryview], bytes]) -> bytes:
    # neither level has numbers of fixed length, which would be written as bytes
    graph = b"".join(
        field(number, changed(value)) if number == GRAPH_WEIGHT else field(number, value)
        for number, value in fields(_graph(model))
    )
    return b"".join(
        field(number, graph) if number == MODEL_GRAPH else field(number, value) for number, value in fields(model)
    )


def _entry(key: str, value: str) -> bytes:
    return field(MODEL_METADATA, field(KEY, key) + field(VALUE, value))


def _signature(body: bytes) -> bytes:
    return _entry(DIGEST, hashlib.sha256(body).hexdigest())


def _text(value: int | memoryview | bytes) -> str:
    if isinstance(value, int):  # bytes(value) would be as many zeros
        raise ValueError("a number where a text is expected")
    return bytes(value).decode("utf-8", errors="replace")


def read_bytes(path: Path) -> bytes:
    """The contents of an ONNX file.

    Raises:
        CheckpointError: no such file, no regular one, or one that is too large.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the path of a model written by `tagging export`")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path}: larger than 2 GiB, which no ONNX model is")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
