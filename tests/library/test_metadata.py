"""Tags in the files' metadata: only where asked, nothing else changes, and all of it can be undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import full_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import make_tagger
from mutagen import File
from mutagen.id3 import ID3, TCON, TIT2
from sounds import encode, rate_of

from tagging import load_audio
from tagging.errors import ConfigError, TaggingError
from tagging.library import tag_library
from tagging.library.fields import read_field, replace_field, sound_digest
from tagging.library.metadata import Change, undo_tags, write_tags
from tagging.library.originals import Entry, add_original, originals_of, read_originals, states, write_originals
from tagging.library.table import path_of, text_of
from tagging.utils.files import locked
from tagging.utils.temporary import PREFIX, SUFFIX

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
    File(music / "a.flac").save()  # with room for more, as most programs write it
    tag_library(music, tmp_path / "tags.csv", models=[model], jobs=1)
    return music, tmp_path / "tags.csv", model


def contents(music) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in music.iterdir()}


def last(changes, path: str) -> Change:
    """All is done; what became of one file."""
    return {change.path: change for change in changes}[path]


@pytest.mark.parametrize("field", ["grouping", "genre"])
def test_written_and_undone(library, field):
    music, table, model = library
    before = contents(music)
    names = FORMATS
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


# What users do in between


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.wav", "a.m4a"])
def test_what_the_user_wrote_between_two_writings_is_restored(library, name):
    music, table, _ = library
    assert last(write_tags(table, ["slow"], write=True), name).after == ["slow"]
    replace_field(music / name, "grouping", ["My own"])
    assert last(write_tags(table, ["guitar=0"], write=True), name).after == ["My own", "guitar"]
    assert last(write_tags(table, ["it/path=1", "slow"], write=True), name).after == ["My own", "guitar", "slow"]
    assert last(undo_tags(table, write=True), name)[1:] == (["My own", "guitar", "slow"], ["My own"], "")
    assert read_field(music / name, "grouping").values == ["My own"]


values = st.lists(st.sampled_from("abc"), max_size=2, unique=True)


@given(st.lists(st.tuples(values, st.booleans(), st.booleans()), max_size=6))
def test_undo_goes_back_to_what_somebody_else_wrote_last(tmp_path_factory, steps):
    """Each step writes a value; by us or by somebody else; ours may be killed between the line and the file."""
    originals = tmp_path_factory.mktemp("originals") / "it"
    originals.touch()
    field: list[str] = []
    seen: list[list[str]] = []  # what the field has had since somebody else wrote what only they have written
    for after, is_ours, is_killed in steps:
        if is_ours:
            seen = [*(seen if field in seen else [field]), after]
            add_original(originals, Entry("a.mp3", "genre", field, after, True))
        if not (is_ours and is_killed):
            field = after
    chains = read_originals(originals)
    assert [states(chain) for chain in chains] == ([seen] if seen else [])
    write_originals(originals, chains)
    assert (read_originals(originals) == chains) if chains else not originals.exists()


def test_lines_that_are_no_entries_are_left_out_and_dropped(library):
    music, table, _ = library
    before = contents(music)
    list(write_tags(table, ["slow"], write=True))
    originals = originals_of(table)
    good = originals.read_bytes()
    junk = [b"[]", b"null", b"7", b"{}", b"\xff\xfe", b"[" * 5000, good.splitlines()[0].replace(b'"grouping"', b"[1]")]
    junk += [good.splitlines()[0].replace(b"[]", b"3"), good.splitlines()[0].replace(b'["slow"]', b"[null]")]
    originals.write_bytes(b"\n".join(junk) + b"\n" + good + good[:30])
    add_original(originals, Entry("b.mp3", "genre", [], ["slow"], True))  # after a line that was cut off
    changes = list(undo_tags(table, write=True))
    assert [change.path for change in changes if change.error] == ["b.mp3"]
    assert "was moved or deleted since its tags were written; move it back" in last(changes, "b.mp3").error
    assert [json.loads(line)["path"] for line in originals.read_text().splitlines()] == ["b.mp3"]
    for name in ("a.flac", "a.wav", "a.aiff", "a.wv"):
        assert (music / name).read_bytes() == before[name]


def test_a_file_that_changes_in_the_meantime_stays(library):
    path = library[0] / "a.wav"

    def somebody_else() -> None:
        path.write_bytes(path.read_bytes() + b"1234")

    with pytest.raises(TaggingError, match="just changed"):
        replace_field(path, "genre", ["slow"], before_replacing=somebody_else)
    assert path.read_bytes()[-4:] == b"1234"


# ID3


def frame(name: bytes, data: bytes, version: int, flags: int = 0) -> bytes:
    size = len(data)
    if version == 4:
        size = sum((size >> 7 * i & 127) << 8 * i for i in range(4))
    return name + size.to_bytes(4, "big") + flags.to_bytes(2, "big") + data


def tag(frames: list[bytes], version: int) -> bytes:
    data = b"".join(frames) + bytes(40)
    size = sum((len(data) >> 7 * i & 127) << 8 * i for i in range(4))
    return b"ID3" + bytes([version, 0, 0]) + size.to_bytes(4, "big") + data


def frames_of(content: bytes) -> tuple[list[bytes], bytes]:
    """The frames of a tag, and what follows it; read without mutagen."""
    if not content.startswith(b"ID3"):
        return [], content
    end = 10 + sum(content[9 - i] << 7 * i for i in range(4))
    frames, start, bits = [], 10, 7 if content[3] == 4 else 8
    while start < end and content[start]:
        size = sum(content[start + 7 - i] << bits * i for i in range(4))
        frames.append(content[start : start + 10 + size])
        start += 10 + size
    return frames, content[end:]


V1 = (b"TAG" + b"Old title".ljust(30, b"\0") + b"Somebody".ljust(60, b" ") + b"1999").ljust(127, b"\0") + bytes([17])
OTHERS = {  # what mutagen would translate, drop, merge or write in another way
    "year": [
        (b"TYER", b"\x001999", 0),
        (b"TDAT", b"\x003112", 0),
        (b"TIME", b"\x001200", 0),
        (b"TORY", b"\x001970", 0),
    ],
    "lost": [
        (b"RVAD", bytes(range(10)), 0),
        (b"TSIZ", b"\x00123", 0),
        (b"EQUA", bytes(9), 0),
        (b"IPLS", b"\0a\0b\0", 0),
    ],
    "later": [(b"TDRC", b"\x032001-02", 0), (b"TSOP", b"\x00B, A", 0), (b"RVA2", b"a\0\x01\0\0\0", 0)],
    "unknown": [(b"XYZ1", b"anything", 0), (b"NCON", bytes(300), 0), (b"TXYZ", b"", 0x4000)],
    "encodings": [(b"TIT2", b"\x01\xfe\xff\0A\0\0", 0), (b"TALB", b"\x02\0A", 0), (b"TPE1", b"\0A\0\0\0", 0)],
    "twice": [(b"TPE1", b"\0A", 0), (b"TPE1", b"\0B", 0), (b"COMM", b"\0engx\0y", 0), (b"COMM", b"\0engx\0z", 0)],
    "pictures": [(b"APIC", b"\0PNG\0\3\0" + bytes(200), 0), (b"APIC", b"\0PNG\0\3\0" + bytes(99), 0)],
    "flags": [(b"TIT2", b"\0A", 0x6000), (b"TALB", b"\x07\0A", 0x0040), (b"TPE2", bytes(5), 0x00C0)],
    "broken": [(b"TRCK", b"\x09junk", 0), (b"POPM", b"x", 0), (b"TLEN", b"\1\0", 0), (b"UFID", b"a", 0)],
    "chapters": [(b"CHAP", b"c\0" + bytes(16) + b"TYER\0\0\0\5\0\0\x001999", 0)],
}


@pytest.fixture(scope="module")
def sound() -> bytes:
    return encode("a.mp3", 0.1 * np.random.default_rng(1).standard_normal(20000).astype(np.float32), 44100)


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("end", [b"", V1, b"APETAGEX" + bytes(24) + V1])
def test_all_other_frames_stay_byte_for_byte(tmp_path, sound, version, kind, end):
    path = tmp_path / "a.mp3"
    others = [frame(name, data, version, flags) for name, data, flags in OTHERS[kind] if data]
    for first in ([], ["Mine"]):
        grouping = [frame(b"TIT1", b"\0" + text.encode(), version) for text in first]
        path.write_bytes(tag([*others[:1], *grouping, *others[1:]], version) + sound + end)
        for values in (["Mine", "Łódź"], first):
            replace_field(path, "grouping", values)
            frames, rest = frames_of(path.read_bytes())
            assert [each for each in frames if each[:4] != b"TIT1"] == others
            assert (rest, path.read_bytes()[3]) == (sound + end, version)
            assert read_field(path, "grouping").values == values


payloads = st.binary(min_size=1, max_size=300)
names = st.sampled_from([b"TIT2", b"TYER", b"APIC", b"RVAD", b"COMM", b"CHAP", b"TXXX", b"QQQ1", b"PRIV", b"TCOP"])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(names, payloads, st.sampled_from([0, 0, 0x4000, 0x8000])), max_size=5), st.sampled_from([3, 4])
)
def test_any_other_frames_stay_or_the_file_does(tmp_path_factory, sound, parts, version):
    path = tmp_path_factory.mktemp("id3") / "a.mp3"
    others = [frame(name, data, version, flags) for name, data, flags in parts]
    path.write_bytes(tag(others, version) + sound)
    before = path.read_bytes()
    try:
        replace_field(path, "genre", ["slow"])
    except TaggingError:
        assert path.read_bytes() == before
    else:
        frames, rest = frames_of(path.read_bytes())
        assert ([each for each in frames if each[:4] != b"TCON"], rest) == (others, sound)


@pytest.mark.parametrize("kind", [b"", V1])
def test_a_file_without_a_tag_of_version_2_is_restored_byte_for_byte(library, kind):
    music, table, _ = library
    (music / "a.mp3").write_bytes(strip((music / "a.mp3").read_bytes()) + kind)
    before = contents(music)
    genre = ["Rock"] if kind else []  # as players show it, so it is not hidden by the new tag
    assert last(write_tags(table, ["slow"], field="genre", write=True), "a.mp3").after == [*genre, "slow"]
    assert (music / "a.mp3").read_bytes().endswith(before["a.mp3"])
    list(undo_tags(table, write=True))
    for name in ("a.mp3", "a.flac", "a.wav", "a.aiff"):
        assert (music / name).read_bytes() == before[name]


def strip(content: bytes) -> bytes:
    return frames_of(content)[1]


def test_genres_that_are_numbers_stay_numbers(library):
    music, table, _ = library
    path = music / "a.mp3"
    path.write_bytes(tag([frame(b"TCON", b"\0(17)", 3)], 3) + strip(path.read_bytes()))
    assert read_field(path, "genre")[:2] == (["(17)"], ["Rock"])
    assert last(write_tags(table, ["slow"], field="genre", write=True), "a.mp3").after == ["(17)", "slow"]
    list(undo_tags(table, write=True))
    assert frames_of(path.read_bytes())[0] == [frame(b"TCON", b"\x01\xff\xfe" + "(17)\0".encode("utf-16-le"), 3)]


@pytest.mark.parametrize("write", [False, True])
def test_older_tags_are_refused(library, write):
    music, table, _ = library
    frames = b"TT2\0\0\2\0A" + b"XYZ\0\0\3abc"
    (music / "a.mp3").write_bytes(
        b"ID3\2\0\0\0\0\0" + bytes([len(frames)]) + frames + strip((music / "a.mp3").read_bytes())
    )
    before = (music / "a.mp3").read_bytes()
    assert (
        "ID3v2.2, of which some would be lost: convert" in last(write_tags(table, ["slow"], write=write), "a.mp3").error
    )
    assert (music / "a.mp3").read_bytes() == before


# Which files, and who else is at work


@pytest.mark.parametrize("held", ["table", "originals"])
def test_nothing_is_changed_while_another_process_is_at_work(library, held):
    music, table, _ = library
    path = table if held == "table" else originals_of(table)
    before = contents(music)
    with locked(path):
        assert len(list(write_tags(table, ["slow"]))) == len(FORMATS)  # changes nothing, so it may
        with pytest.raises(TaggingError, match="another process is at work"):
            next(write_tags(table, ["slow"], write=True))
    assert contents(music) == before
    list(write_tags(table, ["slow"], write=True))
    before = contents(music)
    with locked(path), pytest.raises(TaggingError, match=rf"at work in .* \(it holds {path.name}.lock\)"):
        next(undo_tags(table, write=True))
    assert contents(music) == before


def test_of_two_at_once_the_second_changes_nothing(library):
    music, table, model = library
    first = write_tags(table, ["slow"], write=True)
    change = next(first)
    before = contents(music)
    for second in (write_tags(table, ["guitar=0"], write=True), undo_tags(table, write=True)):
        with pytest.raises(TaggingError, match="another process is at work"):
            next(second)
    with pytest.raises(TaggingError, match="another process is at work"):
        tag_library(music, table, models=[model], jobs=1)
    assert contents(music) == before
    first.close()
    # results are copied with each file, so a kill costs none
    report = tag_library(music, table, models=[model], jobs=1)
    assert (report.tagged, report.known) == (0, 1)
    assert [each.path for each in undo_tags(table, write=True)] == [change.path]


def test_owners_and_modes_stay_and_hard_links_are_refused(library):
    music, table, _ = library
    owner = (1234, 1235) if os.geteuid() == 0 else (-1, os.getgroups()[-1] if os.getgroups() else -1)
    os.chown(music / "a.mp3", *owner)
    (music / "a.mp3").chmod(0o640)
    (music / "other").hardlink_to(music / "a.flac")
    status, before = (music / "a.mp3").stat(), (music / "a.flac").read_bytes()
    for write in (False, True):
        changes = list(write_tags(table, ["slow"], write=write))
        assert "2 names (hard links)" in last(changes, "a.flac").error
        assert [change.path for change in changes if change.error] == ["a.flac"]
    now = (music / "a.mp3").stat()
    assert (now.st_uid, now.st_gid, now.st_mode) == (status.st_uid, status.st_gid, status.st_mode)
    assert now.st_ino != status.st_ino
    assert (music / "a.flac").read_bytes() == before
    assert (music / "a.flac").samefile(music / "other")


@pytest.mark.parametrize("kind", ["up", "up and back", "absolute", "link", "link to folder"])
def test_what_lies_outside_the_library_is_refused(library, kind):
    music, table, _ = library
    outside = music.parent / "outside" / "a.mp3"
    outside.parent.mkdir()
    (music / "a.mp3").rename(outside)
    (music / "link").symlink_to(outside.parent)
    if kind == "link":
        (music / "a.mp3").symlink_to(outside)
    paths = {"up": "../outside/a.mp3", "up and back": "../music/a.flac", "absolute": str(outside), "link": "a.mp3"}
    path = paths.get(kind, "link/a.mp3")
    table.write_text(table.read_text().replace("a.mp3", path))
    before = outside.read_bytes()
    (outside.parent / f"{PREFIX}1{SUFFIX}").touch()
    for write in (False, True):
        error = last(write_tags(table, ["slow"], write=write), path).error
        assert ("not below" in error) or ("leads out of the library" in error)
    entry = Entry(path, "grouping", ["other"], [], True)
    write_originals(originals_of(table), [[entry]])
    assert last(undo_tags(table, write=True), path).error == error
    assert outside.read_bytes() == before
    assert len(list(outside.parent.iterdir())) == 2


def test_links_inside_the_library_stay(library):
    music, table, _ = library
    (music / "a.mp3").rename(music / "b.mp3")
    (music / "a.mp3").symlink_to("b.mp3")
    assert last(write_tags(table, ["slow"], write=True), "a.mp3").error == ""
    assert (music / "a.mp3").is_symlink()
    assert read_field(music / "b.mp3", "grouping").values == ["slow"]


@given(st.binary(min_size=1, max_size=20))
def test_names_that_are_not_utf_8_are_reversed(name):
    assert os.fsdecode(name) in path_of(text_of(os.fsdecode(name)))


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\\xe9\xff\xc3\xa9.wav", b"\\xe9.wav"])
def test_files_whose_names_are_not_utf_8_are_written(library, name):
    music, table, model = library
    (music / "a.wav").rename(music / os.fsdecode(name))
    tag_library(music, table, models=[model], jobs=1)
    text = text_of(os.fsdecode(name))
    change = last(write_tags(table, ["slow"], write=True), text)
    if name.startswith(b"\\xe9\xff"):  # two ways to read one name: nothing is guessed
        assert "no such file" in change.error
        return
    assert change.error == ""
    assert read_field(music / os.fsdecode(name), "grouping").values == ["slow"]
    assert last(undo_tags(table, write=True), text).error == ""
    (music / "caf\\xe9.wav").write_bytes(b"")
    (music / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"")
    table.write_text(table.read_text().replace(text, "caf\\xe9.wav"))
    assert "two files have this name" in last(write_tags(table, ["slow"]), "caf\\xe9.wav").error


@pytest.mark.parametrize(
    "content", [b"", b"ID3\4\0\0\1", b"ID3\3\0\0\xff\xff\xff\xff", b"RIFF", b"fLaC\0", bytes(1000)]
)
def test_reasons_say_what_to_do(library, content):
    music, table, _ = library
    for name in FORMATS:
        (music / name).write_bytes(content)
    for change in write_tags(table, ["slow"], write=True):
        assert "good copy" in change.error or "cannot hold tags" in change.error
        assert "\n" not in change.error
        assert (music / change.path).read_bytes() == content


def test_what_a_killed_process_left_is_removed(library):
    music, table, _ = library
    part = music / f"{PREFIX}0123{SUFFIX}"
    list(write_tags(table, ["slow"], write=True))  # the folder was visited by this process before
    part.touch()
    list(write_tags(table, ["slow"]))
    assert part.exists()
    list(write_tags(table, ["slow"], write=True))  # nothing is left to be changed
    assert not part.exists()
    part.touch()
    list(undo_tags(table, write=True))
    assert not part.exists()


@pytest.mark.parametrize("reader", ["gone", "full"])
def test_the_work_is_done_whatever_becomes_of_standard_output(library, reader):
    music, table, _ = library
    command = [sys.executable, "-m", "tagging.cli", "write-tags", "--in", table, "--tag", "slow", "--write"]
    (music / "a.opus").unlink()
    read, write = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    process = subprocess.run(
        command, stdout=write if reader == "gone" else full, stderr=subprocess.PIPE, text=True, timeout=100, check=False
    )
    os.close(write)
    os.close(full)
    assert process.returncode == (1 if reader == "gone" else 2)
    assert "a.opus: no such file: it was moved or deleted" in process.stderr
    names = [name for name in FORMATS if name not in ("a.wv", "a.opus")]
    assert all(read_field(music / name, "grouping").values == ["slow"] for name in names)
