"""The reader of TensorFlow's checkpoints, on files written here by the format's description."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tagging.errors import CheckpointError
from tagging.pretrained.tf_checkpoint import MAGIC, parse_checkpoint, read_checkpoint

# A writer of the same two files. Formats: leveldb's table_format.md, TensorFlow's tensor_bundle.proto.


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value) if value else b""  # zeros are left out, as protocol buffers do


def message(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def block(entries: list[tuple[bytes, bytes]], restart_every: int = 3) -> bytes:
    """Keys share the beginning of the one before, but for every third, which a reader can jump to."""
    out, restarts, previous = bytearray(), [], b""
    for index, (key, value) in enumerate(entries):
        shared = 0
        if index % restart_every == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def checkpoint(
    variables: Mapping[str, np.ndarray], blocks: int = 2, dtype: int = 1, compression: int = 0
) -> tuple[bytes, bytes]:
    """Index and data files; the index in some blocks, so that the reader must follow their list."""
    data, entries = bytearray(), [(b"", number(1, 1))]
    for name in sorted(variables):
        array = np.ascontiguousarray(variables[name], dtype="<f4")
        shape = b"".join(message(2, number(1, size)) for size in array.shape)
        value = number(1, dtype) + message(2, shape) + number(4, len(data)) + number(5, array.nbytes)
        entries.append((name.encode(), value + varint(6 << 3 | 5) + b"\0\0\0\0"))  # the checksum is not read
        data += array.tobytes()
    index, handles = bytearray(), []
    size = -(-len(entries) // blocks)
    for start in range(0, len(entries), size):
        part = block(entries[start : start + size])
        handles.append((entries[min(start + size, len(entries)) - 1][0] + b"~", varint(len(index)) + varint(len(part))))
        index += part + bytes([compression]) + b"\0\0\0\0"
    footer = b""
    for part in (block([]), block(handles, 1)):
        footer += varint(len(index)) + varint(len(part))
        index += part + b"\0" + b"\0\0\0\0"
    return bytes(index) + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC), bytes(data)


names = st.text("abcdefg_/1", min_size=1, max_size=12).filter(lambda name: "Adam" not in name)
arrays = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=0, max_dims=4, max_side=4), elements=st.floats(-9, 9, width=32)
)


@given(st.dictionaries(names, arrays, max_size=9), st.integers(1, 4))
def test_what_was_written_is_read(variables, blocks):
    parsed = parse_checkpoint(*checkpoint(variables, blocks))
    assert set(parsed) == set(variables)
    for name, array in variables.items():
        assert parsed[name].dtype == np.float32
        np.testing.assert_array_equal(parsed[name], array)


def test_the_optimisers_variables_are_left_out():
    model = {"conv/kernel": np.ones((3, 2)), "Adamant/bias": np.ones(2)}
    state = {"conv/kernel/Adam": np.ones((3, 2)), "conv/kernel/Adam_1": np.ones((3, 2)), "beta1_power": np.ones(())}
    state |= {"beta2_power": np.ones(()), "global_step": np.ones(())}
    assert set(parse_checkpoint(*checkpoint({**model, **state}))) == set(model)


def test_read_from_disk(tmp_path):
    index, data = checkpoint({"a": np.arange(6.0).reshape(2, 3)})
    (tmp_path / "model.index").write_bytes(index)
    with pytest.raises(CheckpointError, match="model: not a TensorFlow checkpoint"):
        read_checkpoint(tmp_path / "model")
    (tmp_path / "model.data-00000-of-00001").write_bytes(data)
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "model")["a"], [[0, 1, 2], [3, 4, 5]])


def test_what_tensorflow_would_not_write_is_refused():
    one = {"a": np.ones(3)}
    index, data = checkpoint(one)
    for case, message_ in (
        (checkpoint(one, dtype=3), "'a'.*float32"),
        (checkpoint(one, compression=1), "compressed"),
        ((index[:-1] + b"\0", data), "magic number"),
        ((index, data[:-1]), r"'a'.*\[3\].*12 bytes at 0 of 11"),
        ((b"", b""), "magic number"),
        ((data, index), "magic number"),
    ):
        with pytest.raises(CheckpointError, match=f"damaged.*{message_}"):
            parse_checkpoint(*case)


SAMPLE = {
    "batch_normalization/gamma": np.arange(4, dtype=np.float32),
    "batch_normalization/moving_mean": np.arange(4, dtype=np.float32),
    "conv2d/bias": np.ones(2, np.float32),
    "conv2d/kernel": np.arange(24, dtype=np.float32).reshape(3, 2, 2, 2),
    "dense/kernel": np.eye(3, dtype=np.float32),
}


@given(st.data())
def test_a_cut_index_is_refused(data):
    index, numbers = checkpoint(SAMPLE)
    size = data.draw(st.integers(0, len(index) - 1))
    with pytest.raises(CheckpointError, match="damaged"):
        parse_checkpoint(index[:size], numbers)


def test_every_bit_of_the_index_may_flip():
    """The reader ends, with our own error or with arrays, which the fingerprint of the weights then judges. All bits."""
    index, numbers = checkpoint(SAMPLE)
    refused = 0
    for bit in range(8 * len(index)):
        damaged = bytearray(index)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            parsed = parse_checkpoint(bytes(damaged), numbers)
        except CheckpointError:
            refused += 1
        else:
            assert all(isinstance(array, np.ndarray) for array in parsed.values())
            assert sum(array.nbytes for array in parsed.values()) <= 10 * len(numbers)
    assert refused > 0.25 * 8 * len(index)


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_noise_with_the_right_end_is_survived(noise, data):
    """Anything may stand before the magic number."""
    try:
        parsed = parse_checkpoint(noise + struct.pack("<Q", MAGIC), data)
    except CheckpointError:
        return
    assert all(isinstance(array, np.ndarray) for array in parsed.values())
