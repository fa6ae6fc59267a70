"""What is known of a library so far, in an SQLite file beside the table: it survives any kill, in bounded memory.

Results belong to the content of a file, by its SHA-256. So equal files are tagged once, and a file that was moved or touched is
not tagged again. Book: ``book/tag_library``.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from ..errors import TaggingError
from ..utils.files import DamagedError, check_writable, locked
from .results import Row, SongResult, floats_of
from .walk import FoundFile

FORMAT = "tagging-library/1"
# Seconds of finished work that a kill may cost.
COMMIT_SECONDS = 1.0
# What the disk, its rights or another process is the reason of; all other errors are those of a file with other contents.
_OF_THE_DISK = {
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
}  # fmt: skip
_PAGE = 500
_SCHEMA = """
create table if not exists facts (name text primary key, value text) without rowid;
create table if not exists files (
    path blob primary key, size integer, modified integer, digest text, error text, run integer
) without rowid;
create index if not exists digests on files (digest, path);
create table if not exists results (
    digest text primary key, error text, notes text, seconds real, scores blob, embeddings blob
) without rowid;
"""


class Journal:
    """The journal of one table and one choice of models. One process at a time may have it open.

    Args:
        out: path of the table.
        settings: names and digests of the models, and whatever else changes results; the journal of other settings is
            another file.
        root: folder of the library. Where it is another one than before, files are known by their content only.

    Raises:
        TaggingError: the folder cannot be written to, or another process is at work.
        DamagedError: the file is damaged; the message says what to do.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], root: Path) -> None:
        self.out, self.settings = out, dict(settings)
        text = json.dumps({"format": FORMAT, **settings}, sort_keys=True)
        self.path = out.with_name(f"{out.name}.journal-{hashlib.sha256(text.encode()).hexdigest()[:12]}")
        check_writable(out.parent)
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(locked(out, wait=False))
        try:
            self._open(text, os.path.realpath(root))
        except BaseException:
            self._stack.close()
            raise

    def _open(self, settings: str, root: str) -> None:
        with self._named_errors():
            self._db = sqlite3.connect(self.path, isolation_level=None)
            self._stack.callback(self._db.close)
            self._db.executescript(
                "pragma cache_size=-8000; pragma synchronous=normal; pragma temp_store=file;" + _SCHEMA
            )
            known = dict(self._db.execute("select name, value from facts"))
            self.run = int(known.get("run", 0)) + 1
            self._committed = time.monotonic()
            self._db.execute("begin")
            if os.fsencode(root).hex() != known.get("root", ""):
                self._db.execute("update files set size = -1")
            facts = {"settings": settings, "root": os.fsencode(root).hex(), "run": str(self.run)}
            self._db.executemany("insert or replace into facts values (?, ?)", facts.items())
            # what the system, not the content, was the reason of is tried again
            self._db.execute("update files set error = null")
            self.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        is_empty = False
        try:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("commit")
                is_empty = self._db.execute("select 1 from results limit 1").fetchone() is None
            self._db.close()
            if kind is not None and is_empty:  # nothing is known that a run has to begin with
                self.path.unlink(missing_ok=True)
        finally:
            self._stack.close()

    def damaged(self, reason: object) -> DamagedError:
        """The error for contents that were not written by this class."""
        return DamagedError(
            self.path, f"{reason}; delete this file and give the command again: all songs are tagged again"
        )

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # the low byte is the kind; SQLite's texts for damage speak of disks too
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            if code & 0xFF in _OF_THE_DISK and code != sqlite3.SQLITE_IOERR_SHORT_READ:
                raise TaggingError(
                    f"cannot write {self.path}: {error}; check that {self.path.parent} may be written to and has space "
                    "left, then give the same command again"
                ) from error
            raise self.damaged(error) from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self.damaged(error) from error

    def commit(self) -> None:
        """Keep what was added so far."""
        with self._named_errors():
            self._db.execute("commit")
            self._db.execute("begin")
            self._committed = time.monotonic()

    def _changed(self) -> None:
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()

    def fact(self, name: str) -> str:
        """A text that was kept; empty if there is none."""
        with self._named_errors():
            row = self._db.execute("select value from facts where name = ?", [name]).fetchone()
            return "" if row is None else str(row[0])

    def set_fact(self, name: str, text: str) -> None:
        """Keep a text."""
        with self._named_errors():
            self._db.execute("insert or replace into facts values (?, ?)", [name, text])

    # The folder

    def note_file(self, file: FoundFile) -> bool:
        """Note that a file is there. Returns whether it is as it was, and known."""
        with self._named_errors():
            key = _key(file.path)
            query = "select size, modified, digest from files where path = ?"
            known = self._db.execute(query, [key]).fetchone()
            unchanged = not file.error and known is not None and known[:2] == (file.size, file.modified) and known[2]
            if unchanged:
                self._db.execute("update files set run = ? where path = ?", [self.run, key])
            else:
                row = [key, file.size, file.modified, None, file.error or None, self.run]
                self._db.execute("insert or replace into files values (?, ?, ?, ?, ?, ?)", row)
            self._changed()
            return bool(unchanged)

    def forget_missing(self, unreadable: list[str]) -> Iterator[str]:
        """Forget the files that were not found in this run, and yield their paths.

        Args:
            unreadable: folders that could not be opened; what was below them stays.
        """
        folders = tuple(_key(folder) + b"/" for folder in unreadable)
        for (key,) in self._pages("select path from files where path > ? and run < ?", [self.run]):
            with self._named_errors():
                if folders and key.startswith(folders):
                    self._db.execute("update files set run = ? where path = ?", [self.run, key])
                else:
                    self._db.execute("delete from files where path = ?", [key])
                    yield os.fsdecode(key)
                self._changed()

    # The work

    def pending(self) -> Iterator[str]:
        """Paths of the files that are new or changed, in order."""
        for (key,) in self._pages("select path from files where path > ? and digest is null and error is null", []):
            yield os.fsdecode(key)

    def count(self) -> tuple[int, int]:
        """Number of files, and of those that are pending."""
        with self._named_errors():
            query = "select count(*), total(digest is null and error is null) from files"
            files, pending = self._db.execute(query).fetchone()
            return files, int(pending)

    def has(self, digest: str) -> bool:
        """Whether this content has a result."""
        with self._named_errors():
            return self._db.execute("select 1 from results where digest = ?", [digest]).fetchone() is not None

    def error_of(self, digest: str) -> str:
        """Why a content could not be tagged; empty if it was."""
        with self._named_errors():
            row = self._db.execute("select error from results where digest = ?", [digest]).fetchone()
            return "" if row is None else str(row[0])

    def set_content(self, path: str, digest: str) -> None:
        """Say which content a file has; call it once this has a result."""
        with self._named_errors():
            self._db.execute("update files set digest = ? where path = ?", [digest, _key(path)])
            self._changed()

    def set_error(self, path: str, reason: str) -> None:
        """Say why a file could not be read this time."""
        with self._named_errors():
            self._db.execute("update files set error = ? where path = ?", [reason, _key(path)])
            self._changed()

    def add(self, digest: str, result: SongResult) -> None:
        """Keep the result of a content."""
        blobs = [None if array is None else array.tobytes() for array in (result.scores, result.embeddings)]
        row = [digest, _text(result.error), _text(json.dumps(result.notes)), result.seconds, *blobs]
        with self._named_errors():
            self._db.execute("insert or replace into results values (?, ?, ?, ?, ?, ?)", row)

    def forget_failures(self) -> None:
        """Forget the results that are errors, so that these files are tried again."""
        with self._named_errors():
            self._db.execute("delete from results where error != ''")
            self._db.execute("update files set digest = null where digest not in (select digest from results)")
            self.commit()

    # The table

    def rows(self, tags: int, features: int) -> Iterator[Row]:
        """All files with their results, by path.

        Args:
            tags: number of scores of each song.
            features: length of its embeddings; 0 where there are none.
        """
        query = """
            select path, size, files.digest, files.error, results.error, notes, seconds, scores, embeddings,
                (select min(path) from files as others where others.digest = files.digest)
            from files left join results on files.digest = results.digest
            where path > ? and (files.digest is not null or files.error is not null)
        """
        for key, size, digest, problem, error, notes, seconds, scores, vectors, first in self._pages(query, []):
            with self._named_errors():
                result = SongResult(str(problem or error or ""))
                if digest is not None and scores is not None:
                    vector = floats_of(vectors, features) if features else None
                    texts = json.loads(notes)
                    if not isinstance(texts, list) or not all(isinstance(note, str) for note in texts):
                        raise ValueError("notes that are no texts")
                    result = SongResult("", tuple(texts), float(seconds), floats_of(scores, tags), vector)
                elif not result.error:
                    raise ValueError(f"no result of {os.fsdecode(key)}")
                original = "" if first in (None, key) or result.error else os.fsdecode(first)
                row = Row(os.fsdecode(key), int(size), str(digest or ""), original, result)
            yield row

    def _pages(self, query: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, some at a time: so the table may be changed in between."""
        last = b""
        while True:
            with self._named_errors():
                page = self._db.execute(f"{query} order by path limit {_PAGE}", [last, *values]).fetchall()
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    # Journals of other settings

    def others(self) -> list[Path]:
        """Journals of the same table with other settings."""
        pattern = f"{glob.escape(self.out.name)}.journal-" + "[0-9a-f]" * 12
        return sorted(path for path in self.out.parent.glob(pattern) if path != self.path)

    def remove_others(self) -> None:
        """Remove them, once the table is that of these settings."""
        for path in self.others():
            with contextlib.suppress(OSError):
                path.unlink()


def copy_results(out: Path, before: str, after: str) -> None:
    """Give a file whose metadata were changed the results it had, in all journals of a table, whose lock the caller holds.

    Args:
        out: path of the table.
        before, after: SHA-256 of the file.
    """
    for path in out.parent.glob(f"{glob.escape(out.name)}.journal-" + "[0-9a-f]" * 12):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db, db:
            query = "insert or ignore into results select ?, error, notes, seconds, scores, embeddings from results"
            db.execute(f"{query} where digest = ?", [after, before])


def settings_of(path: Path) -> dict[str, Any]:
    """The settings of a journal; empty if it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            return dict(json.loads(db.execute("select value from facts where name = 'settings'").fetchone()[0]))
    except (sqlite3.Error, ValueError, TypeError, RecursionError):
        return {}


def _key(path: str) -> bytes:
    return os.fsencode(path)  # names that are no text, too


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()  # SQLite takes no lone surrogates
