"""Figures of sound and of one song's tags. Book: ``book/what_goes_in``, ``book/tag_a_song``."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..audio.mel_spec import MelSpec, mel_bank
from ..errors import ConfigError
from ..tags import TrackTags
from .style import CYCLE, SCORE_MAP, SOUND_MAP, axes_for, drawable

# The most characters of a title: the layout gives the middle of a longer one room that it takes from the picture.
TITLE_LENGTH = 44


def waveform(
    samples: np.ndarray, sample_rate: int, *, start: float = 0.0, title: str = "", ax: Axes | None = None
) -> Figure:
    """Draw a waveform over time.

    Where a pixel would hold many samples, the band between the lowest and the highest of them is drawn, so that no
    peak is lost.

    Args:
        samples: float [samples], nominally in [-1, 1].
        sample_rate: in Hz.
        start: time of the first sample, in seconds.

    Book: ``book/what_goes_in``.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not len(samples):
        raise ConfigError(f"waveform of shape {samples.shape}: expected [samples], at least one")
    figure, ax = axes_for(ax, 2.0)
    columns = 1000
    if len(samples) <= 4 * columns:
        marker = "." if len(samples) <= 120 else None
        ax.plot(start + np.arange(len(samples)) / sample_rate, samples, color=CYCLE[0], lw=1.0, marker=marker)
    else:
        edges = np.linspace(0, len(samples), columns + 1).astype(int)[:-1]
        low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
        ax.fill_between(start + edges / sample_rate, low, high, color=CYCLE[0], lw=0.4)
    ax.set(xlabel="time (s)", ylabel="amplitude", title=title)
    ax.set_xlim(start, start + len(samples) / sample_rate)
    return figure


def log_mel(
    values: np.ndarray, spec: MelSpec, *, start: float = 0.0, title: str = "", ax: Axes | None = None
) -> Figure:
    """Draw a log-mel spectrogram, low bands at the bottom, with frequencies in Hz beside them.

    Args:
        values: float [bands, frames], as :class:`tagging.audio.mel.LogMel` gives for one waveform.
        spec: what it was made with: sets the axes.
        start: time of the first frame, in seconds.

    Book: ``book/what_goes_in``.
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[0] != spec.n_mels:
        raise ConfigError(f"log-mel of shape {values.shape}: expected [{spec.n_mels}, frames]")
    figure, ax = axes_for(ax)
    step = spec.hop_length / spec.sample_rate
    extent = (start, start + values.shape[1] * step, -0.5, spec.n_mels - 0.5)
    image = ax.imshow(values, origin="lower", aspect="auto", extent=extent, cmap=SOUND_MAP, interpolation="nearest")
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)", title=title)
    ax.set_yticks(*_mel_ticks(spec))
    figure.colorbar(image, ax=ax, label="power" if spec.compression == "none" else spec.compression, pad=0.02)
    return figure


def _mel_ticks(spec: MelSpec) -> tuple[list[float], list[str]]:
    """Positions of round frequencies among the bands, and their labels."""
    bank = mel_bank(spec)
    filled = bank.sum(axis=1) > 0  # a band narrower than the distance of two bins may contain none of them
    bins = np.linspace(0, spec.sample_rate / 2, bank.shape[1])
    centres = (bank[filled] @ bins) / bank[filled].sum(axis=1)
    wanted = [f for f in (100, 250, 500, 1000, 2000, 4000, 8000, 16000) if centres[0] <= f <= centres[-1]]
    positions = np.interp(wanted, centres, np.flatnonzero(filled))
    # labels closer than a tenth of the axis would overlap
    chosen: list[int] = []
    for i in reversed(range(len(wanted))):
        if not chosen or positions[chosen[-1]] - positions[i] >= 0.1 * spec.n_mels:
            chosen.append(i)
    return [float(positions[i]) for i in chosen], [str(wanted[i]) for i in chosen]


def _top(result: TrackTags, count: int) -> list[tuple[str, float]]:
    """The highest-scored tags; attributes for a vocabulary without classification tags."""
    return result.top(count) or list(result.attributes.items())[:count]


def taggram(result: TrackTags, top: int = 10, *, title: str = "", ax: Axes | None = None) -> Figure:
    """Draw the scores of the top classification tags over time, the highest song-level score at the top.

    Args:
        result: what :meth:`tagging.models.tagger.Tagger.tag` returned.
        top: how many tags to show.

    Book: ``book/tag_a_song``.
    """
    names = [name for name, _ in _top(result, top)]
    rows = [result.tags.index(name) for name in names]
    figure, ax = axes_for(ax, 0.9 + 0.24 * len(names))
    step = float(result.times[1] - result.times[0]) if len(result.times) > 1 else result.segment_seconds
    # each column is centred on its segment, which is wider than the column if segments overlap
    inset = (result.segment_seconds - step) / 2
    extent = (float(result.times[0]) + inset, float(result.times[-1]) + inset + step, len(names) - 0.5, -0.5)
    values = result.taggram[:, rows].T
    image = ax.imshow(values, aspect="auto", extent=extent, cmap=SCORE_MAP, vmin=0, vmax=1, interpolation="nearest")
    ax.set_yticks(range(len(names)), [drawable(name) for name in names], parse_math=False)
    ax.set(xlabel="time (s)")
    ax.set_title(
        drawable(title, TITLE_LENGTH), parse_math=False
    )  # often the name of a file, in which a dollar sign is a dollar sign
    figure.colorbar(image, ax=ax, label="score", pad=0.02)
    return figure


def top_tags(result: TrackTags, count: int = 10, *, title: str = "", ax: Axes | None = None) -> Figure:
    """Draw the song-level scores of the top classification tags as bars, with their values.

    Args:
        result: what :meth:`tagging.models.tagger.Tagger.tag` returned.
        count: how many tags to show.

    Book: ``book/tag_a_song``.
    """
    names, scores = zip(*_top(result, count), strict=True)
    figure, ax = axes_for(ax, 0.7 + 0.26 * len(names))
    bars = ax.barh(range(len(names)), scores, color=CYCLE[0], height=0.7)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize="small")
    ax.set_yticks(range(len(names)), [drawable(name) for name in names], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.08)
    ax.set(xlabel="score")
    ax.set_title(drawable(title, TITLE_LENGTH), parse_math=False)
    return figure
