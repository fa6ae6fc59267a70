"""The command `tagging`: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import full_disk, tones

from tagging import build_tagger, cli
from tagging.audio.files import AudioFile


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A small untrained tagger of three tags."""
    tagger = build_tagger("waveform", "temporal-pooling", ["guitar", "slow", "loud music"], 0.5, width=0.05)
    return str(tagger.save(tmp_path_factory.mktemp("model") / "it.safetensors"))


@pytest.fixture
def song(tmp_path) -> str:
    soundfile.write(tmp_path / "song.wav", tones(2, 16000), 16000)
    return str(tmp_path / "song.wav")


def run(*arguments: object) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as leaving:  # argparse's own errors and --help
        return int(leaving.code or 0)


def test_a_table_a_reader_can_read(model, song, capsys):
    assert run("tag", song, "--model", model, "--top", "2") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == song
    assert len(lines) == 3
    scores = [float(line.rsplit(None, 2)[1] if "#" in line else line.split()[-1]) for line in lines[1:]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert err == ""


def test_json_has_every_score(model, song, capsys):
    assert run("tag", song, song, "--model", model, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert lines[0] == lines[1]
    assert lines[0]["file"] == song
    assert lines[0]["model"] == model
    assert set(lines[0]["scores"]) == {"guitar", "slow", "loud music"}
    assert lines[0]["segments"] == 4


def test_hop_gives_more_segments(model, song, capsys):
    assert run("tag", song, "--model", model, "--json", "--hop", "0.25") == 0
    assert json.loads(capsys.readouterr().out)["segments"] == 7


def test_a_bad_file_is_reported_and_the_others_go_on(model, song, tmp_path, capsys):
    (tmp_path / "empty.mp3").touch()
    missing = str(tmp_path / "missing.wav")
    assert run("tag", missing, song, str(tmp_path / "empty.mp3"), song, "--model", model, "--json") == 1
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [("error" in line, line["file"].rsplit("/", 1)[1]) for line in lines] == [
        (True, "missing.wav"),
        (False, "song.wav"),
        (True, "empty.mp3"),
        (False, "song.wav"),
    ]
    for fact in ("missing.wav", "empty.mp3", "2 of 4 files"):
        assert fact in err
    assert run("tag", missing, song, "--model", model) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == song
    assert "Traceback" not in out + err


def test_a_name_the_terminal_cannot_show_stops_nothing(model, song, tmp_path, monkeypatch):
    """On Linux a name is bytes; one that is not UTF-8 is printed escaped."""
    strange = os.fsencode(str(tmp_path)) + b"/na\xefve.wav"
    with open(strange, "wb") as file, open(song, "rb") as source:
        file.write(source.read())
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8", errors="strict"))
    assert run("tag", os.fsdecode(strange), song, "--model", model) == 0
    assert b"song.wav" in out.getvalue()
    assert b"ve.wav" in out.getvalue()


def test_notes_are_shown(model, tmp_path, capsys):
    soundfile.write(tmp_path / "short.wav", tones(0.2, 8000), 8000)
    assert run("tag", tmp_path / "short.wav", "--model", model) == 0
    out = capsys.readouterr().out
    notes = [line for line in out.splitlines() if line.startswith("  note: ")]
    assert len(notes) == 2
    assert "8000 Hz" in notes[0]
    assert "0.3 s of silence" in notes[1]


def test_taggrams_are_drawn(model, song, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert run("tag", song, "--model", model, "--taggram", tmp_path / "one.png") == 0
    assert (tmp_path / "one.png").read_bytes()[:4] == b"\x89PNG"
    assert run("tag", song, song, "--model", model, "--taggram", tmp_path / "many.svg") == 0
    assert sorted(path.name for path in tmp_path.glob("many*")) == ["many-001-song.svg", "many-002-song.svg"]
    (tmp_path / "folder.png").mkdir()
    for name in ("x.gif", "song.wav/x.png", "folder.png"):
        assert run("tag", song, "--model", model, "--taggram", tmp_path / name) == 2
        assert name in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_is_reported(model, song, tmp_path, capsys):
    with full_disk(2000):
        assert run("tag", song, "--model", model, "--taggram", tmp_path / "one.png") == 1
    assert f"{tmp_path}/one.png" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "msd-musicn"], "did you mean 'msd-musicnn'"),
        (["--model", "no/such.safetensors"], "no/such.safetensors: no such file"),
        (["--model", "./runs"], "./runs: no such file or folder"),
        (["--model", "."], ".: a folder without tagger.safetensors"),
        (["--top", "0"], "--top: 0"),
        (["--top", "many"], "--top: many"),
        (["--hop", "-1"], "--hop: -1"),
        (["--hop", "nan"], "--hop: nan"),
        (["--device", "gpu"], "device 'gpu'"),
        (["--device", "cuda:99"], "device 'cuda:99'"),
        (["--tpo", "3"], "--tpo"),
    ],
)
def test_wrong_options_stop_at_once(model, song, capsys, arguments, message):
    base = [] if "--model" in arguments else ["--model", model]
    assert run("tag", song, *base, *arguments) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""


def test_each_file_is_opened_once(model, song, monkeypatch, capsys):
    opened = []
    original = AudioFile.__init__

    def counted(file, path):
        opened.append(path)
        original(file, path)

    monkeypatch.setattr(AudioFile, "__init__", counted)
    assert run("tag", song, "--model", model) == 0
    assert opened == [song]


def test_the_folder_of_a_trained_model_is_a_tagger(model, song, tmp_path, capsys):
    (tmp_path / "run" / "waveform").mkdir(parents=True)
    (tmp_path / "run" / "waveform" / "tagger.safetensors").write_bytes(Path(model).read_bytes())
    assert run("tag", song, "--model", tmp_path / "run" / "waveform") == 0
    for command in ("tag", "evaluate"):
        arguments = [song, "--model"] if command == "tag" else []
        assert run(command, *arguments, tmp_path / "run") == 2
        assert f"its models are {tmp_path / 'run' / 'waveform'}: name one of them" in capsys.readouterr().err
        assert run(command, *arguments, tmp_path / "ruin" / "waveform") == 2
        assert "ruin/waveform: no such file or folder" in capsys.readouterr().err


def test_patterns_that_the_shell_left_alone(model, song, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a[1].wav", "[x].wav"):
        Path(name).write_bytes(Path(song).read_bytes())
    Path("deep").mkdir()
    Path("song.wav").rename("deep/c.wav")
    for arguments, expected in (
        (["*.wav"], ["[x].wav", "a[1].wav", "b.wav"]),
        (["**/c.*"], ["deep/c.wav"]),
        (["a[1].wav", "[x].wav"], ["a[1].wav", "[x].wav"]),  # a name that exists is no pattern
        (["?.wav", "deep/*"], ["b.wav", "deep/c.wav"]),
    ):
        assert run("tag", *arguments, "--model", model, "--json") == 0
        assert [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()] == expected
    assert run("tag", "*.mp3", "b.wav", "--model", model) == 1
    out, err = capsys.readouterr()
    assert out.startswith("b.wav\n")
    assert "*.mp3: no file has this name or matches this pattern" in err


@pytest.mark.parametrize(
    "address", ["https://example.com/a.mp3", "http://x/y?z=*", "s3://bucket/a.wav", "FILE:///a.wav"]
)
def test_an_address_is_no_file(model, address, capsys):
    assert run("tag", address, "--model", model) == 1
    assert f"{address}: an address, not a file; download it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [TypeError("samplerate"), MemoryError(), OSError(5, "I/O error"), UnicodeDecodeError("utf-8", b"x", 0, 1, "?")],
)
def test_whatever_a_file_does_the_others_are_tagged(model, song, monkeypatch, capsys, error):
    """With decoders as they are, only a fault of a library or of ours comes here."""
    original = AudioFile.__init__

    def failing(file, path):
        if path == "bad.raw":
            raise error
        original(file, path)

    monkeypatch.setattr(AudioFile, "__init__", failing)
    assert run("tag", "bad.raw", song, "--model", model, "--json") == 1
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == ["bad.raw", song]
    assert lines[0]["error"].startswith(f"bad.raw: {type(error).__name__}")
    assert lines[0]["error"] in err


def test_control_characters_reach_no_terminal(song, tmp_path, monkeypatch, capsys):
    """Names of files, and tags of a tagger of somebody else; in JSON they are exact."""
    monkeypatch.chdir(tmp_path)
    tags = ["\x1b[2Jclear", "two\nlines", "\u202eright", "bell\x07\x9b"]
    build_tagger("waveform", "temporal-pooling", tags, 0.5, width=0.05).save(tmp_path / "theirs.safetensors")
    name = "new\nline\x1b[31m.wav"
    Path(song).rename(name)
    missing = "no\r\x1b]0;title\x07.wav"
    options = ["--model", "theirs.safetensors", "--taggram", "picture.svg"]
    assert run("tag", name, missing, *options) == 1
    out, err = capsys.readouterr()
    lines = (out + err).split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert lines[0] == "new\\nline\\x1b[31m.wav"
    assert [line.split("  ")[1] for line in sorted(lines[1:5])] == sorted(
        ["\\x1b[2Jclear", "two\\nlines", "\\u202eright", "bell\\x07\\x9b"]
    )
    assert err.startswith("tagging: no\\r\\x1b]0;title\\x07.wav: no such file")
    assert run("tag", name, missing, "--model", "theirs.safetensors", "--json") == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["file"] == name
    assert set(first["scores"]) == set(tags)
    assert second["file"] == missing


@pytest.mark.parametrize(
    "name", [b"bad\xff.wav", "漫画🎵.wav".encode(), b"x" * 240 + b".wav", b"a\nb.wav", b"$x^$.wav"]
)
def test_a_picture_of_a_file_of_any_name(model, song, tmp_path, name, capsys):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
    Path(strange).write_bytes(Path(song).read_bytes())
    assert run("tag", strange, song, "--model", model, "--taggram", tmp_path / "it.png") == 0
    assert len(list(tmp_path.glob("it-*.png"))) == 2
    assert capsys.readouterr().err == ""


def test_a_picture_that_fails_stops_nothing(model, song, monkeypatch, tmp_path, capsys):
    from tagging import plots

    def failing(*arguments, **options):
        raise TypeError("text must be text")

    monkeypatch.setattr(plots, "taggram", failing)
    assert run("tag", song, song, "--model", model, "--json", "--taggram", tmp_path / "it.png") == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["file"] for line in out.splitlines()] == [song, song]
    assert err.count("the taggram cannot be drawn: TypeError: text must be text") == 2


def test_prepare_says_what_it_did_and_what_it_does_not_know(capsys):
    assert run("prepare", "msd-vgg") == 0
    assert capsys.readouterr().out.startswith("msd-vgg: ready (")
    assert run("prepare", "msd-vgh") == 2
    assert "did you mean 'msd-vgg'" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error(model, song, monkeypatch, capfd):
    """`tagging tag ... | head -1` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", open(writer, "w"))  # noqa: SIM115 - closed below, as Python does at its end
    assert run("tag", song, song, "--model", model) == 0
    sys.stdout.write("more")
    sys.stdout.close()
    assert capfd.readouterr().err == ""


def test_silence_and_noise_are_tagged(model, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.flac", np.zeros(16000), 16000)
    assert run("tag", tmp_path / "silent.flac", "--model", model) == 0
    assert "note: silent" in capsys.readouterr().out
