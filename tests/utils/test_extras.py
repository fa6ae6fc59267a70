"""A package that is not installed: which extra brings it."""

from __future__ import annotations

import importlib.metadata

import pytest

import tagging
from tagging.utils.extras import MissingPackageError, extras_of, missing_package

REQUIREMENTS = [
    "numpy>=1.26",
    'music21>=9.9; extra == "sheet-music"',
    "torchaudio>=2.4; extra == 'sheet-music'",
    'torchaudio>=2.4; extra == "train"',
    'scikit_learn>=1.4; python_version > "3" and extra == "train"',
    'music-tagging-at-scale[train]; extra == "book"',
]


@pytest.fixture
def requirements(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIREMENTS)


@pytest.mark.parametrize(
    ("module", "extras"),
    [
        ("music21", ["sheet-music"]),
        ("torchaudio", ["sheet-music", "train"]),
        ("sklearn", ["train"]),
        ("numpy", []),
        ("nowhere", []),
    ],
)
def test_extras_of_a_module(requirements, module, extras):
    assert extras_of(module) == extras


def test_the_message_names_package_extra_and_command(requirements):
    error = missing_package(ModuleNotFoundError("No module named 'sklearn.tree'", name="sklearn.tree"))
    assert error is not None
    for fact in ("sklearn", "'train'", 'pip install "music-tagging-at-scale[train]"'):
        assert fact in str(error)
    assert isinstance(error, tagging.TaggingError)
    assert isinstance(error, ImportError)
    assert missing_package(ModuleNotFoundError("No module named 'nowhere'", name="nowhere")) is None
    assert missing_package(ModuleNotFoundError("somewhere")) is None


def test_sources_without_an_installation_have_no_extras(monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert extras_of("accelerate") == []


def test_public_names_say_which_extra_is_missing(requirements, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError("No module named 'accelerate'", name=name)

    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ['accelerate>=1; extra == "train"'])
    monkeypatch.setattr(tagging, "_attached", absent)
    with pytest.raises(MissingPackageError, match="train"):
        _ = tagging.accelerate
    with pytest.raises(ModuleNotFoundError, match="No module"):
        _ = tagging.something_else
