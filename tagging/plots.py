"""Figures in the one style of this book: opaque, quiet, readable on light and dark pages and by colour-blind readers.

Every function draws on the Axes it is given, or on a new figure, and returns the Figure. A colour means the same model
on every page. Book: ``book/how_to_use``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .errors import ConfigError, unknown_name
from .mel import MelSpec, mel_bank
from .resampling import Interval
from .tags import TrackTags

if TYPE_CHECKING:
    from .published import PublishedResult

# The colours of Okabe and Ito (2008), told apart with every common form of colour blindness.
MODEL_COLOURS = {"waveform": "#0072B2", "spectrogram": "#D55E00", "mel-statistics": "#009E73", "gbt": "#5F5F5F"}
MODEL_MARKERS = {"waveform": "o", "spectrogram": "s", "mel-statistics": "v", "gbt": "D"}
MODEL_NAMES = {
    "waveform": "waveform",
    "spectrogram": "spectrogram",
    "mel-statistics": "MLP + mel statistics",
    "gbt": "GBT + features",
}
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8860B", "#5F5F5F")
# Equal steps of the value look like equal steps of lightness in both maps.
SOUND_MAP = "magma"
SCORE_MAP = "viridis"

PAPER = "#F8F6F1"
INK = "#26262B"
FAINT = "#D5D1C8"
METRICS = {
    "roc_auc": ("ROC-AUC", "higher is better"),
    "pr_auc": ("PR-AUC", "higher is better"),
    "sqrt_mse": (r"$\sqrt{\mathrm{MSE}}$", "lower is better"),
}


def use_style() -> None:
    """Set matplotlib's defaults to the style of the book, for this process. Book: ``book/how_to_use``."""
    mpl.rcParams.update(
        {
            "figure.figsize": (7.2, 2.8),
            "figure.dpi": 150,  # 1080 pixels: sharp at the width of a page
            "figure.facecolor": PAPER,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": PAPER,
            "font.size": 10.5,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.facecolor": PAPER,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.prop_cycle": mpl.cycler(color=CYCLE),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "grid.color": FAINT,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "lines.linewidth": 1.6,
            "image.cmap": SOUND_MAP,
        }
    )


def _axes(ax: Axes | None, height: float = 2.8) -> tuple[Figure, Axes]:
    """The Axes to draw on, new ones if none were given."""
    if ax is not None:
        return ax.figure, ax
    figure, ax = plt.subplots(figsize=(7.2, height), layout="constrained")
    # a notebook shows the returned figure; left open, the inline backend would show it a second time
    if "inline" in mpl.get_backend():
        plt.close(figure)
    return figure, ax


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
    figure, ax = _axes(ax, 2.0)
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
        values: float [bands, frames], as :class:`tagging.mel.LogMel` gives for one waveform.
        spec: what it was made with: sets the axes.
        start: time of the first frame, in seconds.

    Book: ``book/what_goes_in``.
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[0] != spec.bands:
        raise ConfigError(f"log-mel of shape {values.shape}: expected [{spec.bands}, frames]")
    figure, ax = _axes(ax)
    step = spec.hop / spec.sample_rate
    extent = (start, start + values.shape[1] * step, -0.5, spec.bands - 0.5)
    image = ax.imshow(values, origin="lower", aspect="auto", extent=extent, cmap=SOUND_MAP, interpolation="nearest")
    ax.set(xlabel="time (s)", ylabel="frequency (Hz)", title=title)
    ax.set_yticks(*_mel_ticks(spec))
    figure.colorbar(image, ax=ax, label="power" if spec.compression == "none" else spec.compression, pad=0.02)
    return figure


def _mel_ticks(spec: MelSpec) -> tuple[list[float], list[str]]:
    """Where round frequencies lie among the bands, and their names."""
    bank = mel_bank(spec)
    heard = bank.sum(axis=1) > 0  # a band narrower than the distance of two bins may hear none of them
    bins = np.linspace(0, spec.sample_rate / 2, bank.shape[1])
    centres = (bank[heard] @ bins) / bank[heard].sum(axis=1)
    wanted = [f for f in (100, 250, 500, 1000, 2000, 4000, 8000, 16000) if centres[0] <= f <= centres[-1]]
    places = np.interp(wanted, centres, np.flatnonzero(heard))
    # labels closer than a tenth of the axis would run into each other
    kept: list[int] = []
    for i in reversed(range(len(wanted))):
        if not kept or places[kept[-1]] - places[i] >= 0.1 * spec.bands:
            kept.append(i)
    return [float(places[i]) for i in kept], [str(wanted[i]) for i in kept]


def taggram(result: TrackTags, top: int = 10, *, title: str = "", ax: Axes | None = None) -> Figure:
    """Draw how likely each tag is over time, the highest song-level score at the top.

    Args:
        result: what :meth:`tagging.tagger.Tagger.tag` returned.
        top: how many tags to show.

    Book: ``book/tag_a_song``.
    """
    names = [name for name, _ in result.top(top)]
    rows = [result.tags.index(name) for name in names]
    figure, ax = _axes(ax, 0.9 + 0.24 * len(names))
    step = float(result.times[1] - result.times[0]) if len(result.times) > 1 else result.segment_seconds
    # a column stands over the middle of the sound it has heard, which is wider than the column if segments overlap
    inset = (result.segment_seconds - step) / 2
    extent = (float(result.times[0]) + inset, float(result.times[-1]) + inset + step, len(names) - 0.5, -0.5)
    values = result.taggram[:, rows].T
    image = ax.imshow(values, aspect="auto", extent=extent, cmap=SCORE_MAP, vmin=0, vmax=1, interpolation="nearest")
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.set(xlabel="time (s)")
    ax.set_title(title, parse_math=False)  # often the name of a file, in which a dollar sign is a dollar sign
    figure.colorbar(image, ax=ax, label="score", pad=0.02)
    return figure


def top_tags(result: TrackTags, count: int = 10, *, title: str = "", ax: Axes | None = None) -> Figure:
    """Draw the highest song-level scores as bars, with their values.

    Args:
        result: what :meth:`tagging.tagger.Tagger.tag` returned.
        count: how many tags to show.

    Book: ``book/tag_a_song``.
    """
    names, scores = zip(*result.top(count), strict=True)
    figure, ax = _axes(ax, 0.7 + 0.26 * len(names))
    bars = ax.barh(range(len(names)), scores, color=CYCLE[0], height=0.7)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize="small")
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.08)
    ax.set(xlabel="score")
    ax.set_title(title, parse_math=False)
    return figure


def by_scale(
    rows: Iterable[PublishedResult | Mapping[str, object]],
    metric: str = "pr_auc",
    *,
    title: str = "",
    xlabel: str = "songs to learn from",
    legend: bool = True,
    ax: Axes | None = None,
) -> Figure:
    """Draw one metric against the number of training examples, one line for each model.

    A model that was trained at one scale only is drawn as a level line with its marker: a baseline.

    Args:
        rows: results with ``model``, ``examples`` and the metric, as objects or as mappings. The metric is a number, or a
            :class:`~tagging.resampling.Interval`, which is drawn as a bar.
        metric: ``"roc_auc"``, ``"pr_auc"`` or ``"sqrt_mse"``.

    Book: ``book/welcome``.
    """
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    figure, ax = _axes(ax, 3.2)
    points: dict[str, list[tuple[float, Interval]]] = {}
    for row in rows:
        fields = row if isinstance(row, Mapping) else vars(row)
        value = fields[metric]
        value = value if isinstance(value, Interval) else Interval(value, value, value)
        points.setdefault(fields["model"], []).append((fields["examples"], value))
    scales = sorted({examples for pairs in points.values() if len(pairs) > 1 for examples, _ in pairs})
    for model, pairs in sorted(points.items(), key=lambda item: _model_order(item[0])):
        examples, intervals = zip(*sorted(pairs, key=lambda pair: pair[0]), strict=True)
        values = [interval.value for interval in intervals]
        look = {"color": MODEL_COLOURS.get(model, INK), "marker": MODEL_MARKERS.get(model, "^")}
        label = MODEL_NAMES.get(model, model)
        if len(examples) == 1:
            ax.axhline(values[0], color=look["color"], lw=1, ls=":")
            ax.plot(examples, values, ls="none", label=label, **look)
        else:
            ax.plot(examples, values, label=label, **look)
        if any(interval.low < interval.high for interval in intervals):
            below = [interval.value - interval.low for interval in intervals]
            above = [interval.high - interval.value for interval in intervals]
            ax.errorbar(examples, values, (below, above), fmt="none", ecolor=look["color"], elinewidth=1, capsize=3)
    name, direction = METRICS[metric]
    ax.set_xscale("log")
    scales = scales or sorted({examples for pairs in points.values() for examples, _ in pairs})
    ax.set_xticks(scales, [_short(scale) for scale in scales])
    ax.minorticks_off()
    ax.grid(axis="y")
    ax.set(xlabel=xlabel, ylabel=f"{name}\n({direction})", title=title)
    if legend:
        ax.legend()
    return figure


def differences(named: Mapping[str, Interval], *, xlabel: str = "", title: str = "", ax: Axes | None = None) -> Figure:
    """Draw differences below each other, each a point in its 95 % interval, beside a line at zero.

    Those whose interval holds zero are drawn hollow: they may be chance.

    Args:
        named: what differs -> by how much; the first at the top.

    Book: ``book/parts``.
    """
    figure, ax = _axes(ax, 0.8 + 0.3 * len(named))
    ax.axvline(0, color=INK, lw=1, ls=":")
    for place, found in enumerate(named.values()):
        ax.hlines(place, found.low, found.high, color=CYCLE[0], lw=1.2)
        ax.plot(found.value, place, "o", color=CYCLE[0], markerfacecolor=CYCLE[0] if found.sign else PAPER)
    ax.set_yticks(range(len(named)), named)
    ax.set_ylim(max(len(named), 1) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.set(xlabel=xlabel, title=title)
    return figure


def learning(history: Sequence[Mapping[str, Any]], batch: int, axes: Sequence[Axes] | None = None) -> Figure:
    """Draw how a run learnt: the training loss, and the ROC-AUC on the validation split.

    Args:
        history: entries of a run's history, each with ``update`` and ``loss``, some with ``validation``; as the events of
            :func:`tagging.training.train` (a loss for each model) or as in a record (one model).
        batch: segments in an update, to count in clips.
        axes: two of them, new ones if none were given.

    Book: ``book/recipe``.
    """
    if axes is None:
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.8), layout="constrained")
        if "inline" in mpl.get_backend():
            plt.close(figure)
    left, right = axes
    first = history[0]["loss"] if history else {}
    for model in list(first) if isinstance(first, Mapping) else [None]:
        own = (lambda value: value) if model is None else (lambda value, model=model: value[model])
        look = {"color": MODEL_COLOURS.get(model or "", CYCLE[0]), "label": MODEL_NAMES.get(model or "", model)}
        left.plot([entry["update"] * batch for entry in history], [own(entry["loss"]) for entry in history], **look)
        checked = [entry for entry in history if "validation" in entry]
        scores = [own(entry["validation"])["roc_auc"] for entry in checked]
        right.plot([entry["update"] * batch for entry in checked], scores, marker="o", **look)
    left.set(xlabel="clips seen", ylabel="training loss", title="what is minimised")
    right.set(xlabel="clips seen", ylabel="ROC-AUC", title="what is wanted, on the validation split")
    right.axhline(0.5, color=INK, lw=1, ls=":")
    if isinstance(first, Mapping) and len(first) > 1:
        left.legend()
    for ax in axes:
        ax.grid(axis="y")
        ax.set_xlim(left=0)
    return left.figure


def _model_order(model: str) -> tuple[int, str]:
    known: Sequence[str] = list(MODEL_COLOURS)
    return (known.index(model) if model in known else len(known), model)


def _short(count: float) -> str:
    """100000 -> ``100k``, 1000000 -> ``1M``."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return f"{count:g}"
