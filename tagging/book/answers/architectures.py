"""Right answers of the exercises of the part *Architectures*. Book: ``book/how_to_use``."""

from __future__ import annotations

import numpy as np
import torch

from ...models.build import build_tagger
from ...models.frontends import build_frontend
from ..architecture_study import TAGS, grid
from ..backend_study import BACKENDS, backend_macs, finder, musicnn, test_clips
from ..field import probes
from ..timbre_study import TIMBRES, pitch_shares
from ..waveform_study import phase_share


def same_rank() -> int:
    """*The field since*, 1."""
    ranks = probes().filter(like="PR-AUC").rank()
    return int((ranks.iloc[:, 0] == ranks.iloc[:, 1]).sum())


def frame_step() -> float:
    """*Waveform front-ends*, 1."""
    return 1000 * 3**7 / 22050


def sample_frames() -> int:
    """*Waveform front-ends*, 2."""
    return build_frontend("waveform-sample-level").num_frames(59049)


def filters_needed() -> int:
    """*Waveform front-ends*, 3."""
    return next(count for count in range(1, 99) if np.cos(np.pi / count) >= 0.95)


def least_phase() -> int:
    """*Waveform front-ends*, 4."""
    torch.manual_seed(0)
    branches = build_frontend("waveform-frame-level-many-shapes").eval().branches
    return int(np.argmin([phase_share(branch, channel=True) for branch in branches]))  # type: ignore[union-attr]


def dense_weights() -> int:
    """*Back-ends*, 1."""
    return 464 * 938 * 500


def attention_ratio() -> float:
    """*Back-ends*, 2."""
    short, long = (backend_macs("waveform", "attention", seconds)[1] for seconds in (15, 60))
    return round(long / short, 1)


def time_matters() -> int:
    """*Back-ends*, 3."""
    features = test_clips().features
    with torch.inference_mode():
        changes = [float((finder(name)(features.flip(-1)) - finder(name)(features)).abs().max()) for name in BACKENDS]
    return sum(change > 0.001 for change in changes)


def longest_filter() -> float:
    """*Spectrogram front-ends*, 1."""
    frontend = build_frontend("spectrogram")
    return frontend.receptive_fields()["temporal.0"].size / frontend.sample_rate


def without_vowel() -> str:
    """*Spectrogram front-ends*, 2."""
    stage = "timbral 38 x 7, maximum"
    every, five = (pitch_shares(musicnn(), timbres)[stage] for timbres in (TIMBRES, TIMBRES[:-1]))
    return "up" if five > every else "down"


def positions_of_128() -> int:
    """*Spectrogram front-ends*, 3."""
    return 128 - int(0.9 * 128) + 1


def fewest_parameters() -> tuple[str, str]:
    """*Putting a tagger together*, 1."""
    pairs = grid()
    return min(pairs, key=lambda pair: pairs[pair][0])


def slow_frames() -> int:
    """*Putting a tagger together*, 2."""
    return build_frontend("spectrogram", mel={"hop_length": 2187, "n_fft": 4096}).num_frames(15 * 16_000)


def per_tag_head() -> int:
    """*Putting a tagger together*, 3."""
    head = build_tagger("waveform", "temporal-pooling", TAGS, head="per-tag").head
    return sum(weight.numel() for weight in head.parameters())
