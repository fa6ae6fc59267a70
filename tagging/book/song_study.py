"""What a trained tagger makes of the example sounds: over time, at other levels, beside other taggers, and as features.

Book: ``book/tag_a_song``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..audio.examples import list_sounds, sound_path
from ..plots.audio import taggram, waveform
from ..plots.style import SCORE_MAP, WIDTH, figure_for
from ..pretrained import list_musicnn, load_tagger
from ..tags import TrackTags
from .backend_study import RATE, musicnn, tune

if TYPE_CHECKING:
    import pandas

# The tag that names the instrument of each example sound, in the order of their names.
INSTRUMENTS = dict(zip(list_sounds(), ("guitar", "violin", "techno"), strict=True))
LEVELS = (-40, -30, -20, -10, 0)  # dB


@cache
def results(model: str = "mtt-musicnn") -> dict[str, TrackTags]:
    """The tags of each example sound. Book: ``book/tag_a_song``."""
    tagger = load_tagger(model)
    return {name: tagger.tag(sound_path(name)) for name in list_sounds()}


def tunes_table(tags: tuple[str, ...]) -> pandas.DataFrame:
    """The score of some tags of ``mtt-musicnn`` for each example sound. Book: ``book/tag_a_song``."""
    import pandas

    rows = {name: {tag: float(result[tag]) for tag in tags} for name, result in results().items()}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tune")


def models_table(count: int = 3) -> pandas.DataFrame:
    """The highest tags that each tagger of musicnn gives to each example sound. Book: ``book/tag_a_song``."""
    import pandas

    rows = {
        model: {
            name: ", ".join(f"{tag} {score:.2f}" for tag, score in result.top(count))
            for name, result in results(model).items()
        }
        for model in list_musicnn()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tagger")


def draw_over_time(result: TrackTags, samples: np.ndarray, sample_rate: int, title: str = "") -> Figure:
    """A waveform above the scores of its highest tags. Book: ``book/tag_a_song``."""
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(WIDTH, 4.4), sharex=True, height_ratios=(1, 3), layout="constrained"
    )
    waveform(samples, sample_rate, title=title, ax=above)
    taggram(result, ax=below)
    above.set_xlabel("")
    plt.close(figure)
    return figure


@cache
def level_scores() -> dict[str, list[float]]:
    """Sound -> the score of its tag in :data:`INSTRUMENTS` at each of :data:`LEVELS`. Book: ``book/tag_a_song``."""
    return {
        name: [
            float(musicnn().tag_waveform(tune(name).numpy() * 10 ** (level / 20), RATE)[tag])
            for level in LEVELS
        ]
        for name, tag in INSTRUMENTS.items()
    }  # fmt: skip


def draw_levels() -> Figure:
    """:func:`level_scores` as lines. Book: ``book/tag_a_song``."""
    figure, (ax,) = figure_for(1, 2.8)
    for name, scores in level_scores().items():
        ax.plot(LEVELS, scores, marker="o", label=f"{INSTRUMENTS[name]} in {name}")
    ax.set(xlabel="level (dB)", ylabel="score", ylim=(0, None), title="Turned down, the same music loses its tags")
    ax.legend()
    return figure


@cache
def similarity() -> tuple[np.ndarray, list[str]]:
    """Cosine similarity of the features of all segments of the example sounds, after subtracting their mean.

    Returns:
        float [segments, segments], and the sound of each segment.

    Book: ``book/tag_a_song``.
    """
    tagger, features, owners = musicnn(), [], []
    length = tagger.config.segment_samples
    for name in list_sounds():
        segments = tune(name).unfold(0, length, length)
        features.append(tagger.features(segments)["penultimate"].numpy())
        owners += [name] * len(segments)
    vectors = np.concatenate(features)
    vectors = vectors - vectors.mean(axis=0)  # common to all segments
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T, owners


def draw_similarity() -> Figure:
    """:func:`similarity` as a heat map. Book: ``book/tag_a_song``."""
    values, owners = similarity()
    figure, (ax,) = figure_for(1, 4.4)
    image = ax.imshow(values, vmin=-1, vmax=1, cmap=SCORE_MAP)
    names = list_sounds()
    centres = [float(np.mean([i for i, owner in enumerate(owners) if owner == name])) for name in names]
    ax.set_xticks(centres, [name.replace("-", "\n") for name in names])
    ax.set_yticks(centres, [name.replace("-", "\n") for name in names])
    ax.set_title("Segments of one tune point the same way")
    figure.colorbar(image, ax=ax, label="cosine similarity")
    return figure
