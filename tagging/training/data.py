"""Which segments a run trains on, in which order, and song-level predictions on a split."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Generator
from functools import cached_property

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from ..data import Batch, Corpus, random_starts, stream
from ..data.recordings import Recordings
from ..data.store import sum_of
from ..errors import ConfigError, TaggingError
from ..evaluation.segments import song_scores
from ..models.base import modes_restored
from .distributed import on_device
from .failures import Failures
from .frozen import FeatureBatch, SegmentFeatures
from .parts import open_part
from .settings import Settings, flat

# The setting that says how many tracks of a split a run uses.
COUNT_SETTINGS = {
    "train": "data.num_clips",
    "validation": "evaluation.num_validation_clips",
    "test": "evaluation.num_test_clips",
}


class Split:
    """The tracks of one split that a run uses: its first ones, so that a smaller number gives a subset of a larger one.

    Args:
        settings: of the run.
        name: ``"train"``, ``"validation"``, ``"test"``, or another split of the corpus, of which ``num_test_clips`` are used.

    Attributes:
        corpus: the split, opened.
        features: where all models of the run are heads of one frozen body: what it makes of segments, in place of their sound.
        indices: int64 [tracks]: indices of the tracks within the corpus.
        max_unreadable: share of the tracks that may be unreadable.

    Raises:
        ConfigError: an unknown corpus or split, an empty split, or fewer tracks than the settings ask for.
        CorpusError: too many files are known to be unreadable.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self.corpus: Corpus = open_part(settings.data, name)
        setting = COUNT_SETTINGS.get(name, COUNT_SETTINGS["test"])
        count = flat(settings)[setting]
        if len(self.corpus) == 0:
            raise ConfigError(f"the {name} split is empty; choose another split or corpus")
        if count is not None and count > len(self.corpus):
            raise ConfigError(f"{setting}={count}: the {name} split has {len(self.corpus)} tracks")
        self.corpus.check_readable(settings.data.max_unreadable)
        self.name, self.setting, self.max_unreadable = name, setting, settings.data.max_unreadable
        self._masks = settings.data.mask_unannotated
        if self._masks and self.corpus.annotated(np.arange(1)) is None:
            raise ConfigError(
                f"data.mask_unannotated: the corpus {settings.data.corpus!r} does not say which tags its sources annotate; leave "
                "it out, or give labels of nan where they are unknown"
            )
        self.indices = np.arange(len(self.corpus) if count is None else count)
        self.features: SegmentFeatures | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def labels(self) -> np.ndarray:
        """float32 [tracks, tags]."""
        return self.corpus.labels_of(self.indices)

    def masked(self, labels: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Labels to learn from: with ``data.mask_unannotated`` nan wherever a track's source does not annotate a tag.

        Args:
            labels: float [tracks, tags].
            indices: int [tracks], the tracks within the corpus.
        """
        annotated = self.corpus.annotated(indices) if self._masks else None
        return labels if annotated is None else np.where(annotated, labels, np.float32(np.nan))

    @cached_property
    def groups(self) -> np.ndarray:
        """[tracks]: the group of each track, which intervals resample."""
        return self.corpus.groups()[self.indices]


class SegmentOrder:
    """Pass after pass over the training tracks, each shuffled, each with other segments of them, or with those of a few passes.

    It depends on the seed alone, so that a run that is resumed continues where it was.

    Args:
        split: the training tracks.
        settings: of the run.
    """

    def __init__(self, split: Split, settings: Settings) -> None:
        self._split, self._seed, self._seconds = split, settings.seed, settings.model.segment_seconds
        self._num_draws = settings.data.segments_per_track

    def between(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Segments ``first`` up to ``last``: int64 track indices, and float64 starts in seconds."""
        corpus, size = self._split.corpus, len(self._split)
        indices, starts = [np.empty(0, np.int64)], [np.empty(0)]  # a run that is over asks for none
        for number in range(first // size, -(-last // size)):
            shuffled = np.random.default_rng([self._seed, number]).permutation(self._split.indices)
            chosen = shuffled[max(0, first - number * size) : last - number * size]
            seed = self._seed * 10_007 + (number if self._num_draws is None else number % self._num_draws)
            indices.append(chosen)
            starts.append(random_starts(chosen, self._seconds, corpus.durations(chosen), corpus.sample_rate, seed))
        return np.concatenate(indices), np.concatenate(starts)


def training_batches(
    split: Split, settings: Settings, first_step: int, accelerator: Accelerator
) -> Generator[Batch | FeatureBatch, None, None]:
    """Batches from a step on; each process makes its own part of every batch.

    Args:
        split: the training tracks.
        settings: of the run.
        first_step: steps that are done already.
        accelerator: of the run.
    """
    batch_size, processes = settings.optimization.batch_size, accelerator.num_processes
    share = batch_size // processes
    order = SegmentOrder(split, settings).between(first_step * batch_size, settings.num_steps * batch_size)
    indices, starts = (array.reshape(-1, processes, share)[:, accelerator.process_index].ravel() for array in order)
    return _batches(split, indices, starts, share, settings)


def _batches(
    split: Split, indices: np.ndarray, starts: np.ndarray, batch_size: int, settings: Settings
) -> Generator[Batch | FeatureBatch, None, None]:
    """Segments of a split, in this order; the last batch may be smaller."""

    def read(indices: np.ndarray, starts: np.ndarray) -> Generator[Batch, None, None]:
        return stream(
            split.corpus,
            indices,
            batch_size=batch_size,
            seconds=settings.model.segment_seconds,
            starts=starts,
            workers=settings.runtime.num_workers,
        )

    if split.features is None:
        return read(indices, starts)
    return split.features.batches(indices, starts, batch_size, read)


class Augment:
    """int16 segments and their augmentation parameters, from a batch -> float32 waveforms on the training device."""

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        augment = corpus.augment()
        self._augment = augment.to(device) if isinstance(augment, nn.Module) else augment
        self._device = device

    def __call__(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            return self._augment(
                on_device(batch.audio, self._device), on_device(batch.augmentation_params, self._device)
            )


class Inputs:
    """What the models of a run are given, of a batch of a split, on the training device: waveforms, or features for heads."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self._augment, self._device = Augment(split.corpus, device), device

    def __call__(self, batch: Batch | FeatureBatch) -> torch.Tensor:
        if isinstance(batch, FeatureBatch):
            return on_device(batch.features, self._device)
        return self._augment(batch)


def even_starts(split: Split, indices: np.ndarray, settings: Settings) -> np.ndarray:
    """float64 [tracks, segments]: starts of evaluation segments, evenly spread from the start of a track to its end."""
    room = np.maximum(split.corpus.durations(indices) - settings.model.segment_seconds, 0.0)
    count = settings.evaluation.segments_per_clip
    positions = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    # on whole milliseconds, so that they are the same wherever they are computed
    return np.floor(room[:, None] * positions * 1000) / 1000


def predict(
    models: dict[str, nn.Module],
    split: Split,
    settings: Settings,
    accelerator: Accelerator,
    failures: Failures | None = None,
) -> dict[str, np.ndarray]:
    """Song-level scores of several models from one stream: name -> float32 [tracks, tags]; NaN for unreadable tracks.

    Each process takes a part of the tracks.

    Args:
        models: name -> network; heads where the split has features.
        split: the tracks.
        settings: segments of each track, batch size, workers.
        accelerator: of the run.
        failures: where unreadable tracks are noted.

    Raises:
        CorpusError: more than 5 % of the tracks cannot be read.
    """
    if failures is None:
        failures = Failures(split.corpus, len(split), accelerator=accelerator, max_share=split.max_unreadable)
    rows_here = np.arange(accelerator.process_index, len(split), accelerator.num_processes)
    indices = split.indices[rows_here]
    count = settings.evaluation.segments_per_clip
    tags, device = len(split.corpus.vocabulary), accelerator.device
    scores = {name: torch.zeros(len(split), tags, device=device) for name in models}
    part_size = settings.optimization.batch_size // settings.optimization.gradient_accumulation_steps
    starts = even_starts(split, indices, settings).ravel()
    batches = _batches(split, np.repeat(indices, count), starts, count * max(1, part_size // count), settings)
    inputs = Inputs(split, device)
    first = 0
    with modes_restored(*models.values()), failures.listed(), torch.inference_mode(), accelerator.autocast():
        for model in models.values():
            model.eval()
        for batch in batches:
            x = inputs(batch)
            songs = np.arange(len(batch)) // count
            rows = rows_here[first : first + songs[-1] + 1]
            first += len(rows)
            failures.add(batch.failed)
            unreadable = np.isin(split.indices[rows], list(batch.failed))
            for name, model in models.items():
                song = song_scores(model(x).float().sigmoid().cpu().numpy(), songs)
                song[unreadable] = np.nan
                scores[name][rows] = torch.from_numpy(song).to(device)
    failures.check(len(split))
    return {name: accelerator.reduce(rows, "sum").cpu().numpy() for name, rows in scores.items()}


def store_remarks(corpus: Corpus, indices: np.ndarray, starts: np.ndarray, seconds: float) -> list[str]:
    """What a run should know of stores: what is read from one, or what one would gain, measured on the first segments.

    Args:
        corpus: of the run.
        indices, starts: its first few segments.
        seconds: of a segment.
    """
    if not isinstance(corpus, Recordings):
        return []
    if corpus.store is not None:
        count = sum(corpus.store.shard_of(path) is not None for path in corpus.paths)
        rest = "; the others are new or have changed, and are read from their files" if count < len(corpus) else ""
        return [f"store: {count:,} of {len(corpus):,} tracks are read from {corpus.store.folder}{rest}"]
    if not (taken := _seconds_per_read(corpus, indices, starts, seconds)):
        return []
    stored = min(_seconds_to_copy(round(seconds * corpus.sample_rate)) for _ in range(3))
    if taken < 5 * stored:
        return []
    return [
        f"sound: {1000 * taken:.1f} ms to read a segment from its file, less than {max(0.1, 1000 * stored):.1f} ms from a store; "
        f"--store writes one before the training, and so does `tagging prepare {corpus.name} --store` with the options of the "
        "corpus, such as --root"
    ]


def _seconds_per_read(corpus: Corpus, indices: np.ndarray, starts: np.ndarray, seconds: float) -> float:
    """Median over some tracks; 0 if none can be read. Ends after about a second."""
    taken: list[float] = []
    for index, start in zip(indices.tolist(), starts.tolist(), strict=True):
        with contextlib.suppress(TaggingError):  # counted when the run gets there
            for _ in range(2):  # the first read of a file may have to look at all of it
                begun = time.perf_counter()
                corpus.segment(index, start, seconds)
                latest = time.perf_counter() - begun
                if latest > 0.5:
                    break
            taken.append(latest)
        if sum(taken) > 0.5:
            break
    return statistics.median(taken) if taken else 0.0


def _seconds_to_copy(samples: int) -> float:
    """What a store does for a segment: check its sum, and copy it."""
    sound = np.zeros(samples, np.int16)
    started = time.perf_counter()
    sum_of(sound.copy().tobytes())
    return time.perf_counter() - started
