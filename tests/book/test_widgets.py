"""Menus and buttons of running notebooks."""

from __future__ import annotations

import datetime

import matplotlib.figure
import pytest

import tagging
from tagging.book import widgets

pytest.importorskip("ipywidgets")


def test_the_menu_shows_the_taggram_of_what_is_chosen():
    menu = widgets.sound_menu()
    sound, model, _ = menu.children
    assert tuple(sound.options) == tuple(tagging.list_sounds())
    model.value = "laptop-waveform-100k"
    sound.value = "greensleeves"
    menu.update()
    assert isinstance(menu.result, matplotlib.figure.Figure)
    assert menu.result.axes[0].get_title() == "greensleeves, laptop-waveform-100k"


@pytest.mark.parametrize(
    ("content", "shown"),
    [(tagging.sound_path("greensleeves").read_bytes(), "Figure("), (b"no sound at all", "cannot be decoded")],
)
def test_an_uploaded_file_is_tagged_or_said_to_be_no_sound(content, shown, capsys):
    box = widgets.upload_button(tagging.load_tagger("laptop-waveform-100k", runtime="onnx"))
    button, _ = box.children
    now = datetime.datetime.now(datetime.UTC)
    file = {"name": "mine.ogg", "type": "audio/ogg", "size": len(content), "content": content, "last_modified": now}
    button.value = (file,)
    assert shown in capsys.readouterr().out  # there is no notebook here to take it
