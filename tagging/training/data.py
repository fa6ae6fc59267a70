"""Which segments a run sees, in which order; and what a model says about the songs of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import Corpus, open_corpus, random_starts, stream
from ..errors import ConfigError
from ..evaluation.evaluate import song_scores
from .failures import Failures
from .settings import Settings


def open_split(settings: Settings, split: str) -> Corpus:
    """A split of the run's corpus."""
    options = dict(settings.corpus_options) | (dict(settings.train_options) if split == "train" else {})
    return open_corpus(settings.corpus, split=split, **options)


def first_tracks(corpus: Corpus, count: int | None, name: str) -> np.ndarray:
    """int64 [count]: the first tracks of a split; a smaller number gives a subset of a larger one.

    Raises:
        ConfigError: the split has none.
    """
    if len(corpus) == 0:
        raise ConfigError(f"the {corpus.split} split is empty; choose another split or corpus")
    if count is not None and count > len(corpus):
        raise ConfigError(f"{name}={count}: the {corpus.split} split has {len(corpus)} tracks")
    return np.arange(len(corpus) if count is None else count)


class Order:
    """The order of a run: pass after pass over the tracks, each shuffled anew, each with other segments of them.

    Known in advance, from the seed alone: a run that is resumed goes on where it was.

    Args:
        corpus: the training split.
        tracks: int64: which of its tracks.
        settings: of the run.
    """

    def __init__(self, corpus: Corpus, tracks: np.ndarray, settings: Settings) -> None:
        self._corpus, self._tracks, self._settings = corpus, tracks, settings

    def between(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Places ``first`` up to ``last``: int64 tracks, and float64 where their segments begin, in seconds."""
        size, seconds = len(self._tracks), self._settings.segment_seconds
        indices, starts = [np.empty(0, np.int64)], [np.empty(0)]  # a run that is over asks for none
        for number in range(first // size, -(-last // size)):
            shuffled = np.random.default_rng([self._settings.seed, number]).permutation(self._tracks)
            chosen = shuffled[max(0, first - number * size) : last - number * size]
            whole = self._corpus.durations(chosen)
            seed = self._settings.seed * 10_007 + number
            indices.append(chosen)
            starts.append(random_starts(chosen, seconds, whole, self._corpus.sample_rate, seed))
        return np.concatenate(indices), np.concatenate(starts)


def on_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """A batch's array as a tensor on a device; on its way to a GPU in memory that the GPU can fetch by itself."""
    tensor = torch.from_numpy(array)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def even_starts(corpus: Corpus, tracks: np.ndarray, settings: Settings) -> np.ndarray:
    """float64 [tracks, segments]: where test segments begin, evenly spread from the start of a track to its end."""
    room = np.maximum(corpus.durations(tracks) - settings.segment_seconds, 0.0)
    count = settings.segments_per_clip
    places = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    # on whole milliseconds, so that they are the same wherever they are computed
    return np.floor(room[:, None] * places * 1000) / 1000


def heard(tracks: np.ndarray, failures: Failures) -> np.ndarray:
    """bool [tracks]: which of them could be read, by every process of the run."""
    return ~np.isin(tracks, list(failures.messages))


def predict(
    models: dict[str, nn.Module],
    corpus: Corpus,
    tracks: np.ndarray,
    settings: Settings,
    accelerator: Any,
    failures: Failures | None = None,
) -> dict[str, np.ndarray]:
    """Song-level scores of several models from one stream: name -> float32 [tracks, tags]; nan for unreadable tracks.

    Each of the engine's processes hears its share of the tracks.

    Raises:
        CorpusError: more than 5 % of the tracks cannot be read. Fewer are noted in ``failures``.
    """
    failures = Failures(corpus, len(tracks), accelerator=accelerator) if failures is None else failures
    mine = np.arange(accelerator.process_index, len(tracks), accelerator.num_processes)
    count = settings.segments_per_clip
    starts = even_starts(corpus, tracks[mine], settings).ravel()
    finish = corpus.finish()
    finish = finish.to(accelerator.device) if isinstance(finish, nn.Module) else finish
    found = {name: torch.zeros(len(tracks), len(corpus.vocabulary), device=accelerator.device) for name in models}
    batches = stream(
        corpus,
        np.repeat(tracks[mine], count),
        batch_size=count * max(1, settings.batch // settings.accumulate // count),
        seconds=settings.segment_seconds,
        starts=starts,
        workers=settings.workers,
    )
    training = [module for model in models.values() for module in model.modules() if module.training]
    place = 0
    try:
        for model in models.values():
            model.eval()
        with failures.listed(), torch.inference_mode(), accelerator.autocast():
            for batch in batches:
                waveform = finish(
                    on_device(batch.audio, accelerator.device), on_device(batch.draws, accelerator.device)
                )
                songs = np.arange(len(batch)) // count
                rows = mine[place : place + songs[-1] + 1]
                failures.add(batch.failed)
                unread = np.isin(tracks[rows], list(batch.failed))
                for name, model in models.items():
                    segment_scores = model(waveform).float().sigmoid().cpu().numpy()
                    scores = song_scores(segment_scores, songs)
                    scores[unread] = np.nan
                    found[name][rows] = torch.from_numpy(scores).to(accelerator.device)
                place += len(rows)
    finally:
        # module by module: what was frozen before stays frozen
        for module in training:
            module.training = True
    failures.check(len(tracks))
    return {name: accelerator.reduce(scores, "sum").cpu().numpy() for name, scores in found.items()}
