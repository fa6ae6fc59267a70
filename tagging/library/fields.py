"""One field of the metadata of one file: read it, and replace the file by a copy in which nothing else has changed.

Book: ``book/tag_library``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import TaggingError
from ..utils.files import DamagedError, atomic_write

# field -> its name in ID3, Vorbis comments (FLAC, Ogg, Opus), MP4, ASF (WMA), APE (WavPack)
FIELDS = {
    "genre": ("TCON", "GENRE", "\xa9gen", "WM/Genre", "Genre"),
    "grouping": ("TIT1", "GROUPING", "\xa9grp", "WM/ContentGroupDescription", "Grouping"),
}
_ID3_V1_BYTES = 128


class FieldValues(NamedTuple):
    """A field of a file.

    Attributes:
        values: as they are in the file.
        shown: as players show them: the genre ``"(17)"`` is Rock, and what ID3v2 lacks is taken from ID3v1.
        has_tags: whether the file has metadata, of this field or others.
    """

    values: list[str]
    shown: list[str]
    has_tags: bool


def read_field(path: Path, field: str) -> FieldValues:
    """Read a field.

    Args:
        path: of a sound file.
        field: of :data:`FIELDS`.

    Raises:
        TaggingError: its kind of file cannot hold tags, or they cannot be changed without changing others.
        mutagen.MutagenError: its metadata are damaged.

    Book: ``book/tag_library``.
    """
    import mutagen

    file = _open(path, field)
    return FieldValues(_get(file, field), _get(mutagen.File(path), field), file.tags is not None)


def replace_field(
    path: Path,
    field: str,
    values: Sequence[str],
    *,
    keep_tags: bool = True,
    before_replacing: Callable[[], object] | None = None,
) -> None:
    """Replace a file, atomically, by a copy with other values of a field, once the copy has been checked.

    Args:
        path: of a sound file.
        field: of :data:`FIELDS`.
        values: none removes the field.
        keep_tags: False removes metadata of which nothing is left.
        before_replacing: called after the checks.

    Raises:
        TaggingError: it cannot be written, the field cannot hold the values, something else would change, or another program
            has changed the file in the meantime.
        mutagen.MutagenError: its metadata are damaged.

    Book: ``book/tag_library``.
    """
    values = list(values)
    with atomic_write(path) as part:
        status = path.stat()
        original = _open(path, field)
        shutil.copy2(path, part)
        _keep_owner(part, status)
        copy = _open(part, field)
        if copy.tags is None:
            copy.add_tags()
        _set(copy, field, values)
        _save(copy, path, part, keep_tags=keep_tags or not _is_empty(copy.tags))
        changed = _open(part, field)
        if _get(changed, field) != values:
            raise TaggingError(f"{', '.join(values)} cannot be kept in the field {field} of this kind of file")
        if _others(changed, part, field) != _others(original, path, field):
            raise TaggingError(
                "other metadata would change, so it stays as it is: edit this field with another program"
            )
        if sound_digest(part) != sound_digest(path):
            raise TaggingError("the sound would change, so it stays as it is: edit this field with another program")
        if before_replacing is not None:
            before_replacing()
        if _identity(path.stat()) != _identity(status):
            raise TaggingError("another program has just changed it: give the command again")


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


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _keep_owner(part: Path, status: os.stat_result) -> None:
    """Give the copy the owner and group of the file, or at least the group, as far as the user may."""
    now = part.stat()
    if (now.st_uid, now.st_gid) == (status.st_uid, status.st_gid):
        return
    for owner in (-1, status.st_uid):
        with contextlib.suppress(PermissionError):
            os.chown(part, owner, status.st_gid)
            part.chmod(status.st_mode & 0o7777)  # of which a change of owner clears some


def _open(path: Path, field: str) -> Any:
    """What mutagen makes of a file; of ID3 it is told this field only, so that it keeps all other frames as bytes."""
    import mutagen
    from mutagen import id3

    file = mutagen.File(path)
    try:
        if file is not None and file.tags is None:
            file.add_tags()
            is_id3, file.tags = isinstance(file.tags, id3.ID3), None
        else:
            is_id3 = file is not None and isinstance(file.tags, id3.ID3)
    except (mutagen.MutagenError, NotImplementedError):
        file = None
    if file is None:
        raise TaggingError("its kind of file cannot hold tags")
    if is_id3:
        name = FIELDS[field][0]
        file = type(file)(path, known_frames={name: getattr(id3, name)}, translate=False, load_v1=False)
        if file.tags is not None and file.tags.version[1] not in (3, 4):
            raise TaggingError(
                f"its metadata are ID3v2.{file.tags.version[1]}, of which some would be lost: convert them to ID3v2.4 with a tag "
                "editor, then run `tagging tag-library` and this command again"
            )
    return file


def _save(file: Any, path: Path, part: Path, *, keep_tags: bool) -> None:
    """Write changed metadata into the part, which is a copy of the file at ``path``; or none."""
    from mutagen import id3

    tags = file.tags
    options: dict[str, Any] = {}
    if isinstance(tags, id3.ID3):
        options = {"v2_version": tags.version[1], "v23_sep": None}
    if type(tags) is not id3.ID3:
        file.save(**options) if keep_tags else file.delete()
        return
    # the tag is the start of the file. mutagen would also rewrite or remove an ID3v1 tag at its end
    head = io.BytesIO()
    if keep_tags:
        tags.save(head, v1=0, padding=lambda _info: 1024, **options)
    with open(path, "rb") as source, open(part, "wb") as target:
        has_footer = tags.size and source.read(6)[5] & 0x10
        source.seek(tags.size + (10 if has_footer else 0))
        target.write(head.getvalue())
        shutil.copyfileobj(source, target, 2**20)


def _name(file: Any, field: str) -> str:
    """What the field is called in this kind of file, which has tags."""
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

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


def _is_empty(tags: Any) -> bool:
    return not len(tags) and not getattr(tags, "unknown_frames", None)


def _others(file: Any, path: Path, field: str) -> dict[str, Any]:
    """All other metadata, as text; of ID3 the bytes of the frames too, and the tag of version 1 at the end of the file."""
    from mutagen import id3

    ending = _ending(path)
    others: dict[str, Any] = {"ID3v1": ending} if ending.startswith(b"TAG") else {}
    if (tags := file.tags) is None:
        return others
    name = _name(file, field).lower()
    if isinstance(tags, id3.ID3):
        if tags.unknown_frames:
            others["frames"] = tags.unknown_frames
        # and how they are read, which depends on the frames before and on the head of the tag
        tags = type(file)(path, translate=False, load_v1=False).tags or {}
    return {str(key): repr(value) for key, value in dict(tags).items() if str(key).lower() != name} | others


def _ending(path: Path) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - _ID3_V1_BYTES, 0))
        return file.read()
