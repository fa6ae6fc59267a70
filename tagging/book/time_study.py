"""Metre against mode: what the two front-ends get right, and how much time each part of them spans.

Book: ``book/time_against_pitch``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..data.sheet_music.corpus import SheetMusic
from ..data.sheet_music.sources import tag_groups
from ..evaluation.bootstrap import Interval
from ..evaluation.evaluate import difference
from ..models.backends.temporal_pooling import TemporalPooling
from ..models.base import ReceptiveField
from ..models.tagger import Tagger
from ..plots.style import FAINT, INK, MODEL_COLOURS, figure_for
from ..pretrained import load_tagger
from ..tags import TrackTags
from ..training.endpoint_table import EndpointRow, compare
from ..training.endpoints import endpoints
from ..training.models import build_model
from ..training.results_table import cell
from ..training.settings import Settings
from .results_study import KINDS, PAIR, all_rows, changes_of, draw_panel, find, leads, passes, scales, table_rows
from .runs import load_predictions

if TYPE_CHECKING:
    import pandas

CLIPS, SEGMENTS = 10_000, 102_400  # at which all parts were trained
GROUPS = {**{part: name for part, name in KINDS.items() if part != "computed"}, "meter": "metre", "mode": "mode"}
LARGEST = {model: f"laptop-{model}-1M-seen-1024k-s0" for model in PAIR}
METRES = ("duple meter", "triple meter", "compound meter")
MODES = ("major", "minor", "dorian", "mixolydian")
FRONTENDS = ("waveform", "waveform-frame-level-many-shapes", "waveform-frame-level", "spectrogram", "spectrogram-vgg")
BACKENDS = ("fully-convolutional", "recurrent", "dense", "attention")
# One change of a front-end or of what the back-end gets: model and the setting that differs.
FRAME_CHANGES = {
    "spectrogram: temporal filters half as long": ("spectrogram", "model.frontend_options.temporal"),
    "spectrogram: frames pooled to 128 ms": ("spectrogram", "model.backend_options.pool_input"),
    "waveform: six layers, frames of 46 ms": ("waveform", "model.frontend_options.filters"),
    "many shapes: frames pooled to 128 ms": ("waveform-frame-level-many-shapes", "model.backend_options.pool_input"),
    "vgg: frames of 128 ms": ("spectrogram-vgg", "model.frontend_options.pools"),
}
# How a clip was arranged, in the order of how much was added to its notes.
FORMS = {
    "tune alone": ("solo",),
    "tune over a drone": ("drone",),
    "tune and chords": ("chords", "chords and bass"),
    "tune, chords, bass and drums": ("band",),
    "composed in parts": ("in parts",),
}
PER_CLIP = ("scores", "labels", "groups", "tracks", "strata", "annotated")  # arrays of predictions
POSITIVES = 20  # a tag of fewer test clips gets no row: its point would be noise


def draw_crossing() -> Figure:
    """ROC-AUC within sources at metre and at mode, each clip once.

    Book: ``book/time_against_pitch``.
    """
    figure, panels = figure_for(2, 3.3)
    for ax, part in zip(panels, ("meter", "mode"), strict=True):
        draw_panel(ax, part, "roc_auc", GROUPS[part], once=True)
    panels[1].sharey(panels[0])
    panels[1].set_ylabel("")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("At metre the waveform rises more, at mode the spectrogram", x=0.01, ha="left")
    return figure


def leads_table() -> pandas.DataFrame:
    """Spectrogram minus waveform, ROC-AUC within sources: one row a scale, one column a group of tags.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    columns = {name: leads(part) for part, name in GROUPS.items()}
    rows = {
        passes(*scale): {name: cell(by_scale[scale], "+.3f") for name, by_scale in columns.items()}
        for scale in scales()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("clips")


@cache
def tag_leads(resamples: int = 200) -> dict[str, Interval]:
    """Tag -> spectrogram minus waveform of the longest runs, ROC-AUC within sources; largest first.

    Args:
        resamples: of the intervals, which hold songs and no seeds.
    """
    evaluations = []
    for name in LARGEST.values():
        clips = load_predictions(name)
        masks = {tag.name: np.array([other is tag for other in clips.vocabulary]) for tag in clips.vocabulary}
        masks["collection"] = tag_groups(clips.vocabulary)["collection"]  # which the source decides
        evaluations.append(endpoints(clips, masks, resamples))
    waveform, spectrogram = evaluations
    measured = [
        tag.name
        for tag in spectrogram.tags
        if "roc_auc" in spectrogram.parts.get(tag.name, {}) and tag.positives >= POSITIVES
    ]
    lead = {name: difference(spectrogram, waveform, "roc_auc", name) for name in measured}
    return dict(sorted(lead.items(), key=lambda item: -item[1].value))


def draw_tag_leads(count: int = 12) -> Figure:
    """The tags at which either front-end leads most, in the colour of the one that does.

    Args:
        count: tags at each end.

    Book: ``book/time_against_pitch``.
    """
    lead = list(tag_leads().items())
    shown = lead[:count] + lead[-count:]
    figure, (ax,) = figure_for(1, 1.1 + 0.2 * len(shown))
    for row, (_, interval) in enumerate(shown):
        colour = MODEL_COLOURS["spectrogram" if interval.value > 0 else "waveform"]
        ax.hlines(row, interval.low, interval.high, color=colour, lw=1.2)
        ax.plot(interval.value, row, "o", color=colour, ms=5)
    ax.axvline(0, color=INK, lw=1, ls=":")
    ax.axhline(count - 0.5, color=FAINT, lw=1)
    ax.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=9)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.set(
        xlabel="ROC-AUC within sources, spectrogram minus waveform",
        title="Only at metre is the waveform clearly higher",
    )
    return figure


@cache
def leads_by_form(resamples: int = 300) -> dict[str, dict[str, Any]]:
    """Form of the arrangement -> its test clips, scores of the two longest runs at metre and mode, and their difference.

    Args:
        resamples: of the intervals, which hold songs and no seeds.
    """
    test, of_model = SheetMusic(split="test"), {model: load_predictions(name) for model, name in LARGEST.items()}
    form_of = np.array([test.arrangement(index).form for index in range(len(of_model["waveform"].scores))])
    masks = {part: mask for part, mask in test.parts().items() if part in ("meter", "mode", "collection")}
    by_form: dict[str, dict[str, Any]] = {}
    for name, forms in FORMS.items():
        chosen = np.isin(form_of, forms)
        evaluations = {
            model: endpoints(
                replace(clips, **{field: getattr(clips, field)[chosen] for field in PER_CLIP}), masks, resamples
            )
            for model, clips in of_model.items()
        }
        by_form[name] = {"clips": int(chosen.sum())}
        for part in ("meter", "mode"):
            scores = {model: evaluated.parts[part]["roc_auc"] for model, evaluated in evaluations.items()}
            lead = difference(evaluations["spectrogram"], evaluations["waveform"], "roc_auc", part)
            by_form[name][part] = {**scores, "lead": lead}
    return by_form


def forms_table(part: str) -> pandas.DataFrame:
    """The two longest runs by how clips were arranged: ROC-AUC within sources.

    Args:
        part: ``"meter"`` or ``"mode"``.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    rows = {
        form: {
            "clips": entry["clips"],
            **{model: f"{entry[part][model].value:.2f}" for model in PAIR},
            "spectrogram minus waveform": cell(entry[part]["lead"], "+.3f"),
        }
        for form, entry in leads_by_form().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis(GROUPS[part])


def usual_row(model: str) -> EndpointRow:
    """The row of a model with 10,000 clips and the usual recipe."""
    return find(all_rows(), model, CLIPS, SEGMENTS)


@cache
def network(model: str) -> Tagger:
    """A model of the laptop edition, untrained."""
    settings = Settings.from_dict(usual_row(model).row.runs[0]["settings"]).model
    built = build_model(model, settings, load_predictions(LARGEST["spectrogram"]).vocabulary, 16_000)
    assert isinstance(built, Tagger)
    return built


def spans(model: str) -> dict[str, float]:
    """How much time the parts of a network span, in seconds.

    Returns:
        ``"filter"``: the longest filter of the front-end; ``"frame"``: from one of its frames to the next; ``"backend"``: the
        back-end before it pools over all time, no more than a segment. Only temporal pooling spans less than a segment.
    """
    tagger = network(model)
    rate = tagger.sample_rate
    frame = list(tagger.frontend.receptive_fields().values())[-1]
    backend = tagger.segment_seconds
    if isinstance(tagger.backend, TemporalPooling):
        fields = tagger.backend.receptive_fields(ReceptiveField(frame.stride, frame.stride))
        backend = min(backend, max(field.size for field in fields.values()) / rate)
    return {"filter": frame.size / rate, "frame": frame.stride / rate, "backend": backend}


def inputs_table() -> pandas.DataFrame:
    """What differs between the front-ends beside themselves, and ROC-AUC within sources at metre and mode.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    rows = {}
    for model in FRONTENDS:
        span, row = spans(model), usual_row(model)
        rows[model] = {
            "longest filter, s": f"{span['filter']:.2f}",
            "frame, ms": f"{1000 * span['frame']:,.0f}",
            "back-end spans, s": f"{span['backend']:.1f}",
            "runs": row.row.num_seeds,
            **{GROUPS[part]: row.endpoints[part]["roc_auc"] for part in ("meter", "mode")},
        }
    trees = next(row for row in table_rows() if (row.row.model, row.row.num_clips) == ("gbt", CLIPS))
    scores = {GROUPS[part]: trees.endpoints[part]["roc_auc"] for part in ("meter", "mode")}
    rows["gbt, features of 15 s"] = {"runs": trees.row.num_seeds, **scores}
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("front-end")


def contexts_table() -> pandas.DataFrame:
    """Other back-ends behind the spectrogram front-end, minus temporal pooling: ROC-AUC within sources at metre and mode.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    usual, rows = usual_row("spectrogram"), {}
    for backend in BACKENDS:
        row = usual_row(f"spectrogram:{backend}")
        change = compare(row, usual)
        rows[backend] = {
            "runs": change["meter"]["roc_auc"].num_seeds,
            **{GROUPS[part]: cell(change[part]["roc_auc"], "+.3f") for part in ("meter", "mode")},
        }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("back-end")


def frame_changes() -> dict[str, dict[str, Any]]:
    """Change -> ROC-AUC within sources of the changed runs minus that of the usual ones; changes that were trained only."""
    made: dict[str, dict[str, Any]] = {}
    for name, (model, setting) in FRAME_CHANGES.items():
        for row in all_rows():
            if row.row.model == model and row.row.num_clips == CLIPS and list(changes_of(row)) == [setting]:
                change = compare(row, usual_row(model))
                made[name] = {part: change[part]["roc_auc"] for part in ("meter", "mode", "instrument", "all")}
    return made


def frames_table() -> pandas.DataFrame:
    """:func:`frame_changes` with the number of runs of each side.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    parts = {"meter": "metre", "mode": "mode", "instrument": "instruments", "all": "all tags"}
    rows = {
        name: {"runs": change["all"].num_seeds} | {title: cell(change[part], "+.3f") for part, title in parts.items()}
        for name, change in frame_changes().items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("change")


def counted_runs() -> pandas.DataFrame:
    """How many runs with kept predictions the comparisons of this page rest on.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    rows = [
        {"comparison": f"waveform, spectrogram: {passes(*scale)}", "runs of each": lead.num_seeds}
        for scale, lead in leads().items()
    ]
    rows += [
        {"comparison": name, "runs of each": min(usual_row(model).row.num_seeds for model in models)}
        for name, models in {
            "other front-ends: 10k x 10": FRONTENDS,
            "other back-ends: 10k x 10": [f"spectrogram:{backend}" for backend in BACKENDS],
        }.items()
    ]
    return pandas.DataFrame(rows).set_index("comparison")


@cache
def first_clip(*tags: str) -> int:
    """The first test clip that has all of these tags."""
    test = SheetMusic(split="test")
    columns = [test.vocabulary.names.index(tag) for tag in tags]
    return next(index for index in range(len(test)) if (test[index].labels[columns] == 1).all())


def clip_scores(index: int) -> tuple[np.ndarray, int, pandas.DataFrame]:
    """A test clip, and the scores of the two longest runs at metre and mode.

    Args:
        index: of the clip in the test split.

    Returns:
        float32 [samples]; sample rate; one row a tag.

    Book: ``book/time_against_pitch``.
    """
    import pandas

    test = SheetMusic(split="test")
    track, shown = test[index], (*METRES, *MODES)
    sound = track.read()
    results: dict[str, TrackTags] = {
        model: load_tagger(f"laptop-{model}-1M").tag_waveform(sound, test.sample_rate) for model in PAIR
    }
    has = dict(zip(test.vocabulary.names, track.labels, strict=True))
    columns: dict[str, list[Any]] = {"annotated": ["yes" if has[tag] == 1 else "" for tag in shown]}
    columns |= {
        model: [round(float(result.scores[result.tags.index(tag)]), 2) for tag in shown]
        for model, result in results.items()
    }
    return sound, test.sample_rate, pandas.DataFrame(columns, index=pandas.Index(shown, name="tag"))
