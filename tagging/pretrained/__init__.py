"""Pretrained taggers by name. Book: ``book/tag_a_song``."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, ConfigError, unknown_name
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
    """Names that :func:`load_tagger` takes: musicnn's taggers, then those trained with this package.

    >>> list_pretrained()[:4]
    ['mtt-musicnn', 'mtt-vgg', 'msd-musicnn', 'msd-vgg']
    """
    return [*list_musicnn(), *list_bundled()]


def list_musicnn() -> list[str]:
    """Names of the taggers of musicnn (Pons and Serra 2019), trained on recordings. Book: ``book/tag_a_song``."""
    return list(_musicnn_cards())


def pretrained_card(name: str) -> dict[str, Any]:
    """Return the card of a pretrained tagger: description, dataset, split, scores, licence, tags.

    Those of musicnn also have a citation and a source.

    Raises:
        ConfigError: no such name; the message suggests the nearest.
    """
    if name in list_bundled():
        return bundled_card(name)
    if name not in _musicnn_cards():
        raise unknown_name("pretrained tagger", name, list_pretrained())
    return dict(_musicnn_cards()[name])


def load_tagger(name: str | os.PathLike[str], *, device: str | torch.device | None = None) -> Tagger:
    """Load a trained tagger, in evaluation mode.

    >>> result = load_tagger("msd-musicnn").tag("song.mp3")  # doctest: +SKIP
    >>> result.top(5)                                        # doctest: +SKIP

    Args:
        name: one of :func:`list_pretrained`, or the path of a file written by
            :meth:`~tagging.models.tagger.Tagger.save`. musicnn's weights are fetched at first use and kept in the cache.
        device: ``"cpu"``, ``"cuda"``, ...; None is the CPU.

    Raises:
        ConfigError: neither a known name nor a file (the message suggests the nearest name), or an unusable device.
        CheckpointError: a damaged file, one that is not a tagger, or one of unregistered parts.
        DownloadError: weights could not be fetched; the message says how to copy them by hand.

    Book: ``book/tag_a_song``.
    """
    tagger = _load(name)
    try:
        return tagger if device is None else tagger.to(device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a PyTorch without CUDA
        raise ConfigError(
            f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}); use 'cpu', or None"
        ) from error


def _load(name: str | os.PathLike[str]) -> Tagger:
    if name in _musicnn_cards():
        return musicnn.load(str(name), _musicnn_cards())
    if name in list_bundled():
        return Tagger.load(bundled_path(str(name)))
    # os.path, unlike pathlib, accepts what cannot be a path at all, such as a name of 300 characters
    path = Path(os.path.expanduser(name))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        raise CheckpointError(f"{name}: a directory; give the path of a .safetensors file")
    if not os.path.exists(path) and path.suffix != ".safetensors":  # noqa: PTH110
        raise unknown_name("pretrained tagger", str(name), list_pretrained())
    return Tagger.load(path)
