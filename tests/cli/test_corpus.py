"""``tagging corpus info | listen`` and ``tagging prepare``."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from songs import make_songs

from tagging.cli import main
from tagging.data import CORPORA, Corpus, Track
from tagging.tags import Tag, Vocabulary


def test_info_shows_sizes_and_sources(cache: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["corpus", "info"]) == 0
    shown = capsys.readouterr().out
    assert "tune families" in shown
    assert "human" in shown
    assert "arranger" in shown
    row = next(line for line in shown.splitlines() if line.startswith("Scottish"))
    counts = [int(word) for word in row.split()[-3:]]
    assert counts[0] > 5 * counts[1] > 0


def test_info_of_a_folder_says_how_many_songs_are_in_which_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A newcomer with 40 songs sees 40."""
    make_songs(tmp_path, 40, seconds=0.5)
    arguments = ["corpus", "info", "--root", str(tmp_path / "music"), "--labels", str(tmp_path / "tags.csv")]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    sizes = {name: int(size) for name, size in re.findall(r"^split (\w+): (\d+) tracks in \d+ groups", shown, re.M)}
    assert list(sizes) == ["validation", "test", "train"] and sum(sizes.values()) == 40
    counts = f"{sizes['train']} train, {sizes['validation']} validation, {sizes['test']} test"
    assert shown.splitlines()[1] == f"all splits: 40 tracks: {counts}"
    for name in sizes:
        assert main([*arguments, "--set", f"split={name}"]) == 0
        assert f"all splits: 40 tracks: {counts}" in capsys.readouterr().out
    assert main([*arguments, "--set", "sample_rate=nan"]) == 2
    assert "sample_rate=nan: give a whole number of Hz from 1,000" in capsys.readouterr().err


def test_info_says_where_a_run_would_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_songs(tmp_path, 30, broken=2, seconds=0.5)
    assert main(["corpus", "info", "--root", str(tmp_path / "music"), "--labels", str(tmp_path / "tags.csv")]) == 0
    out = capsys.readouterr().out
    assert "a run stops here: 2 of 30 files cannot be read (6.7%), more than 5%" in out
    assert "--set data.max_unreadable=0.07" in out


@pytest.mark.parametrize("name", ["tags", "group"])
def test_an_option_of_the_corpus_is_no_setting(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["train", "mel-statistics", "--output", str(tmp_path / "run"), "--set", f"{name}=style"]
    assert main(command) == 2
    assert f"did you mean 'data.corpus_options.{name}'?" in capsys.readouterr().err


def test_info_of_an_own_corpus_needs_the_five_members(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(CORPORA, "_factories", dict(CORPORA._factories))

    @CORPORA.register("own")
    class Own(Corpus):
        sample_rate = 8000
        vocabulary = Vocabulary(["fast", Tag("level", "regression", source="questionnaire")])

        def __init__(self, split: str = "all", size: int = 3) -> None:
            self.split, self.size = split, size

        def __len__(self) -> int:
            return self.size

        def __getitem__(self, index: int) -> Track:
            labels = np.array([index % 2, 0.5])
            return SimpleNamespace(
                id=f"{index}.wav", group="a", seconds=1.0, labels=labels, read=lambda: np.zeros(8000)
            )

    assert main(["corpus", "info", "own", "--set", "size=5", "split=mine"]) == 0
    shown = capsys.readouterr().out
    assert "split mine: 5 tracks in 1 groups" in shown
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert rows["tag"][-1] == "mine"
    assert rows["fast"] == ["fast", "classification", "human", "2"]
    assert rows["level"] == ["level", "regression", "questionnaire"]
    assert main(["prepare", "own"]) == 0
    assert main(["corpus", "info", "own", "--licence", "open"]) == 2
    assert "'licence'" in capsys.readouterr().err
    assert main(["corpus", "info", "own", "--set", "size"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err


def test_the_licence_is_respected(cache: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["corpus", "info", "--licence", "open"]) == 0
    assert "-open-" in capsys.readouterr().out
    assert main(["corpus", "info", "--licence", "openn"]) == 2
    assert "'open'" in capsys.readouterr().err


def test_listen_writes_the_clip_and_its_tags(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    target = tmp_path / "clip.flac"
    assert main(["corpus", "listen", "sheet-music", "3", "--split", "test", "--output", str(target)]) == 0
    sound, rate = soundfile.read(target)
    assert rate == 16000
    assert len(sound) == 240000
    shown = capsys.readouterr().out
    assert "tags: " in shown
    assert "tempo: 0." in shown


def test_prepare_keeps_existing_files(cache: Path, capsys: pytest.CaptureFixture[str]):
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("library-*.npz")}
    assert main(["prepare", "sheet-music"]) == 0
    assert main(["prepare", "scores"]) == 0  # the alias
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("library-*.npz")} == before
    assert capsys.readouterr().out.count("ready") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corpus", "listen", "sheet-music", "-1"], "INDEX: -1"),
        (["corpus", "listen", "sheet-music", "1", "--output", "a.mp3"], "must end in"),
        (["corpus", "listen", "sheet-music", "1", "--split", "tset"], "'test'"),
        (["corpus", "info", "sheet-musik"], "'sheet-music'"),
    ],
)
def test_mistakes_are_explained(cache: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_an_unbuilt_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    assert main(["corpus", "info"]) == 2
    assert "tagging prepare sheet-music" in capsys.readouterr().err
