"""Small experiments of the pages on front-ends, pairs and songs: what they measure is what they say."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from torch import nn

from tagging.book import architecture_study, data_drawings, datasets, spectrogram_study, timbre_study
from tagging.book.backend_study import RATE, musicnn, tune
from tagging.book.filter_explorer import FilterExplorer
from tagging.models.frontends import build_frontend


def test_fields_of_squares_grow_and_their_positions_run_out():
    fields = spectrogram_study.square_fields(build_frontend("spectrogram-vgg"))
    bands, frames, positions = map(list, zip(*fields, strict=True))
    assert (bands[0], frames[0]) == (4, 4)  # 3 x 3, then the maximum of 2 x 2
    assert bands == sorted(bands)
    assert positions == sorted(positions, reverse=True)


def test_the_map_of_a_filter_holds_what_the_front_end_keeps():
    block, sound = musicnn().frontend.timbral[0], tune("drowsy-maggie")[: 2 * RATE]
    with torch.inference_mode():
        expected = block(spectrogram_study.first_input(musicnn(), sound[None]))[0, 3]
    torch.testing.assert_close(spectrogram_study.answer_map(block, 3, sound).amax(0), expected)


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_pattern_is_recognized_exactly_as_often_as_the_filter_has_positions(share):
    bands, answers = spectrogram_study.slide(share)
    positions = len(answers) - bands + 1
    np.testing.assert_allclose(answers[:positions], 1, atol=1e-5)
    assert answers[positions] < 1


def test_the_explorer_gets_the_answers_of_the_trained_filter():
    data = FilterExplorer().data
    one = data["filters"][0]
    stored = np.frombuffer(base64.b64decode(data["mel"]), np.uint8).reshape(data["bands"], data["frames"])
    scale, shift = one["input"]
    below, above, before, after = one["padding"]
    z = nn.functional.pad(
        torch.tensor(stored / 255 * data["top"] * scale + shift).float(), (before, after, below, above)
    )
    weight = torch.tensor(one["weights"]).reshape(1, 1, one["bands"], one["frames"])
    answers = torch.relu(nn.functional.conv2d(z[None, None], weight, torch.tensor([one["bias"]])))[0, 0]
    index = int(one["title"].rpartition(" ")[2])
    expected = spectrogram_study.answer_map(
        musicnn().frontend.timbral[0], index, tune("drowsy-maggie")[2 * RATE : 6 * RATE]
    )
    torch.testing.assert_close(one["gain"] * answers + one["offset"], expected, atol=0.5, rtol=0)  # 8 bits


def test_a_timbre_has_the_pitch_that_is_asked_for():
    for timbre in timbre_study.TIMBRES:
        spectrum = np.abs(np.fft.rfft(timbre_study.play(timbre, 69, 1.0).numpy()))
        harmonic = spectrum.argmax() / 440  # one bin is 1 Hz
        assert harmonic == pytest.approx(round(harmonic), abs=0.01), timbre


def test_units_are_shared_as_the_head_says():
    names = architecture_study.example_vocabulary().names
    linear, alone, grouped = (architecture_study.shared_units(head) for head in architecture_study.HEADS)
    assert linear.all()
    assert (alone.sum(axis=0) <= 1).all()
    both = grouped.sum(axis=0) == 2
    assert both.any()
    assert grouped[:, both].any(axis=1).tolist() == [name in ("major", "minor") for name in names]


def test_a_tagger_has_a_row_for_each_layer():
    tagger = musicnn()
    table = architecture_study.layers_table(tagger)
    assert table["parameters"].sum() <= tagger.summary().parameters
    assert table.loc["head", "output"] == "50"


def test_the_way_of_a_clip_ends_with_its_labels(corpus):
    html = data_drawings.way_of_a_clip(corpus, corpus[0])._repr_html_()
    assert f"labels of {len(corpus.vocabulary)} tags" in html
    assert f"{len(corpus.library):,} compositions" in html


def test_the_drawing_of_datasets_says_what_the_table_holds():
    sizes = datasets.sizes_table()
    assert not sizes["sound"][sizes["tracks"].idxmax()]  # its title
    html = data_drawings.datasets()._repr_html_()
    assert all(f"{tracks:,}" in html for tracks in sizes["tracks"])
