"""Tracks that cannot be read: counted and listed, and too many of them stop a run. Book: ``book/recipe``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch

from ..data import Corpus, NothingReadableError
from ..errors import CorpusError
from ..utils.files import atomic_write

# More than this, and the run would be about another corpus than it says.
WORST_SHARE = 0.05


class Failures:
    """The unreadable tracks of one split, as one run meets them.

    Args:
        corpus: the split.
        tracks: how many of its tracks the run asks for, from its beginning to its end.
        folder: where they are listed, as ``failed-SPLIT.txt``; None makes no list.
        engine: of the run; what one of its processes meets, all of them count. None for a single process.

    Attributes:
        messages: track -> why it could not be read.
    """

    def __init__(self, corpus: Corpus, tracks: int, folder: Path | None = None, accelerator: Any = None) -> None:
        self._corpus, self._tracks, self._engine = corpus, tracks, accelerator
        self._list = None if folder is None else folder / f"failed-{corpus.split}.txt"
        self._tried = 0
        self.messages: dict[int, str] = {}

    def add(self, failed: Mapping[int, str]) -> None:
        """Note the failures of a batch."""
        self.messages |= failed

    def check(self, tried: int, *, over: bool = False) -> None:
        """Exchange with the other processes, renew the list, and stop a run that is sure to miss too much in the end.

        Args:
            tried: how many tracks have been asked for so far; more than there are where the run repeats them.
            over: this is the end, though there may be tracks that were never asked for.

        Raises:
            CorpusError: more than 5 % of all the run asks for cannot be read, whatever may follow; the message names the
                first and says where the others are listed.
        """
        self._exchange()
        self._tried = min(tried, self._tracks)
        self._write()
        if len(self.messages) > WORST_SHARE * (self._tried if over else self._tracks):
            self._stop(f"{self._share()}, more than {WORST_SHARE:.0%}")

    @contextlib.contextmanager
    def listed(self) -> Iterator[None]:
        """Around the reading of a stream: where it cannot even begin, what it tried is listed, too.

        Raises:
            CorpusError: it cannot; the message names the first track and says where the others are listed.
        """
        try:
            yield
        except NothingReadableError as error:  # the other processes may be far from it: nothing is exchanged
            self.add(error.failed)
            self._write(anyhow=True)
            self._stop(f"not one of the next {len(error.failed)} {self._corpus.split} tracks can be read")

    def remark(self) -> str:
        """What a user should know at the end; empty if all could be read."""
        return f"{self._share()}{self._where()}" if self.messages else ""

    def _stop(self, why: str) -> NoReturn:
        raise CorpusError(f"{why}{self._where()}; the first: {self._lines()[0]}")

    def _lines(self) -> list[str]:
        return [f"{self._corpus[track].id}: {message}" for track, message in sorted(self.messages.items())]

    def _share(self) -> str:
        count = len(self.messages)
        return f"{count} of {self._tried} {self._corpus.split} tracks cannot be read ({count / self._tried:.1%})"

    def _where(self) -> str:
        return "" if self._list is None else f"; they are listed in {self._list}"

    def _exchange(self) -> None:
        accelerator = self._engine
        if accelerator is None or accelerator.num_processes == 1:
            return
        count = torch.tensor(float(len(self.messages)), device=accelerator.device)
        if accelerator.reduce(count, "sum") == 0:
            return
        text = torch.tensor(list(json.dumps(self.messages).encode()), dtype=torch.uint8, device=accelerator.device)
        for row in accelerator.gather(accelerator.pad_across_processes(text[None], dim=1)):
            told = json.loads(bytes(row.tolist()).rstrip(b"\0"))
            self.messages |= {int(track): message for track, message in told.items()}

    def _write(self, *, anyhow: bool = False) -> None:
        """The list as it is now; none where nothing has failed, not that of an earlier try either.

        Args:
            anyhow: also by a process that is not the main one.
        """
        if self._list is None or not (anyhow or self._engine is None or self._engine.is_main_process):
            return
        if not self.messages:
            self._list.unlink(missing_ok=True)
            return
        with atomic_write(self._list) as part:
            part.write_text("\n".join([*self._lines(), ""]), encoding="utf-8")
