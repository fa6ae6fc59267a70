"""Stores: the same segments as from the files, whatever happened to the process, the store or the files."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import shutil
import signal
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import soundfile
from forked import kill, start, wait_until
from helpers import full_disk, tones
from hypothesis import given
from hypothesis import strategies as st
from songs import make_songs

import tagging
from tagging import ConfigError, CorpusError, TaggingError
from tagging.baselines.features.extraction import extract
from tagging.cli import _parser, load_commands, main
from tagging.cli.train import settings_of
from tagging.data import open_corpus, store_writer
from tagging.data.folder import Folder
from tagging.data.store import DIGEST, FOOTER, HASH, MARK, Store, list_shards, sum_of
from tagging.data.store_writer import write_store
from tagging.errors import AudioError
from tagging.training.data import Split, store_remarks, training_batches
from tagging.training.distributed import build_accelerator
from tagging.utils.files import DamagedError

# Both sides round the same sound to int16, which the resampler made in blocks of other lengths
TOLERANCE = 1


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "cache"))
    load_commands("train")


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("songs")
    make_songs(root, 18, broken=1)
    soundfile.write(root / "music" / "long.ogg", tones(4.0, 48000, 2), 48000)
    with open(root / "tags.csv", "a") as table:
        table.write("long.ogg,artist 99,1,0,1,0.5\n")
    return root


@pytest.fixture
def songs(originals, tmp_path) -> Path:
    return shutil.copytree(originals, tmp_path / "songs")


@pytest.fixture
def small_shards(monkeypatch):
    """Of about two songs each, instead of thousands."""
    monkeypatch.setattr(store_writer, "_SHARD_BYTES", 100_000)


def options(root: Path) -> dict[str, str]:
    return {"root": str(root / "music"), "labels": str(root / "tags.csv")}


def opened(root: Path, **more):
    return open_corpus("folder", **options(root), **more)


def written(root: Path, folder: Path | None = None, **more):
    return write_store("folder", folder, progress=False, **options(root), **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def difference(one, other, index: int, start: float, seconds: float) -> int:
    sounds = [corpus.segment(index, start, seconds).audio.astype(np.int32) for corpus in (one, other)]
    return int(np.abs(sounds[0] - sounds[1]).max())


@pytest.mark.parametrize(("rate", "splits"), [(16000, ("train", "validation", "test")), (11025, ("test",))])
def test_segments_are_those_of_the_files(songs, small_shards, rate, splits):
    written(songs, sample_rate=rate)
    random = np.random.default_rng(0)
    for split in splits:
        files, stored = (opened(songs, split=split, sample_rate=rate, store=store) for store in (False, None))
        assert stored.store is not None
        assert files.store is None
        assert stored.version == files.version
        indices = np.arange(len(files))
        np.testing.assert_array_equal(stored.durations(indices), files.durations(indices))
        for index in indices:
            duration, same_rate = files[index].seconds, soundfile.info(files.paths[index]).samplerate == rate
            starts = [0.0, duration - 0.01, *random.uniform(0, duration, 4)]
            for begin, seconds in zip(starts, [duration + 1, 1.0, *random.uniform(0.01, 3, 4)], strict=True):
                tolerance = 0 if same_rate else TOLERANCE
                assert difference(files, stored, index, begin, seconds) <= tolerance, files.ids[index]
            for read in (files[index].read, stored[index].read):
                with pytest.raises(AudioError, match="cannot start at"):
                    read(duration + 1, 1.0)
                with pytest.raises(ConfigError):
                    read(0.0, 0.0)
                with pytest.raises(ConfigError):
                    read(-1.0, 1.0)
            assert len(stored[index].read()) == len(files[index].read())


def test_features_do_not_depend_on_whether_there_is_a_store(songs, tmp_path):
    written(songs, tmp_path / "store")
    stored, files = opened(songs, store=str(tmp_path / "store")), opened(songs, store=False)
    assert stored[0].read().dtype == np.int16
    ways = [extract(corpus, range(4), workers=1, progress=False, cache=False).values for corpus in (stored, files)]
    np.testing.assert_array_equal(*ways)


def test_a_stretch_of_a_file_is_that_of_the_whole_resampled_file(songs):
    corpus = opened(songs, split="train", store=False)
    for track in corpus:
        whole = track.read()
        np.testing.assert_allclose(track.read(0.3, 0.5), whole[4800:12800], atol=1e-5, err_msg=track.id)


def test_training_gets_the_same_batches(songs):
    settings = tagging.settings_for("folder", settings={"data.max_unreadable": 0.2}, **options(songs))
    accelerator = build_accelerator("no", cpu_only=True)

    def batches(store):
        chosen = settings.override({"data.corpus_options.store": store, "optimization.batch_size": 8})
        split = Split(chosen, "train")
        assert (split.corpus.store is None) == (store is False)
        stream = training_batches(split, chosen, 0, accelerator)
        return [next(stream) for _ in range(4)]

    written(songs, songs / "store")
    for one, other in zip(batches(False), batches(str(songs / "store")), strict=True):
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.starts, other.starts)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.audio.any()
        assert np.abs(one.audio.astype(np.int32) - other.audio).max() <= TOLERANCE


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.parametrize("count", [1, 3])
def test_a_killed_process_loses_no_shard_and_the_next_ends_with_equal_bytes(songs, small_shards, tmp_path, count):
    written(songs, tmp_path / "whole", workers=1)
    folder = tmp_path / "killed"
    process = start(written, songs, folder, workers=2)
    wait_until(lambda: len(list_shards(folder)) >= count, process)
    kill(process)
    done = {path: path.stat().st_ino for path in list_shards(folder)}
    assert len(done) >= count
    corpus = opened(songs, split="train", store=str(folder))  # what is there is used, the rest read from the files
    assert all(
        difference(corpus, opened(songs, split="train", store=False), row, 0.2, 0.5) <= 1 for row in range(len(corpus))
    )
    written(songs, folder, workers=2)
    assert contents(folder) == contents(tmp_path / "whole")
    assert {path: path.stat().st_ino for path in done} == done


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.95, 0.99, 0.99999, None])
def test_damage_is_refused_by_name_and_made_again(songs, tmp_path, share):
    folder = tmp_path / "store"
    written(songs, folder)
    before, (path,) = contents(folder), list_shards(folder)
    data = bytearray(path.read_bytes())
    if share is None:
        data = data[: len(data) // 2]
    else:
        data[int(share * len(data))] ^= 4
    path.write_bytes(data)
    try:
        corpora = [opened(songs, split=split, store=str(folder)) for split in ("train", "validation", "test")]
    except DamagedError as error:
        assert str(path) in str(error)
        assert "tagging prepare" in str(error)
    else:
        refused = []
        for corpus in corpora:
            for track in corpus:
                try:
                    track.read()
                except DamagedError as error:
                    refused.append(track.id)
                    assert f"track {track.id}" in str(error)
        assert len(refused) == 1
    written(songs, folder)
    assert contents(folder) == before


@pytest.mark.parametrize("data", [b"", b"x", b"RIFF" * 100])
def test_what_is_no_shard_is_refused_and_made_again(songs, tmp_path, data):
    folder = tmp_path / "store"
    written(songs, folder)
    before, (path,) = contents(folder), list_shards(folder)
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        opened(songs, store=str(folder))
    written(songs, folder)
    assert contents(folder) == before


def test_a_file_that_changes_is_read_itself_and_stored_again_alone(songs, small_shards, tmp_path):
    folder = tmp_path / "store"
    written(songs, folder)
    inodes = {path: path.stat().st_ino for path in list_shards(folder)}
    changed = songs / "music" / "003.wav"
    soundfile.write(changed, tones(2.0, 16000, level=0.9), 16000)
    (songs / "music" / "004.flac").unlink()
    splits = [opened(songs, split=split, store=str(folder)) for split in ("train", "validation", "test")]
    (track,) = [track for corpus in splits for track in corpus if track.id == "003.wav"]
    assert track.read().dtype == np.float32
    expected = np.clip(np.rint(track.read() * 32768), -32768, 32767)
    store = written(songs, folder)
    np.testing.assert_array_equal(store.read(changed, 0.0, None), expected)
    assert store.shard_of(songs / "music" / "004.flac") is None
    assert sum(path.stat().st_ino != inodes.get(path) for path in list_shards(folder)) <= 2


def test_bad_files_are_listed_and_stop_nothing(songs, tmp_path, capsys):
    folder = tmp_path / "store"
    os.utime(songs / "music" / "005.mp3")
    assert (
        main(
            [
                "prepare",
                "folder",
                "--root",
                str(songs / "music"),
                "--labels",
                str(songs / "tags.csv"),
                "--store",
                str(folder),
            ]
        )
        == 0
    )
    (bad,) = (folder / "failed.txt").read_text().splitlines()
    assert "cannot be decoded as sound" in bad
    assert "1 files cannot be read" in capsys.readouterr().err
    path = songs / "music" / "000.wav"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 100)
    store = written(songs, folder)
    assert len(store) == 18 - ("000.wav" in (folder / "failed.txt").read_text())


def in_the_first_format(path: Path) -> None:
    """A shard as it was before blocks had sums."""
    data = path.read_bytes()
    _, samples, blocks, _ = FOOTER.unpack(data[-FOOTER.size :])
    start, end = 2 * samples, 2 * samples + HASH * blocks
    digests = b"".join(data[at : at + DIGEST] for at in range(start, end, HASH))
    tail = digests + data[end : -FOOTER.size] + FOOTER.pack(b"tagging store 1\n", samples, blocks, b"")[:-DIGEST]
    path.write_bytes(data[:start] + tail + hashlib.sha256(tail).digest())


def test_stores_of_the_first_format_are_read_checked_and_kept(songs, tmp_path):
    folder = tmp_path / "store"
    written(songs, folder)
    (path,) = list_shards(folder)
    in_the_first_format(path)
    before, files = path.read_bytes(), opened(songs, store=False)
    stored = opened(songs, store=str(folder))
    assert all(difference(files, stored, row, 0.2, 0.7) <= TOLERANCE for row in range(len(files)))
    written(songs, folder)
    assert path.read_bytes() == before
    (songs / "music" / "000.wav").touch()  # a shard that changes gets the format of now
    written(songs, folder)
    assert path.read_bytes()[-FOOTER.size :].startswith(MARK)
    in_the_first_format(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="makes it again"):
        [track.read() for split in Folder.splits for track in opened(songs, split=split, store=str(folder))]


@given(st.binary(max_size=100), st.data())
def test_the_sum_of_a_block_finds_every_changed_byte(sound, data):
    assert sum_of(sound) == sum_of(memoryview(sound)) == sum_of(sound + bytes(-len(sound) % 8))
    if sound:
        at, change = data.draw(st.integers(0, len(sound) - 1)), data.draw(st.integers(1, 255))
        assert sum_of(sound) != sum_of(sound[:at] + bytes([sound[at] ^ change]) + sound[at + 1 :])


def test_the_command_that_trains_writes_and_uses_a_store(songs, tmp_path, capsys, monkeypatch):
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv")]
    options = _parser().parse_args(["train", "mel-statistics", *source, "--store", str(tmp_path / "store"), "--quiet",
                                    "--set", "data.max_unreadable=0.1"])  # fmt: skip
    settings = settings_of(options)
    assert settings.data.corpus_options["store"] == str(tmp_path / "store")
    assert len(list_shards(tmp_path / "store")) == 1
    options = _parser().parse_args(["train", "mel-statistics", *source, "--store", "--quiet",
                                    "--set", "data.max_unreadable=0.1"])  # fmt: skip
    assert "store" not in settings_of(options).data.corpus_options
    assert opened(songs).store is not None  # in the cache
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="write the store before"):
        settings_of(options)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--set", "optimization.loss=plane"],
        ["--set", "data.num_clips=1000000"],
        ["--set", "data.corpus_options.seed=nan"],
        ["--set", "model.head_options={units = 3}"],
        ["--set", "evaluation.num_test_clips=0"],
        ["--head", "wrong"],
    ],
    ids=lambda wrong: wrong[1],
)
def test_settings_are_checked_before_a_store_is_written(songs, tmp_path, wrong):
    source = ["--root", str(songs / "music"), "--labels", str(songs / "tags.csv"), "--store", str(tmp_path / "store")]
    model = ["finetune", "laptop-spectrogram-1M"] if wrong[0] == "--head" else ["train", "spectrogram"]
    assert main([*model, *source, "--output", str(tmp_path / "run"), "--quiet", "--cpu", *wrong]) == 2
    assert not (tmp_path / "store").exists()


def test_a_store_has_the_sample_rate_of_the_tagger_that_is_fine_tuned(songs, tmp_path):
    path = tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 0.5, sample_rate=12000, width=0.1).save(
        tmp_path / "old.safetensors"
    )
    arguments = ["train", "finetuned", "--root", str(songs / "music"), "--labels", str(songs / "tags.csv"), "--quiet"]
    store = ["--store", str(tmp_path / "store"), "--set", "data.max_unreadable=0.1", f'model.pretrained="{path}"']
    settings = settings_of(_parser().parse_args([*arguments, *store]))
    assert settings.data.corpus_options["sample_rate"] == 12000
    assert Store(tmp_path / "store", songs / "music").sample_rate == 12000


def test_info_shows_the_state_of_a_store(songs, small_shards, capsys):
    def state() -> str:
        assert main(["corpus", "info", "--root", str(songs / "music"), "--labels", str(songs / "tags.csv")]) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("store: ")]
        return line

    assert state().startswith("store: none; `tagging prepare --store`")
    folder = written(songs).folder
    assert re.fullmatch(rf"store: {re.escape(str(folder))}: 18 of 18 tracks, 0.0 h, .* MB, 16000 Hz; complete", state())
    (songs / "music" / "004.flac").touch()
    assert "17 of 18 tracks" in state() and "1 are new, changed or unreadable" in state()
    list_shards(folder)[0].write_bytes(b"")
    assert f"store: damaged, {list_shards(folder)[0]}" in state()


def test_a_store_follows_a_folder_that_is_moved(songs, tmp_path):
    written(songs, tmp_path / "store")
    (songs / "music").rename(songs / "elsewhere")
    corpus = open_corpus(
        "folder", root=str(songs / "elsewhere"), labels=str(songs / "tags.csv"), store=str(tmp_path / "store")
    )
    assert all(track.read().dtype == np.int16 for track in corpus)


def test_a_corpus_with_a_store_can_be_sent_to_another_process(songs):
    written(songs)
    corpus = opened(songs)
    copy = pickle.loads(pickle.dumps(corpus))
    assert difference(corpus, copy, 0, 0.1, 1.0) == 0
    assert copy[0].read().dtype == np.int16


def test_mistakes_say_what_to_do(songs, tmp_path, monkeypatch, capsys):
    with pytest.raises(CorpusError, match="no store of sound in this folder; `tagging prepare`"):
        opened(songs, store=str(tmp_path / "nowhere"))
    written(songs, tmp_path / "store")
    with pytest.raises(ConfigError, match="a store of 16000 Hz, and the corpus is read at 8000 Hz; open it with"):
        opened(songs, store=str(tmp_path / "store"), sample_rate=8000)
    with pytest.raises(ConfigError, match="a store of 16000 Hz, not of 8000 Hz; choose another folder"):
        written(songs, tmp_path / "store", sample_rate=8000)
    with pytest.raises(ConfigError, match="recordings"):
        write_store("sheet-music")
    assert main(["prepare", "sheet-music", "--store"]) == 2
    assert main(["prepare", "fma", "--root", str(tmp_path), "--workers", "1"]) == 2
    assert "add --store" in capsys.readouterr().err
    usage = namedtuple("usage", "total used free")(1, 1, 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(TaggingError, match="has 0.0 GB left: make room"):
        written(songs, tmp_path / "new")


def test_a_full_disk_is_an_error_and_costs_nothing_that_was_there(songs, small_shards, tmp_path):
    folder = tmp_path / "store"
    store = written(songs, folder)
    before = contents(folder)
    for shard in list_shards(folder)[:2]:
        shard.unlink()
    with full_disk(2**15), pytest.raises(TaggingError, match="cannot write"):
        written(songs, folder, workers=1)
    assert set(contents(folder).items()) <= set(before.items())
    assert len(written(songs, folder)) == len(store)
    assert contents(folder) == before


def test_a_run_says_what_a_store_would_gain_or_gives(songs):
    corpus = opened(songs, split="train")
    compressed = [row for row, name in enumerate(corpus.ids) if not name.endswith(".wav")][:3]
    segments = np.array(compressed), np.full(3, 0.5)
    (line,) = store_remarks(corpus, *segments, 1.0)
    assert (
        "ms from a store; --store writes one before the training, and so does `tagging prepare folder --store`" in line
    )
    written(songs)
    corpus.paths[compressed[0]].touch()
    corpus = opened(songs, split="train")
    (line,) = store_remarks(corpus, *segments, 1.0)
    assert f"store: {len(corpus) - 1} of {len(corpus)} tracks are read from {corpus.store.folder}; the others" in line
