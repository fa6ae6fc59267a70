"""The folder for a static host: complete, without what no page loads, and known by one address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "book" / "_tools" / "make_site.py"
pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="the scripts of the book are not part of this distribution")


def make(*folders):
    return subprocess.run([sys.executable, TOOL, *folders], capture_output=True, text=True, check=False)


@pytest.fixture
def book(tmp_path):
    files = ["index.html", ".buildinfo", "book/a.html", "_static/a.js", "_static/a.js.map", "_static/locales/de/a.mo"]
    for name in files:
        path = tmp_path / "html" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "html"


def test_a_site_is_what_pages_load(book, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "old.html").touch()  # of an earlier build
    result = make(book, tmp_path / "site")
    assert (result.returncode, result.stderr) == (0, "")
    files = {
        path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*") if path.is_file()
    }
    assert files == {"index.html", "book/a.html", "_static/a.js", ".nojekyll"}


def test_what_cannot_become_a_site(book, tmp_path):
    assert "run make book first" in make(tmp_path / "nothing", tmp_path / "site").stderr
    for inside in (book, book / "site"):
        assert "lies inside the book" in make(book, inside).stderr
    assert (book / "index.html").exists()


def test_the_address_is_in_one_place_and_the_readme_begins_with_it():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    address = config["html"]["baseurl"]
    title = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[0]
    assert title == f"# [Music tagging at scale]({address})"
    workflow = (ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    steps = [step for job in yaml.safe_load(workflow)["jobs"].values() for step in job["steps"]]
    assert any(step.get("run") == "make site" for step in steps)
    (upload,) = [step for step in steps if "upload-pages-artifact" in step.get("uses", "")]
    assert upload["with"]["path"] == "_build/site"
    named = [path for path in (ROOT / "book").rglob("*.js") if address in path.read_text(encoding="utf-8")]
    assert named == []
