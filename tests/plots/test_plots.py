"""What the figures show: data, labels and order, not pixels."""

import doctest
from dataclasses import dataclass

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from tagging import plots
from tagging.audio.mel import LogMel, MelSpec
from tagging.book.published import list_published, published_results
from tagging.book.runs import training_records
from tagging.errors import ConfigError
from tagging.evaluation.bootstrap import Interval
from tagging.evaluation.metrics import METRICS
from tagging.plots import style as style_module
from tagging.plots.style import drawable
from tagging.tags import TrackTags, Vocabulary
from tagging.training.results_table import rows_of


@pytest.fixture
def result():
    taggram = np.array([[0.1, 0.9, 0.5, 0.0], [0.3, 0.7, 0.5, 0.2], [0.2, 0.8, 0.8, 0.1]], dtype=np.float32)
    return TrackTags(
        vocabulary=Vocabulary(["calm", "guitar", "folk", "techno"]),
        scores=taggram.mean(axis=0),
        times=np.array([0.0, 3.0, 6.0], dtype=np.float32),
        taggram=taggram,
        segment_seconds=3.0,
    )


def labels(axis_labels):
    return [label.get_text() for label in axis_labels]


def test_taggram_rows_are_the_best_tags_first(result):
    figure = plots.taggram(result, top=3, title="a song")
    ax = figure.axes[0]
    assert labels(ax.get_yticklabels()) == ["guitar", "folk", "calm"]
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), result.taggram[:, [1, 2, 0]].T)
    assert image.get_clim() == (0, 1)  # never rescaled: colours of two songs may be compared
    assert ax.get_xlim() == (0, 9)  # the last segment starts at 6 s and has its own width
    assert ax.get_title(loc="left") == "a song"


def test_overlapping_segments_stand_over_their_middle(result):
    times = np.array([0.0, 1.0, 2.0], dtype=np.float32)  # each hears 3 s
    ax = plots.taggram(TrackTags(result.vocabulary, result.scores, times, result.taggram, 3.0)).axes[0]
    assert ax.get_xlim() == (1, 4)


def test_taggram_of_one_segment_has_the_width_of_a_segment(result):
    short = TrackTags(result.vocabulary, result.taggram[0], result.times[:1], result.taggram[:1], 3.0)
    assert plots.taggram(short).axes[0].get_xlim() == (0, 3)


def test_top_tags_bars(result):
    ax = plots.top_tags(result, 2).axes[0]
    assert labels(ax.get_yticklabels()) == ["guitar", "folk"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.8, 0.6])
    assert ax.yaxis_inverted()  # the best on top
    assert {text.get_text() for text in ax.texts} == {"0.80", "0.60"}


def test_long_waveform_keeps_its_peaks():
    samples = np.zeros(100_003, dtype=np.float32)
    samples[70_001] = 0.75
    samples[5] = -0.5
    ax = plots.waveform(samples, 16000, start=2.0).axes[0]
    drawn = ax.collections[0].get_paths()[0].vertices
    assert drawn[:, 1].max() == pytest.approx(0.75)
    assert drawn[:, 1].min() == pytest.approx(-0.5)
    assert ax.get_xlim() == pytest.approx((2.0, 2.0 + 100_003 / 16000))


def test_short_waveform_is_drawn_sample_by_sample():
    samples = np.sin(np.arange(50)).astype(np.float32)
    (line,) = plots.waveform(samples, 50).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), samples)
    np.testing.assert_allclose(line.get_xdata(), np.arange(50) / 50)


def test_waveform_refuses_other_shapes():
    with pytest.raises(ConfigError, match=r"\(2, 10\)"):
        plots.waveform(np.zeros((2, 10)), 16000)


@pytest.mark.parametrize(
    "spec", [MelSpec(), MelSpec(n_fft=256, n_mels=128), MelSpec(44100, 2048, 512, 128, mel_scale="htk")]
)
def test_log_mel_frequency_axis_points_at_the_right_band(spec):
    """A sine at a labelled frequency lights up the band that the label stands beside."""
    figure = plots.log_mel(np.zeros((spec.n_mels, 10)), spec)
    ticks = dict(zip(labels(figure.axes[0].get_yticklabels()), figure.axes[0].get_yticks(), strict=True))
    assert "4000" in ticks
    for name in set(ticks) & {"1000", "2000", "4000"}:
        sine = torch.sin(2 * torch.pi * float(name) * torch.arange(spec.sample_rate) / spec.sample_rate)
        power = LogMel(spec).power(sine[None])[0].mean(dim=1)
        assert abs(int(power.argmax()) - ticks[name]) <= 1.5


def test_log_mel_time_axis_and_values():
    spec = MelSpec()
    values = np.random.default_rng(0).uniform(size=(96, 63))
    ax = plots.log_mel(values, spec, start=1.0).axes[0]
    assert ax.get_xlim() == pytest.approx((1.0, 1.0 + 63 * 256 / 16000))
    np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert ax.images[0].origin == "lower"


def test_log_mel_refuses_time_first():
    with pytest.raises(ConfigError, match=r"expected \[96, frames\]"):
        plots.log_mel(np.zeros((187, 96)), MelSpec())


@pytest.mark.parametrize("version", list_published())
@pytest.mark.parametrize("metric", list(METRICS))
def test_by_scale_draws_every_row(version, metric):
    rows = published_results(version).rows
    ax = plots.by_scale(rows, metric).axes[0]
    drawn = {}
    for line in ax.lines:
        if not line.get_label().startswith("_"):
            drawn[line.get_label()] = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
            model = next(m for m, name in plots.MODEL_NAMES.items() if name == line.get_label())
            assert to_hex(line.get_color()).upper() == plots.MODEL_COLOURS[model]
    assert drawn == {
        plots.MODEL_NAMES[model]: {row.num_clips: row.scores[metric] for row in rows if row.model == model}
        for model in {row.model for row in rows}
    }
    assert labels(ax.get_xticklabels()) == ["100k", "500k", "1M"]


@dataclass
class Result:
    """One model at one scale, as the table of runs gives it."""

    model: str
    num_clips: int
    scores: dict


def test_by_scale_sorts_and_leaves_out_what_has_no_such_metric():
    rows = [Result("waveform", n, {"roc_auc": value}) for n, value in ((10_000, 0.7), (1_000, 0.6))]
    (line,) = plots.by_scale([*rows, Result("gbt", 100, {})], "roc_auc").axes[0].lines
    assert list(line.get_xdata()) == [1_000, 10_000]
    with pytest.raises(ConfigError, match="'roc_auc'"):
        plots.by_scale(rows, "roc-auc")


def test_by_scale_takes_the_rows_of_the_table():
    rows = rows_of(training_records(), "laptop", models=["spectrogram"])
    ax = plots.by_scale([row for row in rows if row.num_training_segments == 102_400], "roc_auc").axes[0]
    (line,) = [line for line in ax.lines if not line.get_label().startswith("_")]
    assert list(line.get_xdata()) == [1_000, 10_000, 100_000]


def test_drawing_on_given_axes(result):
    figure, (left, right) = plt.subplots(1, 2)
    assert plots.top_tags(result, ax=left) is figure
    assert plots.taggram(result, ax=right) is figure
    assert left.patches
    assert right.images


def contrast(first, second):
    """The WCAG contrast ratio of two colours."""

    def luminance(colour):
        rgb = np.array(matplotlib.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_seen(result):
    figure = plots.top_tags(result)
    assert figure.get_facecolor()[3] == 1  # opaque, whatever page it lies on
    assert contrast(plots.INK, plots.PAPER) > 7
    assert all(contrast(colour, plots.PAPER) > 3 for colour in plots.MODEL_COLOURS.values())
    assert len(set(plots.MODEL_MARKERS.values())) == len(plots.MODEL_COLOURS)  # colour is never the only difference


def test_dollar_signs_in_names_are_no_formulas():
    tagged = TrackTags(
        Vocabulary(["$x^$", "b"]), np.float32([0.5, 0.4]), np.float32([0]), np.float32([[0.5, 0.4]]), 3.0
    )
    for draw in (plots.taggram, plots.top_tags):
        draw(tagged, title="100% $x^$.mp3").canvas.draw()


@pytest.mark.parametrize(
    "name", ["\udcff", "\x1b[31m", "a\nb\r", "\ud800", "漫画", "🎵", "\u202e", "A" * 300, "\0", "\U0010ffff"]
)
def test_names_of_any_kind_can_be_drawn(tmp_path, name, recwarn, caplog):
    kind = ("png", "svg", "pdf")[len(ascii(name)) % 3]
    tagged = TrackTags(Vocabulary([name, "b"]), np.float32([0.5, 0.4]), np.float32([0]), np.float32([[0.5, 0.4]]), 3.0)
    figure = plots.taggram(tagged, title=f"{name}.mp3")
    figure.savefig(tmp_path / f"picture.{kind}", dpi=20)
    assert [str(warning.message) for warning in recwarn] == []  # no glyph is missing, no axes has collapsed
    assert caplog.messages == []
    ticks = labels(figure.axes[0].get_yticklabels())
    assert len(set(ticks)) == 2
    assert all(text.isprintable() and len(text) <= 34 for text in ticks)


def test_names_that_the_font_has_stay_as_they_are():
    assert drawable("Käse – Ω, ж, ♪") == "Käse – Ω, ж, ♪"
    assert drawable("a\udcff\n") == "a\\xff\\n"
    assert doctest.testmod(style_module).failed == 0


def test_by_scale_draws_intervals_as_bars():
    rows = [Result("waveform", clips, {"roc_auc": Interval(0.7 + clips / 1e6, 0.65, 0.9)}) for clips in (1_000, 10_000)]
    ax = plots.by_scale(rows, "roc_auc").axes[0]
    (bars,) = [container for container in ax.containers if container.has_yerr]
    ends = [segment[:, 1].tolist() for segment in bars.lines[2][0].get_segments()]
    assert ends == [pytest.approx([0.65, 0.9])] * 2


def test_differences_that_may_be_chance_are_hollow():
    gaps = {
        "sure": Interval(0.02, 0.01, 0.03),
        "chance": Interval(-0.01, -0.02, 0.01),
        "worse": Interval(-0.2, -0.3, -0.1),
    }
    ax = plots.differences(gaps, xlabel="ROC-AUC").axes[0]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [point.get_xdata()[0] for point in points] == [0.02, -0.01, -0.2]
    assert [point.get_markerfacecolor() == plots.PAPER for point in points] == [False, True, False]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(gaps)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first at the top


@pytest.mark.parametrize("models", [["waveform"], ["waveform", "spectrogram"]])
def test_learning_draws_every_entry(models):
    history = [
        {"step": 10 * n, "loss": dict.fromkeys(models, 1 / n)}
        | ({"validation": {m: {"roc_auc": 0.5 + n / 10} for m in models}} if n % 2 else {})
        for n in range(1, 5)
    ]
    left, right = plots.learning(history, batch_size=32).axes
    assert [list(line.get_ydata()) for line in left.lines] == [[1, 1 / 2, 1 / 3, 1 / 4]] * len(models)
    assert [list(line.get_xdata()) for line in right.lines[: len(models)]] == [[320, 960]] * len(models)
    assert (left.get_legend() is None) == (len(models) == 1)
    # a record's history is of one model
    of_one_model = [
        {**entry, "loss": entry["loss"]["waveform"]}
        | ({"validation": entry["validation"]["waveform"]} if "validation" in entry else {})
        for entry in history
    ]
    left, right = plots.learning(of_one_model, batch_size=32).axes
    assert list(right.lines[0].get_ydata()) == [0.6, 0.8]


def test_panels_of_versions_share_an_axis_that_holds_every_point():
    tables = {name: published_results(name).rows for name in list_published()}
    axes = plots.versions(tables).axes
    assert len({ax.get_ylim() for ax in axes}) == 1
    low, high = axes[0].get_ylim()
    drawn = [value for ax in axes for line in ax.lines for value in line.get_ydata()]
    assert low < min(drawn) <= max(drawn) < high


def test_what_is_no_model_has_no_models_colour():
    assert not set(plots.CYCLE) & set(plots.MODEL_COLOURS.values())
    assert len({*plots.CYCLE, *plots.MODEL_COLOURS.values()}) == len(plots.CYCLE) + len(plots.MODEL_COLOURS)
