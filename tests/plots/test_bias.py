"""What the figures of bias show: data, labels and order, not pixels."""

import numpy as np
import pytest

from tagging.errors import ConfigError
from tagging.evaluation.bias import bias_report
from tagging.plots import bias as bias_plots
from tagging.tags import Tag, Vocabulary

WORDS = Vocabulary(
    [Tag("a $x^$"), Tag("slow", exclusive_group="pace"), Tag("fast", exclusive_group="pace"), Tag("d"), Tag("e")]
)


def make(labels=True, seed=0):
    random = np.random.default_rng(seed)
    scores = random.uniform(size=(80, 5)) * [0.4, 0.8, 1, 0.6, 0.2]
    drawn = (random.uniform(size=scores.shape) < scores) * 1.0
    return bias_report(
        scores, WORDS, drawn if labels else None, [0, 30, 50, 20, 5] if labels else None, top_k=2, resamples=20
    )


@pytest.fixture(scope="module")
def report():
    return make()


def texts(labels):
    return [label.get_text() for label in labels]


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_over_representation_has_the_most_popular_tag_first(report):
    (ax,) = bias_plots.over_representation(report).axes
    assert texts(ax.get_xticklabels()) == ["fast", "slow", "d", "e", "a $x^$"]
    measure, order = report.over_representation, [2, 1, 3, 4, 0]
    np.testing.assert_allclose(lines(ax)["in the labels"].get_ydata(), measure.labelled[order])
    np.testing.assert_allclose(lines(ax)["in the predicted top 2"].get_ydata(), measure.predicted[order])
    assert ax.get_ylim()[0] == 0


def test_accuracy_shows_every_tag_even_one_that_was_never_trained(report):
    figure = bias_plots.accuracy_by_popularity(report)
    for ax, name in zip(figure.axes, ("recall", "lift", "rank"), strict=True):
        (line,) = ax.lines
        np.testing.assert_allclose(line.get_xdata(), [0, 30, 50, 20, 5])
        np.testing.assert_allclose(line.get_ydata(), getattr(report.accuracy, name))
        assert ax.get_xlabel() == "popularity of the tag"
        assert f"{getattr(report.accuracy, f'{name}_correlation'):.2f}" in ax.get_title(loc="left")


def test_reliability_has_a_curve_for_each_band(report):
    (ax,) = bias_plots.reliability(report).axes
    for band in report.calibration.bands:
        line = lines(ax)[f"{band.name} tags"]
        held = band.count > 0
        np.testing.assert_allclose(line.get_xdata(), band.mean_score[held])
        np.testing.assert_allclose(line.get_ydata(), band.observed[held])
    assert len({line.get_marker() for line in ax.lines}) == 4  # colour is never the only difference


def test_contradictions_are_drawn_with_their_intervals(report):
    (ax,) = bias_plots.contradictions(report).axes
    (pair,) = report.contradictions.pairs
    assert texts(ax.get_yticklabels()) == ["slow + fast"]
    assert list(lines(ax)["both assigned"].get_xdata()) == [pair.by_threshold.value]
    assert list(lines(ax)["both in the top 2"].get_xdata()) == [pair.in_top_k.value]
    (ends,) = ax.collections[0].get_segments()
    assert [ends[0][0], ends[1][0]] == pytest.approx([pair.by_threshold.low, pair.by_threshold.high])


def test_cooccurrence_is_drawn_in_one_order_and_scale(report):
    labelled, predicted, _ = bias_plots.cooccurrence(report).axes
    order = [2, 1, 3, 4, 0]
    for ax, phi in ((labelled, report.cooccurrence.labelled_phi), (predicted, report.cooccurrence.predicted_phi)):
        drawn = np.ma.filled(ax.images[0].get_array(), np.nan)
        np.testing.assert_allclose(drawn, phi[np.ix_(order, order)])
        assert ax.images[0].get_clim() == (-1, 1)
        assert texts(ax.get_xticklabels())[0] == "fast"


def test_all_figures_have_a_description_and_can_be_drawn(report):
    drawn = bias_plots.figures(report)
    assert list(drawn) == [
        "over-representation",
        "accuracy-by-popularity",
        "reliability",
        "contradictions",
        "co-occurrence",
    ]
    for figure, description in drawn.values():
        figure.canvas.draw()  # a dollar sign in a name is a dollar sign
        assert len(description) > 60
        assert description.endswith(".")
    assert f"{report.over_representation.against_labels:.2f}" in drawn["over-representation"][1]


def test_without_annotations_less_is_drawn():
    bare = make(labels=False)
    assert list(bias_plots.figures(bare)) == ["contradictions", "co-occurrence"]
    for draw in (bias_plots.over_representation, bias_plots.accuracy_by_popularity, bias_plots.reliability):
        with pytest.raises(ConfigError, match="this report has no .* to draw"):
            draw(bare)
