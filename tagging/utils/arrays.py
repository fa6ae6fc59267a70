"""Arrays in files that end with their SHA-256: caches and predictions. A changed bit is noticed before anything is parsed.

The files are ordinary ``.npy`` and ``.npz`` files, which NumPy reads, too: the digest stands after the array, or in the comment
of the archive. Files of earlier versions have none. Of those a reader knows what their structure says: lengths that fit, for
``.npz`` also the CRC-32 of each array. A changed number in an old ``.npy`` file cannot be told from a right one.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from .files import DamagedError, atomic_write, read_file

_MARK = b"tagging sha-256\n"
_DIGEST = hashlib.sha256().digest_size
_SEAL = len(_MARK) + _DIGEST
# Deflate makes nothing more than about 1,032 times smaller: a header that claims more is damaged, and is not believed.
_MOST_COMPRESSED = 1100


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array with its digest as a ``.npy`` file, atomically.

    Raises:
        TaggingError: it cannot be written.
    """
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    _write(path, data.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], *, compress: bool = True) -> None:
    """Write named arrays with their digest as a ``.npz`` file, atomically.

    Raises:
        TaggingError: it cannot be written.
    """
    data = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(data, **arrays)  # type: ignore[arg-type]
    # the last two bytes of an archive without a comment are the length of the comment
    _write(path, data.getvalue()[:-2] + struct.pack("<H", _SEAL))


def _write(path: Path, contents: bytes) -> None:
    with atomic_write(path) as part:
        part.write_bytes(contents + _MARK + hashlib.sha256(contents + _MARK).digest())


def read_array(path: Path) -> np.ndarray:
    """What :func:`write_array` wrote; also a ``.npy`` file without a digest.

    Raises:
        DamagedError: the file is missing or damaged.
    """
    data = _read(path)
    try:
        return _parsed(data)
    except Exception as error:  # of bytes without a digest anything may follow
        raise DamagedError(path, _said(error)) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What :func:`write_arrays` wrote; also a ``.npz`` file without a digest.

    Raises:
        DamagedError: the file is missing or damaged.
    """
    data = _read(path, keep_seal=True)
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in arrays or member.file_size > _MOST_COMPRESSED * len(data):
                    raise ValueError(f"{member.filename}: twice, or too long")
                arrays[name] = _parsed(archive.read(member))
        # how many there are stands after the list of them: without a checksum, one changed bit would hide the last
        if len(arrays) != struct.unpack_from("<H", data, data.rfind(b"PK\5\6") + 10)[0]:
            raise ValueError("an array is missing")
    except Exception as error:  # of bytes without a digest anything may follow
        raise DamagedError(path, _said(error)) from error
    return arrays


def _read(path: Path, *, keep_seal: bool = False) -> bytes:
    data = read_file(path)
    if data[-_SEAL:-_DIGEST] != _MARK:
        return data
    if hashlib.sha256(memoryview(data)[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise DamagedError(path, "its contents do not match its checksum")
    return data if keep_seal else data[:-_SEAL]


def _parsed(data: bytes) -> np.ndarray:
    """The array of a ``.npy`` file. Unlike ``np.load`` it allocates nothing that the file does not hold."""
    stream = io.BytesIO(data)
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("its array would be a pickle")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or stream.tell() + count * dtype.itemsize != len(data):
        raise ValueError(f"its length does not fit its shape {shape} of {dtype}")
    values = np.frombuffer(data, dtype, count, stream.tell()) if count else np.empty(0, dtype)
    return values.reshape(shape, order="F" if is_fortran else "C").copy(order="K")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
