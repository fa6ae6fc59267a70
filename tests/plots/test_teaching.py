"""Figures of the first chapters: data and order, not pixels."""

import numpy as np
import pytest

from tagging import plots
from tagging.audio.mel import MelSpec
from tagging.book.published import results_by_title
from tagging.evaluation import evaluate
from tagging.plots.ranking import bars, by_tag


def test_popularity_begins_with_the_most_common_tag():
    (line,) = plots.labels.popularity(np.array([0.01, 0.5, 0.1]), ["a", "b", "c"]).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), [50, 10, 1])


def test_values_are_shares_of_the_known_labels():
    figure = plots.labels.values({"a": np.array([0, 0, 0, 1, np.nan]), "b": np.array([0.5, 0.5])})
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert (heights[0], heights[-1], sum(heights)) == (75, 25, 100)


def test_each_tag_is_a_dot_in_the_row_of_its_group():
    random = np.random.default_rng(0)
    labels, scores = (random.random((60, 4)) < 0.5).astype(float), random.random((60, 4))
    evaluation = evaluate(labels, scores, ["a", "b", "c", "d"], resamples=2)
    first = np.array([True, True, False, False])
    figure = by_tag(evaluation, {"first": first, "second": ~first, "none": np.zeros(4, bool)})
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    expected = [sorted(tag.roc_auc.value for tag in evaluation.tags[part]) for part in (slice(2), slice(2, 4))]
    np.testing.assert_allclose([dot.get_xdata() for dot in dots], expected)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["first", "second"]


def test_the_highest_bar_is_at_the_top():
    ax = bars({"low": 0.2, "high": 0.9}, "score", chance=0.5).axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["low", "high"]
    assert [patch.get_width() for patch in ax.patches] == [0.2, 0.9]


def test_versions_share_one_axis_and_one_legend():
    figure = plots.versions(results_by_title())
    first, second = figure.axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_legend() is second.get_legend() is None
    assert len(figure.legends) == 1


def test_spectrograms_show_the_frequency_of_a_tone():
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    (image,) = plots.spectra.spectrograms({"tone": tone}, 8000, [256]).axes[0].images
    middle = np.asarray(image.get_array())[:, 60]
    assert middle.argmax() * 8000 / 256 == pytest.approx(1000, abs=8000 / 256)


def test_pictures_below_each_other():
    spec = MelSpec(n_mels=24)
    figure = plots.spectra.mel_pictures(
        [("one", np.zeros((24, 9)), spec), ("two", np.ones((24, 9)), spec)], histograms=True
    )
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.images and ax.get_title(loc="left")] == ["one", "two"]
    assert len(plots.spectra.mel_filters(spec).axes[0].lines) == 24
    assert len(plots.spectra.zoom(np.zeros(900), 100, [(0, 9, "all"), (1, 1, "part")]).axes) == 2
