"""How often models give one clip two tags that exclude each other, by three rules. Book: ``book/exclusive_tags``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..data import open_corpus
from ..evaluation.bias import Contradictions, contradictions
from ..evaluation.bootstrap import Interval
from ..plots.style import INK, MODEL_COLOURS, figure_for, lighter
from .measuring import labels_of
from .player import Player, listen
from .popularity_study import RUNS, SPECTROGRAM, classes, resampling
from .runs import bundled_record
from .song_cards import readable_title
from .tables import BookTable, table

if TYPE_CHECKING:
    import pandas

TREES, ALONE, TOGETHER = (
    "trees, each tag alone, 10k",
    "small network, each tag alone, 10k",
    "small network, all together, 10k",
)
SPECTROGRAM_10K, LARGEST = "spectrogram, all together, 10k", "spectrogram, all together, 1M"
# name on the page -> run, colour, marker
MODELS = {
    TREES: ("laptop-gbt-10k-s0", MODEL_COLOURS["gbt"], "D"),
    ALONE: ("laptop-mel-statistics+per-tag-10k-s0", lighter(MODEL_COLOURS["mel-statistics"]), "P"),
    TOGETHER: ("laptop-mel-statistics-10k-s0", MODEL_COLOURS["mel-statistics"], "v"),
    SPECTROGRAM_10K: ("laptop-spectrogram-10k-s0", lighter(MODEL_COLOURS["spectrogram"]), "o"),
    LARGEST: (SPECTROGRAM, MODEL_COLOURS["spectrogram"], "s"),
}
SURE, OFTEN, LISTED = "both scores 0.5 or more", "each given as often as annotated", "both in the top 10"
RULES = (SURE, OFTEN, LISTED)
# beside a sound: heading -> run
_SHOWN = {"trees, 10k clips": "laptop-gbt-10k-s0", SPECTROGRAM: SPECTROGRAM}


@cache
def counted(model: str) -> dict[str, Contradictions]:
    """Contradictions of a model of :data:`MODELS` on the test clips, by each of the :data:`RULES`."""
    test = classes(MODELS[model][0])
    groups, labels = test.vocabulary.exclusive_groups, labels_of(test)
    often = contradictions(test.scores, groups, labels, resampling=resampling())
    sure = contradictions(test.scores, groups, labels, thresholds=0.5, resampling=resampling())
    return {SURE: sure, OFTEN: often, LISTED: often}


def shares(model: str) -> dict[str, Interval]:
    """The share of the test clips with a contradiction in any group, by rule."""
    return {rule: one.in_top_k if rule == LISTED else one.by_threshold for rule, one in counted(model).items()}


def groups_table() -> pandas.DataFrame:
    """The groups of exclusive tags, and how many test clips have one of their tags.

    Book: ``book/exclusive_tags``.
    """
    import pandas

    test = classes(SPECTROGRAM)
    labels, rows = labels_of(test), {}
    for group, members in test.vocabulary.exclusive_groups.items():
        number = (labels[:, list(members)] == 1).sum(axis=1)
        rows[group] = {
            "tags": ", ".join(test.vocabulary.names[tag] for tag in members),
            "clips with one": int((number == 1).sum()),
            "with more": int((number > 1).sum()),
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("group")


def honest_shares(clips: int = 4000) -> dict[str, float]:
    """The share of clips with a contradiction of a model that knows the true probabilities, by rule.

    A clip has tag a, tag b or neither, by probabilities that differ from clip to clip; three more tags fill a list of two.

    Args:
        clips: to draw.

    Book: ``book/exclusive_tags``.
    """
    random = np.random.default_rng(0)
    either = random.dirichlet([1, 1, 2], clips)  # a, b, neither
    drawn = (random.random(clips)[:, None] > np.cumsum(either, axis=1)).sum(axis=1)
    others = random.uniform(0, 0.3, (clips, 3))
    scores = np.column_stack([either[:, :2], others])
    labels = np.column_stack([drawn == 0, drawn == 1, random.random(others.shape) < others]).astype(float)
    pair = {"a or b": (0, 1)}
    often = contradictions(scores, pair, labels, top_k=2)
    sure = contradictions(scores, pair, labels, top_k=2, thresholds=0.5)
    return {SURE: sure.by_threshold.value, OFTEN: often.by_threshold.value, LISTED: often.in_top_k.value}


def rules_table() -> pandas.DataFrame:
    """What each rule finds in a model that knows the true probabilities, and in the largest of ours.

    Book: ``book/exclusive_tags``.
    """
    import pandas

    rows = {
        rule: {
            "true probabilities, % of clips": 100 * honest_shares()[rule],
            "spectrogram, 1M clips, %": 100 * shares(LARGEST)[rule].value,
        }
        for rule in RULES
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("a contradiction is")


def models_table() -> pandas.DataFrame:
    """The models that are compared: parameters, and ROC-AUC of the test clips.

    Book: ``book/exclusive_tags``.
    """
    import pandas

    rows = {}
    for name, (run, _, _) in MODELS.items():
        record = bundled_record(RUNS.get(run, run))
        rows[name] = {
            "parameters": f"{record['parameters']:,}" if record.get("parameters") else "trees",
            "ROC-AUC": record["test"]["means"]["roc_auc"]["value"],
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def draw_shares() -> Figure:
    """The share of clips with a contradiction, by rule and model, with 95 % intervals. Book: ``book/exclusive_tags``."""
    figure, panels = figure_for(3, 3.6)
    for panel, rule in zip(panels, RULES, strict=True):
        for row, (name, (_, colour, marker)) in enumerate(MODELS.items()):
            share = shares(name)[rule]
            panel.hlines(row, 100 * share.low, 100 * share.high, color=colour, lw=2)
            panel.plot(100 * share.value, row, marker, color=colour)
        panel.set_title(rule.replace(" as often", "\nas often").replace(" scores", "\nscores").replace(" in", "\nin"))
        panel.set(xlim=(0, 104 if rule == LISTED else None), ylim=(len(MODELS) - 0.5, -0.5), yticks=[])
        panel.grid(axis="x")
    panels[0].set_yticks(range(len(MODELS)), [name.replace(", ", "\n", 1) for name in MODELS])
    figure.supxlabel("clips with a contradiction, %", fontsize="medium")
    figure.suptitle("The rule decides how often a model contradicts itself", x=0.01, ha="left")
    return figure


def differences_table() -> pandas.DataFrame:
    """Clips with a contradiction, alone minus together, in percentage points, paired.

    Book: ``book/exclusive_tags``.
    """
    import pandas

    rows = {}
    for one, other in ((ALONE, TOGETHER), (TREES, SPECTROGRAM_10K)):
        first, second = shares(one), shares(other)
        rows[f"{one.removesuffix(', 10k')} - {other.removesuffix(', 10k')}"] = {
            rule: f"{_points(first[rule].paired_difference(second[rule])):+.1f}" for rule in RULES
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("percentage points")


def _points(share: Interval) -> Interval:
    return Interval(100 * share.value, 100 * share.low, 100 * share.high)


def draw_pairs(model: str = LARGEST, count: int = 10) -> Figure:
    """The exclusive pairs most often given to one clip, each tag given as often as annotated, beside chance.

    Book: ``book/exclusive_tags``.
    """
    names = classes(MODELS[model][0]).vocabulary.names
    pairs = sorted(counted(model)[OFTEN].pairs, key=lambda pair: -pair.by_threshold.value)[:count]
    figure, (ax,) = figure_for(1, 1.4 + 0.3 * len(pairs))
    for row, pair in enumerate(pairs):
        share = _points(pair.by_threshold)
        ax.hlines(row, share.low, share.high, color=MODELS[model][1], lw=2)
        ax.plot(
            share.value, row, MODELS[model][2], color=MODELS[model][1], label="given to one clip" if not row else None
        )
        chance = 100 * pair.by_threshold_if_independent
        ax.plot(chance, row, "|", ms=14, mew=2, color=INK, label="if given independently" if not row else None)
    ax.set_yticks(range(len(pairs)), [f"{names[pair.first]} + {names[pair.second]}" for pair in pairs])
    ax.set(xlim=(0, None), ylim=(len(pairs) - 0.5, -0.5), xlabel="clips given both, %")
    ax.set_title("Neighbours meet more often than by chance")
    ax.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def lower_of_two(model: str) -> np.ndarray:
    """float64 [clips]: the highest score that two tags of one group both reach, 0 where two are annotated."""
    test = classes(MODELS[model][0])
    highest = np.zeros(len(test.scores))
    for members in map(list, test.vocabulary.exclusive_groups.values()):
        scores = test.scores[:, members].copy()
        scores[(labels_of(test)[:, members] == 1).sum(axis=1) > 1] = 0
        highest = np.maximum(highest, np.sort(scores, axis=1)[:, -2])
    return highest


def draw_confidence() -> Figure:
    """The share of clips in which two exclusive tags both reach a threshold. Book: ``book/exclusive_tags``."""
    figure, (ax,) = figure_for(1, 4.0)
    levels = np.linspace(0.02, 1, 99)
    for name, (_, colour, _) in MODELS.items():
        share = 100 * (lower_of_two(name)[:, None] >= levels).mean(axis=0)
        ax.plot(levels[share > 0], share[share > 0], color=colour, label=name)
    ax.axvline(0.5, color=INK, lw=1, ls=":")
    ax.set(yscale="log", xlim=(0, 1), xlabel="threshold", ylabel="clips with two exclusive\ntags that reach it, %")
    ax.set_title("True probabilities would end at the dotted line")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@dataclass(frozen=True)
class Contradicted:
    """A clip to which a model gives two exclusive tags. A notebook shows its sound and the scores.

    Attributes:
        player: the sound.
        scores: one row a tag of the group with a score of 0.1 or more; columns: whether it is annotated, trees, spectrogram.
    """

    player: Player
    scores: BookTable

    def _repr_html_(self) -> str:
        return self.player._repr_html_() + self.scores._repr_html_()

    def __repr__(self) -> str:
        return f"{self.player!r}\n{self.scores!r}"


def most_confident(group: str) -> Contradicted:
    """The clip for which the largest model is most confident of two tags of a group, of clips annotated with one of them.

    Args:
        group: of exclusive tags.

    Book: ``book/exclusive_tags``.
    """
    import pandas

    test = classes(SPECTROGRAM)
    members = list(test.vocabulary.exclusive_groups[group])
    allowed = (labels_of(test)[:, members] == 1).sum(axis=1) == 1
    song = int(np.argmax(np.where(allowed, np.sort(test.scores[:, members], axis=1)[:, -2], 0)))
    assert test.tracks is not None
    corpus: Any = open_corpus("sheet-music", split="test", build=True)
    clip = corpus[int(test.tracks[song])]
    player = listen(
        clip.read().astype(np.float32) / 32768, corpus.sample_rate, f"{readable_title(clip.title)} ({clip.source})"
    )
    columns: dict[str, list[object]] = {
        "annotated": ["yes" if labels_of(test)[song, tag] == 1 else "" for tag in members]
    }
    columns |= {name: classes(run).scores[song, members].tolist() for name, run in _SHOWN.items()}
    frame = pandas.DataFrame(columns, index=pandas.Index([test.vocabulary.names[tag] for tag in members], name=group))
    worth = (frame["annotated"] == "yes") | (frame[SPECTROGRAM] >= 0.1)
    return Contradicted(player, table(frame[worth], 2))
