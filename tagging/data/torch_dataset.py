"""A corpus as a ``torch.utils.data.Dataset``, for a training loop of one's own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ConfigError, TaggingError

if TYPE_CHECKING:
    from .base import Corpus


class SegmentDataset(Dataset[tuple[Tensor, Tensor]]):
    """One random segment of every track; see :meth:`tagging.data.base.Corpus.as_dataset`."""

    def __init__(self, corpus: Corpus, seconds: float, *, start: float | None = None) -> None:
        if not seconds > 0:
            raise ConfigError(f"segments of {seconds} s: give a positive length")
        self._corpus, self._seconds, self._start = corpus, seconds, start
        self._augment = corpus.augment()

    def __len__(self) -> int:
        return len(self._corpus)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"track {index} of a corpus of {len(self)}")
        index = index % len(self)
        room = max(0.0, float(self._corpus.durations(np.array([index]))[0]) - self._seconds)
        start = float(torch.rand(())) * room if self._start is None else min(self._start, room)
        try:
            segment = self._corpus.segment(index, start, self._seconds)
        except ConfigError:
            raise  # a wrong length is wrong for every track
        except TaggingError as error:
            warnings.warn(f"a track is left out of the loss: {error}", stacklevel=2)
            samples = round(self._seconds * self._corpus.sample_rate)
            return torch.zeros(samples), torch.full((len(self._corpus.vocabulary),), torch.nan)
        params = torch.from_numpy(segment.augmentation_params)
        audio = self._augment(torch.from_numpy(segment.audio)[None], params[None])[0]
        return audio, torch.from_numpy(np.array(segment.labels))
