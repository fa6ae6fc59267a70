"""What all published datasets share: splits by name, counts checked against the published ones, files fetched by one command."""

from __future__ import annotations

import contextlib
import csv
import functools
import inspect
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import ConfigError, CorpusError, TaggingError, unknown_name
from ..tags import Vocabulary
from ..utils.tables import cells_up_to
from .archives import unpack
from .download import Receipts, RemoteFile, check_space, fetch, part_of, size_of
from .options import Switch, TextOrNone
from .recordings import Recordings

T = TypeVar("T")
# What recent papers call the three parts
_PARTS = {"training": "train", "valid": "validation", "val": "validation", "testing": "test"}


class Published(Recordings):
    """A dataset that others published, read from its own files.

    A subclass holds facts in class attributes, reads the annotations of one split, and calls ``super().__init__`` with the
    tracks. They stand in a fixed shuffled order, so that the first N are a fair sample of the split.

    Attributes:
        splits: all names, ``"<protocol>/<part>"`` where several ways to split are in use. A part alone, such as ``"train"``,
            is that part of the default protocol.
        citation: what to cite.
        homepage: of the owners.
        artists_known: whether the groups of tracks are artists. If not, every track is a group of its own.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    citation: ClassVar[str] = ""
    homepage: ClassVar[str] = ""
    artists_known: ClassVar[bool] = True
    description = "published recordings"
    _shuffles = True

    def __init__(self, split: str, vocabulary: Vocabulary, ids: Sequence[str], *tracks: Any, **facts: Any) -> None:
        if len(set(ids)) < len(ids):
            raise CorpusError(f"{self.name}, split {split}: {len(ids) - len(set(ids))} ids stand in it twice")
        super().__init__(split, vocabulary, ids, *tracks, **facts)

    @classmethod
    def split_name(cls, split: str, splits: Sequence[str] | None = None) -> str:
        """The full name of a split: ``"train"`` -> ``"lee/train"`` where ``lee`` is the first protocol.

        Args:
            split: as the user has it; training, val and so on are understood.
            splits: those that exist, if not ``splits`` of the class.

        Raises:
            ConfigError: no such split.
        """
        protocol, slash, part = split.rpartition("/")
        splits = cls.splits if splits is None else splits
        for name in splits:
            known_protocol, _, known_part = name.rpartition("/")
            if _PARTS.get(part, part) == _PARTS.get(known_part, known_part) and (
                not slash or protocol == known_protocol
            ):
                return name
        raise unknown_name("split", split, splits)

    @classmethod
    def check_count(cls, what: str, actual: int, published: int, *, strict: bool, because: str = "") -> list[str]:
        """Compare a count with the published one.

        Args:
            what: is counted, in the plural, such as ``"clips of lee/train"``.
            actual: in the files.
            published: in the paper or the repository of the dataset.
            strict: raise where they differ. Otherwise the difference becomes a note.
            because: what is known to make them differ.

        Returns:
            No note, or one.

        Raises:
            CorpusError: they differ, and ``strict``.
        """
        if actual == published:
            return []
        text = f"{actual:,} {what}, where {published:,} are published"
        if not strict:
            return [text]
        raise CorpusError(
            f"{cls.title()}: {text}. {because or 'The annotations are not whole, or of another edition'}: fetch them again "
            f"({cls.command()}), or open them as they are with strict=False"
        )

    @classmethod
    def title(cls) -> str:
        """The registered name."""
        return str(getattr(cls, "registered_name", cls.__name__))

    @classmethod
    def command(cls, root: str | Path = "DIR") -> str:
        """The command that fetches the files."""
        return f"tagging prepare {cls.title()} --root {root}"

    @classmethod
    def find(cls, root: Path, *candidates: str) -> Path:
        """The first of these files or folders that exists under ``root``.

        Raises:
            CorpusError: none does; the message says how to get it.
        """
        for candidate in candidates:
            if (path := root / candidate).exists():
                return path
        where = "no such folder" if not root.is_dir() else f"it has no {' and no '.join(candidates)}"
        raise CorpusError(f"{root}: {where}; `{cls.command(root)}` fetches what may be fetched, from {cls.homepage}")

    def summary(self) -> list[str]:
        lines = super().summary()
        if not self.artists_known:
            lines.append("artists are not in these annotations: every track is a group of its own")
        missing = self._missing()
        example = f"; missing or empty: {missing[0]}, for example" if missing else ""
        lines.append(f"sound: {len(self) - len(missing):,} of {len(self):,} files are in place{example}")
        lines += [f"note: {note}" for note in self.notes]
        return [*lines, f"licence: {self.licence}", f"cite: {self.citation}", f"from: {self.homepage}"]

    def _missing(self) -> list[Path]:
        return [path for path in self.paths if not (path.is_file() and path.stat().st_size)]

    def remarks(self) -> list[str]:
        return [f"{self.name}, {self.split}: {note}" for note in self.notes]

    def check_readable(self, max_unreadable: float) -> None:
        """Raise CorpusError if more than this share of the files is missing or empty. They are not opened."""
        missing = self._missing()
        if len(missing) > max_unreadable * len(self):
            raise CorpusError(
                f"{self.name}, {self.split}: {len(missing):,} of {len(self):,} sound files are missing or empty, "
                f"{missing[0]} for example; `{self.command()}` fetches what is published"
            )

    @classmethod
    @abstractmethod
    def annotation_files(cls, *args: Any, **options: Any) -> list[RemoteFile]:
        """The published files without which the dataset cannot be opened."""

    @classmethod
    def audio_files(cls, *args: Any, **options: Any) -> list[RemoteFile]:
        """The published archives of sound, of the root folder; asked for when the annotations are there. By default none."""
        return []

    @classmethod
    def prepare(  # type: ignore[override]
        cls, *, root: str | Path = "", annotations_only: Switch = False, mirror: TextOrNone = None,
        remove_archives: Switch = False,
        progress: bool = True, **options: Any,
    ) -> None:  # fmt: skip
        """Download what the owners publish, check it, and unpack it. What is there already is kept; a break costs nothing.

        Args:
            root: folder of the dataset.
            annotations_only: leave the sound out.
            mirror: another server, such as ``"https://mirror.example/music"``, with the same paths.
            remove_archives: delete archives once they are unpacked.
            progress: say the licence first, and show progress bars, on standard error.
            options: of the dataset, such as ``subset``.

        Raises:
            ConfigError: no root, or an option that the dataset does not take.
            DownloadError: no connection, no room, or a file that differs from the published one.
            CorpusError: a damaged archive.
        """
        name = cls.title()
        if not str(root):
            raise ConfigError(f"{name}: name the folder for its files, e.g. {cls.command()}")
        folder = Path(root).expanduser()
        if progress:
            print(f"{name}, from {cls.homepage}\nlicence: {cls.licence}\ncite: {cls.citation}", file=sys.stderr)
        _check_options(cls.annotation_files, name, options)
        sound = [] if annotations_only else cls.audio_files(folder, **options)
        _check_room(name, cls.annotation_files(**options) + sound, folder, remove_archives)
        damaged = _fetch_and_unpack(cls.annotation_files(**options), folder, mirror, remove_archives, progress)
        if not annotations_only:
            # asked for again: hashes of archives may stand in the annotations
            sound = cls.audio_files(folder, **options)
            damaged += _fetch_and_unpack(sound, folder, mirror, remove_archives, progress)
        if progress and not (annotations_only or sound or any(file.unpack for file in cls.annotation_files(**options))):
            print(f"{name}: the owners publish no sound; {cls.__name__} says where yours goes", file=sys.stderr)
        if damaged:
            raise CorpusError(
                f"{name}: {len(damaged)} files are damaged in the archives, all others are in place: {'; '.join(damaged[:5])}"
            )


def _check_options(function: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
    known = list(inspect.signature(function).parameters)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, [*known, "annotations_only", "mirror", "remove_archives"])


def _check_room(name: str, files: Sequence[RemoteFile], folder: Path, remove_archives: bool) -> None:
    """An archive and what is in it stand side by side until it is unpacked. Sound cannot be compressed further."""
    receipts = Receipts(folder)
    files = [file for file in files if "unpacked" not in receipts[file.path]]
    fetched = {file: folder / file.path for file in files}
    missing = {file: file.size - size_of(part_of(path)) for file, path in fetched.items() if not path.exists()}
    unpacked = sum(file.size for file in files if file.unpack)
    archives = sum(missing.values()) if not remove_archives else max(missing.values(), default=0)
    check_space(folder, max(0, archives + unpacked), f"{name}, with archives and what is in them,")


def _fetch_and_unpack(
    files: Sequence[RemoteFile], folder: Path, mirror: str | None, remove_archives: bool, progress: bool
) -> list[str]:
    """Return the members of archives that are damaged."""
    receipts = Receipts(folder)
    missing = [file.from_mirror(mirror) for file in files if "unpacked" not in receipts[file.path]]
    damaged = []
    for parts in _archives(missing):
        paths = [fetch(file, folder, progress=progress) for file in parts]
        if parts[0].unpack:
            lost = unpack(paths, folder / parts[0].into, progress=progress)
            damaged += lost
            if lost:
                continue  # the archive is kept, and the same is said next time
            for file, path in zip(parts, paths, strict=True):
                Receipts(folder).note(file.path, unpacked=True)
                if remove_archives:
                    path.unlink()
    return damaged


def _archives(files: Sequence[RemoteFile]) -> Iterator[list[RemoteFile]]:
    """Files one by one; the parts of an archive, ``.001``, ``.002`` and so on, together."""
    group: list[RemoteFile] = []
    for file in files:
        stem, _, number = file.path.rpartition(".")
        if group and not (number.isdecimal() and group[0].path.startswith(f"{stem}.")):
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def multi_hot(chosen: Sequence[Sequence[str]], names: Sequence[str]) -> np.ndarray:
    """float32 [tracks, tags]: 1 for the tags that were chosen for a track; one without any is unknown (nan) in all.

    Args:
        chosen: the tags of each track.
        names: all tags, in the order of the columns.
    """
    column = {name: position for position, name in enumerate(names)}
    labels = np.zeros((len(chosen), len(names)), np.float32)
    for row, tags in zip(labels, chosen, strict=True):
        row[[column[tag] for tag in tags]] = 1
        if not tags:
            row[:] = np.nan
    return labels


def parsed_once(parse: Callable[[Path], T]) -> Callable[[Path], T]:
    """Decorator: keep what a function makes of a file until the file changes; several splits stand in one file."""

    @functools.lru_cache(maxsize=4)
    def keep(path: Path, stamp: tuple[int, int]) -> T:
        return parse(path)

    @functools.wraps(parse)
    def read(path: Path) -> T:
        status = path.stat()
        return keep(path.absolute(), (status.st_mtime_ns, status.st_size))

    return read


@contextlib.contextmanager
def rows_of(path: Path, delimiter: str = ",") -> Iterator[Iterator[list[str]]]:
    """The rows of a CSV or TSV file. Text that is no table is reported with the file and the line.

    Raises:
        CorpusError: within the block: a row that is too short, a number that is none, a cell that cannot be read.
    """
    # biographies of artists are longer than the default
    with cells_up_to(2**26), open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            yield reader
        except TaggingError:
            raise
        except (csv.Error, UnicodeDecodeError, ValueError, LookupError, StopIteration, SyntaxError) as error:
            raise CorpusError(
                f"{path}, line {reader.line_num}: not as published ({error or 'it ends here'}); fetch the file again"
            ) from error
