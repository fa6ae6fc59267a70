"""A frozen body gives the same features of a segment each time: they are computed once, and heads are trained on them.

Book: ``book/finetune_and_probe``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..data import Batch
from ..models.tagger import Tagger


@dataclass(frozen=True)
class FeatureBatch:
    """As :class:`tagging.data.Batch`, with float32 [batch, features] in place of sound."""

    indices: np.ndarray
    starts: np.ndarray
    features: np.ndarray
    labels: np.ndarray
    failed: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)


class SegmentFeatures:
    """Features and labels of the segments of a split, by track and start; they stay in memory while a run lasts.

    Args:
        body: a tagger whose front-end and back-end do not change.
        waveforms: a batch of the corpus -> float32 [batch, samples] on the device of the run.
        autocast: makes the context in which the run computes.
    """

    def __init__(
        self,
        body: Tagger,
        waveforms: Callable[[Batch], Tensor],
        autocast: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._body, self._waveforms, self._autocast = body, waveforms, autocast
        self._rows: dict[tuple[int, float], tuple[np.ndarray, np.ndarray]] = {}
        self._failed: dict[tuple[int, float], str] = {}

    def batches(
        self,
        indices: np.ndarray,
        starts: np.ndarray,
        batch_size: int,
        read: Callable[[np.ndarray, np.ndarray], Generator[Batch, None, None]],
    ) -> Generator[FeatureBatch, None, None]:
        """Batches of segments in this order; only those that are new are read.

        Args:
            indices, starts: of the segments.
            batch_size: segments in a batch; the last may be smaller.
            read: makes batches of sound of some of the segments, in their order.
        """
        keys = list(zip(indices.tolist(), starts.tolist(), strict=True))
        position = {key: number for number, key in reversed([*enumerate(keys)])}  # where each is met first
        new = np.array(sorted(number for key, number in position.items() if key not in self._rows), np.int64)
        with contextlib.closing(read(indices[new], starts[new])) as fresh:
            for first in range(0, len(keys), batch_size):
                wanted = keys[first : first + batch_size]
                while any(key not in self._rows for key in wanted):
                    self._add(next(fresh))
                features, labels = (np.stack(column) for column in zip(*map(self._rows.get, wanted), strict=True))
                rows = slice(first, first + len(wanted))
                failed = {key[0]: self._failed[key] for key in wanted if key in self._failed}
                yield FeatureBatch(indices[rows], starts[rows], features, labels, failed)

    def _add(self, batch: Batch) -> None:
        # on a CPU one by one: the features of a segment then do not depend on where a run was resumed, to the bit
        parts = self._waveforms(batch).split(self._body.default_batch_size)
        with self._body.inference() as network, self._autocast():
            features = torch.cat([network.features_of(part).float() for part in parts]).cpu().numpy()
        keys = zip(batch.indices.tolist(), batch.starts.tolist(), strict=True)
        for key, values, labels in zip(keys, features, batch.labels, strict=True):
            self._rows[key] = (values, labels)
            if key[0] in batch.failed:
                self._failed[key] = batch.failed[key[0]]
