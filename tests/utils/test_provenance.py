"""Where a result comes from: the commit of this package and the command as a user would type it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import tagging
from tagging.utils import provenance
from tagging.utils.provenance import command_line, commit

PACKAGE = Path(tagging.__file__).parent
GIT = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"}


def repository(folder: Path) -> str:
    """Make a folder a repository with one commit of all that is in it."""
    run = {"cwd": folder, "env": {**os.environ, **GIT}, "check": True, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "-q"], **run)
    subprocess.run(["git", "add", "-A"], **run)
    subprocess.run(["git", "commit", "-qm", "first", "--allow-empty"], **run)
    return subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()


def copied(folder: Path) -> Path:
    """The part of the package that knows its commit, elsewhere."""
    (folder / "tagging" / "utils").mkdir(parents=True)
    shutil.copy(PACKAGE / "version.py", folder / "tagging")
    shutil.copy(PACKAGE / "utils" / "provenance.py", folder / "tagging" / "utils")
    for package in ("", "utils"):
        (folder / "tagging" / package / "__init__.py").touch()
    return folder


def commit_of(folder: Path, **environment: str) -> str:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from tagging.utils.provenance import commit; print(commit())"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    command = [sys.executable, "-I", "-c", code, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("subfolder", "project"),
    [
        (".venv/lib/site-packages", '[project]\nname = "mine"'),
        ("vendor", None),
        (".", "project = 3"),
        (".", "not toml"),
    ],
)
def test_an_installed_copy_does_not_name_the_commit_of_the_project_around_it(tmp_path, subfolder, project):
    copied(tmp_path / subfolder)
    if project:
        (tmp_path / "pyproject.toml").write_text(project)
    repository(tmp_path)
    assert commit_of(tmp_path / subfolder, GIT_DIR=str(tmp_path / ".git")).startswith("version ")
    assert commit_of(tmp_path / subfolder, TAGGING_COMMIT="abc123") == "abc123"


def test_a_checkout_names_its_commit_and_that_it_was_changed(tmp_path):
    copied(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "music-tagging-at-scale"')
    head = repository(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    repository(other)
    assert commit_of(tmp_path) == head
    assert commit_of(tmp_path, GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other)) == head  # as in a hook of git
    with (tmp_path / "tagging" / "version.py").open("a") as file:
        file.write("# changed\n")
    assert commit_of(tmp_path) == f"{head} and changes"


def test_this_checkout_is_one():
    assert provenance._is_checkout(PACKAGE.parent)
    assert not commit().startswith("version ") or not (PACKAGE.parent / ".git").exists()


SAY = "from tagging.utils.provenance import command_line; print(command_line('tagging.train'))"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (["{folder}/mine.py", "--clips", "3", "a b"], "python mine.py --clips 3 'a b'"),
        (["{folder}/sub/mine.py"], "python sub/mine.py"),
        (["/{folder}/../{name}/mine.py"], "python mine.py"),
        (["{folder}/tagging", "train", "waveform"], "tagging train waveform"),
        (["-m", "mine", "x"], "python -m mine x"),
        (["-m", "sub", "x"], "python -m sub x"),
        (["-c", SAY, "x"], "tagging.train in Python"),
        (["{folder}/ipykernel_launcher.py", "-f", "kernel.json"], "tagging.train in a notebook"),
        (["-m", "ipykernel_launcher", "-f", "kernel.json"], "tagging.train in a notebook"),
    ],
)
def test_the_command_is_what_a_user_would_type(tmp_path, how, expected):
    (tmp_path / "sub").mkdir()
    for name in ("mine.py", "sub/mine.py", "sub/__main__.py", "tagging", "ipykernel_launcher.py"):
        (tmp_path / name).write_text(SAY)
    arguments = [text.format(folder=tmp_path, name=tmp_path.name) for text in how]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(tmp_path)])}
    # a script without suffix in the current folder hides no package: it is no module
    result = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == expected, result.stderr


def test_a_script_elsewhere_is_named_without_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "mine.py"), "--seed", "2"])
    assert command_line("tagging.train") == "python mine.py --seed 2"


def test_the_package_run_as_a_module_is_the_command_tagging(monkeypatch):
    monkeypatch.setattr(
        sys.modules["__main__"], "__spec__", SimpleNamespace(name="tagging.cli.__main__"), raising=False
    )
    monkeypatch.setattr(sys, "argv", ["/somewhere/tagging/cli/__main__.py", "train", "waveform"])
    assert command_line("tagging.train") == "tagging train waveform"


def test_a_prompt_is_no_command(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert command_line("tagging.train") == "tagging.train in Python"
