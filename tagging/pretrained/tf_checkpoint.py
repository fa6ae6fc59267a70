"""Read the variables of a TensorFlow checkpoint with NumPy only.

The index file is an uncompressed LevelDB table of protocol buffers: variable name -> type, shape, offset and size in the data
file. Only these fields are read, and nothing in the files is executed. Formats: leveldb/doc/table_format.md
and tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import CheckpointError
from ..utils.protobuf import fields, varint

FOOTER_BYTES = 48
MAGIC = 0xDB4775248B80FB57
FLOAT32 = 1  # tensorflow.DataType.DT_FLOAT
# Adam's moments and powers: state of the training, not of the model
OPTIMISER = ("/Adam", "/Adam_1")
OPTIMISER_SCALARS = ("beta1_power", "beta2_power", "global_step")


def read_checkpoint(prefix: str | Path) -> dict[str, np.ndarray]:
    """Read the variables of a checkpoint, without the optimiser's.

    Args:
        prefix: the path before ``.index`` and ``.data-00000-of-00001``,.

    Returns:
        variable name -> float32 array.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    try:
        index, data = Path(f"{prefix}.index").read_bytes(), Path(f"{prefix}.data-00000-of-00001").read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{prefix}: not a TensorFlow checkpoint; both .index and .data-00000-of-00001 are needed ({error})"
        ) from error
    return parse_checkpoint(index, data)


def parse_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Read the variables from the contents of the two files; see :func:`read_checkpoint`."""
    try:
        return dict(_variables(index, data))
    # damage can turn a length into a number or a number into bytes; arithmetic on them fails in several ways
    except (ArithmeticError, IndexError, TypeError, ValueError, struct.error) as error:
        raise CheckpointError(f"damaged TensorFlow checkpoint: {error}") from error


def _variables(index: bytes, data: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if len(index) < FOOTER_BYTES or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise ValueError("the index lacks the magic number of a LevelDB table")
    footer = index[-FOOTER_BYTES:]
    _, position = _handle(footer, 0)  # of the metaindex, which is empty
    (start, size), _ = _handle(footer, position)
    for _, block in _entries(index, start, size):
        (start, size), _ = _handle(block, 0)
        for key, value in _entries(index, start, size):
            name = key.decode()
            if not name or name.endswith(OPTIMISER) or name in OPTIMISER_SCALARS:
                continue  # the empty key is the header of the bundle
            yield name, _array(name, value, data)


def _array(name: str, value: bytes, data: bytes) -> np.ndarray:
    # BundleEntryProto: 1 dtype, 2 shape, 4 offset, 5 size; fields that are zero are absent
    entry = dict(fields(value))
    if entry.get(1) != FLOAT32:
        raise ValueError(f"variable {name!r} does not have type float32")
    dimensions = [dict(fields(dim)).get(1, 0) for number, dim in fields(entry.get(2, b"")) if number == 2]
    offset, size = entry.get(4, 0), entry.get(5, 0)
    if size != 4 * int(np.prod(dimensions, dtype=np.int64)) or offset + size > len(data):
        raise ValueError(
            f"variable {name!r} of shape {dimensions} does not fit its {size} bytes at {offset} of {len(data)}"
        )
    return np.frombuffer(data, dtype="<f4", count=size // 4, offset=offset).reshape(dimensions).copy()


def _entries(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block; keys are prefix-compressed."""
    block = table[start : start + size]
    if len(block) != size or size < 4:
        raise ValueError("a block extends beyond the end of the index")
    if table[start + size] != 0:
        raise ValueError("a block is compressed; TensorFlow writes uncompressed blocks")
    restarts = struct.unpack("<I", block[-4:])[0]
    end, position, key = size - 4 * (restarts + 1), 0, b""
    while position < end:
        shared, position = varint(block, position)
        suffix, position = varint(block, position)
        length, position = varint(block, position)
        key = key[:shared] + block[position : position + suffix]
        position += suffix
        yield key, block[position : position + length]
        position += length


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = varint(data, position)
    size, position = varint(data, position)
    return (offset, size), position
