"""Files are written whole or not at all, and locks leave nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from helpers import full_disk, obstruct, python

from tagging.errors import TaggingError
from tagging.utils.files import (
    DamagedError,
    atomic_write,
    cache_dir,
    check_writable,
    clear_remains,
    locked,
    read_json,
    sha256,
)
from tagging.utils.temporary import remove_abandoned, temporary


def test_the_environment_chooses_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path / "chosen"))
    folder = cache_dir("a", "b")
    assert folder == tmp_path / "chosen" / "a" / "b"
    assert folder.is_dir()
    assert not list(folder.iterdir())
    check_writable(folder)
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


def test_a_user_who_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("TAGGING_CACHE", "~nouser/cache")
    with pytest.raises(TaggingError, match="~nouser/cache cannot be found.* TAGGING_CACHE"):
        cache_dir("sub")


def test_a_user_without_a_home_is_told_the_variable(tmp_path):
    """As in a container that runs as a number without an entry in the list of users."""
    code = """
        import os
        from tagging.utils.files import cache_dir  # before rights are dropped: the package may be in a private folder
        from tagging.errors import TaggingError
        import platformdirs
        for name in ("HOME", "XDG_CACHE_HOME", "TAGGING_CACHE"):
            os.environ.pop(name, None)
        os.setgroups([]); os.setgid(64321); os.setuid(64321)
        try:
            print(cache_dir())
        except TaggingError as error:
            print("clear:", error)
    """
    if os.geteuid() != 0:
        pytest.skip("only the superuser can become a user who does not exist")
    result = python(code)
    assert result.stdout.startswith("clear: the cache folder "), result.stderr
    assert "TAGGING_CACHE" in result.stdout


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
    folder = cache_dir("sub")  # only named: what is complete is read
    with pytest.raises(TaggingError, match=f"{path}.* TAGGING_CACHE"):
        check_writable(folder)
    with pytest.raises(TaggingError, match=f"{path}.* TAGGING_CACHE"), atomic_write(folder / "a"):
        pytest.fail("nothing can be written here")
    with pytest.raises(TaggingError, match=f"{path}.* TAGGING_CACHE"), locked(folder / "a"):
        pytest.fail("nothing can be written here")


def as_user(code: str, user: int = 65534, groups: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run code as an ordinary user: permission bits do not stop the superuser, who may be the one running the tests."""
    return python(f"""
import os
import re
from tagging.utils.files import atomic_write, cache_dir, check_writable, locked
from tagging.errors import TaggingError
import filelock, platformdirs  # before rights are dropped: the packages may be in a private folder
if os.geteuid() == 0:
    os.umask(0o022); os.setgroups({list(groups)}); os.setgid(65534); os.setuid({user})
{textwrap.dedent(code)}
""")


@pytest.fixture
def open_folder(request) -> Path:
    """Not tmp_path, whose parents are closed to others."""
    folder = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(folder))
    folder.chmod(0o755)
    return folder


def test_a_read_only_cache_is_read_and_names_the_variable_when_it_must_be_written(open_folder):
    (open_folder / "sub").mkdir()
    (open_folder / "sub").chmod(0o555)
    result = as_user(f"""
        os.environ["TAGGING_CACHE"] = {str(open_folder)!r}
        folder = cache_dir("sub")
        for function in (lambda: check_writable(folder), atomic_write(folder / "a").__enter__, locked(folder / "a").__enter__):
            try:
                function()
            except TaggingError as error:
                print(error)
    """)
    lines = result.stdout.splitlines()
    assert len(lines) == 3, result.stderr
    assert all("Permission denied" in line and "TAGGING_CACHE" in line for line in lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_cache_shared_by_a_group_is_written_to_by_all_of_it(open_folder):
    """A folder of mode 2775: what the first user makes in it, with an ordinary umask, the second can lock and replace."""
    group = 64000
    os.chown(open_folder, 0, group)
    open_folder.chmod(0o2775)
    code = f"""
        from pathlib import Path
        os.environ["TAGGING_CACHE"] = {str(open_folder)!r}
        path = cache_dir("a", "b") / "file"
        lock = locked(path)
        lock.__enter__()
        with atomic_write(path) as part:
            part.write_text(str(os.getuid()))
        os._exit(0)  # as if it had been killed: the lock file stays
    """
    for user in (64001, 64002, 64001):
        result = as_user(code, user, (group,))
        assert result.returncode == 0, result.stderr
        assert (open_folder / "a" / "b" / "file").read_text() == str(user)
    assert stat.S_IMODE((open_folder / "a" / "b" / "file.lock").stat().st_mode) == 0o664
    result = as_user(code, 64003)
    assert "cannot lock" in result.stderr  # not of the group


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
        message = re.escape(f"in {target.parent} (it holds {target.name}.lock)")
        with pytest.raises(TaggingError, match=message), locked(target, wait=False):
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


def test_the_longest_name_can_be_written(tmp_path):
    """The file system takes 255 bytes; a temporary name made from it would be longer."""
    for name in ("x" * 255, "é" * 127):
        with atomic_write(tmp_path / name) as part:
            part.write_text("whole")
        assert (tmp_path / name).read_text() == "whole"


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_written_through(tmp_path, exists):
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.parent.mkdir()
    if exists:
        target.write_text("old")
    link.symlink_to("middle")
    (tmp_path / "middle").symlink_to(target)
    with atomic_write(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("obstacle", ["folder", "pipe", "device", "loop", "link to nowhere"])
def test_what_is_no_file_is_not_replaced(tmp_path, obstacle):
    path = tmp_path / "a"
    obstruct(path, obstacle)
    before = path.lstat()
    with pytest.raises(TaggingError, match=f"cannot write {path}"), atomic_write(path):
        pytest.fail("noticed before anything is made")
    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
    import os, signal, sys, time
    from pathlib import Path
    from tagging.utils.files import atomic_write, locked
    from tagging.utils.temporary import temporary
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores
    folder = Path(sys.argv[1])
    with locked(folder / "a"), atomic_write(folder / "a") as part, temporary(folder, is_folder=True) as scratch:
        (scratch / "large").write_bytes(bytes(1000))
        part.write_text("half")
        print("ready", flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_what_a_killed_process_leaves_is_removed_and_never_what_a_living_one_uses(tmp_path, end):
    (tmp_path / ".tagging-notes.txt").write_text("a user's own")
    (tmp_path / ".song.part").write_text("of another program")
    mine = set(tmp_path.iterdir())
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)],
        stdout=subprocess.PIPE,
    )
    try:
        assert writer.stdout.readline() == b"ready\n"
        used = set(tmp_path.iterdir()) - mine
        assert len(used) == 3  # file, folder, lock
        clear_remains(tmp_path / "a")
        with temporary(tmp_path):
            pass
        assert set(tmp_path.iterdir()) == mine | used
    finally:
        writer.send_signal(end)
        writer.wait()
        writer.stdout.close()
    assert used <= set(tmp_path.iterdir())
    clear_remains(tmp_path / "a")
    assert set(tmp_path.iterdir()) == mine


def test_two_processes_make_and_clear_in_one_folder(tmp_path):
    """A file that was just made and is not locked yet may be taken for abandoned: then another one is made."""
    code = textwrap.dedent(f"""
        from pathlib import Path
        from tagging.utils.files import atomic_write
        from tagging.utils.temporary import remove_abandoned
        folder = Path({str(tmp_path)!r})
        for turn in range(150):
            remove_abandoned(folder)
            with atomic_write(folder / "shared") as part:
                part.write_text("whole")
    """)
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [worker.wait(100) for worker in workers] == [0] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]


def test_clearing_never_fails(tmp_path):
    remove_abandoned(tmp_path / "missing")
    clear_remains(tmp_path / "missing" / "a")
    (tmp_path / ".tagging-0.part").symlink_to("/etc")
    os.mkfifo(tmp_path / ".tagging-1.part")
    remove_abandoned(tmp_path)
    assert Path("/etc").is_dir()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"nul"])
def test_what_is_not_json_is_damaged(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedError, match="a.json: damaged"):
        read_json(tmp_path / "a.json")
