"""How popular the tags in lists are, of models and of predictors whose bias is known. Book: ``book/popular_tags``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..data import open_corpus
from ..evaluation.bias import over_representation, top_precision, variety
from ..evaluation.bias.calibration import BANDS
from ..evaluation.bias.common import highest
from ..evaluation.bootstrap import Interval, Resampling
from ..evaluation.metrics import roc_auc
from ..evaluation.predictions import Predictions
from ..evaluation.stratified import StratifiedRanking, source_alone
from ..plots.style import CYCLE, FAINT, INK, MODEL_COLOURS, MODEL_MARKERS, MODEL_NAMES, WIDTH, figure_for
from ..pretrained import load_tagger
from ..tags import Vocabulary
from .measuring import labels_of
from .player import listen
from .runs import load_predictions
from .song_cards import SongCard, readable_title, sample_by_group, song_card

if TYPE_CHECKING:
    import pandas

TREES, WAVEFORM, SPECTROGRAM = "GBT + features, 100k clips", "waveform, 1M clips", "spectrogram, 1M clips"
RUNS = {
    TREES: "laptop-gbt-100k-s0",
    WAVEFORM: "laptop-waveform-1M-seen-1024k-s0",
    SPECTROGRAM: "laptop-spectrogram-1M-seen-1024k-s0",
}
PERFECT, POPULARITY, SOURCE, RANDOM = "perfect", "popularity only", "knows only the source", "random"
# Lists of a clip: most clips have as many tags as the first; the poster shows as many as the second.
SHORT, LONG = 5, 10
# Runs of which each takes every clip about once -> clips
ONCE = {"100k": 100_000, "500k-seen-512k": 500_000, "1M-seen-1024k": 1_000_000}


@cache
def classes(run: str, split: str = "test") -> Predictions:
    """The bundled predictions of a run, of its classification tags: bias is about those.

    Args:
        run: its name, or one of :data:`RUNS`.
        split: ``"test"`` or ``"validation"``.

    Book: ``book/popular_tags``.
    """
    loaded = load_predictions(RUNS.get(run, run), split)
    chosen = loaded.vocabulary.classification
    assert loaded.train_positives is not None
    return dataclasses.replace(
        loaded,
        scores=loaded.scores[:, chosen],
        labels=labels_of(loaded)[:, chosen],
        train_positives=loaded.train_positives[chosen],
        vocabulary=Vocabulary(tag for tag, one in zip(loaded.vocabulary, chosen, strict=True) if one),
        annotated=None if loaded.annotated is None else loaded.annotated[:, chosen],
    )


@cache
def resampling() -> Resampling:
    """Resamples of the test clips by tune family, the same for all models."""
    test = classes(SPECTROGRAM)
    return Resampling(len(test.scores), test.groups)


def training_share() -> np.ndarray:
    """float64 [tags]: the share of the million training clips that have each tag."""
    positives = classes(SPECTROGRAM).train_positives
    assert positives is not None
    return positives / 1_000_000


@cache
def models() -> dict[str, np.ndarray]:
    """Scores [clips, tags] on the test clips: four predictors whose bias is known, and the models of :data:`RUNS`."""
    test, validation = classes(SPECTROGRAM), classes(SPECTROGRAM, "validation")
    labels = labels_of(test)
    assert validation.strata is not None
    assert test.strata is not None
    return {
        PERFECT: np.where(np.isnan(labels), np.nanmean(labels, axis=0), labels),
        RANDOM: np.random.default_rng(0).random(labels.shape),
        POPULARITY: np.tile(training_share(), (len(labels), 1)),
        SOURCE: source_alone(labels_of(validation), validation.strata, test.strata),
        **{name: classes(name).scores for name in RUNS},
    }


def list_popularity(scores: np.ndarray, top_k: int = SHORT) -> Interval:
    """How frequent in training the tags in lists are, divided by how frequent the annotated tags are.

    Args:
        scores: float [clips, tags] of the test clips.
        top_k: length of a list.
    """
    labels = labels_of(classes(SPECTROGRAM))
    shared: dict[str, Any] = {"popularity": training_share(), "resampling": resampling()}
    return over_representation(scores, labels, top_k=top_k, **shared).against_labels


def list_precision(scores: np.ndarray) -> Interval:
    """The share of the ten listed tags that are annotated."""
    labels = labels_of(classes(SPECTROGRAM))
    shared: dict[str, Any] = {"popularity": training_share(), "resampling": resampling()}
    return top_precision(scores, labels, top_k=LONG, **shared).model


def yardstick_table() -> pandas.DataFrame:
    """One row a model: popularity of its top five, tags in use and precision of its top ten, with 95 % intervals.

    Book: ``book/popular_tags``.
    """
    import pandas

    rows = {
        name: {
            "popularity of the top 5": list_popularity(scores),
            "tags in use, top 10": variety(scores, top_k=LONG, resampling=resampling()),
            "precision of the top 10": list_precision(scores),
        }
        for name, scores in models().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def winners_table(tags: Sequence[str], run: str = SPECTROGRAM) -> pandas.DataFrame:
    """The share of some tags in all annotations, and in all lists of five, in percent.

    Book: ``book/popular_tags``.
    """
    import pandas

    test = classes(run)
    measured = over_representation(test.scores, labels_of(test), popularity=training_share(), top_k=SHORT)
    columns = [test.vocabulary.names.index(tag) for tag in tags]
    shares = {
        "of annotations, %": 100 * measured.labelled[columns],
        "of places in lists, %": 100 * measured.predicted[columns],
    }
    return pandas.DataFrame(shares, index=pandas.Index(tags, name="tag"))


def draw_lengths() -> Figure:
    """The popularity of lists over their length. Book: ``book/popular_tags``."""
    lengths = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15]
    style = {
        POPULARITY: (CYCLE[0], "--"), SOURCE: (CYCLE[2], "--"), WAVEFORM: (MODEL_COLOURS["waveform"], "-"),
        SPECTROGRAM: (MODEL_COLOURS["spectrogram"], "-"), TREES: (MODEL_COLOURS["gbt"], "-"), PERFECT: (INK, "--"),
        RANDOM: (CYCLE[3], ":"),
    }  # fmt: skip
    figure, (ax,) = figure_for(1, 4.2)
    labels = labels_of(classes(SPECTROGRAM))
    shared: dict[str, Any] = {"popularity": training_share(), "resampling": Resampling(len(labels), resamples=1)}
    for name, (colour, line) in style.items():
        lists = [over_representation(models()[name], labels, top_k=length, **shared) for length in lengths]
        ax.plot(lengths, [one.against_labels.value for one in lists], line, color=colour, label=name)
    counts = np.nansum(labels, axis=1)
    ax.axvspan(*np.percentile(counts, (25, 75)), color=FAINT, alpha=0.6, lw=0)
    ax.set(xlabel="length of the list", ylabel="popularity of the list", xlim=(1, lengths[-1]))
    ax.set_ylim(bottom=0)
    ax.set_title("Lists hold more popular tags than annotations do")
    ax.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def cut_table() -> pandas.DataFrame:
    """The popularity of the top five as a product, of scores and of the cut, and what true probabilities would give.

    Book: ``book/popular_tags``.
    """
    import pandas

    labels, rows = labels_of(classes(SPECTROGRAM)), {}
    shared: dict[str, Any] = {"popularity": training_share(), "resampling": Resampling(len(labels), resamples=1)}
    for name in RUNS:
        scores = classes(name).scores
        drawn = (np.random.default_rng(0).random(scores.shape) < scores).astype(float)
        measured, if_true = (over_representation(scores, of, top_k=SHORT, **shared) for of in (labels, drawn))
        whole, uncut = measured.against_labels.value, measured.scores_against_labels.value
        rows[name] = {
            "popularity of the top 5": whole,
            "due to the scores": uncut,
            "due to the cut": whole / uncut,
            "were its scores true": if_true.against_labels.value,
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _ranked_and_listed(run: str) -> tuple[np.ndarray, np.ndarray]:
    """float64 [tags] each: the ROC-AUC, and in which share of the clips with the tag the top ten lists it."""
    test = classes(run)
    positive = labels_of(test) == 1
    listed = (highest(test.scores, LONG) & positive).sum(axis=0) / positive.sum(axis=0)
    return roc_auc(labels_of(test), test.scores), listed


def _within_sources(run: str) -> np.ndarray:
    """float64 [tags]: the ROC-AUC within sources, nan where no source has enough clips with and without the tag."""
    test = classes(run)
    labels, weights = labels_of(test), np.ones((1, len(test.scores)), np.int64)
    assert test.strata is not None
    strata = np.unique(test.strata, return_inverse=True)[1]
    groups = resampling().group_index
    rankings = (
        StratifiedRanking(labels[:, tag], test.scores[:, tag], strata, groups) for tag in range(labels.shape[1])
    )
    return np.array([ranking.areas(weights)[0][0] if ranking.num_strata else np.nan for ranking in rankings])


def rare_table(run: str = SPECTROGRAM) -> pandas.DataFrame:
    """One row for frequent, middle and rare tags: how well a model ranks clips for them, over all and within sources, and
    how often it lists them.

    Book: ``book/popular_tags``.
    """
    import pandas

    ranked, listed = _ranked_and_listed(run)
    within, source = _within_sources(run), roc_auc(labels_of(classes(run)), models()[SOURCE])
    share = training_share()
    rows = {
        name: {
            "training clips with the tag, %": float(100 * share[tags].mean()),
            "ROC-AUC": float(ranked[tags].mean()),
            "of the source alone": float(source[tags].mean()),
            "within sources": float(np.nanmean(within[tags])),
            "listed where annotated, %": float(100 * listed[tags].mean()),
        }
        for name, tags in zip(BANDS, np.array_split(np.argsort(-share, kind="stable"), len(BANDS)), strict=True)
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("third of the tags")


def draw_rare(run: str = SPECTROGRAM) -> Figure:
    """ROC-AUC of every tag, and how often it is listed where it is annotated, over its frequency in training.

    Book: ``book/popular_tags``.
    """
    ranked, listed = _ranked_and_listed(run)
    figure, panels = figure_for(2, 3.2)
    ticks = (2, 5, 10, 20, 50)
    for ax, values, title in (
        (panels[0], ranked, "ROC-AUC of the tag"),
        (panels[1], 100 * listed, "listed where annotated, %"),
    ):
        ax.plot(100 * training_share(), values, "o", ms=5, color=MODEL_COLOURS["spectrogram"], alpha=0.7)
        ax.set(xscale="log", xlabel="training clips with the tag, %", title=title)
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.grid(axis="y")
    panels[0].set_ylim(0.45, 1.02)
    panels[1].set_ylim(-3, 103)
    figure.suptitle("Rare tags are seldom listed", x=0.01, ha="left")
    return figure


@cache
def training_steps() -> dict[str, dict[int, tuple[Interval, Interval]]]:
    """Model -> clips -> popularity of the top five, and precision of the top ten, of runs that take every clip once."""
    return {
        model: {
            clips: (list_popularity(scores), list_precision(scores))
            for run, clips in ONCE.items()
            for scores in (classes(f"laptop-{model}-{run}-s0").scores,)
        }
        for model in ("waveform", "spectrogram")
    }


def draw_training() -> Figure:
    """Popularity and precision of lists over clips and training. Book: ``book/popular_tags``."""
    figure, panels = plt.subplots(1, 2, figsize=(WIDTH, 3.2), layout="constrained")
    for number, (model, steps) in enumerate(training_steps().items()):
        clips = np.array(list(steps)) * 1.04 ** (2 * number - 1)  # side by side, not on top of each other
        for ax, points in zip(panels, zip(*steps.values(), strict=True), strict=True):
            values = np.array([point.value for point in points])
            ends = [values - [point.low for point in points], [point.high for point in points] - values]
            style = {"color": MODEL_COLOURS[model], "marker": MODEL_MARKERS[model], "capsize": 3}
            ax.errorbar(clips, values, ends, label=MODEL_NAMES[model], **style)
    perfect = models()[PERFECT]
    for ax, level, title in (
        (panels[0], list_popularity(perfect), "popularity of the top 5"),
        (panels[1], list_precision(perfect), "precision of the top 10"),
    ):
        ax.axhline(level.value, color=INK, lw=1, ls=":", label="perfect lists")
        ax.set_xscale("log")
        ax.set_xticks(list(ONCE.values()), [run.split("-")[0] for run in ONCE])
        ax.minorticks_off()
        ax.grid(axis="y")
        ax.set(xlabel="training clips, each taken once", title=title)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("With more clips and training, lists get less popular and more often right", x=0.01, ha="left")
    plt.close(figure)
    return figure


def cards(count: int = 9) -> list[SongCard]:
    """Test clips as evenly over collections as possible, with the lists of two models and the sound.

    Book: ``book/popular_tags``.
    """
    corpus: Any = open_corpus("sheet-music", split="test", build=True)
    compared = {name: load_predictions(RUNS[name]) for name in (TREES, SPECTROGRAM)}
    tagger = load_tagger("laptop-spectrogram-1M")  # the same run
    tracks = compared[SPECTROGRAM].tracks
    assert tracks is not None
    collections = [corpus.library.pieces[corpus.composition(int(track))]["collection"] for track in tracks]

    def card(song: int) -> SongCard:
        clip = corpus[int(tracks[song])]
        title = readable_title(clip.title)
        sound = listen(clip.read().astype(np.float32) / 32768, corpus.sample_rate, title)
        about = f"From {clip.source}, arrangement: {clip.arrangement.form}. Test clip {song}."
        return song_card(compared, song, title=title, about=about, player=sound, taggram=tagger.tag(sound.mp3))

    return [card(song) for song in sample_by_group(collections, count)]
