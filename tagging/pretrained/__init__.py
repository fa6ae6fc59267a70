"""Taggers that are trained already, by name. Book: ``book/tag_a_song``."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, unknown_name
from ..tagger import Tagger
from . import musicnn


@cache
def _cards() -> dict[str, dict[str, Any]]:
    catalogue = json.loads(Path(__file__).with_name("cards.json").read_text(encoding="utf-8"))
    return {
        name: {"name": name, **card, "tags": catalogue["tags"][card["tags"]]}
        for name, card in catalogue["models"].items()
    }


def list_pretrained() -> list[str]:
    """Names that :func:`load_tagger` takes.

    >>> list_pretrained()
    ['mtt-musicnn', 'mtt-vgg', 'msd-musicnn', 'msd-vgg']
    """
    return list(_cards())


def pretrained_card(name: str) -> dict[str, Any]:
    """What is known of a pretrained tagger: description, data set, split, scores, licence, citation, tags.

    Raises:
        ConfigError: no such name; the message suggests the nearest.
    """
    if name not in _cards():
        raise unknown_name("pretrained tagger", name, list_pretrained())
    return dict(_cards()[name])


def load_tagger(name: str | os.PathLike[str]) -> Tagger:
    """A trained tagger, ready for :meth:`~tagging.tagger.Tagger.tag`.

    Args:
        name: one of :func:`list_pretrained`, or the path of a file written by
            :meth:`~tagging.tagger.Tagger.save`. Pretrained weights are fetched at first use and kept in the cache.

    Raises:
        ConfigError: neither a known name nor a file; the message suggests the nearest name.
        CheckpointError: a damaged file, or not a tagger's.
        DownloadError: pretrained weights could not be fetched; the message says how to bring them by hand.

    Book: ``book/tag_a_song``.
    """
    if name in _cards():
        return musicnn.load(str(name), _cards())
    # os.path, unlike pathlib, has an answer for what cannot be a path at all, such as a name of 300 characters
    path = Path(os.path.expanduser(name))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        raise CheckpointError(f"{name}: a directory; give the path of a .safetensors file")
    if not os.path.exists(path) and path.suffix != ".safetensors":  # noqa: PTH110
        raise unknown_name("pretrained tagger", str(name), list_pretrained())
    return Tagger.load(path)
