"""Archives are unpacked file by file: nothing outside the folder, damaged members aside, continued after a break."""

from __future__ import annotations

import io
import itertools
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers import python

from tagging.data.archives import JoinedFiles, unpack
from tagging.errors import CorpusError

FILES = {"set/a.txt": b"a" * 5000, "set/b/c.mp3": bytes(range(256)) * 20, "empty": b""}


def zip_of(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.mkdir("set")
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tar_of(path: Path, files: dict[str, bytes], mode: str = "w:gz", **facts: object) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for fact, value in facts.items():
                setattr(info, fact, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["stored", "deflated", "bzip2", "lzma", "tar", "tar.gz", "tar.bz2"])
def test_archives_of_all_kinds(tmp_path: Path, kind):
    archive, out = tmp_path / "a.archive", tmp_path / "out"
    if kind.startswith("tar"):
        tar_of(archive, FILES, {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2"}[kind])
    else:
        zip_of(archive, FILES, getattr(zipfile, f"ZIP_{kind.upper()}"))
    assert unpack([archive], out, progress=False) == []
    assert contents(out) == FILES


@pytest.mark.parametrize("sizes", [[1, 1], [1000, 10], [3000, 2000, 1]])
def test_a_zip_that_was_cut_into_parts(tmp_path: Path, sizes):
    data = zip_of(tmp_path / "whole.zip", FILES, zipfile.ZIP_STORED).read_bytes()
    cuts = [0, *(sum(sizes[: count + 1]) for count in range(len(sizes))), len(data)]
    parts = []
    for number, (start, end) in enumerate(itertools.pairwise(cuts), 1):
        parts.append(tmp_path / f"mp3.zip.{number:03d}")
        parts[-1].write_bytes(data[start:end])
    assert unpack(parts, tmp_path / "out", progress=False) == []
    assert contents(tmp_path / "out") == FILES
    with io.BufferedReader(JoinedFiles(parts)) as joined:
        assert joined.read() == data
    with pytest.raises(CorpusError, match="make no zip file"):
        unpack(parts[:-1], tmp_path / "other", progress=False)


@pytest.mark.parametrize("name", ["../a", "/a", "set/../../a", "C:/a", "..\\a", "C:\\a", "."])
def test_members_outside_the_folder_are_refused(tmp_path: Path, name):
    for archive in (zip_of(tmp_path / "a.zip", {"x": b"1", name: b"2"}), tar_of(tmp_path / "a.tgz", {name: b"2"})):
        with pytest.raises(CorpusError, match="outside|refused"):
            unpack([archive], tmp_path / "out", progress=False)
    assert not (tmp_path / "a").exists()
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind):
    archive = tar_of(tmp_path / "a.tgz", {"x": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(CorpusError, match="refused"):
        unpack([archive], tmp_path / "out", progress=False)


def test_links_in_zip_files_are_refused(tmp_path: Path):
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(CorpusError, match="a link"):
        unpack([tmp_path / "a.zip"], tmp_path / "out", progress=False)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_does_not_stop_the_others(tmp_path: Path, compression):
    archive = zip_of(tmp_path / "a.zip", FILES, compression)
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo("set/b/c.mp3")
    data = bytearray(archive.read_bytes())
    start = info.header_offset + 30 + len(info.filename)
    for position in range(start + 20, start + info.compress_size - 5):
        data[position] ^= 0x5A
    archive.write_bytes(data)
    (damaged,) = unpack([archive], tmp_path / "out", progress=False)
    assert damaged.startswith("set/b/c.mp3: ")
    assert contents(tmp_path / "out") == {name: data for name, data in FILES.items() if name != "set/b/c.mp3"}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_that_ends_early(tmp_path: Path, mode):
    archive = tar_of(tmp_path / "a.tar", {"x": b"1" * 3000, "y": bytes(range(256)) * 400}, mode)
    archive.write_bytes(archive.read_bytes()[: 5000 if mode == "w" else 500])
    with pytest.raises(CorpusError, match="not whole"):
        unpack([archive], tmp_path / "out", progress=False)
    assert set(contents(tmp_path / "out")) <= {"x"}


def test_no_archive(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"<html>Not found</html>")
    with pytest.raises(CorpusError, match="not whole"):
        unpack([tmp_path / "a.zip"], tmp_path / "out", progress=False)


def test_files_that_are_there_are_kept(tmp_path: Path):
    archive, out = zip_of(tmp_path / "a.zip", FILES), tmp_path / "out"
    unpack([archive], out, progress=False)
    before = (out / "set/a.txt").stat()
    (out / "empty").unlink()
    (out / "set/b/c.mp3").write_bytes(b"half")
    unpack([archive], out, progress=False)
    assert contents(out) == FILES
    assert (out / "set/a.txt").stat().st_ino == before.st_ino


def test_a_full_disk(tmp_path: Path):
    archive = zip_of(tmp_path / "a.zip", {"small": b"1" * 10, "large": bytes(200_000), "next": b"2"})
    code = f"""
        import resource
        from pathlib import Path
        from tagging.data.archives import unpack
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            unpack([Path({str(archive)!r})], Path({str(tmp_path / "out")!r}), progress=False)
        except Exception as error:
            print(type(error).__name__, error)
    """
    output = python(code).stdout
    assert "DownloadError cannot write" in output, output
    assert contents(tmp_path / "out") == {"small": b"1" * 10}
    assert unpack([archive], tmp_path / "out", progress=False) == []
