"""Figures of what lies between a waveform and the first layer of a network. Book: ``book/what_goes_in``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..audio.mel_spec import MelSpec, mel_bank
from .audio import log_mel, waveform
from .style import CYCLE, WIDTH, figure_for


def zoom(samples: np.ndarray, sample_rate: int, views: Sequence[tuple[float, float, str]]) -> Figure:
    """Draw a waveform at several scales, one below the other.

    Args:
        samples: float [samples].
        sample_rate: in Hz.
        views: start and length in seconds, and a title, of each.

    Book: ``book/what_goes_in``.
    """
    figure, axes = plt.subplots(len(views), 1, figsize=(WIDTH, 1.8 * len(views)), layout="constrained")
    for ax, (start, seconds, title) in zip(axes, views, strict=True):
        part = samples[int(start * sample_rate) : int((start + seconds) * sample_rate)]
        waveform(part, sample_rate, start=start, title=title, ax=ax)
    plt.close(figure)
    return figure


def spectrograms(
    sounds: Mapping[str, np.ndarray], sample_rate: int, windows: Sequence[int], highest: float | None = None
) -> Figure:
    """Draw linear spectrograms side by side, in decibels below the loudest point of each.

    Args:
        sounds: title -> float [samples].
        sample_rate: of all of them, in Hz.
        windows: window of each, in samples; the hop is 64 samples.
        highest: frequency to draw, in Hz; None is half the sample rate.

    Book: ``book/what_goes_in``.
    """
    figure, axes = figure_for(len(sounds), 2.9)
    for ax, (title, samples), window in zip(axes, sounds.items(), windows, strict=True):
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, window // 2), window)[::64]
        power = np.abs(np.fft.rfft(frames * np.hanning(window))) ** 2
        decibels = 10 * np.log10(power.T / power.max() + 1e-8)
        extent = (0, len(samples) / sample_rate, 0, sample_rate / 2000)
        ax.imshow(decibels, origin="lower", aspect="auto", extent=extent, vmin=-70)
        ax.set(xlabel="time (s)", title=title, ylim=(0, (highest or sample_rate / 2) / 1000))
    axes[0].set_ylabel("frequency (kHz)")
    return figure


def mel_filters(spec: MelSpec) -> Figure:
    """Draw the triangles of a mel filter bank.

    Book: ``book/what_goes_in``.
    """
    figure, (ax,) = figure_for(1, 2.2)
    hertz = np.linspace(0, spec.sample_rate / 2, spec.n_fft // 2 + 1)
    ax.plot(hertz, mel_bank(spec).T, lw=1)
    ax.set(xlabel="frequency (Hz)", ylabel="weight", xlim=(0, spec.sample_rate / 2), title=f"{spec.n_mels} mel bands")
    return figure


def mel_pictures(pictures: Sequence[tuple[str, np.ndarray, MelSpec]], *, histograms: bool = False) -> Figure:
    """Draw log-mel spectrograms below each other, with a histogram of the values of each if wanted.

    Args:
        pictures: title, float [bands, frames], and what it was made with.
        histograms: whether to draw them.

    Book: ``book/what_goes_in``.
    """
    figure, axes = plt.subplots(
        len(pictures),
        1 + histograms,
        figsize=(WIDTH, 2.1 * len(pictures)),
        squeeze=False,
        layout="constrained",
        gridspec_kw={"width_ratios": [3, 1]} if histograms else None,
    )
    for row, (title, values, spec) in zip(axes, pictures, strict=True):
        log_mel(values, spec, title=title, ax=row[0])
        if histograms:
            row[1].hist(values.ravel(), bins=40, color=CYCLE[0])
            row[1].set(xlabel="value", yticks=[])
        if row is not axes[-1]:
            row[0].set_xlabel("")
    plt.close(figure)
    return figure
