"""Fields of protocol buffers, read and written without their library, which would have to compile a schema.

A message is a sequence of fields: a number that the schema names, and a value. Format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, LONG, BYTES, SHORT = 0, 1, 2, 5  # kinds of values on the wire


def fields(message: bytes | memoryview) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a message: variable-length integers as int, all others as a view of their bytes.

    Raises:
        ValueError: damage, such as a field that extends beyond the end.
    """
    view, position = memoryview(message), 0
    while position < len(view):
        tag, position = varint(view, position)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = varint(view, position)
            yield number, value
            continue
        if wire == BYTES:
            length, position = varint(view, position)
        elif wire in (LONG, SHORT):
            length = 8 if wire == LONG else 4
        else:
            raise ValueError(f"a field of unknown wire type {wire}")
        if position + length > len(view):
            raise ValueError(f"field {number} extends beyond the end")
        yield number, view[position : position + length]
        position += length


def varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """An integer of variable length, and the position after it.

    Raises:
        ValueError: longer than 64 bits, or it extends beyond the end.
    """
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("a number extends beyond the end")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number longer than 64 bits")


def field(number: int, value: int | bytes | memoryview | str) -> bytes:
    """One encoded field: a number as a variable-length integer, a text or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    content = value.encode() if isinstance(value, str) else bytes(value)
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
