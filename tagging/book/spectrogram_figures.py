"""Figures of :mod:`tagging.book.spectrogram_study`. Book: ``book/spectrogram_frontends``."""

from __future__ import annotations

from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..models.frontends import build_frontend
from ..models.frontends.musically_motivated import MusicallyMotivated, ShapeBlock
from ..models.frontends.vgg import Vgg
from ..models.tagger import Tagger
from ..plots.audio import log_mel
from ..plots.style import CYCLE, FAINT, WIDTH, figure_for
from . import spectrogram_study as study
from .backend_study import RATE, STEP, TUNES, musicnn, tune

FIDDLE = slice(RATE, 7 * RATE)  # the six seconds of Drowsy Maggie that are shown
_TALL, _SQUARE = "#7FD6FF", "#FFD27F"  # seen on the dark spectrogram


def draw_shapes() -> Figure:
    """The filters of both front-ends to scale over six seconds of a fiddle tune. Book: ``book/spectrogram_frontends``."""
    paper, squares = map(build_frontend, study.FRONTENDS)
    assert isinstance(paper, MusicallyMotivated)
    assert isinstance(squares, Vgg)
    timbral, temporal = (cast(list[ShapeBlock], list(part)) for part in (paper.timbral, paper.temporal))
    with torch.inference_mode():
        mel = paper.log_mel(tune("drowsy-maggie")[None, FIDDLE])[0]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(WIDTH, 5.2), sharex=True, height_ratios=(3, 1.6), layout="constrained"
    )
    title = "Tall filters hold all harmonics, long filters hold beats"
    log_mel(mel.numpy(), paper.log_mel.spec, title=title, ax=above)
    above.set_xlabel("")
    for index, block in enumerate(timbral):
        bands, frames = block.conv.kernel_size
        _box(above, 0.15 + 0.32 * index, 2, frames, bands, _TALL)
    above.text(0.1, 91, "timbral", color=_TALL, fontsize=10)
    for bands, frames, _ in study.square_fields(squares):
        bottom = max(-0.5, 47.5 - bands / 2)
        _box(above, 4 - frames * STEP / 2, bottom, frames, min(bands, 95 - bottom), _SQUARE)
    above.text(4, 91, "vgg, layers 1 to 5", color=_SQUARE, ha="center", fontsize=10)
    below.plot(np.arange(mel.shape[1]) * STEP, mel.mean(0), lw=0.8)
    for row, block in enumerate(temporal):
        frames = block.conv.kernel_size[1]
        height, length = 0.5 - 1.1 * row, frames * STEP
        below.plot([0.2, 0.2 + length], [height] * 2, lw=3, color=CYCLE[1])
        below.text(0.25 + length, height, f"{frames} frames, {length:.2f} s", va="center", fontsize=9)
    below.set(xlabel="time (s) of Drowsy Maggie", ylabel="mean over\nbands", xlim=(0, 6), yticks=[])
    plt.close(figure)
    return figure


def _box(ax: Axes, left: float, bottom: float, frames: int, bands: float, colour: str) -> None:
    ax.add_patch(Rectangle((left, bottom), frames * STEP, bands, fill=False, ec=colour, lw=1.6))


def _timbral(tagger: Tagger) -> ShapeBlock:
    return cast(MusicallyMotivated, tagger.frontend).timbral[0]  # type: ignore[return-value]


def draw_timbral(count: int = 12) -> Figure:
    """The liveliest tall filters of musicnn, beside the same filters of an untrained one.

    Book: ``book/spectrogram_frontends``.
    """
    chosen = study.liveliest(_timbral(musicnn()), count)
    figure, rows = plt.subplots(2, count, figsize=(WIDTH, 3.8), layout="constrained")
    for row, tagger, title in zip(rows, (study.untrained(), musicnn()), ("untrained", "trained"), strict=True):
        for panel, index in zip(row, chosen, strict=True):
            weight = _timbral(tagger).conv.weight[index, 0].detach()
            top = float(weight.abs().max())
            panel.imshow(weight, origin="lower", cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
            panel.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"{title}\n38 bands")
    rows[1, 0].set_xlabel("7 frames")
    figure.suptitle("Training makes stripes, tilts and onsets", x=0.01, ha="left", fontsize=11)
    plt.close(figure)
    return figure


def draw_temporal(count: int = 6) -> Figure:
    """The liveliest of the longest temporal filters of musicnn. Book: ``book/spectrogram_frontends``."""
    block = cast(MusicallyMotivated, musicnn().frontend).temporal[0]
    figure, panels = plt.subplots(2, count // 2, figsize=(WIDTH, 2.8), sharex=True, layout="constrained")
    for panel, index in zip(panels.flat, study.liveliest(block, count), strict=True):
        weight = block.get_parameter("conv.weight")[index, 0, 0].detach()
        panel.plot(np.arange(len(weight)) * STEP, weight, lw=1)
        panel.axhline(0, color=FAINT, lw=0.8, zorder=0)
        panel.set_yticks([])
    panels[0, 0].set_ylabel("weight")
    panels[1, count // 4].set_xlabel("time within the filter (s)")
    figure.suptitle("Temporal filters follow swings and steps of loudness", x=0.01, ha="left", fontsize=11)
    plt.close(figure)
    return figure


def draw_answers() -> Figure:
    """The map of the liveliest tall filter over each example sound, and its largest answer in each frame.

    Book: ``book/spectrogram_frontends``.
    """
    block = _timbral(musicnn())
    (index,) = study.liveliest(block, 1)
    figure, panels = plt.subplots(
        2, len(TUNES), figsize=(WIDTH, 3.8), sharex=True, sharey="row", height_ratios=(2, 1), layout="constrained"
    )
    for name, (above, below) in zip(TUNES, panels.T, strict=True):
        answers = study.answer_map(block, index, tune(name)[RATE : 5 * RATE])
        above.imshow(answers, origin="lower", aspect="auto", extent=(0, 4, 0, len(answers)), vmin=0, vmax=30)
        above.set_title(name)
        below.plot(np.arange(answers.shape[1]) * STEP, answers.amax(0), lw=1)
    panels[0, 0].set_ylabel("position (bands up)")
    panels[1, 0].set_ylabel("largest")
    panels[1, 1].set_xlabel("time (s)")
    figure.suptitle("The maximum keeps when a note begins, not where", x=0.01, ha="left", fontsize=11)
    plt.close(figure)
    return figure


def draw_positions(shares: tuple[float, ...] = (0.4, 0.7, 0.9)) -> Figure:
    """The largest answer of a filter to its own pattern, moved up band by band. Book: ``book/spectrogram_frontends``."""
    figure, (ax,) = figure_for(1, 2.8)
    for share in shares:
        bands, answers = study.slide(share)
        ax.plot(answers, label=f"{bands} bands, {len(answers) - bands + 1} positions")
    ax.set(xlabel="pattern moved up by (bands)", ylabel="largest answer", ylim=(0, 1.05))
    ax.set_title("A filter of 86 bands runs out of positions after 10 steps")
    ax.legend(loc="center right")
    return figure
