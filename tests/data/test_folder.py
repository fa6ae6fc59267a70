"""The corpus of one's own songs: what is matched, what is reported, how it is split, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from songs import make_songs

import tagging
from tagging import ConfigError, TaggingError, open_corpus
from tagging.data import scan
from tagging.errors import CorpusError

SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    scan._KNOWN.clear()
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """30 songs, two of them broken, with their table."""
    root = tmp_path_factory.mktemp("songs")
    make_songs(root, 30, broken=2, seconds=0.5)
    return root


def folder(root, table, **options):
    return open_corpus("folder", root=str(root), labels=None if table is None else str(table), **options)


def tiny(root: Path, names, seconds=0.2) -> Path:
    """Files of noise, each with other content."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).standard_normal(round(16000 * seconds)) / 10
        soundfile.write(root / name, noise, 16000)
    return root


def table_of(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_songs_and_a_table_become_three_splits(songs):
    corpora = {split: folder(songs / "music", songs / "tags.csv", split=split) for split in SPLITS}
    train = corpora["train"]
    assert train.vocabulary.names == ("low", "high", "noisy", "level")
    assert train.vocabulary.regression.tolist() == [False, False, False, True]
    ids = [track.id for corpus in corpora.values() for track in corpus]
    assert len(ids) == len(set(ids)) == 28
    artists = [{track.group for track in corpus} for corpus in corpora.values()]
    assert not set.intersection(artists[0], artists[1] | artists[2]) and not artists[1] & artists[2]
    for corpus in corpora.values():
        assert all(0 < corpus.tag_counts()[tag] < len(corpus) for tag in ("low", "high", "noisy")), corpus.split
    rows = {row[0]: row[2:] for row in (line.split(",") for line in (songs / "tags.csv").read_text().splitlines())}
    for track in train:
        expected = [float(cell) if cell else np.nan for cell in rows[track.id]]
        np.testing.assert_allclose(track.labels, expected, rtol=1e-6)
        assert track.read().dtype == np.float32


def test_what_was_found_is_said(songs):
    corpus = folder(songs / "music", songs / "tags.csv")
    text = "\n".join(corpus.findings)
    for line in ("songs: column 'path'", "groups: column 'artist'", "regression: column 'level'",
                 "matched: 30 songs of 30 sound files",
                 "unreadable: 2 files are left out (6.7%): 001.flac, 028.flac"):  # fmt: skip
        assert line in text
    assert set(corpus.unreadable) == {"001.flac", "028.flac"}
    with pytest.raises(CorpusError, match=r"2 of 30 files cannot be read \(6.7%\), more than 5%"):
        corpus.check_readable(0.05)
    corpus.check_readable(0.07)
    assert any("001.flac: " in line for line in corpus.summary())


def test_the_same_seed_gives_the_same_splits_and_another_others(songs):
    first, again, other = (
        [track.id for track in folder(songs / "music", songs / "tags.csv", seed=seed)] for seed in (0, 0, 1)
    )
    assert first == again
    assert set(first) != set(other)


def test_files_are_opened_once_and_again_when_they_change(songs, tmp_path, monkeypatch):
    root = tmp_path / "copy"
    shutil.copytree(songs, root)
    version = folder(root / "music", root / "tags.csv").version
    scan._KNOWN.clear()  # as another process
    opened = []
    monkeypatch.setattr(scan, "AudioFile", lambda path, real=scan.AudioFile: opened.append(path.name) or real(path))
    corpus = folder(root / "music", root / "tags.csv")
    assert corpus.version == version
    assert sorted(opened) == ["001.flac", "028.flac"]  # the broken ones: another decoder may read them
    monkeypatch.undo()
    changed = root / "music" / corpus[0].id
    changed.write_bytes((root / "music" / corpus[1].id).read_bytes() + b"\0")
    assert folder(root / "music", root / "tags.csv").version != version


TABLES = {
    "csv": "path,rock,slow\na.wav,1,0\nb.wav,0,1\nc.wav,1,\nd.wav,0,0\n",
    "semicolons": "file;rock;slow\na;1;0\nb;0;1\nc;1;\nd;0;0\n",
    "tsv": "id\trock\tslow\nx/a.wav\t1\t0\nx/b.wav\t0\t1\nx/c.wav\t1\tnan\nx/d.wav\t0\t0\n",
    "words": "song,rock,slow\na.mp3,True,False\nb.mp3,no,yes\nc.mp3,TRUE,NA\nd.mp3,false,false\n",
    "windows": "path,rock,slow\n.\\x\\a.wav,1,0\n.\\x\\b.wav,0,1\n.\\x\\c.wav,1,\n.\\x\\d.wav,0,0\n",
    "numbers": "path,rock,slow\na,1.0,0.0\nb,0.0,1.0\nc,1.0,\nd,0.0,0.0\n",
    "excel": "sep=;\npath;rock;slow\na;1;0\nb;0;1\nc;1;\nd;0;0\n",
    "bom": "\ufeffpath,rock,slow\na,1,0\nb,0,1\nc,1,\nd,0,0\n",
}
EXPECTED = np.array([[1, 0], [0, 1], [1, np.nan], [0, 0]])
ALL = {"shares": (2, 1, 1)}


def labels_by_name(root, table, **options):
    """Name of each song -> labels, over all splits."""
    corpora = [folder(root, table, split=split, **options) for split in SPLITS]
    return {Path(track.id).stem: track.labels for corpus in corpora for track in corpus}, corpora[0]


@pytest.mark.parametrize("kind", TABLES)
def test_a_column_for_each_tag(kind, tmp_path):
    root = tiny(tmp_path / "music", [f"x/{name}.wav" for name in "abcd"])
    table = table_of(tmp_path / ("labels.tsv" if kind == "tsv" else "labels.csv"), TABLES[kind])
    labels, corpus = labels_by_name(root, table, **ALL)
    assert corpus.vocabulary.names == ("rock", "slow")
    np.testing.assert_array_equal([labels[name] for name in "abcd"], EXPECTED)


LISTS = {
    "semicolons": "path,tags\na,rock;loud\nb,slow\nc,\nd,rock; slow ;\n",
    "bars": "path,tags\na,rock|loud\nb,slow\nc,\nd,rock|slow\n",
    "commas": 'path,tags\na,"rock, loud"\nb,slow\nc,\nd,"rock,slow"\n',
    "python": "path,tags\na,\"['rock', 'loud']\"\nb,['slow']\nc,\nd,\"['slow', 'rock']\"\n",
    "json": 'path\ttags\na\t["rock", "loud"]\nb\t["slow"]\nc\t\nd\t["rock", "slow"]\n',
    "jsonl": '{"path": "a", "tags": ["rock", "loud"]}\n{"path": "b", "tags": ["slow"]}\n{"path": "c"}\n\n'
    '{"path": "d", "tags": ["rock", "slow"]}\n',
}


@pytest.mark.parametrize("kind", LISTS)
def test_one_column_of_tags(kind, tmp_path):
    """What a song does not list is absent; an empty cell says nothing."""
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcd"])
    suffix = {"jsonl": "jsonl", "json": "tsv"}.get(kind, "csv")
    text = LISTS[kind].replace('"["', '["') if kind == "json" else LISTS[kind]
    if kind == "json":
        text = text.replace('"', '""').replace("\t[", '\t"[').replace("]\n", ']"\n')
    labels, corpus = labels_by_name(root, table_of(tmp_path / f"labels.{suffix}", text), **ALL)
    assert corpus.vocabulary.names == ("loud", "rock", "slow")
    np.testing.assert_array_equal([labels[name] for name in "abcd"], [[1, 1, 0], [0, 0, 1], [np.nan] * 3, [0, 1, 1]])
    assert not corpus.vocabulary.exclusive_groups


def test_a_genre_for_each_song_is_exclusive(tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcd"])
    table = table_of(tmp_path / "t.csv", "file,year,genre\na,1999,rock, hard\n".replace("rock, hard", '"rock, hard"')
                     + "b,2001,jazz\nc,2002,jazz\nd,2003,folk\n")  # fmt: skip
    labels, corpus = labels_by_name(root, table, separator="", **ALL)
    assert corpus.vocabulary.names == ("folk", "jazz", "rock, hard")
    assert corpus.vocabulary.exclusive_groups == {"genre": (0, 1, 2)}
    assert labels["a"].tolist() == [0, 0, 1]
    assert "not used: columns 'year'" in "\n".join(corpus.findings)


def test_parquet(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcd"])
    frame = pandas.DataFrame({"path": list("abcd"), "rock": [1, 0, 1, 0], "slow": [0, 1, None, 0]})
    frame.to_parquet(tmp_path / "labels.parquet")
    labels, _ = labels_by_name(root, tmp_path / "labels.parquet", **ALL)
    np.testing.assert_array_equal([labels[name] for name in "abcd"], EXPECTED)


def test_subfolders_are_tags(tmp_path):
    root = tiny(tmp_path, [f"{tag}/{tag}.{number:05d}.wav" for tag in ("blues", "rock") for number in range(6)])
    corpora = [folder(root, None, split=split) for split in SPLITS]
    assert corpora[0].vocabulary.names == ("blues", "rock")
    assert corpora[0].vocabulary.exclusive_groups == {"folder": (0, 1)}
    assert sum(map(len, corpora)) == 12
    assert all(
        track.labels.tolist() == [track.id.startswith("blues"), track.id.startswith("rock")] for track in corpora[1]
    )
    assert all(0 < corpus.tag_counts()["blues"] < len(corpus) for corpus in corpora)


def test_subfolders_may_be_splits(tmp_path):
    names = [f"{split}/{tag}/{n}.wav" for split in ("train", "valid", "test") for tag in ("a", "b") for n in "12"]
    for split in SPLITS:
        corpus = folder(tiny(tmp_path, names), None, split=split)
        assert len(corpus) == 4 and corpus.vocabulary.names == ("a", "b")
        assert all(track.id.startswith(split[:5]) for track in corpus)


SPLIT_TABLE = "path,x,split\na,1,train\nb,0,training\nc,1,train\nd,0,Train\ne,1,test\nf,0,test\n"


def test_splits_of_the_table_are_kept_and_a_missing_one_is_taken_from_train(tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcdef"])
    table = table_of(tmp_path / "t.csv", SPLIT_TABLE)
    corpora = {split: folder(root, table, split=split) for split in SPLITS}
    assert {track.id for track in corpora["test"]} == {"e.wav", "f.wav"}
    assert len(corpora["validation"]) >= 1
    assert len(corpora["train"]) + len(corpora["validation"]) == 4
    assert "validation from train at random by group" in corpora["train"].findings[-1]


def test_copies_share_a_group_and_are_refused_across_splits(tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcdef"])
    shutil.copy(root / "a.wav", root / "e.wav")
    table = table_of(tmp_path / "t.csv", "path,x\na,1\nb,0\nc,1\nd,0\ne,1\nf,0\n")
    corpora = [folder(root, table, split=split, **ALL) for split in SPLITS]
    (both,) = [corpus for corpus in corpora if "a.wav" in corpus.ids]
    assert "e.wav" in both.ids
    assert len({track.group for track in both if track.id in ("a.wav", "e.wav")}) == 1
    assert "duplicated: 1 files have the content of another: a.wav = e.wav" in "\n".join(both.findings)
    with pytest.raises(
        CorpusError, match="a.wav and e.wav have the same content and are in two splits, train and test"
    ):
        folder(root, table_of(tmp_path / "t.csv", SPLIT_TABLE))


def test_an_artist_in_two_splits_is_said(tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcdef"])
    text = "path,x,split,artist\na,1,train,P\nb,0,train,\nc,1,valid,P\nd,0,valid,\ne,1,test,Q\nf,0,test,\n"
    corpus = folder(root, table_of(tmp_path / "t.csv", text))
    assert corpus.findings[-1].startswith("groups in more than one split: 1: P")


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("path,x\na,1\nb,0\nc,1\nd,0\n", "groups: none; each song is a group of its own"),
        ("path,x,artist\na,1,\nb,0,\nc,1,\nd,0,\n", "groups: none, column 'artist' is empty; each song"),
        ("path,x,artist\na,1,A\nb,0,A\nc,1,B\nd,0,\n", "groups: column 'artist', empty for 1 songs"),
    ],
)
def test_songs_without_artists_are_said_to_stand_alone(text, remark, tmp_path):
    tiny(tmp_path / "music", [f"{name}.wav" for name in "abcd"])
    corpus = folder(tmp_path / "music", table_of(tmp_path / "t.csv", text))
    assert any(line.startswith(remark) for line in corpus.summary())
    assert corpus.artists_known == (": none" not in remark)


@pytest.mark.parametrize(
    ("ids", "hint"),
    [
        (["D:\\music\\x\\a.wav", "D:\\music\\x\\b.wav"], "Leave D:/music/, which"),
        (["/mnt/music/x/a.wav", "/mnt/music/x/b.wav"], "Leave /mnt/music/, which"),
        (["x/A.wav", "x/B.wav"], "Upper and lower case differ"),
        (["17", "18"], "If another column names the files, give ids=NAME"),
    ],
)
def test_songs_of_another_machine_are_told_apart_from_other_songs(ids, hint, tmp_path):
    tiny(tmp_path / "music", ["x/a.wav", "x/b.wav"])
    table = table_of(tmp_path / "t.csv", "path,x\n" + "".join(f"{name},{row}\n" for row, name in enumerate(ids)))
    with pytest.raises(CorpusError) as error:
        folder(tmp_path / "music", table)
    assert hint in str(error.value)


def test_songs_without_files_and_files_without_songs_are_said(tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcdefg"])
    table = table_of(tmp_path / "t.csv", "path,x,z\na,1,0\nb,0,0\nc,1,0\nd,0,0\ne,1,0\nf,0,0\nmissing,0,0\n")
    text = "\n".join(folder(root, table).findings)
    assert "missing: 1 songs have no file: missing" in text
    assert "without labels: 1 files are left out: g.wav" in text
    assert "never positive, so in no mean: z" in text


PLAIN = "path,x\na,1\nb,0\nc,1\nd,0\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "no songs; expected a header"),
        ("path,x\n", {}, "no songs; expected a header"),
        ("path\na\nb\n", {}, "no tags; columns are path"),
        ("path,x\na,1,0\nb,0\n", {}, "line 2: 3 cells, but the header names 2 columns"),
        ("path,x\na,1\nb,2\nc,0\n", {}, r"line 3: column 'x': '2' is outside \[0, 1\].*ignore"),
        ("path,x\na,1\nb,-1\nc,0\n", {}, r"line 3: column 'x': '-1' is outside \[0, 1\]"),
        ("path,x\na,1\nb,rock\nc,0\n", {}, "line 3: column 'x': 'rock' is not a number"),
        ("path,x\na,1\nb,inf\nc,0\n", {}, "outside"),
        ("path,x\na,1\nb,1\nc,1\nd,1\n", {}, "no tag has both songs with it and songs without it"),
        ("path,x\nm,1\nn,0\n", {}, "none of the 2 songs of .* is among the 4 sound files .* names m, n, the folder has"),
        ("path,x\na,1\na,0\n", {}, "songs in more than one row: 1, the first 'a'"),
        ("path,x\na,1\na.wav,0\nb,0\n", {}, "'a' and 'a.wav' are one file, a.wav"),
        ("path,x\n,1\nb,0\n", {}, "line 2: column 'path', the song, is empty"),
        ("path,x,x\na,1,0\nb,0,1\n", {}, "columns given twice: x"),
        ("path,,x\na,1,0\n", {}, "column 2 of the header has no name"),
        ("a.wav,1\nb.wav,0\n", {}, "the first line must name the columns"),
        ("path,x,split\na,1,train\nb,0,rest\n", {}, "line 3: column 'split': unknown split 'rest'"),
        ("path,x,split\na,1,test\nb,0,test\n", {}, "no song is in the split train"),
        (PLAIN, {"ids": "song"}, "unknown column 'song'"),
        (PLAIN, {"tags": ["y"]}, "unknown column 'y'"),
        (PLAIN, {"group": "band"}, "unknown column 'band'"),
        (PLAIN, {"split": "tests"}, "unknown split 'tests'"),
        (PLAIN, {"shares": (1, 1)}, "give three"),
        (PLAIN, {"shares": (1, 1, 0)}, "give three positive numbers"),
        (PLAIN, {"sample_rate": 0}, "sample_rate=0"),
        ("path,x,artist\na,1,P\nb,0,P\nc,1,P\nd,0,P\n", {}, "1 groups cannot be split into train, validation, test"),
        ("path,x\na,1\nb,0\nc,0.5\nd,0\n", {"regression": []}, "has values between 0 and 1"),
        ("path,title\na,One\nb,Two\nc,Three\nd,Four\n", {"tags": ["title"]}, "contains text; for a column of tags"),
        ('path,x\na,"1\nb,0\n', {}, "cannot be read as a table"),
    ],
)  # fmt: skip
def test_mistakes_in_a_table_say_what_to_do(text, options, message, tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcd"])
    with pytest.raises(TaggingError, match=message):
        folder(root, table_of(tmp_path / "t.csv", text), **options)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_byte_order_mark_tells_the_encoding(encoding, suffix, tmp_path):
    root, table = tiny(tmp_path / "music", ["ä.wav", "b.wav", "c.wav"]), tmp_path / f"t.{suffix}"
    csv = "path,x\nä,1\nb,0\nc,1\n"
    lines = '{"path": "ä", "x": 1}\n{"path": "b", "x": 0}\n{"path": "c", "x": 1}\n'
    table.write_bytes((csv if suffix == "csv" else lines).encode(encoding))
    assert "matched: 3 songs" in "\n".join(folder(root, table).findings)


def test_mistakes_in_folders_and_files_say_what_to_do(tmp_path):
    music = tiny(tmp_path / "music", ["x/a.wav", "y/a.wav", "c.wav"])
    table = table_of(tmp_path / "t.csv", PLAIN)
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.csv").write_bytes("path,café\na,1\n".encode("latin-1"))
    (tmp_path / "t.jsonl").write_text('{"path": "a"}\n[1]\n')
    (tmp_path / "t.parquet").write_text("no parquet")
    for root, labels, message in (
        (tmp_path / "nowhere", table, "no such folder"),
        (table, table, "not a folder"),
        (tmp_path / "empty", table, r"no sound files below this folder; they end in .*\.wav"),
        (music, tmp_path / "missing.csv", "cannot be read .No such file"),
        (music, tmp_path / "latin.csv", "cannot be read as a table in UTF-8"),
        (music, tmp_path / "t.jsonl", "line 2: expected an object"),
        (music, tmp_path / "t.parquet", "not a Parquet file|needs pandas and pyarrow"),
        (music, table, "song 'a' could be x/a.wav or y/a.wav; name songs by their paths"),
        (music, None, "1 files are in no subfolder, the first: c.wav"),
    ):
        with pytest.raises(TaggingError, match=message):
            folder(root, labels)


def test_songs_may_be_named_by_paths_from_further_above(tmp_path):
    root = tiny(tmp_path / "music", [f"x/{name}.wav" for name in "abcd"])
    rows = [f"{tmp_path}/music/x/a.wav,1", "music/x/b.wav,0", "x/c,1", "d.mp3,0"]
    labels, _ = labels_by_name(root, table_of(tmp_path / "t.csv", "\n".join(["path,x", *rows])), **ALL)
    assert {name: values.tolist() for name, values in labels.items()} == {"a": [1], "b": [0], "c": [1], "d": [0]}


def test_settings_follow_the_data(songs):
    options = {"root": str(songs / "music"), "labels": str(songs / "tags.csv")}
    settings = tagging.settings_for("folder", settings={"data.max_unreadable": 0.1}, **options)
    sizes = {split: len(folder(root=options["root"], table=options["labels"], split=split)) for split in SPLITS}
    assert settings.data.num_clips is None
    assert settings.evaluation.num_validation_clips == sizes["validation"]
    assert settings.evaluation.num_test_clips == sizes["test"]
    assert settings.model.segment_seconds <= 1.0
    assert settings.optimization.num_training_segments == 6400
    assert settings.num_steps // settings.steps_per_validation == 10
    chosen = tagging.settings_for("folder", settings={"optimization.num_training_segments": 640}, **options)
    assert chosen.optimization.num_training_segments == 640
    assert chosen.steps_per_validation == 2
    assert tagging.settings_for("sheet-music") == tagging.Settings()
    assert json.loads(json.dumps(settings.to_dict()))["data"]["corpus_options"] == options


def test_attributes_may_have_decimal_commas(tmp_path):
    root = tiny(tmp_path / "music", [f"{name}.wav" for name in "abcd"])
    table = table_of(tmp_path / "t.csv", "file;rock;energy\na;1;0,25\nb;0;,5\nc;1;1\nd;0;\n")
    labels, corpus = labels_by_name(root, table, **ALL)
    np.testing.assert_array_equal([labels[name][1] for name in "abcd"], [0.25, 0.5, 1, np.nan])
    assert corpus.vocabulary.regression.tolist() == [False, True]


def test_an_option_it_does_not_have_is_refused(songs):
    with pytest.raises(ConfigError, match="unknown option 'label': did you mean 'labels'"):
        open_corpus("folder", root=str(songs / "music"), label="x")
