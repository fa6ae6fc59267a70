"""Facts of sound files that a corpus needs before it is used: duration, content, and whether they can be read at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ..audio.files import AudioFile
from ..errors import AudioError, TaggingError
from ..utils.files import atomic_write, cache_dir
from .recordings import duration_of

# What the decoders read; other files of a folder are pictures, lyrics and the like.
AUDIO_SUFFIXES = frozenset(
    (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".m4a", ".aac", ".mp4", ".wma", ".webm")
)
_THREADS = 4  # decoders release the interpreter's lock
_CHUNK = 2**16
_CHECKED_SECONDS = 1.0


class Facts(NamedTuple):
    """What is known of a file.

    Attributes:
        seconds: as the header declares; 0 for a file that cannot be read.
        digest: of its size and of bytes at its start, in its middle and at its end.
        error: why it cannot be read; empty if it can.
    """

    seconds: float
    digest: str
    error: str


# (path, size, time of the last change) -> facts, of this process.
_KNOWN: dict[tuple[str, int, int], Facts] = {}


def list_sound_files(root: Path) -> list[Path]:
    """All sound files below a folder, sorted; hidden ones are left out."""
    paths = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            Path(folder, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122
        ]
    return sorted(paths)


def scan(root: Path, paths: Sequence[Path]) -> list[Facts]:
    """Facts of files below a folder, from the cache where they have not changed since they were scanned.

    Opening a file and decoding its first second takes some milliseconds; a bar appears once this has taken two seconds.
    """
    keys = [_key(path) for path in paths]
    cached = _read_cache(root)
    _KNOWN.update((key, cached[text]) for key in keys if key not in _KNOWN and (text := _text(key)) in cached)
    missing = [(key, path) for key, path in zip(keys, paths, strict=True) if key not in _KNOWN]
    if missing:
        from tqdm import tqdm

        bar = tqdm(total=len(missing), unit="file", desc=f"scanning {root}"[:40], delay=2, leave=False)
        with bar, ThreadPoolExecutor(_THREADS) as pool:
            for (key, _), facts in zip(missing, pool.map(_facts, (path for _, path in missing)), strict=True):
                _KNOWN[key] = facts
                bar.update()
        _write_cache(root, keys)
    return [_KNOWN[key] for key in keys]


def same_content(paths: Sequence[Path], facts: Sequence[Facts]) -> list[list[int]]:
    """Groups of two and more files, by position, with the same bytes."""
    alike: dict[str, list[int]] = {}
    for position, fact in enumerate(facts):
        alike.setdefault(fact.digest, []).append(position)
    equal: dict[str, list[int]] = {}
    for positions in (positions for positions in alike.values() if len(positions) > 1):
        for position in positions:
            with open(paths[position], "rb") as file:
                equal.setdefault(hashlib.file_digest(file, "sha256").hexdigest(), []).append(position)
    return [positions for positions in equal.values() if len(positions) > 1]


def _facts(path: Path) -> Facts:
    try:
        digest = _digest(path)
        with AudioFile(path) as file:
            for _ in file.blocks(seconds=_CHECKED_SECONDS):
                pass
            return Facts(duration_of(file), digest, "")
    except AudioError as error:
        return Facts(0.0, digest, str(error))
    except OSError as error:
        return Facts(0.0, "", f"{path}: cannot be opened ({error.strerror or error})")


def _digest(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as file:
        for start in sorted({0, max(0, size // 2 - _CHUNK // 2), max(0, size - _CHUNK)}):
            file.seek(start)
            digest.update(file.read(_CHUNK))
    return digest.hexdigest()[:20]


def _key(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:  # a link to nowhere, or removed since the folder was listed
        return str(path), -1, -1
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def _text(key: tuple[str, int, int]) -> str:
    return "\t".join(map(str, key))


def _cache_path(root: Path) -> Path:
    return cache_dir("scans") / f"{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]}.json"


def _read_cache(root: Path) -> dict[str, Facts]:
    try:
        stored = json.loads(_cache_path(root).read_text(encoding="utf-8"))
        return {
            str(key): Facts(float(seconds), str(digest), str(error)) for key, (seconds, digest, error) in stored.items()
        }
    except (TaggingError, OSError, ValueError, TypeError, AttributeError):
        return {}  # none yet, damaged, or of another kind: files are scanned again


def _write_cache(root: Path, keys: Iterable[tuple[str, int, int]]) -> None:
    try:
        with atomic_write(_cache_path(root)) as part:
            # what cannot be read is tried again by the next process: another decoder may be installed by then
            readable = {_text(key): facts for key in keys if not (facts := _KNOWN[key]).error}
            part.write_text(json.dumps(readable), encoding="utf-8")
    except TaggingError:
        pass  # a cache that cannot be written to costs the next process another scan
