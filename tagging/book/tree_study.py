"""Trees on hand-made features: what the features are, a small fit, and what it listens to. Book: ``book/baseline``."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..baselines.features.descriptors import BLOCKS, feature_names
from ..baselines.features.extraction import Features, extract
from ..baselines.trees import Trees, TreeSettings, fit_trees
from ..data import open_corpus
from ..evaluation.metrics import roc_auc
from ..evaluation.seeds import SeedInterval
from ..plots.results import differences
from ..plots.style import MODEL_COLOURS, figure_for
from ..tags import Vocabulary
from ..utils.text import duration
from .comparisons import GROUPS, changes, endpoints_of
from .runs import bundled_record

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

TAGS = (
    "major", "minor", "triple meter", "compound meter", "jig", "reel", "religious song", "Chinese", "piano", "violin", "flute",
    "choir timbre",
)  # fmt: skip
# Name on the page -> model, clips, training segments (None is the usual training).
LARGEST: dict[str, tuple[str, int, int | None]] = {
    "trees, 100,000 clips": ("gbt", 100_000, None),
    "spectrogram, 100,000 clips, 5 times": ("spectrogram", 100_000, 512_000),
    "spectrogram, 1,000,000 clips": ("spectrogram", 1_000_000, 1_024_000),
}
CLIPS = {"train": 400, "validation": 100, "test": 200}
_SHUFFLES = 5


class Fitted(NamedTuple):
    """Trees for a dozen tags, and the test clips.

    Attributes:
        trees: one ensemble a tag.
        test: features and labels of the test clips.
        roc_auc: float64 [tags], on the test clips.
    """

    trees: Trees
    test: Features
    roc_auc: np.ndarray


def fitted(clips: int = CLIPS["train"]) -> Fitted:
    """Trees for :data:`TAGS`, fitted on so many clips.

    Book: ``book/baseline``.
    """
    return _fitted(clips)


@cache  # its key is made of the arguments as they are written, so it has one way to write them
def _fitted(clips: int) -> Fitted:
    parts = {}
    for split, count in {**CLIPS, "train": clips}.items():
        corpus = open_corpus("sheet-music", split=split)
        columns = [corpus.vocabulary.position(name) for name in TAGS]
        features = extract(corpus, np.arange(count), progress=False)
        parts[split] = dataclasses.replace(features, labels=features.labels[:, columns])
    vocabulary = Vocabulary(corpus.vocabulary[column] for column in columns)
    settings = TreeSettings(iterations=100, learning_rate=0.1)
    trees = fit_trees(parts["train"], parts["validation"], vocabulary, settings, progress=False)
    test = parts["test"]
    return Fitted(trees, test, roc_auc(test.labels, trees.predict(test.values)))


def blocks() -> np.ndarray:
    """str [features]: the kind of each feature."""
    return np.array([name.partition(".")[0] for name in feature_names()])


def features_table() -> pandas.DataFrame:
    """One row a kind of features: how many, the time they take, and some of them.

    Book: ``book/baseline``.
    """
    import pandas

    milliseconds = bundled_record("baseline-features")["milliseconds_per_clip"]
    rows = {}
    for block in BLOCKS:
        names = [name.split(".")[1] for name in feature_names() if name.startswith(f"{block}.")]
        some = ", ".join(list(dict.fromkeys(names))[:4]).replace("_", " ")
        rows[block] = {"numbers": len(names), "ms a clip": float(milliseconds[block]), "some of them": some}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("kind")


@cache
def shuffled_loss() -> pandas.DataFrame:
    """ROC-AUC that each tag loses when one kind of features is shuffled among the test clips: tags x kinds.

    Book: ``book/baseline``.
    """
    import pandas

    model, random, kinds = fitted(), np.random.default_rng(0), blocks()
    loss = {}
    for block in BLOCKS:
        drops = []
        for _ in range(_SHUFFLES):
            values = model.test.values.copy()
            order = random.permutation(len(values))
            values[:, kinds == block] = values[order][:, kinds == block]
            drops.append(model.roc_auc - roc_auc(model.test.labels, model.trees.predict(values)))
        loss[block] = np.mean(drops, axis=0)
    return pandas.DataFrame(loss, index=pandas.Index(TAGS, name="tag"))


def draw_loss() -> Figure:
    """:func:`shuffled_loss` as a table of colours. Book: ``book/baseline``."""
    loss = shuffled_loss()
    limit = float(np.abs(loss.to_numpy()).max())
    figure, (ax,) = figure_for(1, 4.4)
    image = ax.imshow(loss, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(loss.shape[1]), list(loss.columns))
    ax.set_yticks(range(len(loss)), list(loss.index))
    for row, column in np.ndindex(*loss.shape):
        value = float(loss.iloc[row, column])
        text = f"{value + 0:+.2f}".replace("-0.00", "+0.00")
        ax.text(column, row, text, ha="center", va="center", color="white" if abs(value) > 0.6 * limit else "black")
    ax.set(
        xlabel="kind of features that is shuffled", title="Modes need harmony, jigs and reels rhythm, the violin timbre"
    )
    figure.colorbar(image, label="loss of ROC-AUC")
    return figure


def leads() -> dict[str, SeedInterval]:
    """ROC-AUC over all songs of the two networks minus the MLP's, with as many clips.

    Book: ``book/baseline``.
    """
    models = {name: name for name in ("waveform", "spectrogram")}
    return {
        f"{name}, {clips:,} clips": changes(models, "mel-statistics", clips=clips)[name]
        for name in models
        for clips in (1_000, 10_000, 100_000)
    }


def draw_leads() -> Figure:
    """:func:`leads`, with their intervals. Book: ``book/baseline``."""
    named = leads()
    return differences(
        named,
        xlabel="ROC-AUC over all songs, minus the MLP's",
        title="With 100,000 clips and the usual training, the lead shrinks",
        colours={name: MODEL_COLOURS[name.partition(",")[0]] for name in named},
    )


def largest_table() -> pandas.DataFrame:
    """ROC-AUC within sources of groups of tags, of the :data:`LARGEST` runs.

    Book: ``book/baseline``.
    """
    import pandas

    rows = {}
    for name, (model, clips, segments) in LARGEST.items():
        within = endpoints_of(model, clips, segments)
        rows[name] = {GROUPS[group]: within[group]["roc_auc"] for group in GROUPS}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("one run each")


def tuning_table() -> pandas.DataFrame:
    """One row a choice that was compared for the trees, on validation clips.

    Book: ``book/baseline``.
    """
    import pandas

    rows = [
        {
            "clips": trial["num_clips"],
            "tags": trial["tags"],
            "choice": trial["choice"],
            "ROC-AUC": trial["parts"]["all"]["roc_auc"],
            "PR-AUC": trial["parts"]["all"]["pr_auc"],
            "trees a tag": int(trial["trees"]["median"]),
            "CPU time": duration(trial["core_seconds"]),
        }
        for trial in bundled_record("baseline-tuning")["trials"]
    ]
    return pandas.DataFrame(rows)
