"""Small experiments on waveform front-ends: their answers to phase and pitch, before and after training on single notes.

Book: ``book/waveform_frontends``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.mel import LogMel
from ..models.base import Frontend, recorded
from ..models.build import build_tagger
from ..models.frontends import build_frontend
from ..models.tagger import Tagger
from ..training.losses import tag_loss

if TYPE_CHECKING:
    import pandas

RATE = 16000
FRONTENDS = ("waveform-frame-level", "waveform-frame-level-many-shapes", "waveform-sample-level")
# Tones of a sweep, in Hz, and the phases in which each is played.
SWEEP = np.geomspace(80, 6000, 40)
PHASES = np.linspace(0, 2 * np.pi, 8, endpoint=False)
NOTES = [
    f"{name}{octave}" for octave in (3, 4) for name in ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
]
SAMPLES = 3 * 2187  # of a note: 0.41 s, three frames of the sample level
_A4 = NOTES.index("A4")


def tones(frequencies: Sequence[float] | np.ndarray, phases: np.ndarray, samples: int = 8192) -> Tensor:
    """Sines of amplitude 0.3: float32 [frequencies, phases, samples].

    Args:
        frequencies: in Hz.
        phases: in radians.
        samples: length, at 16 kHz.

    Book: ``book/waveform_frontends``.
    """
    angle = 2 * np.pi * np.asarray(frequencies)[:, None, None] * np.arange(samples) / RATE
    return torch.tensor(0.3 * np.sin(angle + np.asarray(phases)[:, None]), dtype=torch.float32)


def cosine_bank(count: int, frequency: float = 440.0) -> Frontend:
    """The single-shape front-end with ``count`` filters of one frequency, their phases spread evenly.

    Book: ``book/waveform_frontends``.
    """
    frontend = build_frontend("waveform-frame-level", filters=count).eval()
    angle = 2 * np.pi * frequency * np.arange(512) / RATE
    filters = np.hanning(512) * np.cos(angle + 2 * np.pi * np.arange(count)[:, None] / count)
    weight = frontend.branches[0].block.conv.weight  # type: ignore[union-attr, index]
    weight.data = torch.tensor(filters[:, None], dtype=torch.float32)  # type: ignore[union-attr]
    return frontend


def phase_answers(count: int, phases: np.ndarray) -> np.ndarray:
    """Best answer of ``count`` filters at 440 Hz to a 440 Hz tone in each phase, as a share of the largest: float [phases]."""
    with torch.inference_mode():
        answers = cosine_bank(count)(tones([440], phases)[0])[:, :, 16]  # one frame: [phases, filters]
    best = answers.amax(1).numpy()
    return best / best.max()


def nuisance_share(answers: Tensor) -> float:
    """Share of the variance within rows, of answers [wanted, nuisance, features]; 0 is best, 1 is worst.

    Book: ``book/waveform_frontends``.
    """
    within = answers.var(dim=1, correction=0).mean(0)
    total = answers.flatten(0, 1).var(dim=0, correction=0)
    return float(within.sum() / total.sum())


def phase_share(frontend: nn.Module, *, channel: bool = False) -> float:
    """Share of the variance of one frame that is due to phase, over 40 tones of 8 phases each.

    Args:
        frontend: takes [batch, samples], or with ``channel`` [batch, 1, samples], as a branch does.
        channel: see there.

    Book: ``book/waveform_frontends``.
    """
    sweep = tones(SWEEP, PHASES)
    sounds = sweep.flatten(0, 1)
    with torch.inference_mode():
        features = frontend(sounds[:, None] if channel else sounds)
    return nuisance_share(features[..., features.shape[-1] // 2].unflatten(0, sweep.shape[:2]))


def shares_table() -> pandas.DataFrame:
    """:func:`phase_share` of the log-mel spectrogram and of the three front-ends, untrained, in percent.

    Book: ``book/waveform_frontends``.
    """
    import pandas

    torch.manual_seed(0)
    parts = {"log-mel spectrogram": LogMel("paper"), **{name: build_frontend(name).eval() for name in FRONTENDS}}
    shares = {name: 100 * phase_share(part) for name, part in parts.items()}
    return pandas.DataFrame({"variance due to phase, %": shares}).rename_axis("front-end")


def frames_table() -> pandas.DataFrame:
    """Parameters, frames a second, and what a frame hears, of each front-end at the paper's width.

    Book: ``book/waveform_frontends``.
    """
    import pandas

    rows = {}
    for name in FRONTENDS:
        frontend = build_frontend(name)
        field = list(frontend.receptive_fields().values())[-1]
        rows[name] = {
            "parameters": sum(weight.numel() for weight in frontend.parameters()),
            "channels": frontend.out_channels,
            "frames a second": RATE / field.stride,
            "ms from frame to frame": 1000 * field.stride / RATE,
            "ms a frame hears": 1000 * field.size / RATE,
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("front-end")


def play_notes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Single notes from C3 to B4 of ten random harmonics each, slightly out of tune, with a little noise.

    Returns:
        float32 [count, samples], and the position of each in :data:`NOTES`: int [count].

    Book: ``book/waveform_frontends``.
    """
    rng = np.random.default_rng(seed)
    number = rng.integers(0, len(NOTES), count)
    pitch = 440 * 2 ** ((number - _A4 + rng.uniform(-0.2, 0.2, count)) / 12)
    turn = np.exp(2j * np.pi * pitch[:, None] * np.arange(SAMPLES) / RATE).astype(np.complex64)
    dullness = rng.uniform(0.5, 2, count)
    waves, harmonic = np.zeros(turn.shape, np.float32), np.ones_like(turn)
    for order in range(1, 11):
        harmonic *= turn
        weight = order**-dullness * rng.uniform(0.2, 1, count) * np.exp(2j * np.pi * rng.uniform(0, 1, count))
        waves += (harmonic * weight[:, None].astype(np.complex64)).real
    level = 0.1 * 10 ** rng.uniform(-1, 0, count) / waves.std(1)  # between 0.01 and 0.1
    waves *= level[:, None].astype(np.float32)
    waves += 0.003 * rng.standard_normal(waves.shape, dtype=np.float32)
    return torch.tensor(waves), torch.tensor(number)


@dataclass(frozen=True)
class Trained:
    """A small tagger of notes before and after training.

    Attributes:
        before, after: from the same random weights.
        accuracy: share of 300 other notes that it names, in [0, 1].
        cpu_seconds: that the training took.
    """

    before: Tagger
    after: Tagger
    accuracy: float
    cpu_seconds: float


def _note_tagger(name: str) -> Tagger:
    torch.manual_seed(0)
    return build_tagger(name, "temporal-pooling", NOTES, SAMPLES / RATE, width=0.25, dropout=0.0)


@cache
def train_on_notes(name: str, steps: int = 160, batch: int = 32) -> Trained:
    """Train a quarter-width tagger with this front-end to name notes.

    Args:
        name: one of :data:`FRONTENDS`.
        steps: of training.
        batch: notes a step.

    Book: ``book/waveform_frontends``.
    """
    waves, numbers = play_notes(1500, seed=1)
    tagger, labels = _note_tagger(name), torch.eye(len(NOTES))[numbers]
    optimizer = torch.optim.Adam(tagger.parameters(), lr=5e-3)
    start = time.process_time()
    tagger.train()
    for _ in range(steps):
        chosen = torch.randint(len(waves), (batch,))
        loss = tag_loss(tagger(waves[chosen]), labels[chosen], tagger.vocabulary)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seconds = time.process_time() - start
    test, right = play_notes(300, seed=2)
    with torch.inference_mode():
        accuracy = float((tagger.eval()(test).argmax(1) == right).float().mean())
    return Trained(_note_tagger(name).eval(), tagger, accuracy, seconds)


def training_table(trained: Mapping[str, Trained]) -> pandas.DataFrame:
    """What :func:`train_on_notes` gave: accuracy, and the share of phase before and after, in percent.

    Book: ``book/waveform_frontends``.
    """
    import pandas

    rows = {
        name: {
            "notes named, %": 100 * one.accuracy,
            "phase before, %": 100 * phase_share(one.before.frontend),
            "phase after, %": 100 * phase_share(one.after.frontend),
            "CPU seconds": one.cpu_seconds,
        }
        for name, one in trained.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("front-end")


def tuning(frontend: Frontend, layer: str) -> np.ndarray:
    """Answer of each channel of a layer to each tone of the sweep, scaled to [0, 1], channels sorted by best frequency.

    Args:
        frontend: of which ``layer`` is a feature module.
        layer: its name.

    Returns:
        float [channels that answer, frequencies].

    Book: ``book/waveform_frontends``.
    """
    sweep = tones(SWEEP, PHASES)
    with torch.inference_mode(), recorded(frontend.feature_modules()) as features:
        frontend(sweep.flatten(0, 1))
    answers = features[layer].mean(-1).unflatten(0, sweep.shape[:2]).mean(1).T  # mean over time and phases
    answers = answers[answers.std(1) > 1e-6]  # some channels never answer
    low, high = answers.amin(1, keepdim=True), answers.amax(1, keepdim=True)
    answers = (answers - low) / (high - low)
    return answers[answers.argmax(1).argsort()].numpy()
