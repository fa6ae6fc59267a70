"""Menus and buttons for readers with a running notebook, of ipywidgets. Book: ``book/how_to_use``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import plots
from ..audio.examples import list_sounds, sound_path
from ..errors import TaggingError
from ..models.inference import SongTagger
from ..pretrained import list_pretrained, load_tagger

if TYPE_CHECKING:
    import ipywidgets


def sound_menu() -> ipywidgets.interactive:
    """Two lists, of the example sounds and of the pretrained taggers, with the taggram of what is chosen below them.

    Book: ``book/tag_a_song``.
    """
    import ipywidgets

    def taggram(sound: str, model: str) -> Any:
        return plots.taggram(load_tagger(model).tag(sound_path(sound)), title=f"{sound}, {model}")

    return ipywidgets.interactive(taggram, sound=list_sounds(), model=list_pretrained())


def upload_button(tagger: SongTagger) -> ipywidgets.VBox:
    """A button for a sound file of the reader's, with its taggram below.

    Args:
        tagger: that tags it.

    Book: ``book/tag_a_song``.
    """
    import ipywidgets
    from IPython.display import display

    button, screen = ipywidgets.FileUpload(accept="audio/*", multiple=False), ipywidgets.Output()

    def tag(_change: Any) -> None:
        files = button.value
        if isinstance(files, dict):  # ipywidgets 7, as on Colab
            files = [{"name": name, **file} for name, file in files.items()]
        with screen:
            screen.clear_output()
            try:
                display(plots.taggram(tagger.tag(bytes(files[0]["content"])), title=files[0]["name"]))
            except TaggingError as error:
                print(error)

    button.observe(tag, names="value")
    return ipywidgets.VBox([button, screen])
