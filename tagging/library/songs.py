"""The taggers of a library, and what they find out about one song. Book: ``book/tag_library``."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, TaggingError
from ..models.inference import SongTagger
from ..pretrained import list_pretrained, load_tagger, pretrained_card
from ..pretrained.bundled import bundled_path, list_bundled
from ..tags import TrackTags
from ..utils.files import sha256
from .results import SongResult


@dataclass(frozen=True)
class ModelFacts:
    """What the table says of a model.

    Attributes:
        name: as it was given.
        digest: of its weights.
        tags: in the order of the scores.
        thresholds: tag -> the score from which on it counts as present; empty for a model without.
        features: length of its embedding; 0 where none is computed.
    """

    name: str
    digest: str
    tags: list[str]
    thresholds: dict[str, float]
    features: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def model_digest(name: str) -> str:
    """SHA-256 of the weights of a model, found without loading it.

    Raises:
        ConfigError: neither a known name nor a file.
        TaggingError: the file cannot be read.
    """
    if name.startswith("hf:"):
        from ..pretrained.transformers_tagger import transformers_digest

        return transformers_digest(name)
    if name in list_bundled():
        return sha256(bundled_path(name))
    if name in list_pretrained() or not os.path.isfile(name):  # noqa: PTH113  (a name may be no path at all)
        return str(pretrained_card(name)["fingerprint"])
    try:
        card = Path(name).with_suffix(".json")  # an exported model of others has its card beside it
        if not name.endswith(".onnx") or not card.is_file():
            return sha256(Path(name))
        return hashlib.sha256(f"{sha256(Path(name))} {sha256(card)}".encode()).hexdigest()
    except OSError as error:
        raise TaggingError(f"{name}: cannot be read ({error.strerror}); check who may read it") from error


def load_model(name: str) -> SongTagger:
    """Load a model for one thread of a CPU, without PyTorch where that can be."""
    if name in list_pretrained() or name.endswith(".onnx"):
        return load_tagger(name, runtime="onnx")
    tagger = load_tagger(name, device="cpu")
    if not hasattr(tagger, "vocabulary"):
        raise ConfigError(f"{name}: a model without tags; give one that has some, or `tagging probe` it first")
    return tagger


def model_facts(name: str, tagger: SongTagger, embeddings: bool) -> ModelFacts:
    """What the table says of a loaded model."""
    silence = np.zeros((1, tagger.segment_samples), np.float32)
    features = tagger.embeddings(silence).shape[1] if embeddings else 0
    return ModelFacts(name, model_digest(name), list(tagger.vocabulary.names), tagger.thresholds, features)


class _WithEmbeddings(SongTagger):
    """A tagger that keeps the embeddings of the segments it scores: a song is decoded once."""

    def __init__(self, tagger: SongTagger) -> None:
        self._tagger, self._vectors = tagger, list[np.ndarray]()
        self.vocabulary, self.sample_rate, self.song_padding = (
            tagger.vocabulary,
            tagger.sample_rate,
            tagger.song_padding,
        )
        self.segment_samples, self.hop_samples = tagger.segment_samples, tagger.hop_samples

    def scores(self, segments: np.ndarray) -> np.ndarray:
        scores, vectors = self._tagger.scores_and_embeddings(segments)
        self._vectors.append(vectors)
        return scores

    def song_vector(self) -> np.ndarray:
        """Float32 [features]: the mean over segments, as :meth:`SongTagger.embed` returns it."""
        vectors = np.concatenate(self._vectors)
        if not np.isfinite(vectors).all():
            raise TaggingError("the features are NaN or infinite: weights or running statistics are damaged")
        return vectors.mean(axis=0, dtype=np.float64).astype(np.float32)


def tag_song(
    taggers: Sequence[SongTagger],
    path: str,
    *,
    hop_seconds: float | None = None,
    embeddings: bool = False,
    progress: Callable[[], Any] | None = None,
) -> SongResult:
    """Tag one file with several taggers; never raises for what may be wrong with a file.

    Args:
        taggers: one or more; the file is decoded for each, so that memory does not depend on its length.
        path: of the file.
        hop_seconds: from the start of one segment to the next; None is the tagger's own.
        embeddings: compute them too.
        progress: called after each block of sound.

    Returns:
        The scores, as :meth:`SongTagger.tag` averages them, and embeddings; or why there are none.
    """
    try:
        results, vectors = [], []
        for tagger in taggers:
            model = _WithEmbeddings(tagger) if embeddings else tagger
            result, seconds = _tag(model, path, hop_seconds, progress)
            results.append(result)
            vectors += [model.song_vector()] if isinstance(model, _WithEmbeddings) else []
    except Exception as error:  # whatever a file does to a decoder, the files after it are tagged
        message = str(error) if isinstance(error, TaggingError) else f"{type(error).__name__}: {error}"
        return SongResult(error=message.removeprefix(f"{path}: "))
    notes = tuple(dict.fromkeys(note for result in results for note in result.notes))
    scores = np.concatenate([result.scores for result in results])
    return SongResult("", notes, seconds, scores, np.concatenate(vectors) if vectors else None)


def _tag(
    tagger: SongTagger, path: str, hop_seconds: float | None, progress: Callable[[], Any] | None
) -> tuple[TrackTags, float]:
    total_seconds = 0.0

    def advance(seconds: float) -> None:
        nonlocal total_seconds
        total_seconds += seconds
        if progress:
            progress()

    return tagger.tag(path, hop_seconds=hop_seconds, progress=advance), total_seconds


class Heartbeat:
    """Calls a function at most once a second."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function, self._last = function, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self._last >= 1:
            self._last = time.monotonic()
            self._function()
