"""Clips for a first training loop: sound, log-mel spectrograms, instruments. Book: ``book/training_loop``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..audio.mel import LogMel
from ..data import open_corpus

if TYPE_CHECKING:
    import pandas

# Spectrograms of so many clips are computed at once: more would leave the cache of a processor.
_AT_ONCE = 20


@dataclass(frozen=True)
class InstrumentClips:
    """Rendered clips that are small enough for memory.

    Attributes:
        names: the instrument tags.
        sounds: float32 [clips, samples] in [-1, 1].
        log_mels: float32 [clips, bands, frames].
        labels: float32 [clips, tags], 0 or 1.
        sample_rate: Hz.
    """

    names: list[str]
    sounds: np.ndarray
    log_mels: Tensor
    labels: Tensor
    sample_rate: int

    def instruments(self, clip: int) -> str:
        """Names of the instruments of a clip, for a caption."""
        return ", ".join(name for name, has in zip(self.names, self.labels[clip].tolist(), strict=True) if has)

    def answers_table(self, scores: np.ndarray, count: int = 6) -> pandas.DataFrame:
        """The first clips with instruments: those they have, and as many tags with the highest scores of a network, and one more.

        Args:
            scores: float [clips, tags] in [0, 1].
            count: number of clips.
        """
        import pandas

        rows: dict[int, dict[str, str]] = {}
        for clip in torch.nonzero(self.labels.sum(1))[:count, 0].tolist():
            highest = np.argsort(-scores[clip])[: int(self.labels[clip].sum()) + 1]
            answers = ", ".join(f"{self.names[tag]} {scores[clip, tag]:.2f}" for tag in highest.tolist())
            rows[len(rows) + 1] = {"instruments": self.instruments(clip), "highest tags": answers}
        return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("clip")

    def first(self, count: int) -> InstrumentClips:
        """The first clips, with the tags that at least one of them has."""
        few = replace(self, sounds=self.sounds[:count], log_mels=self.log_mels[:count], labels=self.labels[:count])
        return few.with_tags_of(few)

    def with_tags_of(self, other: InstrumentClips) -> InstrumentClips:
        """The same clips with those tags only that another selection has, in its order, and that occur there."""
        occurring = other.labels.sum(0).tolist()
        names = [name for name, count in zip(other.names, occurring, strict=True) if count]
        return replace(self, names=names, labels=self.labels[:, [self.names.index(name) for name in names]])

    def with_labels(self, labels: Tensor) -> InstrumentClips:
        """The same clips with other labels."""
        return replace(self, labels=labels)


def instrument_clips(split: str, count: int, seconds: float = 9.0) -> InstrumentClips:
    """Render clips of the corpus ``sheet-music``.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``; their tunes differ.
        count: number of clips.
        seconds: length of each.

    >>> clips = instrument_clips("train", 600)  # doctest: +SKIP

    Book: ``book/training_loop``.
    """
    corpus = open_corpus("sheet-music", split=split, clips=count, build=True)
    vocabulary, rate = corpus.vocabulary, corpus.sample_rate
    tags = np.flatnonzero(np.array([tag.source == "arranger" for tag in vocabulary]) & vocabulary.classification)
    indices = np.arange(min(count, len(corpus)))
    sounds = np.stack([corpus[index].read(0.0, seconds)[: round(seconds * rate)] for index in indices.tolist()])
    sounds = sounds.astype(np.float32) / 32768
    log_mel = LogMel("paper")
    parts = [log_mel(torch.from_numpy(part)) for part in np.array_split(sounds, -(-len(sounds) // _AT_ONCE))]
    return InstrumentClips(
        names=[vocabulary.names[tag] for tag in tags],
        sounds=sounds,
        log_mels=torch.cat(parts),
        labels=torch.from_numpy(corpus.labels_of(indices)[:, tags].astype(np.float32)),
        sample_rate=rate,
    )
