"""Write tags of a table into the metadata of the files, and undo it; sound and other metadata stay as they are.

Book: ``book/tag_library``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError, TaggingError, unknown_name
from ..utils.extras import missing_package
from ..utils.files import DamagedError, atomic_write, check_writable, locked, sha256
from .exports import chosen_tag
from .journal import copy_results
from .table import LibraryTable

# field -> its name in ID3, Vorbis comments (FLAC, Ogg, Opus), MP4, ASF (WMA), APE (WavPack)
FIELDS = {
    "genre": ("TCON", "GENRE", "\xa9gen", "WM/Genre", "Genre"),
    "grouping": ("TIT1", "GROUPING", "\xa9grp", "WM/ContentGroupDescription", "Grouping"),
}


class Change(NamedTuple):
    """What is changed in a file, or why it is not.

    Attributes:
        path: below the folder of the library.
        before, after: values of the field.
        error: why it was not changed; empty if it was, or would be.
    """

    path: str
    before: list[str]
    after: list[str]
    error: str = ""


def write_tags(
    table: str | os.PathLike[str], tags: Sequence[str], *, field: str = "grouping", write: bool = False
) -> Iterator[Change]:
    """Add tags to a field of the files' metadata where the table has scores that are high enough.

    Nothing is written unless ``write`` is True. A file is replaced by a changed copy, whole or not at all, after two checks of
    the copy: its encoded sound is equal, packet by packet, and so is all other metadata. What the field held before is kept in
    ``<table>.originals.jsonl``, from which :func:`undo_tags` restores it.

    Args:
        table: of :func:`tagging.tag_library`. The files must lie where they were.
        tags: each as ``TAG``, where the model comes with thresholds, or ``TAG=SCORE``.
        field: ``"grouping"`` or ``"genre"``.
        write: change the files.

    Yields:
        The files that are, or would be, changed, and those that cannot be.

    Raises:
        ConfigError: no tag, an unknown one, or an unknown field.
        MissingPackageError: mutagen is not installed.
        TaggingError: the table cannot be read, or its folder not be written to.

    Book: ``book/tag_library``.
    """
    try:  # said before the work
        import mutagen  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from None
    opened = LibraryTable(table)
    if field not in FIELDS:
        raise unknown_name("field", field, FIELDS)
    if isinstance(tags, str) or not tags:
        raise ConfigError(f"tags={tags!r}: give a list of tags, such as ['piano=0.5']")
    chosen = [chosen_tag(text, opened.description) for text in tags]
    return _write_all(opened, chosen, field, write)


def _write_all(table: LibraryTable, chosen: list[tuple[str, float]], field: str, write: bool) -> Iterator[Change]:
    names = [table.description.columns[column][1] for column, _ in chosen]
    root, originals = Path(table.description.root), _originals(table.path)
    if write:
        check_writable(table.path.parent)
    copies: list[tuple[str, str]] = []
    try:
        for block in table.blocks(["path", "sha256", *(column for column, _ in chosen)]):
            for path, digest, *scores in zip(*block.values(), strict=True):
                pairs = zip(names, scores, chosen, strict=True)
                wanted = [name for name, score, (_, low) in pairs if score is not None and score >= low]
                if wanted and (change := _change(root, path, field, wanted, write, originals)):
                    yield change
                    if write and not change.error:
                        copies.append((digest, sha256(root / path)))
    finally:
        if copies:  # the sound is the same, so the results are
            copy_results(table.path, copies)


def _change(root: Path, path: str, field: str, wanted: list[str], write: bool, originals: Path) -> Change | None:
    before: list[str] = []
    try:
        file = _opened(root / path)
        before = _get(file, field)
        after = before + [tag for tag in wanted if tag not in before]
        if after == before:
            return None
        if write:
            entry = {"path": path, "field": field, "before": before, "after": after, "had_tags": file.tags is not None}
            _replace(root / path, field, after, keep_tags=True, log=(originals, entry))
        return Change(path, before, after)
    except Exception as error:  # whatever a file does to a library, the files after it are written
        return Change(path, before, before, _reason(error))


def undo_tags(table: str | os.PathLike[str], *, write: bool = False) -> Iterator[Change]:
    """Restore what :func:`write_tags` has changed.

    Args:
        table: the same.
        write: change the files; else only say what would be.

    Yields:
        The files that are, or would be, restored, and those that cannot be: because another program has changed the field since.

    Raises:
        ConfigError: nothing has been written.

    Book: ``book/tag_library``.
    """
    opened = LibraryTable(table)
    originals = _originals(opened.path)
    if not originals.exists():
        raise ConfigError(f"{originals}: no such file; nothing was written for this table, or all of it was undone")
    return _undo_all(opened, originals, write)


def _undo_all(table: LibraryTable, originals: Path, write: bool) -> Iterator[Change]:
    with locked(originals, wait=False):
        entries: dict[tuple[str, str], dict[str, Any]] = {}
        for line in originals.read_text(encoding="ascii", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                first = entries.setdefault((entry["path"], entry["field"]), entry)
                first["after"] = entry["after"]
            except (ValueError, TypeError, KeyError):  # cut off by a kill, before its file was replaced
                continue
        left = []
        copies: list[tuple[str, str]] = []
        for (path, field), entry in entries.items():
            change = _undo(Path(table.description.root), path, field, entry, write, copies)
            if change is not None:
                yield change
            if change is not None and (change.error or not write):
                left.append(entry)
        if copies:
            copy_results(table.path, copies)
        if write and left:
            with atomic_write(originals) as part:
                part.write_text("".join(json.dumps(entry) + "\n" for entry in left), encoding="ascii")
        elif write:
            originals.unlink()


def _undo(
    root: Path, path: str, field: str, entry: dict[str, Any], write: bool, copies: list[tuple[str, str]]
) -> Change | None:
    now: list[str] = []
    try:
        now = _get(_opened(root / path), field)
        if now == entry["before"]:
            return None
        if now != entry["after"]:
            raise TaggingError(f"the field {field} was changed since, to {', '.join(now) or 'nothing'}; it stays so")
        if write:
            digest = sha256(root / path)
            _replace(root / path, field, entry["before"], keep_tags=entry["had_tags"])
            copies.append((digest, sha256(root / path)))
        return Change(path, now, entry["before"])
    except Exception as error:
        return Change(path, now, now, _reason(error))


def _originals(table: Path) -> Path:
    return table.with_name(table.name + ".originals.jsonl")


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, TaggingError) else f"{type(error).__name__}: {error}"


# One file


def _opened(path: Path) -> Any:
    import mutagen

    if not path.is_file():
        raise TaggingError("no such file; the table is of files that have moved")
    file = mutagen.File(path)
    if file is None:
        raise TaggingError("its kind of file cannot hold tags")
    return file


def _replace(
    path: Path, field: str, values: list[str], *, keep_tags: bool, log: tuple[Path, dict[str, Any]] | None = None
) -> None:
    """Replace a file by a copy with other values of a field, once the copy is checked and the log written."""
    original = _opened(path)
    with atomic_write(path) as part:
        shutil.copy2(path, part)
        copy = type(original)(part)
        if copy.tags is None:
            copy.add_tags()
        _set(copy, field, values)
        if not keep_tags and not len(copy.tags):
            copy.delete()
        else:
            # what was written in version 2.3, which older players read, stays so
            is_old = getattr(copy.tags, "version", None) == (2, 3, 0)
            copy.save(**({"v2_version": 3, "v23_sep": None} if is_old else {}))
        changed = type(original)(part)
        if _get(changed, field) != values:
            raise TaggingError(f"{', '.join(values)} cannot be kept in the field {field} of this kind of file")
        if _others(changed, field) != _others(original, field):
            raise TaggingError("other metadata would change")
        if sound_digest(part) != sound_digest(path):
            raise TaggingError("the sound would change")
        if log is not None:
            with open(log[0], "a", encoding="ascii") as file:
                file.write(json.dumps(log[1]) + "\n")
                file.flush()
                os.fsync(file.fileno())


def sound_digest(path: Path) -> str:
    """SHA-256 of the encoded sound of a file, without its metadata."""
    import av

    digest = hashlib.sha256()
    try:
        with av.open(os.fspath(path)) as container:
            for packet in container.demux(container.streams.audio[0]):
                digest.update(bytes(packet))
    except (av.FFmpegError, IndexError) as error:
        raise DamagedError(path, error) from error
    return digest.hexdigest()


def _name(file: Any, field: str) -> str:
    """What the field is called in this kind of file."""
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    if file.tags is None:
        file.add_tags()
    kinds: tuple[type, ...] = (ID3, MP4Tags, ASFTags, APEv2)
    names = dict(zip(kinds, (FIELDS[field][index] for index in (0, 2, 3, 4)), strict=True))
    vorbis = FIELDS[field][1]
    return next((name for kind, name in names.items() if isinstance(file.tags, kind)), vorbis)


def _get(file: Any, field: str) -> list[str]:
    if file.tags is None:
        return []
    value = file.tags.get(_name(file, field), [])
    return [str(text) for text in (getattr(value, "text", value) if not isinstance(value, str) else [value])]


def _set(file: Any, field: str, values: list[str]) -> None:
    from mutagen import id3

    name = _name(file, field)
    if not values:
        if name in file.tags:
            del file.tags[name]
    elif isinstance(file.tags, id3.ID3):
        file.tags.setall(name, [getattr(id3, name)(encoding=id3.Encoding.UTF8, text=values)])
    else:
        file.tags[name] = values


def _others(file: Any, field: str) -> dict[str, str]:
    """All other metadata, as text."""
    if file.tags is None:
        return {}
    name = _name(file, field).lower()
    return {str(key): repr(value) for key, value in dict(file.tags).items() if str(key).lower() != name}
