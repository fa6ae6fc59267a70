"""Shortcuts and leaks, measured: which collection a clip is from, in which key it was written, which tune it is.

Book: ``book/leaks``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..data import open_corpus
from ..data.sheet_music.annotations import COMPOSITION_TAGS, UNKNOWN
from ..data.sheet_music.arranger import arrange, into_range
from ..data.sheet_music.corpus import SheetMusic
from ..data.sheet_music.families import interval_grams, melody, near_duplicates
from ..data.sheet_music.library import Library
from ..data.sheet_music.renderer import mix_notes
from ..evaluation.evaluate import Evaluation, evaluate
from ..evaluation.metrics import roc_auc
from ..evaluation.stratified import COLLECTION, source_alone
from ..plots.style import CYCLE, INK, MODEL_COLOURS, figure_for
from .measuring import kinds_of_tags, labels_of
from .player import Player, listen
from .runs import bundled_record, load_predictions
from .song_cards import readable_title

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

RATE = 16_000
TICKS = 96  # of a quarter note
EXCERPT = 24  # quarter notes
_FLUTE = 73
_RESAMPLES = 200
REGIONS = ("Chinese", "Irish", "Scottish", "American fiddle", "Lorraine", "renaissance")


@cache
def measured(run: str) -> tuple[Evaluation, Evaluation, Evaluation]:
    """A run over all songs, the same within sources, and a predictor that knows the source alone over all songs.

    Args:
        run: a bundled run with predictions.

    Book: ``book/leaks``.
    """
    test, validation = load_predictions(run), load_predictions(run, "validation")
    labels, vocabulary = labels_of(test), test.vocabulary
    assert test.strata is not None
    assert validation.strata is not None
    known = source_alone(labels_of(validation), validation.strata, test.strata)
    kinds = kinds_of_tags(vocabulary)
    parts = {**kinds, COLLECTION: kinds["the collection decides"]}  # under this name they are in no mean within sources

    def tested(scores: np.ndarray, strata: np.ndarray | None, annotated: np.ndarray | None) -> Evaluation:
        return evaluate(
            labels, scores, vocabulary, groups=test.groups, strata=strata, annotated=annotated, resamples=_RESAMPLES,
            parts=parts,
        )  # fmt: skip

    return (
        tested(test.scores, None, None),
        tested(test.scores, test.strata, test.annotated),
        tested(known, None, None),
    )


def kinds_table(run: str) -> pandas.DataFrame:
    """ROC-AUC of four kinds of tags: of a predictor that knows the source, and of a run over all songs and within sources.

    Book: ``book/leaks``.
    """
    import pandas

    over, within, alone = measured(run)
    kinds = list(kinds_of_tags(load_predictions(run).vocabulary))
    names = ("knows only the source", "network, over all songs", "network, within sources")
    columns = {
        name: [result.parts[kind]["roc_auc"] if kind in result.parts else float("nan") for kind in kinds]
        for name, result in zip(names, (alone, over, within), strict=True)
    }
    return pandas.DataFrame(columns, index=pandas.Index(kinds, name="tags"))


def human_tags(run: str, least: int = 60) -> list[str]:
    """Names of the tags that people wrote with so many test clips, lowest ROC-AUC within sources first.

    Book: ``book/leaks``.
    """
    within = measured(run)[1]
    human = kinds_of_tags(load_predictions(run).vocabulary)["people wrote"]
    areas = {
        tag.name: tag.roc_auc.value
        for tag, is_human in zip(within.tags, human, strict=True)
        if is_human and tag.roc_auc and tag.positives >= least
    }
    return sorted(areas, key=lambda name: areas[name])


def roc_aucs(run: str) -> pandas.DataFrame:
    """One row a classification tag: ROC-AUC of the source alone and of a run over all songs, and of the run within sources.

    Book: ``book/leaks``.
    """
    import pandas

    over, within, alone = measured(run)
    rows = {
        tag.name: {"source": source.roc_auc, "over all songs": tag.roc_auc, "within sources": inside.roc_auc}
        for tag, inside, source in zip(over.tags, within.tags, alone.tags, strict=True)
        if tag.roc_auc and inside.roc_auc and source.roc_auc
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tag")


def draw_shortcut(run: str, model: str = "spectrogram") -> Figure:
    """ROC-AUC over all songs and within sources of the tags that people wrote. Book: ``book/leaks``."""
    rows = roc_aucs(run).loc[human_tags(run)]
    figure, (ax,) = figure_for(1, 0.9 + 0.27 * len(rows))
    heights, colour = range(len(rows)), MODEL_COLOURS[model]
    values = {name: [one.value for one in column] for name, column in rows.items()}
    ax.plot(values["source"], heights, "x", color=INK, label="knows only the source, over all songs")
    ax.plot(values["over all songs"], heights, "o", color=colour, mfc="none", label="network, over all songs")
    ax.plot(values["within sources"], heights, "o", color=colour, label="network, within sources")
    for height, inside in zip(heights, rows["within sources"], strict=True):
        ax.hlines(height, inside.low, inside.high, color=colour, lw=1.2)
    ax.axvline(0.5, color=INK, lw=1, ls=":")
    ax.set_yticks(heights, list(rows.index))
    ax.set(xlabel="ROC-AUC", title="Most of the ROC-AUC of these tags is their collection", xlim=(0.4, 1))
    ax.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


@cache
def corpus() -> SheetMusic:
    """The training clips, with their compositions; some minutes where these were never read. Book: ``book/leaks``."""
    opened = open_corpus("sheet-music", split="train", build=True)
    assert isinstance(opened, SheetMusic)
    return opened


def library() -> Library:
    """All compositions. Book: ``book/leaks``."""
    return corpus().library


@cache
def windows(length: int = 12) -> list[np.ndarray]:
    """The windows of so many intervals of each melody. Book: ``book/leaks``."""
    pieces = library()
    return [interval_grams(melody(pieces.piece_notes(piece).T), length) for piece in range(len(pieces))]


@cache
def pairs() -> list[tuple[int, int]]:
    """Near-duplicates: pairs of compositions. Book: ``book/leaks``."""
    return near_duplicates(windows())


def title_of(piece: int) -> str:
    """Title and book of a composition."""
    facts = library().pieces[piece]
    book = {"oneills1850": "O'Neill's, Chicago 1903", "ryansMammoth": "Ryan's Mammoth Collection, Boston 1883"}
    return (
        f"{readable_title(facts['T'][0]).partition(' -- ')[0]} ({book.get(facts['collection'], facts['collection'])})"
    )


def same_tune() -> tuple[int, int]:
    """A pair of typical likeness from two books, under two titles. Book: ``book/leaks``."""
    pieces, grams = library().pieces, windows()
    books = {"oneills1850", "ryansMammoth"}
    between = [
        (a, b)
        for a, b in pairs()
        if {pieces[a]["collection"], pieces[b]["collection"]} == books and pieces[a]["T"][0] != pieces[b]["T"][0]
    ]
    shared = [len(np.intersect1d(grams[a], grams[b])) / min(len(grams[a]), len(grams[b])) for a, b in between]
    first, second = between[int(np.argsort(shared)[len(shared) // 2])]
    return first, second


def play_tune(piece: int) -> Player:
    """The beginning of a composition, on a flute. Book: ``book/leaks``."""
    notes = library().piece_notes(piece)
    onset, length, pitch, velocity, _ = notes[:, notes[0] < EXCERPT * TICKS]
    tick = RATE * 60 / 110 / TICKS
    start, duration = (np.maximum(values * tick, 800).astype(np.int64) // 64 * 64 for values in (onset, length))
    programs, pitch = np.full(len(start), _FLUTE), into_range(pitch, _FLUTE)
    sound = mix_notes(corpus().bank, programs, pitch, start - start[0], duration, velocity, 14 * RATE)
    return listen(0.5 * sound / np.abs(sound).max(), RATE, title_of(piece))


def draw_tunes(*tunes: int) -> Figure:
    """Piano rolls of the beginnings of tunes, one above the other. Book: ``book/leaks``."""
    figure, (ax,) = figure_for(1, 3.0)
    for row, (piece, colour) in enumerate(zip(tunes, CYCLE, strict=False)):
        notes = library().piece_notes(piece)
        onset, length, pitch = notes[:3, notes[0] < EXCERPT * TICKS]
        pitch = pitch - np.median(pitch) - 16 * row
        ax.hlines(pitch, onset / TICKS, (onset + length) / TICKS, color=colour, lw=3, label=title_of(piece))
    ax.set(
        xlabel="time (quarter notes)", ylabel="pitch (semitones)", title="Two titles, two books, one tune", yticks=[]
    )
    figure.legend(loc="outside lower center")
    return figure


def draw_families() -> Figure:
    """How many families have how many compositions. Book: ``book/leaks``."""
    sizes = np.bincount(np.bincount(library().facts["family"]))[1:]
    figure, (ax,) = figure_for(1, 2.4)
    ax.bar(np.arange(1, len(sizes) + 1), sizes, color=CYCLE[0], width=0.9)
    ax.set(yscale="log", xlabel="compositions in a family", ylabel="families")
    ax.set_title("Most compositions stand alone, some are printed many times")
    return figure


def splits_table() -> pandas.DataFrame:
    """The family split beside random splits: near-duplicates in training, and what two taggers score over all songs.

    Book: ``book/leaks``.
    """
    import pandas

    splits = bundled_record("scores-leaks")["splits"]
    random = [row for name, row in splits.items() if name != "family"]
    rows = {}
    for name, group in (("by family", [splits["family"]]), (f"random, mean of {len(random)}", random)):
        twins = [100 * row["with_near_duplicate"] / row["test_compositions"] for row in group]
        networks = [row["audio_roc_auc"] for row in group if "audio_roc_auc" in row]
        rows[name] = {
            "test pieces with a near-duplicate in training, %": round(np.mean(twins)),
            "ROC-AUC, looks melodies up": float(np.mean([row["look_up_roc_auc"] for row in group])),
            "ROC-AUC, small network (1 run)": networks[0],
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("split")


@cache
def clip_keys() -> np.ndarray:
    """int [compositions]: the tonic of each composition after the transposition of a clip, 0 to 11. Book: ``book/leaks``."""
    pieces = library()
    shifts = [arrange(pieces, piece, f"trap {piece}").transposition for piece in range(len(pieces))]
    return np.asarray((pieces.facts["tonic"] + np.array(shifts)) % 12)


def key_alone(keys: np.ndarray, tag: str) -> float:
    """ROC-AUC on the test compositions of a predictor that knows the key of a piece alone.

    Args:
        keys: int [compositions], tonics from 0 to 11.
        tag: name of a composition tag.

    Book: ``book/leaks``.
    """
    column = [one.name for one in COMPOSITION_TAGS].index(tag)
    labels = library().facts["score_tags"][:, column].astype(float)
    labels[labels == UNKNOWN] = np.nan
    train, test = (library().facts["split"] == split for split in (0, 2))
    known = train & ~np.isnan(labels)
    counts = np.bincount(keys[known], minlength=12)
    shares = np.bincount(keys[known], weights=labels[known], minlength=12) / np.maximum(counts, 1)
    return float(roc_auc(labels[test, None], shares[keys[test], None])[0])


def keys_table() -> pandas.DataFrame:
    """:func:`key_alone` with the key that is written and with the key of a clip, for tags of region and period.

    Book: ``book/leaks``.
    """
    import pandas

    written = library().facts["tonic"]
    rows = {
        tag: {"written key": key_alone(written, tag), "key of a clip": key_alone(clip_keys(), tag)} for tag in REGIONS
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("tag")
