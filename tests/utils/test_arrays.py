"""Arrays in files: what is written is read, every changed bit is noticed, and no damage is anything but a DamagedError."""

from __future__ import annotations

import hashlib
import io
import random
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers import obstruct
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tagging.errors import TaggingError
from tagging.utils.arrays import read_array, read_arrays, write_array, write_arrays
from tagging.utils.files import DamagedError

ROWS = np.dtype([("key", "<u8"), ("values", "<f4", (5,))])
EXAMPLES = {
    "floats": np.arange(12, dtype=np.float64).reshape(3, 4),
    "transposed": np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    "rows": np.array([(7, (1, 2, 3, 4, 5))], ROWS),
    "text": np.array(["a", "Bartók", ""]),
    "scalar": np.array('{"name": "x"}'),
    "nothing": np.empty((0, 7), np.float32),
    "bytes": np.frombuffer(b"abc", np.uint8),
}
kinds = st.sampled_from([np.float32, np.float64, np.int16, np.int64, np.bool_, np.uint8])
some_array = kinds.flatmap(lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0)))


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


@given(array=some_array)
def test_what_is_written_is_read_here_and_by_numpy(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("arrays")
    write_array(folder / "a.npy", array)
    write_arrays(folder / "a.npz", {"one": array, "two": array})
    assert same(read_array(folder / "a.npy"), array)
    assert same(np.load(folder / "a.npy", allow_pickle=False), array)
    stored = read_arrays(folder / "a.npz")
    assert list(stored) == ["one", "two"]
    assert same(stored["two"], array)
    with np.load(folder / "a.npz", allow_pickle=False) as archive:
        assert same(archive["one"], array)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_read_array_can_be_changed(tmp_path, name):
    write_array(tmp_path / "a.npy", EXAMPLES[name])
    array = read_array(tmp_path / "a.npy")
    assert same(array, EXAMPLES[name])
    assert array.flags.writeable
    assert array.flags.f_contiguous == EXAMPLES[name].flags.f_contiguous


@pytest.mark.parametrize("compress", [True, False])
def test_files_of_earlier_versions_are_read(tmp_path, compress):
    (np.savez_compressed if compress else np.savez)(tmp_path / "old.npz", **EXAMPLES)
    stored = read_arrays(tmp_path / "old.npz")
    assert set(stored) == set(EXAMPLES)
    assert all(same(stored[name], array) for name, array in EXAMPLES.items())
    np.save(tmp_path / "old.npy", EXAMPLES["rows"])
    assert same(read_array(tmp_path / "old.npy"), EXAMPLES["rows"])


def read(path: Path):
    return [read_array(path)] if path.suffix == ".npy" else list(read_arrays(path).values())


def outcome(path: Path, expected: list[np.ndarray]) -> str:
    """What comes of reading a changed file; anything but a DamagedError passes through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = read(path)
    except DamagedError as error:
        assert str(path) in str(error)
        assert "damaged" in str(error)
        assert isinstance(error, TaggingError)
        return "noticed"
    return "right" if len(values) == len(expected) and all(map(same, values, expected)) else "silent"


def changes(whole: bytes, step: int = 1):
    """Each bit, or every ``step``-th, cuts at every byte, and bytes more."""
    for bit in range(0, 8 * len(whole), step):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
    for end in range(len(whole)):
        yield whole[:end]
    yield whole + b"\0"


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_no_bit_is_changed_silently(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".npy":
        write_array(path, EXAMPLES["rows"])
    else:
        write_arrays(path, {"rows": EXAMPLES["rows"], "text": EXAMPLES["text"]})
    whole, expected = path.read_bytes(), read(path)
    outcomes = {"noticed": 0, "right": 0, "silent": 0}
    for changed in changes(whole, step=1 if path.suffix == ".npy" else 3):
        path.write_bytes(changed)
        outcomes[outcome(path, expected)] += 1
    assert outcomes["silent"] == 0
    # a cut or a bit inside the mark itself leaves a file without a checksum, whose array is whole
    assert outcomes["right"] <= 8 * 16 + 48 + 1


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damage_to_files_without_a_checksum_raises_nothing_else(tmp_path, name):
    """zlib.error, TokenError, SyntaxError, NotImplementedError, RuntimeError, ... of single bits, and of many."""
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, EXAMPLES["rows"])
    else:
        np.savez_compressed(path, rows=EXAMPLES["rows"], text=EXAMPLES["text"])
    whole, expected = path.read_bytes(), read(path)
    draw = random.Random(0)
    for changed in changes(whole, step=3):
        path.write_bytes(changed)
        # each array of an archive has a checksum of its own
        assert outcome(path, expected) != "silent" or path.suffix == ".npy"
    for _ in range(500):
        changed = bytearray(whole)
        for _ in range(draw.randrange(1, 20)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        path.write_bytes(changed)
        outcome(path, expected)


def header(shape: str, dtype: str = "'<f8'") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "data",
    [
        header("(1000000000000,)") + bytes(80),
        header("(2, -5)") + bytes(80),
        header("(-2, -5)") + bytes(80),
        header("(10,)", "'|O'") + bytes(80),
        header("(10,)", "'<f3'") + bytes(80),
        header("(10,)") + bytes(79),
        header("(10,)") + bytes(81),
        header("(10,)", "(" * 500 + ")" * 500),
        header("(True, 10)") + bytes(80),
        b"\x93NUMPY\x03\x00",
        b"\x93NUMPY",
        b"",
        b"\x80\x04N.",
    ],
)
def test_headers_that_lie_are_damage(tmp_path, data):
    """Nothing is allocated that the file does not hold, and nothing is unpickled."""
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DamagedError, match="a.npy"):
        read_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", data)
    with pytest.raises(DamagedError, match="a.npz"):
        read_arrays(tmp_path / "a.npz")


def test_an_archive_that_claims_more_than_it_can_hold_is_damage(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")  # the length of the array
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DamagedError, match="too long"):
        read_arrays(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("x.npy", header("(1,)") + bytes(8))
    with pytest.raises(DamagedError, match="twice"):
        read_arrays(tmp_path / "b.npz")


@pytest.mark.parametrize("obstacle", ["missing", "folder", "pipe", "device", "loop"])
def test_what_is_no_file_is_named_and_never_waited_for(tmp_path, obstacle):
    path = tmp_path / "a.npy"
    obstruct(path, obstacle)
    for function in (read_array, read_arrays):
        with pytest.raises(DamagedError, match="a.npy"):
            function(path)


def test_the_checksum_is_sha256_of_all_before_it(tmp_path):
    """The format itself: files of today must be readable later."""
    write_array(tmp_path / "a.npy", EXAMPLES["floats"])
    plain = io.BytesIO()
    np.save(plain, EXAMPLES["floats"])
    contents = plain.getvalue() + b"tagging sha-256\n"
    assert (tmp_path / "a.npy").read_bytes() == contents + hashlib.sha256(contents).digest()
    write_arrays(tmp_path / "a.npz", {"x": EXAMPLES["floats"]})
    data = (tmp_path / "a.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.comment == b"tagging sha-256\n" + hashlib.sha256(data[:-32]).digest()
        assert archive.testzip() is None
