"""Music tagging at scale: taggers, their parts, their data, and the measurements of the book.

>>> import tagging
>>> result = tagging.load_tagger("msd-musicnn").tag("song.mp3")   # doctest: +SKIP
>>> result.top(5)                                                 # doctest: +SKIP

Names are imported when they are first used, so that ``import tagging`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# public name -> module that defines it
_PUBLIC = {
    "load_audio": "audio",
    "LogMel": "mel",
    "MelSpec": "mel",
    "Tag": "tags",
    "TrackTags": "tags",
    "Vocabulary": "tags",
    "list_frontends": "frontends",
    "build_frontend": "frontends",
    "list_backends": "backends",
    "build_backend": "backends",
    "Tagger": "tagger",
    "build_tagger": "building",
    "list_pretrained": "pretrained",
    "load_tagger": "pretrained",
    "list_sounds": "sounds",
    "sound_path": "sounds",
    "open_corpus": "corpora",
    "list_corpora": "corpora",
    "TaggingError": "errors",
    "AudioError": "errors",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "CorpusError": "errors",
    "DownloadError": "errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tagging' has no attribute {name!r}; it has {', '.join(sorted(_PUBLIC))}")
    value = getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
