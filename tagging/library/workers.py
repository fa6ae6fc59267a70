"""Worker processes that tag one song after another; one that dies takes no other song with it. Book: ``book/tag_library``."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Self

from ..errors import TaggingError
from ..utils.files import sha256
from ..utils.parallel import CONTEXT, WorkerError, as_worker
from .results import SongResult
from .songs import Heartbeat, ModelFacts, load_model, model_facts, tag_song

# A worker from which nothing has come for so long is stuck in a decoder: blocks of sound take milliseconds.
STUCK_SECONDS = 300.0
# So many deaths in a row are not the fault of single files.
_MOST_DEATHS = 5


class Plan(NamedTuple):
    """What each worker does.

    Attributes:
        root: folder of the library.
        models: names or paths.
        hop_seconds: see :func:`tag_song`.
        embeddings: compute them too.
    """

    root: str
    models: tuple[str, ...]
    hop_seconds: float | None
    embeddings: bool


class Finished(NamedTuple):
    """A file that is done.

    Attributes:
        path: below the folder.
        digest: of its content; empty where it could not be read this time.
        result: of the content; None where it has one already.
        error: why the file could not be read.
    """

    path: str
    digest: str = ""
    result: SongResult | None = None
    error: str = ""


@dataclass
class _Worker:
    connection: Connection
    process: Any
    path: str | None = None
    digest: str = ""
    last: float = field(default_factory=time.monotonic)


class Workers:
    """Processes of one thread each, with their own models; they end with this process.

    Args:
        plan: what they do.
        count: number of processes; the others start once the first has loaded its models.

    Raises:
        TaggingError: the models cannot be loaded.
    """

    def __init__(self, plan: Plan, count: int) -> None:
        self._plan, self._count = plan, count
        self._workers: list[_Worker] = []
        self._deaths = 0
        first = self._start()
        try:
            self.models: list[ModelFacts] = self._receive(first)[1]
        except EOFError:
            raise self._death_of_all(first) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(2)
            worker.process.kill()
            worker.process.join()
            worker.connection.close()

    def tag(self, paths: Iterator[str], is_known: Callable[[str], bool]) -> Iterator[Finished]:
        """Tag files, each content once.

        Args:
            paths: below the folder.
            is_known: whether a content, by its SHA-256, has a result.

        Yields:
            Each file as it is done, in any order.

        Raises:
            WorkerError: workers die one after another.
        """
        waiting: dict[str, list[str]] = {}  # content that is being tagged -> other files that have it
        self._give(self._workers[0], paths)
        while any(worker.path is not None for worker in self._workers):
            while len(self._workers) < self._count and all(worker.path is not None for worker in self._workers):
                self._give(self._start(), paths)
            for worker in self._ready():
                try:
                    kind, value = self._receive(worker)
                except EOFError:
                    yield from self._bury(worker, waiting)
                    self._give(self._start(), paths)
                    continue
                path = worker.path
                if path is None or kind in ("ready", "alive"):
                    continue
                if kind == "digest":
                    if value in waiting:
                        waiting[value].append(path)
                    elif is_known(value):
                        yield Finished(path, value)
                    else:
                        waiting[value], worker.digest = [], value
                    self._send(worker, worker.digest == value)
                    if worker.digest == value:
                        continue
                elif kind == "result":
                    self._deaths = 0
                    yield Finished(path, worker.digest, value)
                    yield from [Finished(other, worker.digest) for other in waiting.pop(worker.digest)]
                else:
                    yield Finished(path, error=value)
                self._give(worker, paths)

    def _start(self) -> _Worker:
        ours, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(target=_work, args=(self._plan, theirs), daemon=True)
        process.start()
        theirs.close()
        self._workers.append(_Worker(ours, process))
        return self._workers[-1]

    def _give(self, worker: _Worker, paths: Iterator[str]) -> None:
        worker.path, worker.digest, worker.last = next(paths, None), "", time.monotonic()
        if worker.path is not None:
            self._send(worker, worker.path)

    def _send(self, worker: _Worker, message: Any) -> None:
        with contextlib.suppress(OSError):  # it has died, which the next receive tells
            worker.connection.send(message)

    def _ready(self) -> list[_Worker]:
        """Workers with a message, or dead; those that are stuck are killed."""
        busy = {worker.connection: worker for worker in self._workers if worker.path is not None}
        ready = multiprocessing.connection.wait(list(busy), timeout=1)
        for worker in busy.values():
            if time.monotonic() - worker.last > STUCK_SECONDS:
                worker.process.kill()
        return [busy[connection] for connection in ready]  # type: ignore[index]

    def _receive(self, worker: _Worker) -> Any:
        try:
            message = worker.connection.recv()
        except OSError as error:
            raise EOFError from error
        worker.last = time.monotonic()
        if isinstance(message, TaggingError):
            raise message
        return message

    def _bury(self, worker: _Worker, waiting: dict[str, list[str]]) -> Iterator[Finished]:
        stuck = time.monotonic() - worker.last > STUCK_SECONDS
        self._deaths += 1
        if self._deaths >= _MOST_DEATHS:
            raise self._death_of_all(worker)
        worker.process.join()
        self._workers.remove(worker)
        worker.connection.close()
        reason = (
            f"nothing was decoded for {STUCK_SECONDS:.0f} s"
            if stuck
            else f"the process that tagged it died (exit code {worker.process.exitcode}): a fault of a decoder, or no memory left"
        )
        for path in [worker.path or "", *waiting.pop(worker.digest, [])]:
            yield Finished(path, error=reason)

    def _death_of_all(self, worker: _Worker) -> WorkerError:
        worker.process.join()
        return WorkerError(
            f"worker processes die one after another (exit code {worker.process.exitcode}), possibly from lack of memory; "
            "give the command again, with fewer --jobs"
        )


def _work(plan: Plan, connection: Connection) -> None:
    """What a worker does: for each path it is given, say the digest, and the result if that is asked for."""
    with as_worker(connection):
        taggers = [load_model(name) for name in plan.models]
        named = zip(plan.models, taggers, strict=True)
        connection.send(("ready", [model_facts(name, tagger, plan.embeddings) for name, tagger in named]))
        alive = Heartbeat(lambda: connection.send(("alive", None)))
        while True:
            path = os.path.join(plan.root, connection.recv())  # noqa: PTH118  (a name such as "." is no part to drop)
            try:
                digest = sha256(Path(path))
            except OSError as error:
                connection.send(("failed", f"cannot be read ({error.strerror or error})"))
                continue
            connection.send(("digest", digest))
            if connection.recv():
                options: dict[str, Any] = {"hop_seconds": plan.hop_seconds, "embeddings": plan.embeddings}
                connection.send(("result", tag_song(taggers, path, progress=alive, **options)))
