"""The commands of a library: what they print, and with which exit code."""

from __future__ import annotations

import json

import pytest
from libraries import make_music, make_tagger

from tagging import cli


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    return make_music(folder), folder / "tags.csv", make_tagger(folder / "it.safetensors")


def test_from_a_folder_to_words(library, capsys):
    music, table, model = map(str, library)
    command = ["tag-library", music, "--out", table, "--model", model, "--jobs", "1", "--embeddings"]
    assert cli.main(command) == 1  # some files are broken
    out, err = capsys.readouterr()
    assert "10 files (6 tagged now, 0 unchanged, 1 of content that is known)" in out
    assert "3 could not be tagged" in out
    assert "1/noise.mp3: cannot be decoded" in err
    assert cli.main([*command, "--playlist", "slow"]) == 1
    out = capsys.readouterr().out
    assert "0 tagged now, 9 unchanged" in out
    assert "tags-slow.m3u8" in out
    assert cli.main(["similar", "0/0.wav", "--in", table, "--top", "2", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [set(line) for line in lines] == [{"path", "cosine"}] * 2
    assert cli.main(["search", "slow, not guitar", "--in", table, "--top", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert cli.main(["search", "slwo", "--in", table]) == 2
    assert "did you mean 'slow'" in capsys.readouterr().err
    assert cli.main(["write-tags", "--in", table, "--tag", "slow"]) == 0
    assert "7 files would be changed" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["tag-library", "", "--out", "tags.csv"], ["corpus", "info", "--root", ""]])
def test_a_folder_without_a_name_is_not_the_current_one(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(command) == 2
    assert "give the folder of" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
