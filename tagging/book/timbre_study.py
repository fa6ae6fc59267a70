"""Six timbres made from formulas: how far pitch moves the answers to them, and what is learned of them in one octave.

Book: ``book/spectrogram_frontends``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.base import recorded
from ..models.build import build_tagger
from ..models.frontends import build_frontend
from ..models.frontends.musically_motivated import MusicallyMotivated
from ..models.tagger import Tagger
from ..training.losses import tag_loss
from .backend_study import RATE, musicnn
from .spectrogram_study import FRONTENDS, first_input, untrained, vgg
from .waveform_study import nuisance_share

if TYPE_CHECKING:
    import pandas

TIMBRES = ("organ", "reed", "plucked", "dull", "bright", "vowel")
PITCHES = range(55, 80, 3)  # MIDI: G3 to G5
_NOTE = 1.1  # seconds of a note that the small taggers learn from
# Centre and width in Hz, and height, of the formants of the vowel
_FORMANTS = ((700, 120, 1.0), (1200, 150, 0.6), (2600, 250, 0.3))


def play(timbre: str, midi: int, seconds: float, seed: int = 0) -> Tensor:
    """One note of a timbre made from a formula: float32 [samples] at 16 kHz.

    Args:
        timbre: one of :data:`TIMBRES`.
        midi: pitch; 69 is A4.
        seconds: duration.
        seed: of the phases of the harmonics.

    Book: ``book/spectrogram_frontends``.
    """
    rng = np.random.default_rng([seed, midi])
    pitch = 440 * 2 ** ((midi - 69) / 12)
    order = np.arange(1, int(7600 / pitch) + 1)
    hertz = order * pitch
    formants = sum(height * np.exp(-(((hertz - centre) / width) ** 2)) for centre, width, height in _FORMANTS)
    amplitudes = {
        "organ": np.isin(order, [1, 2, 4, 8]).astype(float),
        "reed": np.where(order % 2 == 1, 1.0, 0.02) * order**-0.6,
        "plucked": order**-1.0,
        "dull": order**-2.0,
        "bright": order**-0.3,
        "vowel": (formants + 0.01) * order**-0.5,
    }[timbre]
    clock = np.arange(int(seconds * RATE)) / RATE
    phases = rng.uniform(0, 2 * np.pi, len(order))
    angles = np.outer(2 * np.pi * hertz, clock).astype(np.float32) + phases[:, None].astype(np.float32)
    wave = amplitudes @ np.sin(angles)
    wave *= np.minimum(1, clock / 0.02) * (np.exp(-3 * clock) if timbre == "plucked" else 1)
    return torch.tensor(0.1 * wave / wave.std(), dtype=torch.float32)


def tour() -> Tensor:
    """Each timbre at three pitches, one after the other: float32 [samples]. Book: ``book/spectrogram_frontends``."""
    return torch.cat([play(timbre, midi, 0.6) for timbre in TIMBRES for midi in (55, 67, 79)])


@cache
def notes() -> Tensor:
    """Each timbre at each pitch: float32 [timbres, pitches, samples]. Book: ``book/spectrogram_frontends``."""
    return torch.stack([torch.stack([play(timbre, midi, 1.5) for midi in PITCHES]) for timbre in TIMBRES])


def stages(tagger: Tagger, waveforms: Tensor) -> dict[str, Tensor]:
    """What each stage of a front-end makes of sounds: name -> float [batch, ..., frames].

    Args:
        tagger: of the form of ``mtt-musicnn`` or ``mtt-vgg``.
        waveforms: float32 [batch, samples].

    Book: ``book/spectrogram_frontends``.
    """
    frontend = tagger.frontend
    with torch.inference_mode(), recorded(frontend.feature_modules()) as features:
        mel = frontend.log_mel(waveforms)  # type: ignore[operator]
        if not isinstance(frontend, MusicallyMotivated):
            frontend.from_log_mel(mel)  # type: ignore[operator]
            return {"log-mel": mel, **{f"vgg, layer {name[4:]}": x for name, x in features.items()}}
        maps, z = {"log-mel": mel}, first_input(tagger, waveforms)
        timbral: list[Any] = list(frontend.timbral)
        for block in timbral:
            name = f"timbral {block.conv.kernel_size[0]} x {block.conv.kernel_size[1]}"
            answers = block.norm(torch.relu(block.conv(nn.functional.pad(z, block.padding))))
            maps[f"{name}, every position"], maps[f"{name}, maximum"] = answers, answers.amax(2)
        return {**maps, "temporal": frontend.temporal(z)}


@cache
def _answers(tagger: Tagger, timbre: str) -> dict[str, Tensor]:
    """Stage -> answers to the notes of a timbre, averaged over time: float32 [pitches, numbers]."""
    return {name: x.mean(-1).flatten(1) for name, x in stages(tagger, notes()[TIMBRES.index(timbre)]).items()}


def pitch_shares(tagger: Tagger, timbres: tuple[str, ...] = TIMBRES) -> dict[str, float]:
    """Share of the variance that is due to pitch at each stage, of answers averaged over time: 0 to 1.

    Args:
        tagger: as in :func:`stages`.
        timbres: those that are played.

    Book: ``book/spectrogram_frontends``.
    """
    rows = [_answers(tagger, timbre) for timbre in timbres]
    return {name: nuisance_share(torch.stack([row[name] for row in rows])) for name in rows[0]}


def shares_table() -> pandas.DataFrame:
    """:func:`pitch_shares` of both trained taggers and of untrained ones, in percent.

    Book: ``book/spectrogram_frontends``.
    """
    import pandas

    trained = {**pitch_shares(musicnn()), **pitch_shares(vgg())}
    random = {**pitch_shares(untrained()), **pitch_shares(untrained("vgg"))}
    columns = {"due to pitch, untrained, %": random, "due to pitch, trained, %": trained}
    return 100 * pandas.DataFrame(columns).rename_axis("stage")


def _lesson(pitches: Sequence[int], count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Notes of random timbre and pitch in a little noise: log-mels [count, bands, frames], labels [count, timbres]."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, len(TIMBRES), count)
    waves = torch.stack(
        [play(TIMBRES[k], int(rng.choice(pitches)), _NOTE, seed=int(rng.integers(1_000_000))) for k in which]
    )
    waves = waves * torch.tensor(10 ** rng.uniform(-1, 0, count), dtype=torch.float32)[:, None]
    waves = waves + 0.002 * torch.tensor(rng.standard_normal(waves.shape), dtype=torch.float32)
    with torch.inference_mode():
        return build_frontend(FRONTENDS[0]).log_mel(waves), torch.eye(len(TIMBRES))[which]  # type: ignore[operator]


def octaves_table(seeds: int = 3, steps: int = 50) -> pandas.DataFrame:
    """Taggers that learn timbres in one octave, tested there and an octave above: accuracy of each seed, in percent.

    Args:
        seeds: runs of each front-end.
        steps: of training.

    Book: ``book/spectrogram_frontends``.
    """
    import pandas

    x, labels = _lesson(range(55, 67), 200, seed=1)
    tests = {
        "same octave": _lesson(range(55, 67), 80, seed=2),
        "octave above": _lesson(range(67, 79), 80, seed=3),
    }
    rows: dict[str, dict[str, float]] = {f"{name}, {test}": {} for name in FRONTENDS for test in tests}
    for name in FRONTENDS:
        options = {"dropout": 0.0} if name == "spectrogram-vgg" else {}
        for seed in range(seeds):
            torch.manual_seed(seed)
            tagger = build_tagger(name, "dense", TIMBRES, _NOTE, width=0.125, dropout=0.0, frontend_options=options)
            _train(tagger, x, labels, steps)
            with torch.inference_mode():
                for test, (sounds, answers) in tests.items():
                    right = tagger.from_log_mel(sounds).argmax(1) == answers.argmax(1)
                    rows[f"{name}, {test}"][f"seed {seed}"] = 100 * float(right.float().mean())
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("front-end and test")


def _train(tagger: Tagger, x: Tensor, labels: Tensor, steps: int) -> None:
    optimizer = torch.optim.Adam(tagger.parameters(), lr=3e-3)
    tagger.train()
    for _ in range(steps):
        batch = torch.randint(len(x), (12,))
        loss = tag_loss(tagger.from_log_mel(x[batch]), labels[batch], tagger.vocabulary)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tagger.eval()
