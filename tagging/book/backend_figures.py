"""Figures of :mod:`tagging.book.backend_study`. Book: ``book/backends``."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from ..plots.style import CYCLE, FAINT, WIDTH, figure_for
from . import backend_study as study


def draw_times() -> Figure:
    """Processor time of a forward pass over the length of the sound. Book: ``book/backends``."""
    figure, (ax,) = figure_for(1, 3.0)
    for name, measured in study.times().items():
        ax.loglog(list(measured), list(measured.values()), marker="o", label=name)
    ticks = [1, 2, 4, 8, 16, 32]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="seconds of music", ylabel="forward pass (ms)", title="Attention grows faster than the sound")
    ax.legend()
    return figure


def draw_pooling() -> Figure:
    """What maximum and mean say about a mixture of guitar and techno. Book: ``book/backends``."""
    figure, (ax,) = figure_for(1, 2.8)
    shares, positions = study.pooled_positions()
    for name, values in positions.items():
        ax.plot(shares, values, label=name)
    ax.plot([0, 1], [0, 1], color=FAINT, lw=1, zorder=0)
    ax.set(xlabel="share of the frames that are guitar", ylabel="position between\ntechno (0) and guitar (1)")
    ax.set_title("The mean says how much, the maximum says whether", loc="left")
    ax.legend()
    return figure


def draw_winners() -> Figure:
    """When the channels of musicnn reach their maximum, in three seconds of a tune. Book: ``book/backends``."""
    tagger = study.musicnn()
    segment = study.tune("mountain-king")[4 * study.RATE :][: tagger.config.segment_samples]
    features = tagger.features(segment[None])
    maps = torch.cat([features[name] for name in ("frontend", "cnn1", "cnn2", "cnn3")], 1)[0]
    maps = maps[maps.std(1) > 1e-3]  # a channel that never answers has no maximum to speak of
    winners = np.bincount(maps.argmax(1).numpy(), minlength=maps.shape[1])
    clock = np.arange(maps.shape[1]) * study.STEP
    with torch.inference_mode():
        mel = tagger.frontend.log_mel(segment[None])[0]  # type: ignore[operator]
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(WIDTH, 3.6), sharex=True, height_ratios=(2, 1), layout="constrained"
    )
    top.imshow(mel, origin="lower", aspect="auto", extent=(0, len(clock) * study.STEP, 0, len(mel)))
    top.set(ylabel="band", title="Each channel has its maximum at a moment of its own")
    bottom.bar(clock, winners, width=study.STEP, color=CYCLE[0])
    bottom.set(ylabel="channels with\nmaximum here", xlabel="time (s)")
    plt.close(figure)
    return figure


def draw_attention() -> Figure:
    """Where the attention back-end looks in six test clips, before and after training. Book: ``book/backends``."""
    clips = study.test_clips()
    before, after = (
        study.attention_weights(study.finder("attention", steps), clips.features).numpy() for steps in (0, 35)
    )
    clock = np.arange(before.shape[1]) * study.STEP
    figure, panels = plt.subplots(2, 3, figsize=(WIDTH, 3.4), sharex=True, sharey=True, layout="constrained")
    for index, panel in enumerate(panels.flat):
        panel.axvspan(clips.starts[index], clips.starts[index] + 1, color=FAINT, alpha=0.6, lw=0)
        panel.plot(clock, before[index], color=CYCLE[1], lw=1, label="untrained")
        panel.plot(clock, after[index], color=CYCLE[0], label="trained")
        panel.set_title(study.TUNES[int(clips.tunes[index])])
    panels[0, 0].set_ylabel("weight")
    panels[1, 1].set_xlabel("time (s); shaded: where the tune is")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    plt.close(figure)
    return figure


def draw_programme() -> Figure:
    """Where it looks in 15 s with three tunes. Book: ``book/backends``."""
    sound, starts = study.programme()
    weights = study.attention_weights(study.finder("attention"), study.frames_of(sound)[None])[0].numpy()
    with torch.inference_mode():
        mel = study.musicnn().frontend.log_mel(sound[None])[0]  # type: ignore[operator]
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(WIDTH, 3.6), sharex=True, layout="constrained")
    top.imshow(mel, origin="lower", aspect="auto", extent=(0, mel.shape[1] * study.STEP, 0, len(mel)))
    top.set(ylabel="band", title="Nobody told it where the tunes are")
    bottom.plot(np.arange(len(weights)) * study.STEP, weights)
    for name, start in starts.items():
        bottom.axvspan(start, start + 2, color=FAINT, alpha=0.6, lw=0)
        bottom.text(start + 1, float(weights.max()) * 1.02, name, ha="center", fontsize=9)
    bottom.set(xlabel="time (s)", ylabel="weight", xlim=(0, 15))
    plt.close(figure)
    return figure
