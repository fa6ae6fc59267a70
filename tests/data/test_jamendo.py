"""MTG-Jamendo: ragged lists, names of files in low quality, and archives whose hashes come from a list of the owners."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones
from loopback import serving

import tagging
from tagging.cli import main
from tagging.data.jamendo import PARTS, SUBSETS
from tagging.errors import ConfigError, CorpusError

HEADER = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
ROWS = [
    "track_0000215\tartist_000014\talbum_000031\t15/215.mp3\t151.4\tmood/theme---dark",
    "track_0000216\tartist_000014\talbum_000031\t16/216.mp3\t2.0\tmood/theme---action\tmood/theme---dark\tmood/theme---sad",
    "track_1009600\tartist_000020\talbum_000032\t00/1009600.mp3\t2.0\tmood/theme---action\tmood/theme---sad",
]


def table(rows: list[str] = ROWS, end: str = "\r\n") -> str:
    return end.join([HEADER, *rows, ""])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data/splits/split-3"
    folder.mkdir(parents=True)
    for part in PARTS:
        (folder / f"autotagging_moodtheme-{part}.tsv").write_bytes(table().encode())
    return tmp_path


def corpus(root: Path, **options):
    return tagging.open_corpus(
        "mtg-jamendo", root=root, strict=False, **{"subset": "moodtheme", "split": "3/test"} | options
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_of_different_lengths(root: Path, end):
    (root / "data/splits/split-3/autotagging_moodtheme-test.tsv").write_bytes(table(end=end).encode())
    data = corpus(root)
    assert data.vocabulary.names == ("mood/theme---action", "mood/theme---dark", "mood/theme---sad")
    labels = dict(zip(data.ids, data.labels_of(np.arange(3)).tolist(), strict=True))
    assert labels == {"track_0000215": [0, 1, 0], "track_0000216": [1, 1, 1], "track_1009600": [1, 0, 1]}
    assert sorted(track.group for track in data) == ["artist_000014", "artist_000014", "artist_000020"]
    assert sorted(data.durations(np.arange(3))) == [2.0, 2.0, 151.4]


@pytest.mark.parametrize(("audio", "name"), [("audio", "215.mp3"), ("audio-low", "215.low.mp3")])
def test_names_of_files(root: Path, audio, name):
    paths = dict(zip(corpus(root, audio=audio).ids, corpus(root, audio=audio).paths, strict=True))
    assert paths["track_0000215"] == root / audio / "15" / name
    (root / "00").mkdir()
    assert corpus(root, audio=audio).paths[0].parent.parent == root, "unpacked into the root"


def test_counts_are_those_published(root: Path):
    with pytest.raises(CorpusError, match="3 tags of moodtheme, where 56 are published"):
        tagging.open_corpus("mtg-jamendo", root=root, subset="moodtheme", split="3/test")
    assert "3 tracks of moodtheme, split 3/test, where 3,562 are published" in corpus(root).notes
    for _, num_tags, counts in SUBSETS.values():
        assert num_tags in (50, 87, 40, 56, 183)
        assert len(counts) == 5
        # a split deals the same tracks to other parts
        assert max(map(sum, counts)) == min(map(sum, counts))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table().replace("DURATION", "SECONDS"), "its columns are TRACK_ID"),
        (table([ROWS[0].replace("151.4", "long")]), "line 2.*long"),
        (table(["track_1\tartist_1"]), "line 2"),
        (table([ROWS[0].rpartition("\t")[0]]), "line 2.*the tags of track_0000215"),
        (table([ROWS[0], ROWS[0]]), "1 ids stand in it twice"),
        ("", "not as published"),
    ],
)
def test_a_damaged_list(root: Path, text, message):
    (root / "data/splits/split-3/autotagging_moodtheme-test.tsv").write_bytes(text.encode())
    with pytest.raises(CorpusError, match=message):
        corpus(root)


@pytest.mark.parametrize("options", [{"subset": "mood"}, {"audio": "low"}, {"split": "5/test"}])
def test_wrong_choices(root: Path, options):
    with pytest.raises(ConfigError, match="known: "):
        corpus(root, **options)


def served(archives: dict[str, bytes]) -> dict[str, bytes]:
    """The owners' repository and archive server."""
    repository, digests = "/MTG/mtg-jamendo-dataset/master/", ""
    files = {f"/mtg-jamendo/autotagging_moodtheme/audio-low/{name}": data for name, data in archives.items()}
    digests = "".join(f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in archives.items())
    for split in range(5):
        for part in PARTS:
            files[f"{repository}data/splits/split-{split}/autotagging_moodtheme-{part}.tsv"] = table().encode()
    files[f"{repository}data/download/autotagging_moodtheme_audio-low_sha256_tars.txt"] = digests.encode()
    files[f"{repository}audio_licenses.txt"] = b"track_0000215: CC BY"
    return files


def archive(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def test_it_is_downloaded_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tagging.data.jamendo.MOODTHEME_AUDIO", {"audio": 2e6, "audio-low": 1e6})  # not 46 GB of disk
    sound = io.BytesIO()
    soundfile.write(sound, tones(2.0, 16000), 16000, format="MP3")
    archives = {
        f"autotagging_moodtheme_audio-low-{number}.tar": archive(f"{number}/{name}.low.mp3", sound.getvalue())
        for number, name in (("00", 1009600), ("15", 215), ("16", 216))
    }
    with serving() as server:
        server.files = served(archives)
        command = ["prepare", "mtg-jamendo", "--root", str(tmp_path), "--set", "subset=moodtheme", "audio=audio-low"]
        command.append(f"mirror={server.url}")
        assert main([*command, "annotations_only=true"]) == 0
        assert not list(tmp_path.glob("*.tar"))
        path = f"/mtg-jamendo/autotagging_moodtheme/audio-low/{list(archives)[1]}"
        whole, server.files[path] = server.files[path], server.files[path][::-1]
        assert main(command) == 2
        assert f"sha256:{hashlib.sha256(whole).hexdigest()}"[7:] in (error := capsys.readouterr().err)
        assert "kept as" in error
        server.files[path] = whole
        assert main(command) == 0
        asked = len(server.ranges)
        assert main(command) == 0
        assert len(server.ranges) == asked
    data = corpus(tmp_path, audio="audio-low")
    assert all(len(track.read(0.5, 1.0)) == 16000 for track in data)
    assert data.segment(0, 1.5, 1.0).audio.shape == (16000,)


@pytest.mark.slow
@pytest.mark.skipif(
    "TAGGING_DATASETS" not in os.environ, reason="set TAGGING_DATASETS to a folder with real annotations"
)
@pytest.mark.parametrize("subset", SUBSETS)
def test_real_annotations(subset):
    """A clone of the owners' repository in ``$TAGGING_DATASETS/mtg-jamendo``."""
    root = Path(os.environ["TAGGING_DATASETS"], "mtg-jamendo")
    if not root.exists():
        pytest.skip(f"no {root}")
    for number, counts in enumerate(SUBSETS[subset][2]):
        parts = [
            tagging.open_corpus("mtg-jamendo", root=root, subset=subset, split=f"{number}/{part}", audio="audio-low")
            for part in PARTS
        ]
        assert tuple(map(len, parts)) == counts
        assert all(part.vocabulary == parts[0].vocabulary for part in parts)
        assert all((part.labels_of(np.arange(len(part))).sum(axis=0) > 0).all() for part in parts)
        artists = [{track.group for track in part} for part in parts]
        assert not (artists[0] & artists[1] or artists[0] & artists[2] or artists[1] & artists[2])
    if subset == "top50tags":
        assert list(parts[0].vocabulary.names) == (root / "data/tags/top50.txt").read_text().split()
