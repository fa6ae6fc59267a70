"""A folder becomes a table: each file once, whatever it is called or holds, after any kill, and only what is new later."""

from __future__ import annotations

import contextlib
import csv
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import full_disk, python
from libraries import ODD, TAGS, make_music, make_tagger, write_sound

from tagging import load_tagger
from tagging.errors import ConfigError, TaggingError
from tagging.library import LibraryReport, similar, tag_library
from tagging.library import journal as journals
from tagging.library.walk import walk
from tagging.utils.files import DamagedError


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return make_tagger(tmp_path_factory.mktemp("model") / "it.safetensors")


@pytest.fixture
def music(tmp_path) -> Path:
    return make_music(tmp_path)


def run(music: Path, out: Path, model: str, **options) -> LibraryReport:
    return tag_library(music, out, models=[model], **{"jobs": 1, **options})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_for_each_file(music, model, tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    report = run(music, out, model, embeddings=True, jobs=2)
    assert (report.files, report.failed, report.duplicates, report.tagged, report.known) == (10, 3, 1, 6, 1)
    table = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    names = ["path", "duplicate_of", "error", "notes", "seconds", "bytes", "sha256", "guitar", "guitar_present", "slow"]
    assert list(table.columns) == [*names, "slow_present", "female vocals", "it/path", "embedding"]
    rows = table.set_index("path")
    assert list(rows.index) == sorted(rows.index)
    assert rows["duplicate_of"].dropna().to_dict() == {"1/copy.wav": "0/0.wav"}
    assert set(rows["error"].dropna().index) == {"1/noise.mp3", "1/empty.ogg", "1/nowhere.wav"}
    assert "nowhere" in rows["error"]["1/nowhere.wav"]
    tagger = load_tagger(model)
    for path in ("0/0.wav", "1/1.flac", "1/copy.wav"):
        result, row = tagger.tag(music / path), rows.loc[path]
        columns = ["guitar", "slow", "female vocals", "it/path"]
        np.testing.assert_array_equal(row[columns].to_numpy(np.float32), result.scores)
        vector = json.loads(row["embedding"]) if suffix == ".csv" else row["embedding"]
        np.testing.assert_array_equal(np.float32(vector), tagger.embed(music / path))
        assert row["seconds"] == 0.6
        assert bool(row["guitar_present"]) == ("guitar" in result.present(tagger.thresholds))
        assert bool(row["slow_present"])


def test_names_that_break_things(model, tmp_path):
    music = tmp_path / "music"
    for number, name in enumerate(ODD):
        write_sound(music / name, number)
    report = run(music, tmp_path / "tags.csv", model, playlists=["guitar=0"])
    assert (report.files, report.failed, report.tagged) == (len(ODD), 0, len(ODD))
    run(music, tmp_path / "tags.parquet", model)
    expected = sorted(os.fsencode(name).decode("utf-8", "backslashreplace") for name in ODD)
    with open(tmp_path / "tags.csv", newline="", encoding="utf-8") as file:
        assert sorted(row["path"] for row in csv.DictReader(file)) == expected
    assert sorted(pd.read_parquet(tmp_path / "tags.parquet")["path"]) == expected
    listed = (tmp_path / "tags-guitar.m3u8").read_bytes().splitlines()[1:]
    assert sorted(listed) == sorted(os.fsencode(music / name) for name in ODD if "\n" not in name)


def test_only_what_is_new_or_changed(music, model, tmp_path):
    out = tmp_path / "tags.csv"
    run(music, out, model)
    before = out.read_bytes()
    report = run(music, out, model)
    # a link to nowhere is looked at each time
    assert (report.tagged, report.known, report.unchanged, report.num_removed) == (0, 0, 9, 0)
    assert out.read_bytes() == before
    write_sound(music / "0" / "0.wav", 100)  # changed: its copy is now an original
    os.utime(music / "0" / "2.wav", (1, 1))  # touched
    shutil.move(music / "0" / "4.wav", music / "1" / "moved.wav")
    (music / "1" / "noise.mp3").unlink()
    write_sound(music / "new.wav", 101)
    report = run(music, out, model)
    assert (report.tagged, report.known, report.unchanged, report.num_removed) == (2, 2, 5, 2)
    assert sorted(report.removed) == ["0/4.wav", "1/noise.mp3"]
    fresh = tmp_path / "fresh.csv"
    run(music, fresh, model)
    assert out.read_bytes() == fresh.read_bytes()


def killed(music: Path, out: Path, model: str, after: int) -> None:
    """A run that is killed when so many files are done."""

    def die(progress) -> None:
        if progress.done == after:
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(
        target=run, args=(music, out, model), kwargs={"progress": die, "jobs": 2, "embeddings": True}
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_a_table_after_kills_is_that_of_an_undisturbed_run(music, model, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    out, undisturbed = tmp_path / "tags.csv", tmp_path / "other" / "tags.csv"
    monkeypatch.setattr(journals, "COMMIT_SECONDS", 0)
    killed(music, out, model, 2)
    killed(music, out, model, 3)
    monkeypatch.setattr(journals, "COMMIT_SECONDS", 60)
    killed(music, out, model, 2)  # what it did is lost
    assert not out.exists()
    report = run(music, out, model, embeddings=True)
    assert 0 < report.tagged < 6
    run(music, undisturbed, model, embeddings=True)
    assert out.read_bytes() == undisturbed.read_bytes()
    files = [{path.name for path in folder.iterdir() if path.is_file()} for folder in (tmp_path, undisturbed.parent)]
    assert files[0] == files[1]


def test_a_worker_that_dies_takes_one_song_with_it(music, model, tmp_path):
    out = tmp_path / "tags.csv"

    def kill_workers(progress) -> None:
        if progress.done == 2:
            for process in multiprocessing.active_children():
                process.kill()

    report = run(music, out, model, progress=kill_workers)
    assert (report.tagged, report.failed) == (5, 4)
    assert ["died" in reason for _, reason in report.errors].count(True) == 1
    report = run(music, out, model)
    assert (report.tagged, report.failed) == (1, 3)


def test_errors_are_tried_again_on_demand(music, model, tmp_path):
    out = tmp_path / "tags.csv"
    run(music, out, model)
    done = []
    report = run(music, out, model, retry=True, progress=done.append)
    assert report.failed == 3
    assert {progress.path for progress in done} == {"1/noise.mp3", "1/empty.ogg"}


def test_another_model_starts_again_and_says_so(music, model, tmp_path):
    out, other = tmp_path / "tags.csv", make_tagger(tmp_path / "other.safetensors", seed=1)
    run(music, out, model)
    before = out.read_bytes()
    report = run(music, out, other)
    assert report.tagged == 6
    assert ["other.safetensors" in message for message in report.messages] == [True]
    assert out.read_bytes() != before
    assert len(list(tmp_path.glob("*.journal-*"))) == 1
    # the same path with other weights
    make_tagger(tmp_path / "other.safetensors", seed=2)
    assert run(music, out, other).tagged == 6
    report = tag_library(music, out, models=[model, other], jobs=1, embeddings=True)
    columns = out.read_text().splitlines()[0]
    assert "it/guitar,it/guitar_present" in columns
    assert "other/embedding" in columns


def test_sidecars_and_playlists(music, model, tmp_path):
    out = tmp_path / "tags.csv"
    report = run(music, out, model, sidecars=True, playlists=["slow", "guitar=1"])
    assert [path.name for path in report.playlists] == ["tags-slow.m3u8", "tags-guitar.m3u8"]
    songs = (tmp_path / "tags-slow.m3u8").read_text().splitlines()
    assert songs[0] == "#EXTM3U"
    assert len(songs) == 7  # the copy is not listed
    assert all(Path(song).is_file() for song in songs[1:])
    assert (tmp_path / "tags-guitar.m3u8").read_text() == "#EXTM3U\n"
    beside = json.loads((music / "1" / "copy.wav.tags.json").read_text())
    result = load_tagger(model).tag(music / "1" / "copy.wav")
    assert beside["models"][0]["scores"] == {tag: float(score) for tag, score in zip(TAGS, result.scores, strict=True)}
    assert "slow" in beside["models"][0]["present"]
    with pytest.raises(ConfigError, match="female vocals"):
        run(music, out, model, playlists=["female vocal=0.5"])
    with pytest.raises(ConfigError, match=r"slow=0 and slow=0.9.*tags-slow"):
        run(music, out, model, playlists=["slow=0", "slow=0.9"])
    assert len(run(music, out, model, playlists=["Slow", "slow"]).playlists) == 1
    with pytest.raises(ConfigError, match="no threshold"):
        run(music, out, model, playlists=["female vocals"])
    with pytest.raises(ConfigError, match="from 0 to 1"):
        run(music, out, model, playlists=["slow=loud"])


@pytest.mark.parametrize(
    ("folder", "out", "match"),
    [
        ("no", "tags.csv", "no such folder"),
        ("music/cover.jpg", "tags.csv", "a file"),
        ("empty", "tags.csv", "no sound files"),
        ("music", "tags.xlsx", "parquet or .csv"),
        ("music", "music/cover.jpg/tags.csv", "cover.jpg"),
    ],
)
def test_what_cannot_be_done_is_said(music, model, tmp_path, folder, out, match):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaggingError, match=match):
        run(tmp_path / folder, tmp_path / out, model)


def test_unknown_models_are_refused_before_anything_is_written(music, tmp_path):
    with pytest.raises(ConfigError, match="msd-musicnn"):
        run(music, tmp_path / "tags.csv", "msd-music")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(TaggingError, match=r"bad\.onnx"):
        run(music, tmp_path / "tags.csv", str(tmp_path / "bad.onnx"))
    assert not (tmp_path / "tags.csv").exists()


def test_a_full_disk_costs_no_work(music, model, tmp_path):
    out = tmp_path / "tags.csv"
    with full_disk(1000), pytest.raises(TaggingError, match="cannot write"):
        run(music, out, model)
    run(music, out, model)
    before = out.read_bytes()
    write_sound(music / "new.wav", 77)
    with full_disk(len(before) // 2), pytest.raises(TaggingError, match="cannot write"):
        run(music, out, model)
    assert out.read_bytes() == before
    assert run(music, out, model).files == 11


def test_two_processes_at_one_table(music, model, tmp_path):
    out = tmp_path / "tags.csv"

    def second(progress) -> None:
        with pytest.raises(TaggingError, match="another process"):
            run(music, out, model)

    assert run(music, out, model, progress=second).tagged == 6


def test_a_damaged_journal(music, model, tmp_path):
    out = tmp_path / "tags.csv"
    run(music, out, model)
    (path,) = tmp_path.glob("*.journal-*")
    path.write_bytes(b"garbage, and not a database at all" * 100)
    with pytest.raises(DamagedError, match="delete this file"):
        run(music, out, model)
    path.unlink()
    assert run(music, out, model).tagged == 6
    whole = path.read_bytes()
    for change in (
        "update results set notes = '[' where notes is not null",
        "update results set notes = '[1]' where notes is not null",
        "update results set scores = x'00000000' where scores is not null",
        "update results set scores = 'text' where scores is not null",
        "update results set seconds = 'long' where scores is not null",
        "update results set scores = x'0000c07f0000c07f0000c07f0000c07f' where scores is not null",
        "delete from results",
        "update facts set value = '[{}]' where name = 'models'",
        "update facts set value = 'many' where name = 'run'",
        "alter table files drop column size",
    ):
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute(change)
        with pytest.raises(DamagedError, match="delete this file and give the command again"):
            run(music, out, model)
        path.write_bytes(whole)
    assert run(music, out, model).unchanged == 9


def test_a_journal_that_was_cut_or_overwritten_anywhere(music, model, tmp_path):
    """SQLite calls some of this a full disk image, or one that is malformed; the advice is to delete the file."""
    out = tmp_path / "tags.csv"
    run(music, out, model)
    (path,) = tmp_path.glob("*.journal-*")
    whole = path.read_bytes()
    damaged = [whole[: len(whole) // 4096 // 2 * 4096], whole[:5000]]
    damaged += [whole[:start] + b"\xff" * 300 + whole[start + 300 :] for start in range(4096, len(whole), 4096)]
    for contents in damaged:
        path.write_bytes(contents)
        with pytest.raises(DamagedError, match="delete this file and give the command again"):
            run(music, out, model)


def test_what_is_refused_before_the_first_song_leaves_nothing(music, model, tmp_path):
    out, done = tmp_path / "tags.csv", []
    for playlists in (["nosuch"], ["slow=0", "slow=0.5"], ["female vocals"]):
        with pytest.raises(ConfigError):
            run(music, out, model, playlists=playlists, progress=done.append)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no sound files"):
        run(tmp_path / "empty", out, model)
    with pytest.raises(ConfigError, match="folder of your music"):
        run("", out, model)
    assert not done
    assert not list(tmp_path.glob("tags*"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_models_of_one_file_name(music, tmp_path, suffix):
    names = [make_tagger(tmp_path / folder / "tagger.safetensors", seed) for seed, folder in enumerate("ab")]
    out = tmp_path / f"tags{suffix}"
    tag_library(music, out, models=names, jobs=1, embeddings=True)
    table = (pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)).set_index("path")
    for folder, name in zip("ab", names, strict=True):
        tagger, row = load_tagger(name), table.loc["0/2.wav"]
        columns = [f"{folder}/tagger/{tag}" for tag in TAGS]
        np.testing.assert_array_equal(row[columns].to_numpy(np.float32), tagger.tag(music / "0" / "2.wav").scores)
        vector = tagger.embed(music / "0" / "2.wav").astype(float)
        other = tagger.embed(music / "0" / "4.wav").astype(float)
        cosine = vector @ other / np.linalg.norm(vector) / np.linalg.norm(other)
        matches = {match.path: match.score for match in similar("0/2.wav", out, model=name)}
        assert matches["0/4.wav"] == pytest.approx(cosine, abs=1e-6)


def test_a_folder_that_cannot_be_opened_keeps_its_rows(music, model, tmp_path, monkeypatch):
    """Permissions do not stop the administrator, as whom tests may run: a folder that cannot be opened is one that has gone."""
    out = tmp_path / "tags.csv"
    run(music, out, model)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "0":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = run(music, out, model)
    assert (report.files, report.num_removed, len(report.messages)) == (10, 0, 1)
    assert "Permission denied" in report.messages[0]


def test_links(tmp_path):
    """Out of the folder they are followed, once; loops end; nothing is listed twice."""
    music, outside = tmp_path / "music", tmp_path / "outside"
    for path in (music / "a" / "1.wav", outside / "deep" / "2.wav", outside / "3.wav"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    os.mkfifo(music / "pipe.wav")
    for link, target in {
        music / "a" / "up": "..", music / "b": "a", music / "c": outside, music / "d": outside / "deep",
        outside / "deep" / "back": outside, outside / "home": music, music / "root": "/", music / "e": "e",
        music / "4.wav": outside / "3.wav",
    }.items():  # fmt: skip
        link.symlink_to(target)
    listed = {file.path: file.error for file in walk(music)}
    assert {path for path, error in listed.items() if not error} == {"a/1.wav", "c/3.wav", "c/deep/2.wav", "4.wav"}
    assert "pipe" in listed["pipe.wav"]


def test_without_pytorch_and_pyarrow(tmp_path):
    """The base install tags a library; Parquet names the extra that brings it."""
    write_sound(tmp_path / "music" / "a.wav", 0, seconds=3.5)
    result = python(
        f"""
        import sys

        class Without:
            def __init__(self, finder):
                self.finder = finder

            def find_spec(self, name, path=None, target=None):
                hidden = name.partition(".")[0] in ("torch", "pyarrow", "mutagen", "pandas", "scipy", "sklearn")
                return None if hidden else self.finder.find_spec(name, path, target)

            def __getattr__(self, name):
                return getattr(self.finder, name)

        sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
        from tagging.cli import main
        options = ["--model", "laptop-waveform-100k", "--jobs", "1", "--embeddings"]
        print(main(["tag-library", {str(tmp_path / "music")!r}, "--out", {str(tmp_path / "t.csv")!r}, *options]))
        print(main(["search", "jig, not reel", "--in", {str(tmp_path / "t.csv")!r}]))
        print(main(["similar", {str(tmp_path / "music" / "a.wav")!r}, "--in", {str(tmp_path / "t.csv")!r}]))
        print(main(["tag-library", {str(tmp_path / "music")!r}, "--out", {str(tmp_path / "t.parquet")!r}, *options]))
        """
    )
    assert [line for line in result.stdout.splitlines() if line.isdigit()] == ["0", "0", "0", "2"], result.stderr
    assert "[library]" in result.stderr
