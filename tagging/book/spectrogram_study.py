"""Small experiments on spectrogram front-ends: how far their filters see, and what they answer to.

Book: ``book/spectrogram_frontends``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models.base import ReceptiveField
from ..models.frontends import build_frontend
from ..models.frontends.musically_motivated import MusicallyMotivated, ShapeBlock
from ..models.frontends.vgg import Vgg
from ..models.tagger import Tagger
from ..pretrained import load_tagger
from ..pretrained.musicnn import build
from .backend_study import RATE, TUNES, musicnn, tune

if TYPE_CHECKING:
    import pandas

FRONTENDS = ("spectrogram-musically-motivated", "spectrogram-vgg")
_SECONDS = 6  # of each example sound


@cache
def untrained(name: str = "musicnn") -> Tagger:
    """A tagger of the form of ``mtt-musicnn`` or ``mtt-vgg`` with random weights. Book: ``book/spectrogram_frontends``."""
    names = list(musicnn().vocabulary.names)  # loading draws random numbers, so it comes before the seed
    torch.manual_seed(0)
    return build(name, names).eval()


@cache
def vgg() -> Tagger:
    """The trained tagger with square filters. Book: ``book/spectrogram_frontends``."""
    return load_tagger("mtt-vgg", runtime="torch")


def square_fields(frontend: Vgg) -> list[tuple[int, int, int]]:
    """Of each layer of squares: bands and frames of its receptive field, and positions over frequency that remain.

    Book: ``book/spectrogram_frontends``.
    """
    spec, fields = frontend.log_mel.spec, frontend.receptive_fields()
    rows, height, positions = [], ReceptiveField(), spec.n_mels
    blocks: list[Any] = list(frontend.blocks)
    for index, block in enumerate(blocks):
        bands, step = block.pool.kernel_size[0], block.pool.stride[0]
        height = height.then(3).then(bands, step)
        positions = (positions - bands) // step + 1
        frames = (fields[f"blocks.{index}"].size - spec.n_fft) // spec.hop_length + 1
        rows.append((min(height.size, spec.n_mels), frames, positions))
    return rows


def fields_table() -> pandas.DataFrame:
    """How far the filters of both front-ends see, and in how many positions over frequency.

    Book: ``book/spectrogram_frontends``.
    """
    import pandas

    paper, squares = build_frontend(FRONTENDS[0]), build_frontend(FRONTENDS[1])
    assert isinstance(paper, MusicallyMotivated)
    assert isinstance(squares, Vgg)
    bands, rows = paper.log_mel.spec.n_mels, []
    for family in ("timbral", "temporal"):
        for index, block in enumerate(getattr(paper, family)):
            tall, long = block.conv.kernel_size
            seen = tall if family == "timbral" else bands  # temporal filters see the mean over all bands
            field = paper.receptive_fields()[f"{family}.{index}"]
            rows.append((f"{family} {tall} x {long}", seen, field, bands - seen + 1))
    for index, (seen, _, positions) in enumerate(square_fields(squares)):
        field = squares.receptive_fields()[f"blocks.{index}"]
        rows.append((f"vgg, layer {index + 1}", seen, field, positions))
    cells = {
        name: {
            "bands": seen,
            "ms": round(1000 * field.size / RATE),
            "positions": positions,
            "a frame every (ms)": round(1000 * field.stride / RATE),
        }
        for name, seen, field, positions in rows
    }
    return pandas.DataFrame.from_dict(cells, orient="index").rename_axis("filters")


def first_input(tagger: Tagger, waveforms: Tensor) -> Tensor:
    """What the first convolution of a trained tagger sees: [batch, samples] -> [batch, 1, bands, frames].

    Book: ``book/spectrogram_frontends``.
    """
    with torch.inference_mode():
        return tagger.frontend.input_norm(tagger.frontend.log_mel(waveforms)[:, None])  # type: ignore[operator]


@cache
def _sounds() -> Tensor:
    return torch.cat([first_input(musicnn(), tune(name)[None, : _SECONDS * RATE]) for name in TUNES])


def liveliest(block: nn.Module, count: int) -> list[int]:
    """The filters of musicnn whose answers vary most over six seconds of each example sound.

    Args:
        block: of the front-end of musicnn.
        count: how many.

    Book: ``book/spectrogram_frontends``.
    """
    with torch.inference_mode():
        answers = torch.cat(list(block(_sounds())), dim=-1)
    return answers.std(-1).argsort(descending=True)[:count].tolist()


def silent_filters() -> tuple[int, int]:
    """Timbral filters of musicnn that answer to none of the example sounds, and all of them.

    Book: ``book/spectrogram_frontends``.
    """
    with torch.inference_mode():
        timbral = [block(_sounds()).std(-1).amax(0) for block in musicnn().frontend.timbral]  # type: ignore[union-attr]
    moves = torch.cat(timbral)
    return int((moves < 1e-3).sum()), len(moves)


def answer_map(block: ShapeBlock, index: int, waveform: Tensor) -> Tensor:
    """Answers of one filter of musicnn to [samples]: [positions over frequency, frames].

    Book: ``book/spectrogram_frontends``.
    """
    padded = nn.functional.pad(first_input(musicnn(), waveform[None]), block.padding)
    with torch.inference_mode():
        return block.norm(torch.relu(block.conv(padded)))[0, index]


def slide(share: float, frames: int = 7) -> tuple[int, np.ndarray]:
    """One timbral filter meets its own pattern, moved up band by band.

    Args:
        share: of the mel bands that the filter covers.
        frames: its length.

    Returns:
        Bands of the filter, and its largest answer at each height as a share of the first: float [bands].

    Book: ``book/spectrogram_frontends``.
    """
    torch.manual_seed(1)
    frontend = build_frontend("spectrogram", timbral=[(share, frames, 1)], temporal=[(32, 1)]).eval()
    assert isinstance(frontend, MusicallyMotivated)
    pattern, bands = frontend.get_parameter("timbral.0.conv.weight")[0, 0].detach(), frontend.log_mel.spec.n_mels
    answers = []
    for height in range(bands):
        picture = torch.zeros(1, bands, 32)
        fits = min(len(pattern), bands - height)
        picture[0, height : height + fits, 12 : 12 + frames] = pattern[:fits]
        with torch.inference_mode():
            answers.append(float(frontend.from_log_mel(picture)[0, 0].max()))
    return len(pattern), np.array(answers) / answers[0]


def options_table() -> pandas.DataFrame:
    """The front-end of the paper beside the front-end of musicnn. Book: ``book/spectrogram_frontends``."""
    import pandas

    def shapes(blocks: Iterable[Any]) -> str:
        return ", ".join(f"{b.conv.out_channels} of {b.conv.kernel_size[0]} x {b.conv.kernel_size[1]}" for b in blocks)

    columns = {}
    for name, part in (("paper (2018)", build_frontend(FRONTENDS[0])), ("musicnn (2019)", musicnn().frontend)):
        assert isinstance(part, MusicallyMotivated)
        columns[name] = {
            "timbral filters": shapes(part.timbral),
            "temporal filters": shapes(part.temporal),
            "temporal filters see": "mean over bands"
            if part.temporal_input == "mean"
            else "each band, then the maximum",
            "input normalized": "yes" if isinstance(part.input_norm, nn.BatchNorm2d) else "no",
            "channels": part.out_channels,
            "parameters": sum(weight.numel() for weight in part.parameters()),
        }
    return pandas.DataFrame(columns, dtype=object).rename_axis("option")
