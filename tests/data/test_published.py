"""What all published datasets share."""

from __future__ import annotations

import functools
import inspect
import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from loopback import serving

import tagging
from tagging.cli import main
from tagging.data import CORPORA, prepare_corpus, published
from tagging.data.download import RemoteFile
from tagging.data.published import Published, rows_of
from tagging.errors import ConfigError, CorpusError, DownloadError
from tagging.tags import Vocabulary

DATASETS = [
    name for name in CORPORA.names() if isinstance(CORPORA.get(name), type) and issubclass(CORPORA.get(name), Published)
]


def test_all_seven_are_registered():
    assert set(DATASETS) == {"magnatagatune", "mtg-jamendo", "fma", "gtzan", "openmic", "msd", "mgphot"}
    assert set(DATASETS) <= set(tagging.list_corpora())


@pytest.mark.parametrize("name", DATASETS)
def test_facts_of_each(name, tmp_path: Path):
    dataset = CORPORA.get(name)
    assert dataset.licence != Published.licence
    assert all((dataset.citation, dataset.homepage, dataset.description))
    assert all(isinstance(file, RemoteFile) and file.url.startswith("https://") for file in dataset.annotation_files())
    with pytest.raises(CorpusError, match=f"no such folder.*`tagging prepare {name} --root .*` fetches"):
        tagging.open_corpus(name, root=tmp_path / "none")
    for split in ("train", "test"):
        assert dataset.split_name(split) in dataset.splits
    with pytest.raises(ConfigError, match="unknown split"):
        dataset.split_name("trn")
    with pytest.raises(ConfigError, match=f"name the folder for its files, e.g. tagging prepare {name} --root DIR"):
        prepare_corpus(name)
    with pytest.raises(ConfigError, match=f"unknown option of {name} 'subsett'"):
        prepare_corpus(name, root=tmp_path, subsett="small", progress=False)
    assert not list(tmp_path.iterdir())


def test_nothing_else_knows_their_names():
    package = Path(tagging.__file__).parent
    modules = {Path(inspect.getfile(CORPORA.get(name))) for name in DATASETS}
    pages = set((package / "book").rglob("*.py"))  # which show them
    for path in set(package.rglob("*.py")) - modules - pages:
        text = path.read_text(encoding="utf-8")
        assert not [name for name in DATASETS if f'"{name}"' in text], path


class Named(Published):
    splits = ("a/train", "a/test", "b/training", "b/val", "all")

    def __init__(self, ids, split="a/train"):
        count = len(ids)
        super().__init__(split, Vocabulary(["x"]), ids, [Path(i) for i in ids], ids, np.arange(count)[:, None])

    @classmethod
    def annotation_files(cls):
        return []


@pytest.mark.parametrize(
    ("given", "split"),
    [
        ("train", "a/train"), ("training", "a/train"), ("b/train", "b/training"), ("b/validation", "b/val"), ("valid", "b/val"),
        ("all", "all"), ("a/test", "a/test"),
    ],
)  # fmt: skip
def test_names_of_splits(given, split):
    assert Named.split_name(given) == split


@pytest.mark.parametrize("given", ["c/train", "a/validation", "a", "", "a/train/x"])
def test_names_that_are_none(given):
    with pytest.raises(ConfigError, match="unknown split"):
        Named.split_name(given)


def test_the_first_tracks_are_a_fair_sample_and_always_the_same():
    ids = [f"blues {number}" for number in range(100)] + [f"rock {number}" for number in range(100)]
    data = Named(ids)
    assert data.ids == Named(ids[::-1]).ids
    assert 10 < sum("rock" in track for track in data.ids[:50]) < 40
    by_id = dict(zip(data.ids, data.labels_of(np.arange(200))[:, 0], strict=True))
    assert by_id == {track: number for number, track in enumerate(ids)}
    assert all(track.path == Path(track.id) for track in data)
    with pytest.raises(CorpusError, match="1 ids stand in it twice"):
        Named(["a", "b", "a"])


def test_files_that_are_no_text(tmp_path: Path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"a\tb\n\xff\xfe\t1\n")
    with pytest.raises(CorpusError, match="not as published"), rows_of(path, "\t") as rows:
        list(rows)


def test_there_must_be_room(tmp_path: Path):
    with pytest.raises(
        DownloadError, match=r"archives and what is in them, needs 1,888.* GB, and the disk .* make room"
    ):
        prepare_corpus("fma", root=tmp_path, subset="full", progress=False, mirror="http://127.0.0.1:9")


class Packed(Published):
    """Three archives and no annotations."""

    files: tuple[RemoteFile, ...] = ()

    @classmethod
    def annotation_files(cls):
        return []

    @classmethod
    def audio_files(cls, root):
        return list(cls.files)


def zipped(names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.mp3", name * 1000)
    return packed.getvalue()


def test_a_damaged_member_is_said_every_time_and_stops_nothing(tmp_path: Path):
    damaged = bytearray(zipped("bc"))
    damaged[100] ^= 1
    with serving() as server:
        server.files = {"/a.zip": zipped("a"), "/b.zip": bytes(damaged), "/d.zip": zipped("d")}
        Packed.files = tuple(
            RemoteFile(server.url + path, path[1:], unpack=True, into="sound") for path in server.files
        )
        for _ in range(2):
            with pytest.raises(
                CorpusError, match=r"1 files are damaged in the archives, all others are in place: b\.mp3"
            ):
                Packed.prepare(root=tmp_path, progress=False, remove_archives=True)
            assert sorted(path.name for path in (tmp_path / "sound").iterdir()) == ["a.mp3", "c.mp3", "d.mp3"]
            assert [path.name for path in tmp_path.glob("*.zip")] == ["b.zip"]
        assert len(server.ranges) == 3


def test_what_is_there_already_needs_no_room(tmp_path: Path):
    free = shutil.disk_usage(tmp_path).free
    size = free // 2 + 50_000_000
    (tmp_path / "a.zip.part").touch()
    os.truncate(tmp_path / "a.zip.part", size - 100_000)  # sparse: takes no room
    Packed.files = (RemoteFile("http://127.0.0.1:9/a.zip", "a.zip", size, unpack=True),)
    check = functools.partial(published._check_room, "x", Packed.files, remove_archives=False)
    check(tmp_path)
    (tmp_path / "a.zip.part").unlink()
    with pytest.raises(DownloadError, match="make room"):
        check(tmp_path)


def test_commands_that_make_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["prepare", "msd-musicnn", "--root", str(tmp_path)]) == 2
    assert "--root and --set are for datasets" in capsys.readouterr().err
    assert main(["prepare", "sheet-music", "--root", str(tmp_path)]) == 2
    assert "corpus 'sheet-music' cannot be prepared with root" in capsys.readouterr().err
