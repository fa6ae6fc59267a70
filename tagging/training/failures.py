"""Tracks that cannot be read: counted and listed; too many of them stop a run. Book: ``book/recipe``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object

from ..data import Corpus, NothingReadableError
from ..errors import CorpusError
from ..utils.files import atomic_write


class Failures:
    """The unreadable tracks of one split, as one run meets them.

    Args:
        corpus: the split.
        num_tracks: how many of its tracks the run asks for, from its beginning to its end.
        folder: where they are listed, as ``failed-SPLIT.txt``; None makes no list.
        accelerator: of the run; what one of its processes meets, all of them count. None for a single process.
        max_share: of tracks that may be unreadable.

    Attributes:
        messages: track index -> why it could not be read.
    """

    def __init__(
        self,
        corpus: Corpus,
        num_tracks: int,
        folder: Path | None = None,
        accelerator: Accelerator | None = None,
        max_share: float = 0.05,
    ) -> None:
        self._corpus, self._num_tracks, self._accelerator = corpus, num_tracks, accelerator
        self._list = None if folder is None else folder / f"failed-{corpus.split.replace('/', '-')}.txt"
        self._tried, self._max_share = 0, max_share
        self.messages: dict[int, str] = {}

    def add(self, failed: Mapping[int, str]) -> None:
        """Note the failures of a batch."""
        self.messages |= failed

    def check(self, tried: int, *, is_end: bool = False) -> None:
        """Exchange with the other processes, write the list, and stop a run that is certain to miss too much in the end.

        Args:
            tried: how many tracks have been asked for so far; more than there are where the run repeats them.
            is_end: the run ends here, though there may be tracks that were never asked for.

        Raises:
            CorpusError: more than ``max_share`` of all the run asks for cannot be read, whatever may follow; the message names
                the first and says where the others are listed.
        """
        if self._accelerator is not None and self._accelerator.num_processes > 1:
            for messages in gather_object([self.messages]):
                self.messages |= messages
        self._tried = min(tried, self._num_tracks)
        self._write()
        if len(self.messages) > self._max_share * (self._tried if is_end else self._num_tracks):
            self._stop(f"{self._share()}, more than {self._max_share:.0%} (data.max_unreadable)")

    @contextlib.contextmanager
    def listed(self) -> Iterator[None]:
        """Around the reading of a stream: where it cannot even begin, the tracks it tried are listed, too.

        Raises:
            CorpusError: it cannot begin; the message names the first track and says where the others are listed.
        """
        try:
            yield
        except NothingReadableError as error:  # the other processes may be far from here: nothing is exchanged
            self.add(error.failed)
            self._write(by_any_process=True)
            self._stop(f"none of the first {len(error.failed)} {self._corpus.split} tracks can be read")

    def readable(self, indices: np.ndarray) -> np.ndarray:
        """bool [tracks]: which of these tracks every process of the run could read."""
        return ~np.isin(indices, list(self.messages))

    def remark(self) -> str:
        """One sentence for the user at the end; empty if all tracks could be read."""
        return f"{self._share()}{self._listed_in()}" if self.messages else ""

    def _stop(self, reason: str) -> NoReturn:
        raise CorpusError(f"{reason}{self._listed_in()}; the first: {self._lines()[0]}")

    def _lines(self) -> list[str]:
        return [f"{self._corpus[track].id}: {message}" for track, message in sorted(self.messages.items())]

    def _share(self) -> str:
        count = len(self.messages)
        return f"{count} of {self._tried} {self._corpus.split} tracks cannot be read ({count / self._tried:.1%})"

    def _listed_in(self) -> str:
        return "" if self._list is None else f"; they are listed in {self._list}"

    def _write(self, *, by_any_process: bool = False) -> None:
        """Write the list, or remove the list of an earlier try where nothing has failed."""
        is_main = self._accelerator is None or self._accelerator.is_main_process
        if self._list is None or not (by_any_process or is_main):
            return
        if not self.messages:
            self._list.unlink(missing_ok=True)
            return
        with atomic_write(self._list) as part:
            part.write_text("\n".join([*self._lines(), ""]), encoding="utf-8")
