"""Files are written whole or not at all, and locks leave nothing behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from helpers import full_disk, python

from tagging.errors import TaggingError
from tagging.utils.files import atomic_write, cache_dir, locked, sha256


def test_the_environment_chooses_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "chosen"))
    folder = cache_dir("a", "b")
    assert folder == tmp_path / "chosen" / "a" / "b"
    assert folder.is_dir()
    assert not list(folder.iterdir())  # the probe is gone
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TAGGING_CACHE", "~/cache")
    assert cache_dir() == tmp_path / "cache"


def test_without_it_the_platforms_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("TAGGING_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "music-tagging-at-scale" in cache_dir("x").parts
    assert cache_dir("x").is_relative_to(tmp_path)


@pytest.mark.parametrize("obstacle", ["file", "dangling link", "kernel"])
def test_an_unusable_cache_names_the_variable(tmp_path, monkeypatch, obstacle):
    path = tmp_path / "cache"
    if obstacle == "file":
        path.write_text("in the way")
    elif obstacle == "dangling link":
        path.symlink_to("/proc/no/such/folder")
    else:
        path = Path("/proc/cache")
    monkeypatch.setenv("TAGGING_CACHE", str(path))
    with pytest.raises(TaggingError, match=f"{path}.* TAGGING_CACHE"):
        cache_dir("sub")


def test_a_read_only_cache_names_the_variable(request):
    """As an ordinary user: permission bits do not stop the superuser, who may be the one running the tests."""
    folder = Path(tempfile.mkdtemp())  # not tmp_path, whose parents are closed to others
    request.addfinalizer(folder.rmdir)
    folder.chmod(0o555)
    code = f"""
        import os
        if os.geteuid() == 0:
            import tagging.utils.files  # before rights are dropped: the package may be in a private folder
            os.setgroups([]); os.setgid(65534); os.setuid(65534)
        os.environ["TAGGING_CACHE"] = {str(folder)!r}
        from tagging.utils.files import cache_dir
        from tagging.errors import TaggingError
        try:
            cache_dir()
        except TaggingError as error:
            print(error)
    """
    result = python(code)
    assert "Permission denied" in result.stdout, result.stderr
    assert "TAGGING_CACHE" in result.stdout


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "new" / "file.bin"
    with atomic_write(target) as part:
        part.write_bytes(b"half")
        assert part.parent == target.parent  # the same file system, or the last step could not be atomic
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert list(target.parent.iterdir()) == [target]
    with atomic_write(target) as part:
        part.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(target) as part:
        part.write_bytes(b"new")
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as part:
        part.write_bytes(b"new")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_file_can_be_read_by_others(tmp_path):
    """A cache or a saved tagger may be shared; temporary files usually are not."""
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "a") as part:
            part.write_bytes(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_an_impossible_path_is_reported(tmp_path):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file" / "below", Path("/proc/nowhere/a")):
        with pytest.raises(TaggingError, match=f"cannot write {target}"), atomic_write(target):
            pytest.fail("nothing can be written here")
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(TaggingError, match=f"{target}: Is a directory"), atomic_write(target) as part:
        part.write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.bin"
    with (
        pytest.raises(TaggingError, match=f"cannot write {target}: File too large"),
        full_disk(10_000),
        atomic_write(target) as part,
    ):
        part.write_bytes(bytes(20_000))
    assert not list(tmp_path.iterdir())


def test_one_process_at_a_time_holds_a_lock(tmp_path):
    """Each adds one to a number in a file, slowly: without the lock some additions would be lost."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    code = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from tagging.utils.files import locked
        counter = Path({str(counter)!r})
        for turn in range(100):
            with locked(counter):
                value = int(counter.read_text())
                time.sleep(0.005 if turn % 20 == 0 else 0)
                counter.write_text(str(value + 1))
    """)
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert counter.read_text() == "400"
    assert list(tmp_path.iterdir()) == [counter]  # the lock file is gone


def test_a_lock_leaves_nothing_behind(tmp_path):
    target = tmp_path / "runs" / "mine" / "first"
    with pytest.raises(ZeroDivisionError), locked(target, wait=False):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with locked(target, wait=False):
        target.parent.joinpath("other").touch()
        with pytest.raises(TaggingError, match=f"another process .* {target}"), locked(target, wait=False):
            pytest.fail("held by this process already")
    assert [path.name for path in target.parent.iterdir()] == ["other"]


def test_a_lock_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TaggingError, match="cannot lock"), locked(tmp_path / "file" / "below"):
        pytest.fail("nothing can be written here")


def test_a_lock_is_freed_when_its_holder_is_killed(tmp_path):
    code = f"""
import time
from pathlib import Path
from tagging.utils.files import locked
with locked(Path({str(tmp_path / "file")!r})):
    Path({str(tmp_path / "held")!r}).touch()
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code])
    try:
        while not (tmp_path / "held").exists():
            assert holder.poll() is None
            time.sleep(0.01)
    finally:
        holder.kill()
        holder.wait()
    with locked(tmp_path / "file"):
        pass


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # the example of FIPS 180-4
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
