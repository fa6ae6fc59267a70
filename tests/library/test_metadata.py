"""Tags in the files' metadata: only where asked, nothing else changes, and all of it can be undone."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import full_disk
from libraries import make_tagger
from mutagen import File
from mutagen.id3 import ID3, TCON, TIT2
from sounds import encode, rate_of

from tagging import load_audio
from tagging.errors import ConfigError
from tagging.library import tag_library
from tagging.library.metadata import sound_digest, undo_tags, write_tags

FORMATS = ("a.mp3", "a.flac", "a.ogg", "a.opus", "a.wav", "a.aiff", "a.m4a", "a.wma", "a.wv")


@pytest.fixture
def library(tmp_path):
    model = make_tagger(tmp_path / "it.safetensors")
    music = tmp_path / "music"
    music.mkdir()
    for seed, name in enumerate(FORMATS):
        sound = 0.1 * np.random.default_rng(seed).standard_normal(30000).astype(np.float32)
        (music / name).write_bytes(encode(name, sound, rate_of(name)))
    tags = ID3()
    tags.add(TIT2(encoding=1, text="A title"))
    tags.add(TCON(encoding=0, text="Rock"))
    tags.save(music / "a.mp3", v2_version=3)
    tag_library(music, tmp_path / "tags.csv", models=[model], jobs=1)
    return music, tmp_path / "tags.csv", model


def contents(music) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in music.iterdir()}


@pytest.mark.parametrize("field", ["grouping", "genre"])
def test_written_and_undone(library, field):
    music, table, model = library
    before = contents(music)
    names = [name for name in FORMATS if name != "a.wv"]  # is not among the sound files that a library takes
    sounds = {name: load_audio(music / name) for name in names}
    digests = {name: sound_digest(music / name) for name in names}
    dry = list(write_tags(table, ["slow", "guitar=0", "it/path=1"], field=field))
    assert contents(music) == before
    done = list(write_tags(table, ["slow", "guitar=0", "it/path=1"], field=field, write=True))
    assert done == dry
    assert [(change.path, change.error) for change in done] == [(name, "") for name in sorted(names)]
    first = ["Rock"] if field == "genre" else []
    assert {change.path: change.before for change in done}["a.mp3"] == first
    assert {change.path: change.after for change in done}["a.mp3"] == [*first, "slow", "guitar"]
    mp3 = ID3(music / "a.mp3")
    assert (mp3["TIT2"].text, mp3.version) == (["A title"], (2, 3, 0))
    assert File(music / "a.flac").tags[field] == ["slow", "guitar"]
    for name in names:
        assert sound_digest(music / name) == digests[name]
        np.testing.assert_array_equal(load_audio(music / name)[0], sounds[name][0])
    assert list(write_tags(table, ["slow", "guitar=0"], field=field, write=True)) == []  # all are there
    # the sound is the same, so nothing is tagged again
    report = tag_library(music, table, models=[model], jobs=1)
    assert (report.tagged, report.known) == (0, len(names))
    assert len(list(undo_tags(table))) == len(names)
    undone = list(undo_tags(table, write=True))
    assert {change.path: change.after for change in undone} == {change.path: change.before for change in done}
    assert File(music / "a.flac").tags.get(field) is None
    assert all(sound_digest(music / name) == digests[name] for name in names)
    with pytest.raises(ConfigError, match="nothing was written"):
        undo_tags(table)


def test_what_another_program_has_changed_since_stays(library):
    music, table, _ = library
    list(write_tags(table, ["slow"], write=True))
    file = File(music / "a.flac")
    file.tags["grouping"] = ["mine"]
    file.save()
    errors = [change.path for change in undo_tags(table, write=True) if change.error]
    assert errors == ["a.flac"]
    assert File(music / "a.flac").tags["grouping"] == ["mine"]


def test_a_file_that_cannot_be_written_does_not_stop_the_others(library):
    music, table, _ = library
    (music / "a.mp3").unlink()
    (music / "a.flac").write_bytes(b"something else by now")
    before = (music / "a.wav").read_bytes()
    with full_disk(30_000):  # less than a.wav
        changes = {change.path: change.error for change in write_tags(table, ["slow"], write=True)}
    assert "no such file" in changes["a.mp3"]
    assert changes["a.flac"]
    assert "a.wav" in changes["a.wav"]
    assert (music / "a.wav").read_bytes() == before
    assert changes["a.ogg"] == ""
    assert [path.name for path in music.iterdir() if path.name.startswith(".")] == []


def test_wrong_tags_and_fields(library):
    _, table, _ = library
    with pytest.raises(ConfigError, match="slow"):
        write_tags(table, ["slo"])
    with pytest.raises(ConfigError, match="grouping"):
        write_tags(table, ["slow"], field="groupings")
