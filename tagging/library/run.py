"""Tag a folder of music into one table. Book: ``book/tag_library``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..errors import ConfigError
from ..utils.parallel import num_cores
from .description import Description, parse_models
from .exports import Playlist, playlists_of, write_playlists, write_sidecars
from .journal import Journal, settings_of
from .results import Row
from .songs import ModelFacts, model_digest
from .table import check_table_name, write_table
from .walk import walk
from .workers import Finished, Plan, Workers

T = TypeVar("T")
_MOST_NAMES = 1000  # of removed files and of failures, in a report


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        done, total: files that are new or changed.
        failed: of those that are done, how many could not be tagged.
        seconds: since the first file was begun.
        path: the file that was finished last.
        error: why it could not be tagged; empty if it was.
    """

    done: int
    total: int
    failed: int
    seconds: float
    path: str
    error: str

    @property
    def songs_per_hour(self) -> float:
        """Files done an hour, so far."""
        return 3600 * self.done / max(self.seconds, 1e-3)

    @property
    def seconds_left(self) -> float:
        """Time until all are done, at this rate."""
        return (self.total - self.done) * self.seconds / max(self.done, 1)


@dataclass
class LibraryReport:
    """What a run did.

    Attributes:
        out: the table.
        files: in the table, with those that could not be tagged.
        failed: of these, how many could not be tagged.
        duplicates: of these, how many have the content of another one.
        tagged: files that were new or changed in this run, and were tagged.
        known: files that were new or changed in this run, but whose content had been tagged before, or has been at the same time.
        unchanged: files that were as they were.
        removed: paths that are no longer there, at most 1,000.
        num_removed: how many they are.
        errors: (path, reason) of all files that could not be tagged, at most 1,000; the column ``error`` has all.
        messages: what else a user should know.
        playlists: files that were written.
    """

    out: Path
    files: int = 0
    failed: int = 0
    duplicates: int = 0
    tagged: int = 0
    known: int = 0
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    num_removed: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    playlists: list[Path] = field(default_factory=list)


def tag_library(
    music: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    models: Sequence[str] = ("msd-musicnn",),
    jobs: int | None = None,
    embeddings: bool = False,
    hop_seconds: float | None = None,
    playlists: Sequence[str] = (),
    sidecars: bool = False,
    retry: bool = False,
    progress: Callable[[Progress], Any] | None = None,
    message: Callable[[str], Any] | None = None,
) -> LibraryReport:
    """Tag all sound files of a folder, and write a table with a row for each.

    It goes on where a run that was killed has stopped, and tags what is new or changed when it is called again: what is done is
    kept in a journal beside the table, at most 1 s late. Files with the same bytes are tagged once. A file that cannot be
    tagged is in the table with the reason.

    Args:
        music: folder. Hidden files are left out; links that lead out of it are followed.
        out: the table; ends in ``.parquet`` (extra ``library``) or ``.csv``.
        models: names of :func:`tagging.list_pretrained`, or paths of ``.onnx`` or ``.safetensors`` files. With other models than
            those of the table, all songs are tagged again.
        jobs: processes, of one thread each; None is one a core.
        embeddings: also keep a vector for each song, for :func:`tagging.library.similar`.
        hop_seconds: from the start of one segment to the next; None is that of the model.
        playlists: tags, each as ``TAG`` or ``TAG=SCORE``, for which a ``.m3u8`` file is written beside the table. Without
            a score, the threshold of the model is taken.
        sidecars: write ``song.mp3.tags.json`` beside each ``song.mp3``.
        retry: try again the files that could not be tagged.
        progress: called after each file.
        message: called with each sentence of :attr:`LibraryReport.messages` when it is known.

    Raises:
        ConfigError: no such folder, no sound file in it, an unknown model or tag, another ending of the table.
        TaggingError: the table or the journal cannot be written, another process is at work on them, or processes die one after
            another.

    >>> report = tagging.tag_library("music", "tags.parquet", embeddings=True)  # doctest: +SKIP
    >>> report.files, report.failed                                             # doctest: +SKIP
    (20000, 3)

    Book: ``book/tag_library``.
    """
    if not os.fspath(music):  # the path of no name is that of the current folder
        raise ConfigError("music='': give the folder of your music; that of the command line is .")
    music, out = Path(music).expanduser(), Path(out).expanduser()
    if isinstance(models, str) or not models or len(set(models)) < len(models):
        raise ConfigError(f"models={models!r}: give a list of different names")
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs={jobs}: at least 1 process is needed")
    if hop_seconds is not None and not 0.01 <= hop_seconds <= 1e6:
        raise ConfigError(f"hop_seconds={hop_seconds}: give 0.01 or more")
    check_table_name(out)
    settings = {
        "models": [[name, model_digest(name)] for name in models],
        "embeddings": embeddings,
        "hop_seconds": hop_seconds,
    }
    run = _Run(LibraryReport(out), progress, message)
    with Journal(out, settings, music) as journal:
        run.say_what_changed(journal)
        run.scan(journal, music)
        if retry:
            journal.forget_failures()
        plan = Plan(os.path.realpath(music), tuple(models), hop_seconds, embeddings)

        def prepare(models: list[ModelFacts]) -> tuple[Description, list[Playlist]]:
            description = Description(plan.root, tuple(models), hop_seconds)
            description.check_columns()
            return description, playlists_of(playlists, description, out)

        description, wanted = run.tag(journal, plan, jobs or num_cores(), prepare)
        failures: list[str] = []
        tags, features = len(description.columns), sum(model.features for model in description.models)
        rows: Iterable[Row] = run.counted(journal.rows(tags, features))
        rows = write_playlists(wanted, description, rows) if wanted else rows
        rows = write_sidecars(description, rows, failures) if sidecars else rows
        write_table(out, description, rows)
        run.report.playlists = [playlist.path for playlist in wanted]
        for failure in failures:
            run.say(failure)
        journal.remove_others()
    return run.report


@dataclass
class _Run:
    report: LibraryReport
    progress: Callable[[Progress], Any] | None
    message: Callable[[str], Any] | None

    def say(self, text: str) -> None:
        self.report.messages.append(text)
        if self.message:
            self.message(text)

    def say_what_changed(self, journal: Journal) -> None:
        """Say why songs that are in the table are tagged again."""
        if journal.run > 1 or not (others := journal.others()):
            return
        before, now = settings_of(others[-1]), journal.settings
        changes = [
            f"{name}: {_short(before.get(name))} -> {_short(now[name])}"
            for name in now
            if before.get(name) != now[name]
        ]
        self.say(
            f"{self.report.out} was written with other settings ({'; '.join(changes) or 'another version'}): all songs are "
            "tagged again, and the table stays as it is until then"
        )

    def scan(self, journal: Journal, music: Path) -> None:
        """Compare the folder with the journal."""
        unreadable, number = [], 0
        for file in walk(music):
            if file.is_folder:
                unreadable.append(file.path)
                self.say(f"{os.path.join(music, file.path)}: {file.error}; what the table has of it stays")  # noqa: PTH118
                continue
            number += 1
            self.report.unchanged += journal.note_file(file)
        if not number:
            raise ConfigError(f"{music}: no sound files in this folder; is it the right one, and is its disk there?")
        for path in journal.forget_missing(unreadable):
            self.report.num_removed += 1
            if len(self.report.removed) < _MOST_NAMES:
                self.report.removed.append(path)
        journal.commit()

    def tag(self, journal: Journal, plan: Plan, jobs: int, prepare: Callable[[list[ModelFacts]], T]) -> T:
        """Tag what is pending; returns what ``prepare`` makes, before the first song, of the facts of the models."""
        _, total = journal.count()
        known = journal.fact("models")
        if not total and known:
            try:
                models = parse_models(json.loads(known))
            except (ValueError, RecursionError) as error:
                raise journal.damaged(error) from error
            return prepare(models)
        with Workers(plan, max(1, min(jobs, total))) as workers:
            prepared = prepare(workers.models)
            journal.set_fact("models", json.dumps([facts.to_dict() for facts in workers.models]))
            done = failed = 0
            start = time.monotonic()
            for file in workers.tag(journal.pending(), journal.has):
                reason = self._keep(journal, file)
                done, failed = done + 1, failed + bool(reason)
                if self.progress:
                    elapsed = time.monotonic() - start
                    self.progress(Progress(done, total, failed, elapsed, file.path, reason))
            journal.commit()
            return prepared

    def _keep(self, journal: Journal, file: Finished) -> str:
        if file.error:
            journal.set_error(file.path, file.error)
            return file.error
        if file.result is not None:
            journal.add(file.digest, file.result)
            self.report.tagged += not file.result.error
        else:
            self.report.known += 1
        journal.set_content(file.path, file.digest)
        return file.result.error if file.result else journal.error_of(file.digest)

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Count rows as they are read, and yield them."""
        report = self.report
        for row in rows:
            report.files += 1
            report.duplicates += bool(row.duplicate_of)
            if row.result.error:
                report.failed += 1
                if len(report.errors) < _MOST_NAMES:
                    report.errors.append((row.path, row.result.error))
            yield row


def _short(value: Any) -> str:
    try:
        return ", ".join(f"{name} ({digest[:8]})" for name, digest in value)
    except (TypeError, ValueError):  # another setting, or a damaged one
        return str(value)
