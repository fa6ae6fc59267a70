"""Drawings, tables and the movable threshold of pages: what they show is what the models and the data hold."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas
import pytest

import tagging
from tagging.book import answers, data_drawings, drawings, field, measuring, poster
from tagging.book.published import published_results
from tagging.book.svg import WIDTH, Drawing, SideBySide
from tagging.book.tables import label_counts, table, top_tags_table
from tagging.book.threshold import ThresholdDemo
from tagging.errors import ConfigError
from tagging.tags import TrackTags, Vocabulary


def picture(shown: object) -> ElementTree.Element:
    """The SVG of a drawing, parsed."""
    html = shown._repr_html_()
    return ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.DOTALL)[0])


def texts(shown: object) -> list[str]:
    return [element.text for element in picture(shown).iter("text")]


@pytest.mark.parametrize("name", tagging.list_frontends())
def test_a_front_end_shows_the_shape_of_its_output(name):
    tagger = tagging.build_tagger(name, "temporal-pooling", ["a"], segment_seconds=15.0)
    frames = tagger.frontend.num_frames(240_000)
    assert f"{tagger.frontend.out_channels} x {frames}" in texts(drawings.frontend(name))


@pytest.mark.parametrize("name", tagging.list_backends())
def test_a_back_end_ends_with_its_features(name):
    backend = tagging.build_tagger("waveform", name, ["a"], segment_seconds=15.0).backend
    assert any(text.startswith(str(backend.out_features)) for text in texts(drawings.backend(name))[-2:])


@pytest.mark.parametrize(
    "drawing",
    [
        *(drawings.frontend(name) for name in tagging.list_frontends()),
        *(field.timeline(), data_drawings.datasets(), poster.experiment(), poster.outcome()),
    ],
    ids=lambda drawing: drawing.title.partition(":")[0],
)
def test_a_drawing_stays_inside_its_frame_and_is_readable_on_a_phone(drawing):
    root = picture(drawing)
    assert root.get("aria-label").startswith(drawing.title)
    for element in root.iter("rect"):
        x, width = float(element.get("x")), float(element.get("width"))
        assert x >= -0.01
        assert x + width <= WIDTH + 0.01
        assert float(element.get("y")) + float(element.get("height")) <= drawing.height
    assert min(int(element.get("font-size")) for element in root.iter("text")) >= 12
    for element in root.iter("text"):  # a letter is about 0.55 of its size wide
        length = 0.55 * int(element.get("font-size")) * len(element.text)
        start = {"start": 0, "middle": length / 2, "end": length}[element.get("text-anchor")]
        assert float(element.get("x")) - start >= -2
        assert float(element.get("x")) - start + length <= WIDTH + 12, element.text


def test_the_poster_is_drawn_from_its_table():
    rows = published_results("workshop-2017").rows
    shown = texts(poster.experiment())
    for row in rows:
        assert f"{row.num_clips / 1e6:g}M" in shown or f"{row.num_clips // 1000}k" in shown
        assert row.training_time is None or f"networks, {row.training_time}" in shown
    widths = [float(bar.get("width")) for bar in picture(poster.experiment()).iter("rect")][:5]
    assert np.allclose(np.divide(widths, widths[0]), [1, 1.2 / 1.5, 1 / 1.5, 0.5 / 1.5, 0.1 / 1.5], atol=1e-3)
    leads = [text for text in texts(poster.outcome()) if text.endswith("points")]
    assert leads == ["2.83 points", "1.75 points", "1.49 points"]  # as printed beside the rows of the table


def test_text_of_others_is_escaped():
    drawing = Drawing("<b>")
    drawing.box("<script>", "&")
    assert "<script>" not in drawing._repr_html_()
    assert SideBySide(drawing, drawing)._repr_html_().count("<svg") == 2
    assert "<script>" not in table(pandas.DataFrame({"<script>": ["<script>"]}))._repr_html_()


def test_a_table_has_equal_decimals_and_one_row_of_headings():
    frame = pandas.DataFrame(
        {"clips": [1000, 20], "score": [0.5, float("nan")], "interval": [tagging.Interval(0.5, 0.4, 0.61), None]},
        index=pandas.Index(["a", "b"], name="model"),
    )
    html = table(frame, 2, title="the message")._repr_html_()
    assert re.findall("<th .*?>(.*?)</th>", html) == ["model", "clips", "score", "interval"]
    cells = re.findall("<td.*?>(.*?)</td>", html)
    assert cells == ["a", "1,000", "0.50", "0.50 [0.40,\N{NO-BREAK SPACE}0.61]", "b", "20", "", ""]


def test_tables_of_tags_and_labels():
    result = TrackTags(Vocabulary(["a", "b"]), np.array([0.2, 0.7]), np.array([[0.2, 0.7]]), np.array([0.0]), 3.0)
    assert "b 0.70" in top_tags_table({"model": result}, 1)._repr_html_()
    counts = label_counts(np.array([[1, 0], [np.nan, 0]]), ["a", "b"], ["a"])
    assert counts.loc["a"].to_dict() == {"yes": 1, "no": 0, "unknown": 1}


def test_the_threshold_counts_what_lies_above_it():
    random = np.random.default_rng(0)
    labels, scores = (random.random(400) < 0.3).astype(float), random.random(400)
    labels[:5] = np.nan
    demo = ThresholdDemo("a tag", labels, scores)
    for position, (songs, precision, recall, wrong) in enumerate(demo.rows()):
        given, known = scores >= position / 50, ~np.isnan(labels)
        assert songs == (given & known).sum()
        if songs:
            assert precision == pytest.approx(labels[given & known].mean(), abs=1e-3)
        assert recall == pytest.approx(given[labels == 1].mean(), abs=1e-3)
        assert wrong == pytest.approx(given[labels == 0].mean(), abs=1e-3)
    with pytest.raises(ConfigError, match="a tag"):
        ThresholdDemo("a tag", np.ones(3), np.zeros(3))


def test_answers_that_can_be_worked_out_by_hand():
    assert answers.whole_segments() == 31
    assert answers.random_pr_auc() == pytest.approx(0.04, abs=0.005)
    assert answers.squared_scores() == pytest.approx(0, abs=1e-9)
    assert answers.reversed_sizes() == [100_000, 1_000_000]


def test_long_settings_in_a_table_may_break():
    frame = pandas.DataFrame(
        {"command": ["tagging train --set optimization.num_training_segments=512000", "0.70 & more"]}
    )
    html = table(frame)._repr_html_()
    assert "--set optimization.<wbr>num_<wbr>training_<wbr>segments=<wbr>512000" in html
    assert "0.70 &amp; more" in html


def test_an_interval_of_a_source_alone_is_chance_within_sources():
    checked = measuring.collection_check({"spectrogram": "laptop-spectrogram-10k-s0"}, resamples=20)
    assert checked.loc["knows only the source", "within sources"].value == pytest.approx(0.5)
    assert checked.loc["knows only the source", "over all songs"].value > 0.8
