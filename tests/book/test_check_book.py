"""The checker of the built book finds what it is there to find."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "book" / "_tools" / "check_book.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the scripts of the book are not part of this distribution")

GOOD = """
<html><head><link rel="canonical" href="https://example.org/a.html"><link rel="stylesheet" href="_static/a.css"></head>
<body><main><h1 id="top">A page</h1>
<a href="b.html#part">there</a> <a href="#top">up</a> <a href="#">top</a> <a href="https://example.org">out</a>
<div class="cell_output"><img src="a.png" alt="A line that rises from left to right"></div>
<figure><audio controls aria-label="a fiddle" src="a.mp3"></audio></figure>
<p>The word import "https://..." in prose loads nothing.</p></main></body></html>
"""


@pytest.fixture
def check(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.css").write_text("body { background: url(a.png) }")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.mp3").write_bytes(bytes(2_000_000))
    (tmp_path / "heavy.png").write_bytes(bytes(650_000))
    (tmp_path / "_static" / "m.mjs").write_text('import { b } from "./n.js"')
    (tmp_path / "_static" / "n.js").write_text("".join(map(str, range(200_000))))
    (tmp_path / "b.html").write_text('<main><p id="part">here</p></main>')

    def run(extra="", css="", js=""):
        (tmp_path / "a.html").write_text(GOOD.replace("</main>", extra + "</main>"))
        (tmp_path / "_static" / "more.css").write_text(css)
        (tmp_path / "_static" / "more.js").write_text(js)
        return subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)

    return run


def test_a_good_book_passes(check):
    result = check()
    assert (result.returncode, result.stdout) == (0, "2 pages checked, 0 problems\n")


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ('<a href="missing.html">x</a>', "no such file"),
        ('<a href="b.html#gone">x</a>', "no such anchor"),
        ('<a href="#gone">x</a>', "no such anchor"),
        ('<a href="../../etc/x.html">x</a>', "leaves the book"),
        ('<script src="missing.js"></script>', "no such file"),
        ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js"),
        ('<link rel="stylesheet" href="//cdn.example.org/x.css">', "loads //cdn.example.org/x.css"),
        ('<img alt="a b c d" srcset="https://x.example.org/a.png 2x">', "loads https://x.example.org"),
        ('<script type="module">import x from "https://cdn.example.org/x.js"</script>', "loads https://cdn"),
        ("<style>@import 'https://fonts.example.org/x.css'</style>", "loads https://fonts"),
        ('<p style="background: url(https://x.example.org/a.png)">x</p>', "loads https://x.example.org"),
        ('<iframe src="https://video.example.org"></iframe>', "loads https://video"),
        ('<div class="cell_output"><img src="a.png"></div>', "without alt text"),
        ('<div class="cell_output"><img src="a.png" alt=""></div>', "empty alt text"),
        ('<div class="cell_output"><img src="a.png" alt="../_images/40de.png"></div>', "a file name"),
        ('<div class="cell_output"><img src="a.png" alt="a figure"></div>', "says little"),
        ('<audio controls src="a.mp3"></audio>', "player without a name"),
        ('<audio controls aria-label="a" src="data:audio/mpeg;base64,AA"></audio>', "1 sounds are stored in the page"),
        # more than 700 kB: a figure, and a script that the page's module loads; no sound counts
        (
            '<script type="module" src="_static/m.mjs"></script><img alt="a b c d" src="heavy.png">',
            "kB without its sounds",
        ),
        ('<div class="cell_output">Traceback (most recent call last)\nValueError: no</div>', "a cell failed"),
        ('<div class="cell_output"><div class="output stderr">careful</div></div>', "wrote to stderr"),
        ('<div class="cell_output">Not right yet. Count again.</div>', "solution is wrong"),
        ('<script type="application/vnd.jupyter.widget-view+json">{}</script>', "blank without a kernel"),
        ("<p>TO" + "DO: say more</p>", "a note to ourselves"),
    ],
)
def test_what_is_found(check, extra, says):
    result = check(extra)
    assert result.returncode == 1
    assert "a.html: " in result.stdout
    assert says in result.stdout


def test_assets_that_load_from_elsewhere(check):
    result = check(css="@font-face { src: url('https://f.example.org/x.woff') }", js='fetch("https://a.example.org")')
    assert result.returncode == 1
    assert "more.css: loads https://f.example.org/x.woff" in result.stdout
    assert "more.js: loads https://a.example.org" in result.stdout


def test_an_empty_folder_is_no_book(tmp_path):
    result = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "build the book first" in result.stdout
