"""A small part of the library, built once for all corpus tests in its own cache: 1,180 tunes and some scores in parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagging import open_corpus
from tagging.data.sheet_music import library
from tagging.data.sheet_music.corpus import SheetMusic
from tagging.data.sheet_music.note_bank import Bank

# ABC and MusicXML, plain and compressed; with one encoding that must be left out
FOLDERS = ("airdsAirs", "josquin", "handel", "leadSheet", "lusitano", "luca", "ciconia", "corelli", "joplin")


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with a small library in it."""
    cache = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setenv("TAGGING_CACHE", str(cache))
        library.build_library(progress=False, workers=2, folders=FOLDERS)
    return cache


@pytest.fixture
def cache(small_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the cache of one test."""
    monkeypatch.setenv("TAGGING_CACHE", str(small_cache))
    return small_cache


@pytest.fixture
def corpus(cache: Path) -> SheetMusic:
    """2,000 training clips of the small library."""
    return open_corpus("sheet-music", split="train", clips=2000)


@pytest.fixture
def bank(corpus: SheetMusic) -> Bank:
    return corpus.bank


@pytest.fixture
def full_library() -> Iterator[library.Library]:
    """The whole library, from the user's cache; built there if needed (minutes)."""
    return library.ready_library(build=True, progress=False)
