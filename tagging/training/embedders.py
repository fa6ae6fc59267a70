"""What a probe is fitted to: one vector a song, from a tagger or from the sound itself. Book: ``book/baseline``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..audio.waveform import as_waveform, resample
from ..baselines.features.extraction import Descriptor, hand_made
from ..errors import ConfigError, TaggingError, unknown_name
from ..models.tagger import Tagger
from ..pretrained import list_pretrained, load_tagger

POOLINGS = ("mean-max", "mean")
_NUM_MFCCS = 20
_MFCC_RATE = 16000
# Frames of the Fourier transform are longer than shorter sounds.
_SHORTEST = 2048


@dataclass(frozen=True)
class _TaggerVector:
    """Mean, or mean and maximum, over the segments of a song of a tagger's features."""

    tagger: Tagger
    pooling: str

    def __call__(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        segments = self.tagger.embed_waveform(waveform, sample_rate, per_segment=True)
        means = segments.mean(axis=0, dtype=np.float64)
        parts = [means, segments.max(axis=0)] if self.pooling == "mean-max" else [means]
        return np.concatenate(parts).astype(np.float32)


def mfcc_statistics(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """float32 [40]: means and standard deviations over a song of 20 MFCCs, at 16 kHz."""
    import librosa

    sound = resample(as_waveform(waveform, "a song"), sample_rate, _MFCC_RATE)
    sound = np.pad(sound, (0, max(0, _SHORTEST - len(sound))))
    mfcc = librosa.feature.mfcc(y=sound, sr=_MFCC_RATE, n_mfcc=_NUM_MFCCS)  # [mfccs, frames]
    return np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)]).astype(np.float32)


def _mfcc() -> Descriptor:
    return Descriptor("mfcc-1", 2 * _NUM_MFCCS, mfcc_statistics)


BASELINE_EMBEDDERS: dict[str, Callable[[], Descriptor]] = {"mfcc": _mfcc, "features": hand_made}


def embedder(name: str, pooling: str = "mean-max") -> Descriptor:
    """What makes the vectors of a probe.

    Args:
        name: ``"mfcc"`` (means and standard deviations of 20 MFCCs), ``"features"`` (the hand-made features of the trees), one of
            :func:`tagging.list_pretrained`, or the path of a saved tagger.
        pooling: of a tagger's features over the segments of a song: ``"mean-max"`` or ``"mean"``.

    Raises:
        ConfigError: an unknown name or pooling.
        TaggingError: the tagger cannot be loaded.
    """
    if pooling not in POOLINGS:
        raise unknown_name("pooling", pooling, POOLINGS)
    if name in BASELINE_EMBEDDERS:
        return BASELINE_EMBEDDERS[name]()
    try:
        tagger = load_tagger(name)
    except ConfigError as error:
        raise unknown_name("embedder", name, [*BASELINE_EMBEDDERS, *list_pretrained()]) from error
    size = tagger.backend.out_features * (2 if pooling == "mean-max" else 1)
    return Descriptor(f"{_short(name)}-{pooling}-{_weights_digest(tagger)}", size, _TaggerVector(tagger, pooling))


def _short(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name.replace("\\", "/").rpartition("/")[2])[:40]


def _weights_digest(tagger: Tagger) -> str:
    """Of what embeddings depend on: weights of front-end and back-end, and how a song is cut."""
    digest = hashlib.sha256(repr(tagger.config).encode())
    for name, tensor in sorted(tagger.state_dict().items()):
        if not name.startswith("head."):
            digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]


def check_finite(values: np.ndarray, name: str) -> None:
    """Raise TaggingError unless all vectors are finite."""
    if not np.isfinite(values).all():
        raise TaggingError(f"{name} gives NaN or infinite vectors: its weights are damaged")
