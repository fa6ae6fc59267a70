"""Tracks that cannot be read: counted and listed, and too many of them stop a run. Book: ``book/recipe``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..cache import atomic_write
from ..corpora import Corpus
from ..errors import CorpusError

# More than this, and the run would be about another corpus than it says; of so few tracks at least, until all have been
# tried, lest one bad file among the first should end a run.
WORST_SHARE = 0.05
_FEW_TRACKS = 100


class Failures:
    """The unreadable tracks of one split, as one run meets them.

    Args:
        corpus: the split.
        tracks: how many of its tracks the run uses.
        folder: where they are listed, as ``failed-SPLIT.txt``; None makes no list.
        engine: of the run; what one of its processes meets, all of them count. None for a single process.

    Attributes:
        messages: track -> why it could not be read.
    """

    def __init__(self, corpus: Corpus, tracks: int, folder: Path | None = None, engine: Any = None) -> None:
        self._corpus, self._tracks, self._engine = corpus, tracks, engine
        self._list = None if folder is None else folder / f"failed-{corpus.split}.txt"
        self._tried = 0
        self.messages: dict[int, str] = {}

    def add(self, failed: Mapping[int, str]) -> None:
        """Note the failures of a batch."""
        self.messages |= failed

    def check(self, tried: int) -> None:
        """Exchange with the other processes, renew the list, and stop a run that misses too much.

        Args:
            tried: how many tracks have been asked for so far; more than the run uses where it repeats them.

        Raises:
            CorpusError: more than 5 % cannot be read; the message names the first and says where the others are listed.
        """
        self._exchange()
        self._tried = tried = min(tried, self._tracks)
        lines = [f"{self._corpus[track].id}: {message}" for track, message in sorted(self.messages.items())]
        if self._list is not None and (self._engine is None or self._engine.is_main_process):
            self._write(lines)
        if len(lines) > WORST_SHARE * min(max(tried, _FEW_TRACKS), self._tracks):
            raise CorpusError(f"{self._share()}, more than {WORST_SHARE:.0%}{self._where()}; the first: {lines[0]}")

    def remark(self) -> str:
        """What a user should know at the end; empty if all could be read."""
        return f"{self._share()}{self._where()}" if self.messages else ""

    def _share(self) -> str:
        count = len(self.messages)
        return f"{count} of {self._tried} {self._corpus.split} tracks cannot be read ({count / self._tried:.1%})"

    def _where(self) -> str:
        return "" if self._list is None else f"; they are listed in {self._list}"

    def _exchange(self) -> None:
        engine = self._engine
        if engine is None or engine.num_processes == 1:
            return
        count = torch.tensor(float(len(self.messages)), device=engine.device)
        if engine.reduce(count, "sum") == 0:
            return
        text = torch.tensor(list(json.dumps(self.messages).encode()), dtype=torch.uint8, device=engine.device)
        for row in engine.gather(engine.pad_across_processes(text[None], dim=1)):
            told = json.loads(bytes(row.tolist()).rstrip(b"\0"))
            self.messages |= {int(track): message for track, message in told.items()}

    def _write(self, lines: list[str]) -> None:
        """The list as it is now; none where nothing has failed, not that of an earlier try either."""
        if not lines:
            self._list.unlink(missing_ok=True)
            return
        with atomic_write(self._list) as part:
            part.write_text("\n".join([*lines, ""]), encoding="utf-8")
