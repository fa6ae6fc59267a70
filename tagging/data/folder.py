"""The ``folder`` corpus: your own sound files with a table of tags, or in a subfolder for each tag. Book: ``book/recipe``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import CorpusError
from ..tags import Tag, Vocabulary
from ..utils.text import some
from .annotations import SPLIT_NAMES, Annotations, annotate, as_option, check_classes
from .base import CORPORA
from .matching import match_files
from .options import FilePath, FilePathOrNone, SampleRate, Seed, Shares, Text, TextOrNone, Texts, TextsOrNone
from .recordings import SAMPLE_RATE, Recordings
from .scan import AUDIO_SUFFIXES, Facts, list_sound_files, same_content, scan
from .splits import SHARES, assign_splits
from .tables import read_table


@CORPORA.register("folder")
class Folder(Recordings):
    """A folder of sound files with a table of tags. Without a table, each subfolder is a tag.

    Opening it matches the table with the files, opens every file once (later only those that have changed), and reports what it
    has found: see the attribute ``findings``. Files that cannot be read are left out of all splits; songs without a file, too.

    Args:
        root: the folder; sound files are looked for below it, in subfolders, too.
        labels: a CSV, TSV, Parquet or JSON lines table. Songs are named by the path of their file, by any part of its end, with
            or without suffix. Tags are columns of 0, 1 or nothing (unknown), or one column that lists them.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        ids, tags, separator, group, split_column, regression, ignore: columns of the table and what they are, where it cannot be
            seen; see :func:`tagging.data.annotations.annotate`.
        shares: of train, validation and test, for songs without a split. Songs of one group stay together.
        seed: of the split.
        sample_rate: at which files are read, Hz.

    Attributes:
        findings: what was matched, missing, unreadable, duplicated, never positive, and how songs are split, one line each.
        unreadable: files that are left out -> why.

    Raises:
        ConfigError: columns or labels that cannot be used; the message says what to do.
        CorpusError: no such folder or table, no sound files, or none that the table names.

    >>> corpus = open_corpus("folder", root="music", labels="tags.csv", split="train")  # doctest: +SKIP
    """

    splits = ("train", "validation", "test")

    def __init__(
        self,
        *,
        root: FilePath,
        labels: FilePathOrNone = None,
        split: Text = "train",
        ids: TextOrNone = None,
        tags: TextsOrNone = None,
        separator: TextOrNone = None,
        group: TextOrNone = None,
        split_column: TextOrNone = None,
        regression: TextsOrNone = None,
        ignore: Texts = (),
        shares: Shares = SHARES,
        seed: Seed = 0,
        sample_rate: SampleRate = SAMPLE_RATE,
    ) -> None:
        split, folder = self._check_split(split), Path(root).expanduser()
        files = _list_files(folder)
        names = [path.relative_to(folder).as_posix() for path in files]
        if labels is None:
            annotations, rows = _subfolders(folder, names), np.arange(len(files))
        else:
            table = read_table(Path(labels).expanduser())
            annotations = annotate(
                table,
                ids=ids,
                tags=tags,
                separator=separator,
                group=group,
                split=split_column,
                regression=regression,
                ignore=ignore,
            )
            rows = match_files(annotations.ids, names, folder, table.source)
        self.findings = [*annotations.remarks]
        self._report_matching(annotations.ids, names, rows, str(labels))
        matched = np.flatnonzero(rows >= 0)
        paths = {int(song): files[rows[song]] for song in matched}
        self._take(
            split, annotations, {song: names[rows[song]] for song in paths}, paths, folder, shares, seed, sample_rate
        )

    def _take(
        self,
        split: str,
        annotations: Annotations,
        names: Mapping[int, str],
        paths: Mapping[int, Path],
        folder: Path,
        shares: Sequence[float],
        seed: int,
        sample_rate: int,
    ) -> None:
        """Become one split of annotated songs, of those that have a file and can be read; song -> name, and path of its file."""
        songs = list(paths)
        facts = scan(folder, list(paths.values()))
        self._num_files = len(songs)
        self.artists_known = annotations.groups is not None
        self.unreadable = {names[song]: fact.error for song, fact in zip(songs, facts, strict=True) if fact.error}
        if self.unreadable:
            share = len(self.unreadable) / len(songs)
            self.findings.append(
                f"unreadable: {len(self.unreadable):,} files are left out ({share:.1%}): {some(list(self.unreadable))}"
            )
        readable = np.array([not fact.error for fact in facts])
        groups = [(annotations.groups[song] if annotations.groups else "") or f"song {names[song]}" for song in songs]
        given = None if annotations.splits is None else np.array([annotations.splits[song] for song in songs])
        groups = self._join_duplicates([names[song] for song in songs], list(paths.values()), facts, groups, given)
        labels = annotations.labels[songs]
        self.findings += check_classes(labels[readable], annotations.vocabulary)
        assigned, remarks = assign_splits(groups, labels, given, shares, seed, readable)
        self.findings += remarks
        # shuffled, so that the first ones are a fair sample though files stand in the order of their names
        inside = np.random.default_rng(seed).permutation(np.flatnonzero((assigned == split) & readable))
        self._digests = [facts[position].digest for position in inside]
        super().__init__(
            split,
            annotations.vocabulary,
            [names[songs[position]] for position in inside],
            [paths[songs[position]] for position in inside],
            [groups[position] for position in inside],
            labels[inside],
            durations=np.array([facts[position].seconds for position in inside]),
            sample_rate=sample_rate,
        )

    @property
    def description(self) -> str:
        return "own recordings"

    @cached_property
    def version(self) -> str:
        """A hash of ids, labels and contents of the files."""
        return hashlib.sha256(" ".join([super().version, *self._digests]).encode()).hexdigest()[:12]

    def check_readable(self, max_unreadable: float) -> None:
        if len(self.unreadable) > max_unreadable * self._num_files:
            reason = next(iter(self.unreadable.values()))
            share = len(self.unreadable) / self._num_files
            raise CorpusError(
                f"{len(self.unreadable)} of {self._num_files} files cannot be read ({share:.1%}), more than "
                f"{max_unreadable:.0%}; `tagging corpus info` lists them. Repair or remove them, or allow more with --set "
                f"data.max_unreadable={math.ceil(100 * share) / 100:g}. The first: {reason}"
            )

    def remarks(self) -> list[str]:
        return self.findings

    def summary(self) -> list[str]:
        listed = [f"  {name}: {reason}" for name, reason in self.unreadable.items()]
        return [*super().summary(), *self.findings, *(["unreadable files:", *listed] if listed else [])]

    def _report_matching(self, ids: list[str], names: list[str], rows: np.ndarray, table: str) -> None:
        missing, unused = np.flatnonzero(rows < 0), set(range(len(names))) - set(rows.tolist())
        if len(missing) == len(ids):
            raise CorpusError(
                f"none of the {len(ids)} songs of {table} is among the {len(names)} sound files below the folder: the table "
                f"names {some(ids[:2])}, the folder has {some(names[:2])}. {_why_none(ids, names)}"
            )
        self.findings.append(f"matched: {len(ids) - len(missing):,} songs of {len(names):,} sound files")
        if len(missing):
            self.findings.append(f"missing: {len(missing):,} songs have no file: {some([ids[row] for row in missing])}")
        if unused:
            self.findings.append(
                f"without labels: {len(unused):,} files are left out: {some([names[row] for row in sorted(unused)])}"
            )

    def _join_duplicates(
        self, names: list[str], paths: list[Path], facts: list[Facts], groups: list[str], splits: np.ndarray | None
    ) -> list[str]:
        """Groups, where those of songs with the same content are one."""
        readable = [song for song, fact in enumerate(facts) if not fact.error]
        equal = same_content([paths[song] for song in readable], [facts[song] for song in readable])
        equal = [[readable[position] for position in positions] for positions in equal]
        if not equal:
            return groups
        pairs = ", ".join(" = ".join(names[song] for song in songs[:3]) for songs in equal[:3])
        count = sum(len(songs) - 1 for songs in equal)
        self.findings.append(f"duplicated: {count:,} files have the content of another: {pairs}; they share a group")
        first: dict[str, str] = {}

        def joined(group: str) -> str:
            while group in first:
                group = first[group]
            return group

        for song, *others in equal:
            for other in others:
                if splits is not None and len({splits[song], splits[other]} - {""}) > 1:
                    raise CorpusError(
                        f"{names[song]} and {names[other]} have the same content and are in two splits, {splits[song]} and "
                        f"{splits[other]}; put them into one, or remove one"
                    )
                one, two = joined(groups[song]), joined(groups[other])
                if one != two:
                    first[two] = one
        return [joined(group) for group in groups]


def _why_none(ids: list[str], names: list[str]) -> str:
    """What may keep the songs of a table from being the files of a folder."""
    lower = {name.lower() for name in names}
    parts = [text.replace("\\", "/").split("/") for text in ids]
    if any("/".join(song).lower() in lower for song in parts):
        return "Upper and lower case differ"
    for song in parts:
        for count in range(1, len(song)):
            if "/".join(song[count:]).lower() in lower:
                return f"Leave {'/'.join(song[:count])}/, which is not below the folder, out of the table"
    return f"If another column names the files, give {as_option('ids=NAME')}"


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CorpusError(
            f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; give root=FOLDER of sound files"
        )
    if files := list_sound_files(folder):
        return files
    raise CorpusError(f"{folder}: no sound files below this folder; they end in {' '.join(sorted(AUDIO_SUFFIXES))}")


def _subfolders(folder: Path, names: list[str]) -> Annotations:
    """Each subfolder as a tag; where all are called after splits, the subfolders of these."""
    parts = [PurePosixPath(name).parts for name in names]
    splits = None
    if all(len(path) > 2 and path[0].lower() in SPLIT_NAMES for path in parts):
        splits, parts = [SPLIT_NAMES[path[0].lower()] for path in parts], [path[1:] for path in parts]
    if loose := [name for name, path in zip(names, parts, strict=True) if len(path) < 2]:
        raise CorpusError(
            f"{folder}: {len(loose)} files are in no subfolder, the first: {loose[0]}. Give a table with labels=FILE, or a "
            "subfolder for each tag"
        )
    tags = sorted({path[0] for path in parts})
    labels = np.array([[path[0] == tag for tag in tags] for path in parts], np.float32)
    vocabulary = Vocabulary(Tag(tag, exclusive_group="folder" if len(tags) > 1 else None) for tag in tags)
    remarks = [f"tags: {len(tags)} subfolders", *(["splits: subfolders"] if splits else [])]
    remarks.append("groups: none; each file is a group of its own, so that songs of one artist may be in two splits")
    return Annotations(names, vocabulary, labels, None, splits, remarks)
