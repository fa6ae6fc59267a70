"""The note cache: complete or missing, checked by its hash, the same for any number of processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tagging.data.sheet_music import library
from tagging.errors import CorpusError, TaggingError

SMALL = ("josquin", "handel", "leadSheet", "lusitano")

BUILD = "from tagging.data.sheet_music import library as x; x.build_library(progress=False, workers={workers}, folders={folders})"


def test_contents(cache: Path):
    lib = library.load_library()
    assert len(lib) > 1200
    collections = {piece["collection"] for piece in lib.pieces}
    assert {"airdsAirs", "josquin", "handel", "corelli"} <= collections
    for piece in range(0, len(lib), 50):
        onset, duration, pitch, velocity, _ = lib.piece_notes(piece)
        assert onset[0] == 0
        assert (np.diff(onset) >= 0).all()
        assert (duration >= 1).all()
        assert ((pitch > 10) & (pitch < 120)).all()
        assert ((velocity > 0) & (velocity < 128)).all()


def test_encodings_with_all_rights_reserved_are_left_out(cache: Path):
    files = [piece["file"] for piece in library.load_library().pieces]
    assert "fosterBrownHair.mxl" in files
    assert "berlinAlexandersRagtime.mxl" not in files


def test_number_of_processes_changes_nothing(tmp_path: Path):
    one = library.build_library(progress=False, workers=1, folders=SMALL, path=tmp_path / "one.npz")
    two = library.build_library(progress=False, workers=2, folders=SMALL, path=tmp_path / "two.npz")
    assert one.version == two.version
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_missing_cache_says_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    with pytest.raises(CorpusError, match="tagging prepare sheet-music"):
        library.load_library()


@pytest.mark.parametrize("position", [0.001, 0.3, 0.6, 0.999])
def test_a_changed_byte_is_noticed(cache: Path, tmp_path: Path, position: float):
    raw = bytearray(library.library_path().read_bytes())
    # the headers of a zip repeat each other: some bytes are never read, so a run of them is changed
    begin = int(position * (len(raw) - 64))
    raw[begin : begin + 64] = bytes(value ^ 0x5A for value in raw[begin : begin + 64])
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(raw)
    with pytest.raises(CorpusError, match="damaged"):
        library.load_library(damaged)


def test_a_cut_file_is_noticed(cache: Path, tmp_path: Path):
    cut = tmp_path / "cut.npz"
    cut.write_bytes(library.library_path().read_bytes()[:-1000])
    with pytest.raises(CorpusError, match="damaged"):
        library.load_library(cut)


def test_a_damaged_cache_is_built_again_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    path = library.library_path()
    path.write_bytes(b"nonsense")
    # a small library instead of one that takes minutes
    whole = library._jobs
    monkeypatch.setattr(library, "_jobs", lambda root, folders: whole(root, SMALL))
    with pytest.raises(CorpusError, match="damaged"):
        library.ready_library()
    assert len(library.ready_library(build=True, progress=False)) > 20
    assert library.load_library().version


def processes_of(session: int) -> list[int]:
    """The running processes of a session."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, number, *_ = path.read_text().rpartition(")")[2].split()
            if int(number) == session and state != "Z":
                pids.append(int(path.parent.name))
    return pids


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_stopped_leaves_no_process_and_no_file(tmp_path: Path, end: signal.Signals):
    """Only the parent gets the signal: its workers, and the programs that these run, must notice by themselves."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TAGGING_CACHE": str(tmp_path / "cache"), "TMPDIR": str(temporary)}
    code = BUILD.format(workers=2, folders=("airdsAirs", "trecento"))
    build = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True, stderr=-3)
    limit = time.monotonic() + 60
    while not list(temporary.glob(".tagging-*")):  # a worker is reading tunes
        assert build.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)
    build.send_signal(end)
    assert build.wait(timeout=10) != 0
    limit = time.monotonic() + 10
    while processes_of(build.pid) and time.monotonic() < limit:
        time.sleep(0.1)
    assert processes_of(build.pid) == []
    # not every file: Python itself tries a new temporary folder with one, and may be stopped before it is removed
    assert list(temporary.glob(".tagging-*")) == []
    assert list((tmp_path / "cache").rglob("library-*")) == []


@pytest.mark.parametrize("when", ["reading", "writing"])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, when: str):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))"
    at_end = f"write = library._write\ndef full(*rest):\n    {limit}\n    write(*rest)\nlibrary._write = full\n"
    code = (
        "import resource; from tagging.errors import TaggingError; from tagging.data.sheet_music import library\n"
        f"{limit if when == 'reading' else at_end}\n"
        f"try:\n    {BUILD.format(workers=1, folders=('josquin',))}\n"
        "except TaggingError as error:\n    print('clear:', error)\n"
    )
    environment = {**os.environ, "TAGGING_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    expected = "clear: cannot read ABC tunes" if when == "reading" else "clear: cannot write"
    assert run.stdout.startswith(expected), run.stderr
    assert "File too large" in run.stdout
    assert [path.name for path in (tmp_path / "scores").glob("*") if path.suffix != ".lock"] == []


def test_without_music21_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TaggingError, match="music21"):
        library.scores_folder()


def test_without_music21_a_copied_cache_is_found(cache: Path, monkeypatch: pytest.MonkeyPatch):
    expected = library.load_library().version

    def missing(name: str) -> str:
        raise library.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(library.importlib.metadata, "version", missing)
    assert library.load_library().version == expected
