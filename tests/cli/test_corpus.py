"""``tagging corpus build | info | listen`` and ``tagging prepare scores``."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from tagging.cli import main


def test_info_shows_sizes_and_sources(cache: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["corpus", "info"]) == 0
    shown = capsys.readouterr().out
    assert "tune families" in shown
    assert "human" in shown
    assert "arranger" in shown
    row = next(line for line in shown.splitlines() if line.startswith("Scottish"))
    counts = [int(word) for word in row.split()[-3:]]
    assert counts[0] > 5 * counts[1] > 0


def test_the_licence_is_respected(cache: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["corpus", "info", "--licence", "open"]) == 0
    assert "-open-" in capsys.readouterr().out
    assert main(["corpus", "info", "--licence", "openn"]) == 2
    assert "did you mean 'open'" in capsys.readouterr().err


def test_listen_writes_the_clip_and_its_tags(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    target = tmp_path / "clip.flac"
    assert main(["corpus", "listen", "sheet-music", "3", "--split", "test", "--output", str(target)]) == 0
    sound, rate = soundfile.read(target)
    assert rate == 16000
    assert len(sound) == 240000
    shown = capsys.readouterr().out
    assert "tags: " in shown
    assert "tempo: 0." in shown


def test_prepare_and_build_keep_what_is_there(cache: Path, capsys: pytest.CaptureFixture[str]):
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("library-*.npz")}
    assert main(["prepare", "sheet-music"]) == 0
    assert main(["corpus", "build"]) == 0
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("library-*.npz")} == before
    assert capsys.readouterr().out.count("ready") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corpus", "listen", "sheet-music", "-1"], "INDEX -1"),
        (["corpus", "listen", "sheet-music", "1", "--output", "a.mp3"], "must end in"),
        (["corpus", "listen", "sheet-music", "1", "--split", "tset"], "did you mean 'test'"),
    ],
)
def test_mistakes_are_explained(cache: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_an_unbuilt_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    assert main(["corpus", "info"]) == 2
    assert "tagging prepare scores" in capsys.readouterr().err
