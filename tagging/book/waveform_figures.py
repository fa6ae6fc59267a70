"""Figures of :mod:`tagging.book.waveform_study`. Book: ``book/waveform_frontends``."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..audio.mel import LogMel
from ..models.tagger import Tagger
from ..plots.style import CYCLE, MODEL_COLOURS, SCORE_MAP, WIDTH, figure_for
from .waveform_study import RATE, SWEEP, Trained, phase_answers, tuning

_SPECTRUM = 1024  # of zero-padded filters


def _closed(figure: Figure) -> Figure:
    plt.close(figure)  # a notebook shows what a cell returns
    return figure


def draw_phases(counts: tuple[int, ...] = (1, 2, 4, 8, 16)) -> Figure:
    """Best answer of 1 to 16 filters over the phase of a tone (left), and the worst of them (right).

    Book: ``book/waveform_frontends``.
    """
    figure, (left, right) = figure_for(2, 2.8)
    phases = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    answers = {count: phase_answers(count, phases) for count in counts}
    for count in counts[:-1]:
        left.plot(phases / np.pi, answers[count], label=str(count))
    left.set(xlabel="phase of the tone (half turns)", ylabel="best answer", title="440 Hz in, filters at 440 Hz")
    left.legend(title="filters", ncols=2, loc="lower left", fontsize=9)
    worst = [float(answers[count].min()) for count in counts]
    drawn = right.bar([str(count) for count in counts], worst, color=CYCLE[0])
    right.bar_label(drawn, fmt="%.2f", fontsize="small")
    right.set(xlabel="filters per frequency", title="worst phase / best phase", ylim=(0, 1.12))
    return figure


def _filters(tagger: Tagger) -> Tensor:
    return tagger.frontend.branches[0].block.conv.weight.detach()[:, 0]  # type: ignore[union-attr, index, operator]


def _peaks(filters: Tensor) -> Tensor:
    return torch.fft.rfft(filters * torch.hann_window(filters.shape[1]), _SPECTRUM).abs()


def draw_filters(trained: Trained) -> Figure:
    """What training added to the six sharpest filters of the single shape, and all spectra before and after.

    Book: ``book/waveform_frontends``.
    """
    random, learnt = _filters(trained.before), _filters(trained.after)
    added = learnt - random  # both began with the same weights
    spectrum = torch.fft.rfft(added, _SPECTRUM).abs()
    sharpest = (spectrum.amax(1) / spectrum.mean(1)).argsort(descending=True)[:6]
    figure = plt.figure(figsize=(WIDTH, 5.2), layout="constrained")
    above, below = np.ravel(figure.subfigures(2, 1, height_ratios=(1, 1.3), squeeze=False)).tolist()
    colours = MODEL_COLOURS["waveform"], CYCLE[0]
    for column, index in zip(above.subplots(2, 6, sharey="row").T, sharpest, strict=True):
        for panel, curve, colour in zip(column, (learnt[index], added[index]), colours, strict=True):
            panel.plot(curve, lw=0.7, color=colour)
            panel.set_axis_off()
    above.suptitle(
        "Upper row: six filters after training; lower row: what training added", fontsize=11, x=0.02, ha="left"
    )
    for panel, title, filters in zip(
        below.subplots(1, 2, sharey=True), ("before", "after training"), (random, learnt), strict=True
    ):
        shape = _peaks(filters)[:, :129]  # 0 to 2 kHz
        shape = shape / shape.amax(1, keepdim=True)
        shape = shape[shape.argmax(1).argsort()]
        panel.imshow(shape, aspect="auto", origin="lower", extent=(0, 2000, 0, len(filters)))
        panel.set(xlabel="frequency (Hz)", title=title)
        if title == "before":
            panel.set_ylabel("filter, sorted")
    return _closed(figure)


def draw_tuning(trained: Trained, layers: tuple[str, ...] = ("layer2", "layer4", "layer7")) -> Figure:
    """Answers of the channels of three layers of the sample level to a sweep, before and after training.

    Book: ``book/waveform_frontends``.
    """
    figure, panels = plt.subplots(2, len(layers), figsize=(WIDTH, 4.2), sharex=True, layout="constrained")
    for row, (title, model) in zip(panels, (("before", trained.before), ("after", trained.after)), strict=True):
        for panel, layer in zip(row, layers, strict=True):
            answers = tuning(model.frontend, layer)
            panel.pcolormesh(SWEEP, np.arange(len(answers)), answers, shading="nearest", cmap=SCORE_MAP)
            panel.set_xscale("log")
            panel.set_xticks([100, 1000], ["100", "1k"])
            panel.set_yticks([])
            panel.set_title(f"{layer.replace('layer', 'layer ')}, {title}")
        row[0].set_ylabel("channels, sorted")
    panels[1, len(layers) // 2].set_xlabel("frequency of the tone (Hz)")
    return _closed(figure)


def draw_answers(sound: np.ndarray, single: Trained, sample: Trained, start: float = 0.0) -> Figure:
    """What a sound looks like to the spectrogram and to two waveform front-ends.

    Args:
        sound: float32 [samples] at 16 kHz.
        single, sample: the single shape and the sample level.
        start: of the sound, in s.

    Book: ``book/waveform_frontends``.
    """
    waves = torch.from_numpy(sound)[None]
    order = _peaks(_filters(single.after)).argmax(1).argsort()
    with torch.inference_mode():
        pictures = {
            "log-mel spectrogram": LogMel("paper")(waves)[0],
            "single shape, before": single.before.frontend(waves)[0],
            "single shape, after": single.after.frontend(waves)[0][order],
            "sample level, after": sample.after.frontend(waves)[0],
        }
    figure, panels = plt.subplots(4, 1, figsize=(WIDTH, 6), sharex=True, layout="constrained")
    for panel, (title, picture) in zip(panels, pictures.items(), strict=True):
        if title != "log-mel spectrogram":
            picture = picture / picture.abs().amax(1, keepdim=True).clamp(min=1e-6)
        extent = (start, start + len(sound) / RATE, 0, len(picture))
        panel.imshow(picture, aspect="auto", origin="lower", extent=extent)
        panel.set_yticks([])
        panel.set_title(title)
    panels[-1].set_xlabel("time (s)")
    return _closed(figure)
