"""What is known of a file, and of its content. Book: ``book/tag_library``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class SongResult(NamedTuple):
    """What was found out about the content of a file.

    Attributes:
        error: why it could not be tagged; empty if it was.
        notes: what a user should know.
        seconds: duration.
        scores: float32 [tags of all models].
        embeddings: float32 [features of all models], or none.
    """

    error: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    scores: np.ndarray | None = None
    embeddings: np.ndarray | None = None


class Row(NamedTuple):
    """A file with its result, as the table lists it.

    Attributes:
        path: below the folder of the library.
        size: bytes.
        digest: SHA-256 of the content; empty where it could not be read.
        duplicate_of: path of the first file with the same content; empty for that file itself, and for what was not tagged.
        result: of the content.
    """

    path: str
    size: int
    digest: str
    duplicate_of: str
    result: SongResult


def floats_of(blob: Any, count: int) -> np.ndarray:
    """Float32 [count] from its bytes.

    Raises:
        ValueError: other contents.
    """
    if not isinstance(blob, bytes) or len(blob) != 4 * count:
        raise ValueError(f"a result that is not {count} numbers")
    numbers = np.frombuffer(blob, np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError("numbers that are NaN or infinite")
    return numbers
