"""Small experiments on back-ends: what they cost, what pooling keeps, where attention looks. Book: ``book/backends``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.examples import list_sounds, sound_path
from ..audio.files import load_audio
from ..errors import ConfigError
from ..models.backends import build_backend
from ..models.base import recorded
from ..models.build import build_tagger
from ..models.tagger import Tagger
from ..pretrained import load_tagger

if TYPE_CHECKING:
    import pandas

RATE = 16000
STEP = 256 / RATE  # seconds from frame to frame of the spectrogram front-end
BACKENDS = ("temporal-pooling", "attention", "recurrent", "fully-convolutional", "dense")
TUNES = tuple(list_sounds())
_LENGTHS = (62, 125, 250, 500, 1000, 2000)  # frames


@cache
def tune(name: str) -> Tensor:
    """One of the example sounds: float32 [samples] at 16 kHz. Book: ``book/backends``."""
    return torch.from_numpy(load_audio(sound_path(name), RATE)[0])


@cache
def musicnn() -> Tagger:
    """The trained tagger whose front-end makes the frames of this page. Book: ``book/backends``."""
    return load_tagger("mtt-musicnn", runtime="torch")


def frames_of(waveform: Tensor) -> Tensor:
    """Features of the trained front-end: float32 [samples] -> [561, frames]. Book: ``book/backends``."""
    with torch.inference_mode():
        return musicnn().frontend(waveform[None])[0]


def lengths_table(lengths: Sequence[int] = (1, 108, 437)) -> pandas.DataFrame:
    """The output of each back-end, built for 108 frames, for maps of other lengths.

    Book: ``book/backends``.
    """
    import pandas

    def output(backend: nn.Module, frames: int) -> str:
        try:
            with torch.inference_mode():
                return f"{backend(torch.randn(1, 256, frames)).shape[1]} features"
        except ConfigError:
            return "refused"

    rows = {}
    for name in BACKENDS:
        backend = build_backend(name, in_channels=256, num_frames=108, width=0.25).eval()
        rows[name] = {f"{frames} frame{'' if frames == 1 else 's'}": output(backend, frames) for frames in lengths}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("back-end")


def backend_macs(frontend: str, backend: str, seconds: float = 15.0) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a back-end behind a front-end. Book: ``book/backends``."""
    layers = build_tagger(frontend, backend, ["one tag"], seconds).summary().layers
    parts = [layer for layer in layers if layer.name.startswith("backend.")]
    return sum(layer.parameters for layer in parts), sum(layer.macs for layer in parts)


def costs_table() -> pandas.DataFrame:
    """:func:`backend_macs` of each back-end behind the paper's two front-ends, in millions. Book: ``book/backends``."""
    import pandas

    rows: dict[str, dict[str, float]] = {}
    for name in BACKENDS:
        rows[name] = {}
        for frontend in ("waveform", "spectrogram"):
            parameters, macs = backend_macs(frontend, name)
            rows[name] |= {f"{frontend}: parameters (M)": parameters / 1e6, f"{frontend}: MACs (M)": macs / 1e6}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("back-end")


def times() -> dict[str, dict[float, float]]:
    """Seconds of music -> milliseconds of processor time of a forward pass, of the back-ends of variable length.

    Book: ``book/backends``.
    """
    measured: dict[str, dict[float, float]] = {}
    for name in BACKENDS[:3]:
        backend = build_backend(name, in_channels=464, num_frames=938, width=0.25).eval()
        measured[name] = {}
        for frames in _LENGTHS:
            x, trials = torch.randn(1, 464, frames), []
            for _ in range(2):
                start = time.process_time()
                with torch.inference_mode():
                    backend(x)
                trials.append(1000 * (time.process_time() - start))
            measured[name][frames * STEP] = min(trials)
    return measured


def pooled_positions() -> tuple[np.ndarray, dict[str, list[float]]]:
    """Where pooled features of a mixture lie between pure techno (0) and pure guitar (1).

    Returns:
        Share of the frames that are guitar; ``"maximum"`` and ``"mean"`` -> position at each share.

    Book: ``book/backends``.
    """
    guitar = frames_of(tune("greensleeves")[2 * RATE : 5 * RATE])
    techno = frames_of(tune("mountain-king")[4 * RATE : 7 * RATE])
    scale = torch.cat([guitar, techno], 1).std(1, keepdim=True)
    alive = scale[:, 0] > 1e-3  # many of the trained filters never answer
    guitar, techno = (guitar / scale)[alive], (techno / scale)[alive]
    total = guitar.shape[1]
    counts = np.unique(np.linspace(0, total, 24).astype(int))
    positions: dict[str, list[float]] = {"maximum": [], "mean": []}
    for count in counts.tolist():
        mixed = torch.cat([guitar[:, :count], techno[:, count:]], 1)
        for name, pool in (("maximum", lambda x: x.amax(1)), ("mean", lambda x: x.mean(1))):
            a, b, x = pool(guitar), pool(techno), pool(mixed)
            positions[name].append(float(((x - b) @ (a - b)) / (a - b).square().sum()))
    return counts / total, positions


@dataclass(frozen=True)
class HiddenTunes:
    """Quiet noise of 3 s with a second of a tune in each.

    Attributes:
        features: float32 [clips, 561, frames].
        tunes: int [clips], positions in :data:`TUNES`.
        starts: where the tune begins in each, in s.
    """

    features: Tensor
    tunes: Tensor
    starts: list[float]


@cache
def hide(count: int, seed: int, begin: float, end: float) -> HiddenTunes:
    """Hide a second of a tune in each of ``count`` clips; it is taken from between two shares of the tune.

    Book: ``book/backends``.
    """
    rng = np.random.default_rng(seed)
    clips, numbers, starts = [], [], []
    for _ in range(count):
        number = int(rng.integers(len(TUNES)))
        sound = tune(TUNES[number])
        first, start = int(rng.uniform(begin, end) * (len(sound) - RATE)), rng.uniform(0, 2)
        clip = 0.003 * torch.tensor(rng.standard_normal(3 * RATE), dtype=torch.float32)
        position, level = int(start * RATE), float(10 ** rng.uniform(-0.5, 0))
        clip[position : position + RATE] += level * sound[first : first + RATE]
        clips.append(frames_of(clip))
        numbers.append(number)
        starts.append(start)
    return HiddenTunes(torch.stack(clips), torch.tensor(numbers), starts)


def training_clips() -> HiddenTunes:
    """96 clips from the first two thirds of the tunes. Book: ``book/backends``."""
    return hide(96, seed=1, begin=0.0, end=0.66)


def test_clips() -> HiddenTunes:
    """48 clips from the last part of the tunes. Book: ``book/backends``."""
    return hide(48, seed=2, begin=0.72, end=1.0)


def finder(name: str, steps: int = 35) -> nn.Sequential:
    """A back-end and a linear layer on frozen frames, trained to name the hidden tune; without steps, untrained.

    Book: ``book/backends``.
    """
    return _finder(name, steps)


@cache  # its key is made of the arguments as they are written, so both are always given
def _finder(name: str, steps: int) -> nn.Sequential:
    clips = training_clips()
    torch.manual_seed(0)
    channels, frames = clips.features.shape[1:]
    backend = build_backend(name, channels, frames, width=0.125, dropout=0.0)
    even = nn.BatchNorm1d(channels)  # some channels answer a hundred times as strongly as others
    model = nn.Sequential(even, backend, nn.Linear(backend.out_features, len(TUNES)))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(steps):
        batch = torch.randint(len(clips.features), (16,))
        loss = nn.functional.cross_entropy(model(clips.features[batch]), clips.tunes[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def finders_table(models: Mapping[str, nn.Module]) -> pandas.DataFrame:
    """Parameters and accuracy of trained finders, in percent. Book: ``book/backends``."""
    import pandas

    def accuracy(model: nn.Module, clips: HiddenTunes) -> float:
        with torch.inference_mode():
            return 100 * float((model(clips.features).argmax(1) == clips.tunes).float().mean())

    rows = {
        name: {
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "training clips, %": accuracy(model, training_clips()),
            "test clips, %": accuracy(model, test_clips()),
        }
        for name, model in models.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("back-end")


def attention_weights(model: nn.Sequential, features: Tensor) -> Tensor:
    """Weights over time of a finder with attention: [batch, frames]. Book: ``book/backends``."""
    norm, backend = model[0], model[1]
    with torch.inference_mode(), recorded(backend.feature_modules()) as outputs:  # type: ignore[operator]
        backend(norm(features))
    return outputs["attention"]


def weight_inside(weights: Tensor, starts: Sequence[float]) -> float:
    """Mean share of the weight that lies in the second with the tune. Book: ``book/backends``."""
    inside = torch.zeros_like(weights)
    for row, start in enumerate(starts):
        inside[row, round(start / STEP) : round((start + 1) / STEP)] = 1
    return float((weights * inside).sum(1).mean())


def programme() -> tuple[Tensor, dict[str, float]]:
    """15 s of quiet noise with 2 s of each tune: float32 [samples], and where each begins, in s. Book: ``book/backends``."""
    starts = {"greensleeves": 1.5, "drowsy-maggie": 6.0, "mountain-king": 11.0}
    sound = 0.003 * torch.randn(15 * RATE, generator=torch.Generator().manual_seed(0))
    for name, start in starts.items():
        part = tune(name)[-4 * RATE : -2 * RATE]
        sound[int(start * RATE) : int(start * RATE) + len(part)] += part
    return sound, starts
