"""The note cache: every composition, read once, annotated, split, and stored in one file with a hash.

The scores are files of the installed ``music21`` package, which is used as data and never imported.
Book: ``book/million_clips``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CorpusError
from ...utils.arrays import read_arrays, write_arrays
from ...utils.files import DamagedError, cache_dir, check_writable, clear_remains, locked
from ...utils.parallel import ProgressCallback, WorkerError, parallel_map
from . import readers

# Raised when the same scores give other contents; part of the file name, so that no old cache is misread.
LAYOUT = 1
# The first two hold exercises and demonstrations; the others are not yet in the public domain everywhere.
LEFT_OUT = ("demos", "theoryExercises", "schoenberg", "webern", "beach")
_RESTRICTED = re.compile(r"all rights reserved|ut ?orpheus", re.IGNORECASE)
_SCORES = (".krn", ".mxl", ".xml", ".musicxml")
_CHUNK = 256
SHORTEST = 8


@dataclass(frozen=True)
class Library:
    """All compositions, as flat arrays. Use :func:`load_library` to get one.

    Attributes:
        version: 12 hexadecimal digits of the SHA-256 of the contents; part of the corpus version.
        pieces: for each composition its collection, file, number, title and so on.
        offset: int64 [pieces + 1]: where the notes of a composition begin and end.
        notes: int32 [5, all notes]: onset and duration in ticks, pitch, velocity, part.
        facts: further arrays with one row for each composition (see ``annotations.annotate``, ``families.assign``).
    """

    version: str
    pieces: list[dict[str, Any]]
    offset: np.ndarray
    notes: np.ndarray
    facts: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.pieces)

    def piece_notes(self, piece: int) -> np.ndarray:
        """int32 [5, notes] of one composition: onset, duration, pitch, velocity, part (a view)."""
        return self.notes[:, self.offset[piece] : self.offset[piece + 1]]


def scores_folder() -> Path:
    """The folder of scores inside the installed music21 package.

    Raises:
        CorpusError: music21 is not installed, or without its scores.
    """
    spec = importlib.util.find_spec("music21")
    folder = Path(spec.origin).parent / "corpus" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise CorpusError(
            "the sheet-music corpus is read from the music21 package, which is not installed here: "
            'pip install "music-tagging-at-scale[scores]", or copy the cache folder from a machine that has it'
        )
    return folder


def library_path() -> Path:
    """The path of the note cache for the installed music21 version; the file may not exist.

    Without music21: the newest note cache in the folder, which was copied there.
    """
    folder = cache_dir("scores")
    try:
        release = importlib.metadata.version("music21")
    except importlib.metadata.PackageNotFoundError:
        copies = sorted(folder.glob(f"library-{LAYOUT}-*.npz"))
        return copies[-1] if copies else folder / f"library-{LAYOUT}-unknown.npz"
    return folder / f"library-{LAYOUT}-{release}.npz"


def build_library(
    *,
    progress: bool = True,
    workers: int | None = None,
    path: Path | None = None,
    folders: tuple[str, ...] | None = None,
) -> Library:
    """Read every score, annotate, find the tune families, split, and write the note cache.

    Args:
        progress: show a progress bar on standard error.
        workers: number of processes; by default one for each core.
        path: where to write; by default the shared cache.
        folders: only these collections (folder names of the music21 corpus), for a quick partial library.

    Returns:
        the library, read back from the new file.

    Raises:
        CorpusError: music21 is missing, or a worker process died.
        TaggingError: the file cannot be written, for example on a full disk.
    """
    from . import annotations, families

    root = scores_folder()
    path = path or library_path()
    check_writable(path.parent)
    pieces, notes = [], []
    for piece, table in _read_all(root, folders, workers or os.cpu_count() or 1, progress):
        if table is not None and len(table) >= SHORTEST:
            pieces.append(piece)
            notes.append(table)
    if not pieces:
        raise CorpusError(f"no compositions under {root}: is music21 installed without its corpus?")
    facts = annotations.annotate(pieces, notes)
    facts |= families.assign(pieces, notes)
    _write(path, pieces, notes, facts)
    return load_library(path)


def load_library(path: Path | None = None) -> Library:
    """Read the note cache and check it against its hash.

    Args:
        path: of the file; by default :func:`library_path`.

    Raises:
        CorpusError: the file is missing or damaged; the message says how to build it.
    """
    path = path or library_path()
    if not path.exists():
        raise CorpusError(
            f"the sheet-music corpus is not built yet ({path} is missing): run `tagging prepare sheet-music`"
        )
    try:
        stored = read_arrays(path)
    except DamagedError as error:
        raise _damaged(path, error.reason) from error
    expected = bytes(stored.pop("sha256", b"")).hex()
    # files of earlier versions have this hash alone; the version of the corpus is made of it
    if _content_hash(stored) != expected:
        raise _damaged(path, "its contents do not match its hash")
    pieces = json.loads(bytes(stored.pop("pieces")))
    offset = stored.pop("offset")
    onset = np.cumsum(stored.pop("onset_step"), dtype=np.int64)
    # the steps run through all compositions: subtract what was reached before each
    before = np.concatenate([[0], onset])[offset[:-1]]
    onset -= np.repeat(before, np.diff(offset))
    columns = [onset, *(stored.pop(name) for name in ("duration", "pitch", "velocity", "part"))]
    notes = np.stack([column.astype(np.int32) for column in columns])
    return Library(expected[:12], pieces, offset, notes, stored)


def ready_library(*, build: bool = False, progress: bool = True) -> Library:
    """The library from the cache.

    Args:
        build: build it where it is missing or damaged (minutes).
        progress: show a progress bar on standard error.

    Raises:
        CorpusError: it is missing or damaged, and ``build`` is False.
    """
    path = library_path()
    if build:
        clear_remains(path)
    try:
        return load_library(path)  # without a lock: a complete cache may be read-only
    except CorpusError:
        if not build:
            raise
    with locked(path):  # a second process waits, then reads what the first has built
        try:
            return load_library(path)
        except CorpusError:
            return build_library(progress=progress, path=path)


def _damaged(path: Path, why: object) -> CorpusError:
    return CorpusError(
        f"the note cache {path} is damaged ({why}): run `tagging prepare sheet-music`, which builds it again"
    )


def _write(path: Path, pieces: list[dict[str, Any]], notes: list[np.ndarray], facts: dict[str, np.ndarray]) -> None:
    offset = np.concatenate([[0], np.cumsum([len(table) for table in notes])])
    table = np.concatenate(notes)
    contents = {
        "pieces": np.frombuffer(json.dumps(pieces, ensure_ascii=False).encode(), np.uint8),
        "offset": offset.astype(np.int64),
        "onset_step": np.concatenate([np.diff(piece[:, 0], prepend=0) for piece in notes]).astype(np.int32),
        "duration": np.minimum(table[:, 1], 65535).astype(np.uint16),
        "pitch": table[:, 2].astype(np.uint8),
        "velocity": table[:, 3].astype(np.uint8),
        "part": table[:, 4].astype(np.uint8),
        **facts,
    }
    digest = np.frombuffer(bytes.fromhex(_content_hash(contents)), np.uint8)
    write_arrays(path, {"sha256": digest, **contents})


def _content_hash(contents: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(contents):
        array = np.ascontiguousarray(contents[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


# Compositions of one job, each with its notes; None where they cannot be read or used.
Read = list[tuple[dict[str, Any], np.ndarray | None]]


def _read_all(root: Path, folders: tuple[str, ...] | None, workers: int, progress: bool) -> Read:
    """Every composition in the order of the files, for any number of processes."""
    from tqdm import tqdm

    jobs = _jobs(root, folders)

    def work(job: int, on_progress: ProgressCallback) -> Read:
        size, read = jobs[job]
        pieces = read()
        on_progress(size)
        return pieces

    total = sum(size for size, _ in jobs)
    with tqdm(total=total, desc="reading scores", unit="piece", disable=not progress) as bar:
        try:
            pieces = dict(parallel_map(work, range(len(jobs)), workers, bar.update))
        except WorkerError as error:
            raise CorpusError(
                f"the scores could not be read ({error}); `tagging prepare sheet-music` starts again, nothing is half built"
            ) from error
    return [piece for job in range(len(jobs)) for piece in pieces[job]]


def _jobs(root: Path, folders: tuple[str, ...] | None) -> list[tuple[int, Callable[[], Read]]]:
    """Pairs (number of compositions, function that reads them), in a fixed order."""
    wanted = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and folder.name not in LEFT_OUT]
    if folders is not None:
        wanted = [folder for folder in wanted if folder.name in folders]
    tunes, scores = [], []
    for folder in wanted:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.suffix == ".abc":
                texts = readers.split_abc(path.read_text(encoding="utf-8", errors="replace"))
                tunes += [(folder.name, name, number, text) for number, text in enumerate(texts)]
            elif path.suffix in _SCORES:
                scores.append((folder.name, name, path))
    chunks = [tunes[start : start + _CHUNK] for start in range(0, len(tunes), _CHUNK)]
    jobs: list[tuple[int, Callable[[], Read]]] = [(len(c), functools.partial(_read_tunes, c)) for c in chunks]
    return jobs + [(1, functools.partial(_read_score, *score)) for score in scores]


def _read_tunes(tunes: list[tuple[str, str, int, str]]) -> Read:
    tables = readers.read_abc([text for *_, text in tunes])
    return [
        ({"collection": collection, "file": name, "number": number, **readers.abc_fields(text)}, table)
        for (collection, name, number, text), table in zip(tunes, tables, strict=True)
    ]


def _read_score(collection: str, name: str, path: Path) -> Read:
    text = readers.score_text(path)
    kern = path.suffix == ".krn"
    piece: dict[str, Any] = {"collection": collection, "file": name, "number": 0}
    piece |= readers.kern_fields(text) if kern else readers.xml_fields(text)
    if _RESTRICTED.search(piece.get("rights", "")):
        return [(piece, None)]
    read = readers.read_score(text)
    if read is None:
        return [(piece, None)]
    notes, signature = read
    if signature:
        piece["meter"] = f"{signature[0]}/{signature[1]}"
    return [(piece, notes)]
