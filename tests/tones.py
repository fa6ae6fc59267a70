"""A small corpus of sound files of one to three seconds with audible tags, some of them damaged on demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import nn

from tagging.audio.files import load_audio
from tagging.data.base import CORPORA, Corpus, Segment, Track
from tagging.errors import ConfigError
from tagging.tags import REGRESSION, Tag, Vocabulary
from tagging.training.settings import setting_names

RATE = 16000
VOCABULARY = Vocabulary(
    [
        Tag("low"),
        Tag("high"),
        Tag("noisy"),
        Tag("level", kind=REGRESSION),
        Tag("tuned", source="arranger"),
        Tag("never"),
    ]
)


class Tone(Track):
    def __init__(self, corpus: Tones, index: int) -> None:
        self._corpus, self._index = corpus, index
        self.id, self.group = f"{corpus.split}-{index}", f"family-{index // 2}"
        self.seconds = 0.5 if corpus.memorise else float(1 + index % 3)

    @property
    def labels(self) -> np.ndarray:
        return self._corpus.facts(self._index)

    def read(self, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
        sound, _ = load_audio(self._corpus.path(self._index))
        first = round(start * RATE)
        last = None if seconds is None else first + round(seconds * RATE)
        return (sound[first:last] * 32767).astype(np.int16)


@CORPORA.register("tones")
class Tones(Corpus):
    """Tracks of one to three seconds; every sixth label is unknown.

    Args:
        split: train, validation or test.
        root: folder of the files, which are made on first use.
        tracks: number of tracks in each split.
        damaged: share of damaged files.
        damaged_splits: splits with damaged files.
        missing: these files are missing instead.
        memorise: labels are independent of the sound, and a track is only the first half second of its file.
        sources: tracks are from two sources, of which one does not annotate "noisy" and "level".
    """

    splits = ("train", "validation", "test")

    def __init__(
        self, *, split: str, root: str, tracks: int = 60, damaged: float = 0.0, damaged_splits: Sequence[str] = ("train",),
        missing: bool = False, memorise: bool = False, sources: bool = False,
    ) -> None:  # fmt: skip
        self.split, self.sample_rate, self.vocabulary = self._check_split(split), RATE, VOCABULARY
        self._root, self._tracks, self.memorise = Path(root), tracks, memorise
        self._missing, self._sources = missing, sources
        self._damaged = round(damaged * tracks) if split in damaged_splits else 0

    @property
    def version(self) -> str:
        return f"1-{self.split}"

    def __len__(self) -> int:
        return self._tracks

    def __getitem__(self, index: int) -> Tone:
        return Tone(self, self._check_index(index))

    def strata(self, indices: np.ndarray) -> np.ndarray | None:
        return np.where(np.asarray(indices) % 4 < 2, "first", "second") if self._sources else None

    def annotated(self, indices: np.ndarray) -> np.ndarray | None:
        if not self._sources:
            return None
        table = np.ones((len(indices), len(VOCABULARY)), bool)
        table[self.strata(indices) == "second", 2:4] = False
        return table

    def generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self.splits.index(self.split), index])

    def facts(self, index: int) -> np.ndarray:
        random = self.generator(index).random(8)
        labels = np.array([*(random[:3] < 0.5), random[3], random[4] < 0.3, False], np.float32)
        if self.memorise:
            labels[:3] = self.generator(index + 10_000).random(3) < 0.5
        labels[int(6 * random[5])] = np.nan
        return labels

    def path(self, index: int) -> Path:
        """The file, made on first use: two tones, noise and their level, according to the labels."""
        path = self._root / f"{self.split}-{index}.wav"
        if index < self._damaged:
            path = path.with_name(f"{'missing' if self._missing else 'damaged'}-{self.split}-{index}.wav")
            if not self._missing:
                path.write_bytes(b"RIFF....no sound")
        elif not path.exists():
            random, time = self.generator(index).random(8), np.arange((1 + index % 3) * RATE) / RATE
            sound = (random[0] < 0.5) * np.sin(2 * np.pi * 330 * time) + (random[1] < 0.5) * np.sin(
                2 * np.pi * 2200 * time
            )
            sound += ((random[2] < 0.5) + 0.02) * self.generator(index).standard_normal(len(time)) / 3
            sound += (random[4] < 0.3) * np.sin(2 * np.pi * 900 * time)
            soundfile.write(path, (0.02 + random[3] / 8) * sound, RATE)
        return path

    def segment(self, index: int, start: float, seconds: float) -> Segment:
        if seconds > 3.0:
            raise ConfigError(f"segments of {seconds:g} s: the longest track has 3 s")
        return super().segment(index, start, seconds)


def small(root: Path, **changes: Any) -> dict[str, Any]:
    """Settings of a run of seconds on this corpus, by dotted names.

    Args:
        root: where the sound files are.
        changes: settings by the last part of their names, which are all different; ``corpus_options`` are added to.
    """
    settings = {
        "models": ["spectrogram"],
        "corpus": "tones",
        "num_clips": 40,
        "width": 0.1,
        "segment_seconds": 0.5,
        "frontend_options": {"mel": {"n_fft": 512, "hop_length": 256}},
        "num_training_segments": 320,
        "batch_size": 8,
        "validation_interval": 80,
        "num_validation_clips": 20,
        "num_test_clips": 40,
        "segments_per_clip": 2,
        "num_resamples": 50,
        "num_workers": 0,
        "log_interval": 5,
    }
    options = {"root": str(root)} | changes.pop("corpus_options", {})
    names = {name.rpartition(".")[2]: name for name in setting_names()}
    return {names[name]: value for name, value in (settings | changes | {"corpus_options": options}).items()}


class Loudness(nn.Module):
    """A model whose logit for every tag is the level of the segment."""

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        return waveform.abs().mean(dim=1, keepdim=True).expand(-1, 6)
