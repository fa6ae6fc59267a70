"""Taggers that are trained already, by name. Book: ``book/tag_a_song``."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, unknown_name
from ..models.tagger import Tagger
from . import musicnn
from .bundled import bundled_card, bundled_path, list_bundled


@cache
def _musicnn_cards() -> dict[str, dict[str, Any]]:
    catalogue = json.loads(Path(__file__).with_name("cards.json").read_text(encoding="utf-8"))
    return {
        name: {"name": name, **card, "tags": catalogue["tags"][card["tags"]]}
        for name, card in catalogue["models"].items()
    }


def list_pretrained() -> list[str]:
    """Names that :func:`load_tagger` takes: the original authors' taggers, then those of this book.

    >>> list_pretrained()[:4]
    ['mtt-musicnn', 'mtt-vgg', 'msd-musicnn', 'msd-vgg']
    """
    return [*list_musicnn(), *list_bundled()]


def list_musicnn() -> list[str]:
    """Names of the original authors' taggers, trained on recordings. Book: ``book/tag_a_song``."""
    return list(_musicnn_cards())


def pretrained_card(name: str) -> dict[str, Any]:
    """What is known of a pretrained tagger: description, data set, split, scores, licence, tags; of the originals more.

    Raises:
        ConfigError: no such name; the message suggests the nearest.
    """
    if name in list_bundled():
        return bundled_card(name)
    if name not in _musicnn_cards():
        raise unknown_name("pretrained tagger", name, list_pretrained())
    return dict(_musicnn_cards()[name])


def load_tagger(name: str | os.PathLike[str]) -> Tagger:
    """A trained tagger, ready for :meth:`~tagging.models.tagger.Tagger.tag`.

    Args:
        name: one of :func:`list_pretrained`, or the path of a file written by
            :meth:`~tagging.models.tagger.Tagger.save`. The originals' weights are fetched at first use and kept in the cache.

    Raises:
        ConfigError: neither a known name nor a file; the message suggests the nearest name.
        CheckpointError: a damaged file, or not a tagger's.
        DownloadError: pretrained weights could not be fetched; the message says how to bring them by hand.

    Book: ``book/tag_a_song``.
    """
    if name in _musicnn_cards():
        return musicnn.load(str(name), _musicnn_cards())
    if name in list_bundled():
        return Tagger.load(bundled_path(str(name)))
    # os.path, unlike pathlib, has an answer for what cannot be a path at all, such as a name of 300 characters
    path = Path(os.path.expanduser(name))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        raise CheckpointError(f"{name}: a directory; give the path of a .safetensors file")
    if not os.path.exists(path) and path.suffix != ".safetensors":  # noqa: PTH110
        raise unknown_name("pretrained tagger", str(name), list_pretrained())
    return Tagger.load(path)
