"""Downloads from a server that breaks: they end with the published file, or with an error that says what to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers import python
from hypothesis import given
from hypothesis import strategies as st
from loopback import Server, serving

from tagging.data.download import RemoteFile, check_space, fetch
from tagging.errors import DownloadError

DATA = np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes()
DIGEST = f"sha1:{hashlib.sha1(DATA).hexdigest()}"


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.files, running.faults, running.ranges = {"/set/a.bin": DATA}, [], []
    return running


def get(server: Server, root: Path, *, digest: str = "", **options) -> Path:
    settings = {"progress": False, "timeout": 0.3, "attempts": 3, "pause": 0.001}
    return fetch(RemoteFile(f"{server.url}/set/a.bin", "sub/a.bin", digest=digest), root, **settings | options)


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file() and path.name != ".downloads.json")


@pytest.mark.parametrize("digest", ["", DIGEST])
@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        ([], [None]),
        (["cut 1000", "cut 150000", ""], [None, 1000, 151000]),
        (["cut 0", "cut 0", ""], [None, None, None]),
        (["stall 5000", ""], [None, 5000]),
        (["status 503", "status 429", ""], [None, None, None]),
        (["claims 10", ""], [None, 300_000]),
        (["cut 7", "whole", ""], [None, 7]),
        (["cut 7", "shifted", ""], [None, 7, None]),
        (["cut 7", "claims 10", ""], [None, 7, None]),
        # more broken connections than attempts in a row: each brings something
        (["cut 50000"] * 5 + [""], [None, *range(50_000, 300_000, 50_000)]),
    ],
    ids=str,
)
def test_it_ends_with_the_file(server: Server, tmp_path: Path, faults, ranges, digest):
    server.faults = list(faults)
    path = get(server, tmp_path, digest=digest)
    assert path == tmp_path / "sub/a.bin"
    assert path.read_bytes() == DATA
    assert server.ranges == ranges
    assert leftovers(tmp_path) == ["a.bin"]
    assert get(server, tmp_path, digest=digest) == path
    assert len(server.ranges) == len(ranges), "a file that is there is not asked for"


@given(st.lists(st.integers(1, 299_999), max_size=4))
def test_any_cuts(running: Server, tmp_path_factory: pytest.TempPathFactory, cuts):
    running.files, running.faults, running.ranges = {"/set/a.bin": DATA}, [f"cut {cut}" for cut in cuts], []
    assert get(running, tmp_path_factory.mktemp("cuts"), digest=DIGEST).read_bytes() == DATA


def test_a_file_that_changes_in_between_is_fetched_from_its_start(server: Server, tmp_path: Path):
    server.faults = ["cut 1000", "cut 0", "cut 0", "cut 0"]
    with pytest.raises(DownloadError, match="1,000 bytes are kept"):
        get(server, tmp_path)
    server.files["/set/a.bin"] = DATA[::-1]
    assert get(server, tmp_path).read_bytes() == DATA[::-1]
    assert server.ranges[-1] == 1000


def test_a_part_longer_than_the_file_is_fetched_again(server: Server, tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.bin.part").write_bytes(DATA + b"more")
    assert get(server, tmp_path).read_bytes() == DATA


@pytest.mark.parametrize(
    ("faults", "message", "size"),
    [
        (["cut 900", "cut 0", "cut 0", "cut 0"], "900 of 300,000 bytes.*900 bytes are kept.*same command again", 900),
        (["stall 900", "stall 0", "stall 0", "stall 0"], "broken one.*timed out.*900 bytes are kept", 900),
        (["status 404"], "the server answered 404.*fetch the file by other means", 0),
        (["status 403"], "the server answered 403", 0),
        (["status 500"] * 3, "the server answered 500", 0),
        (["without length"], "does not say how long the file is", 0),
    ],
    ids=str,
)
def test_what_cannot_be_fetched_is_said_and_nothing_is_lost(server: Server, tmp_path: Path, faults, message, size):
    server.faults = list(faults)
    with pytest.raises(DownloadError, match=message):
        get(server, tmp_path)
    part = tmp_path / "sub/a.bin.part"
    assert (part.stat().st_size if part.exists() else 0) == size
    assert not (tmp_path / "sub/a.bin").exists()
    server.faults = []
    assert get(server, tmp_path, digest=DIGEST).read_bytes() == DATA
    assert server.ranges[-1] == (size or None)


def test_a_file_without_a_length_is_settled_by_its_hash(server: Server, tmp_path: Path):
    server.faults = ["without length"]
    assert get(server, tmp_path, digest=DIGEST).read_bytes() == DATA


def test_nobody_answers(tmp_path: Path):
    with serving() as server:
        url = server.url
    with pytest.raises(DownloadError, match="no connection"):
        fetch(RemoteFile(f"{url}/a", "a"), tmp_path, progress=False, attempts=2, pause=0.001)
    with pytest.raises(DownloadError, match="not an http or https address"):
        fetch(RemoteFile("file:///etc/passwd", "a"), tmp_path, progress=False)


def test_a_wrong_hash_is_refused_and_kept_aside(server: Server, tmp_path: Path):
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(
        DownloadError, match=rf"{hashlib.sha256(DATA).hexdigest()}, where 0+ is published.*a\.bin\.wrong"
    ):
        get(server, tmp_path, digest=wrong)
    assert leftovers(tmp_path) == ["a.bin.wrong"]
    assert get(server, tmp_path, digest=DIGEST).read_bytes() == DATA


def test_a_file_put_there_by_hand_is_checked(server: Server, tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.bin").write_bytes(DATA)
    assert get(server, tmp_path, digest=DIGEST).read_bytes() == DATA
    assert server.ranges == []
    (tmp_path / "sub/a.bin").write_bytes(b"another")
    with pytest.raises(DownloadError, match="is published"):
        get(server, tmp_path, digest=DIGEST)


def test_a_full_disk_keeps_what_is_there(server: Server, tmp_path: Path):
    code = f"""
        import resource
        from pathlib import Path
        from tagging.data.download import RemoteFile, fetch
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            fetch(RemoteFile("{server.url}/set/a.bin", "sub/a.bin"), Path({str(tmp_path)!r}), progress=False)
        except Exception as error:
            print(type(error).__name__, error)
    """
    output = python(code).stdout
    assert "DownloadError cannot write" in output
    assert "make room, then run the same command again" in output
    size = (tmp_path / "sub/a.bin.part").stat().st_size
    assert 0 < size <= 100_000
    assert get(server, tmp_path, digest=DIGEST).read_bytes() == DATA
    assert server.ranges == [None, size]


def test_room_is_asked_for_first(tmp_path: Path, server: Server):
    with pytest.raises(DownloadError, match=r"x needs 1,000,000,000\.0 GB, and the disk of .* has .* GB left"):
        check_space(tmp_path / "not" / "yet", 10**18, "x")
    check_space(tmp_path / "not" / "yet", 1, "x")


def test_receipts_that_are_damaged_are_made_again(server: Server, tmp_path: Path):
    get(server, tmp_path)
    (tmp_path / ".downloads.json").write_text("{")
    get(server, tmp_path, digest=DIGEST)
    assert json.loads((tmp_path / ".downloads.json").read_text())["sub/a.bin"]["bytes"] == len(DATA)
