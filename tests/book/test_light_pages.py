"""Built pages lose weight and nothing else: sounds, figures, icons and formulas are still there."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
if not EXTENSIONS.exists():
    pytest.skip("the book is not part of this distribution", allow_module_level=True)
for library in ("sphinx", "latex2mathml", "fontTools", "pydata_sphinx_theme"):
    pytest.importorskip(library)
Image = pytest.importorskip("PIL.Image")


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXTENSIONS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


light_pages, formulas = load("light_pages"), load("formulas")
SOUND = b"ID3 a sound that is not decoded here"
PLAYER = (
    '<figure class="listen"><audio controls preload="metadata" aria-label="a &quot;fiddle&quot;" '
    f'src="data:audio/mpeg;base64,{base64.b64encode(SOUND).decode()}"></audio></figure>'
)
ICONS = '<i class="fas fa-rocket"></i><i class="fab fa-github"></i><i class="fa-solid fa-xyzzy"></i>'
HEAD = """<head>
  <link href="../_static/vendor/fontawesome/6.5.2/css/all.min.css?digest=1" rel="stylesheet" />
  <link rel="preload" as="font" href="../_static/vendor/fontawesome/6.5.2/webfonts/fa-solid-900.woff2" />
  <script src="../_static/vendor/fontawesome/6.5.2/js/all.min.js?digest=1"></script>
  <script src="../_static/scripts/other.js"></script>
</head>"""


def figure(path, mode="RGB", size=(300, 200)):
    """A heat map with a colour for each level, as a PNG; its pixels."""
    levels = np.add.outer(np.linspace(0, 1, size[1]), np.linspace(0, 1, size[0])) / 2
    noise = np.random.default_rng(0).uniform(0, 0.02, levels.shape)
    colours = np.stack([levels, levels**2, 1 - levels], axis=-1) + noise[..., None] * [1, 0.5, -0.5]
    pixels = (255 * colours.clip(0, 1)).astype(np.uint8)
    if mode == "RGBA":
        pixels = np.dstack([pixels, np.full(levels.shape, 255, np.uint8)])
    Image.fromarray(pixels).save(path)
    return pixels[..., :3]


@pytest.fixture
def book(tmp_path):
    """A built book of two pages, one in a folder."""
    theme = Path(importlib.util.find_spec("pydata_sphinx_theme").origin).parent / "theme/pydata_sphinx_theme/static"
    for folder in ("scripts", "styles", "vendor"):
        shutil.copytree(theme / folder, tmp_path / "_static" / folder)
    (tmp_path / "_images").mkdir()
    (tmp_path / "book").mkdir()
    image = '<img alt="A map that rises" src="../_images/a.png" />'
    (tmp_path / "book" / "a.html").write_text(f"<html>{HEAD}<body>{ICONS}{PLAYER}{image}</body></html>")
    (tmp_path / "index.html").write_text(f"<html>{HEAD.replace('../', '')}<body>{PLAYER}</body></html>")
    return tmp_path


def test_sounds_are_files_that_both_pages_share(book):
    figure(book / "_images" / "a.png")
    light_pages.lighten(book)
    (file,) = (book / "_static" / "players").iterdir()
    assert file.read_bytes() == SOUND
    for page, prefix in (("book/a.html", "../"), ("index.html", "")):
        html = (book / page).read_text()
        assert f'preload="none" aria-label="a &quot;fiddle&quot;" src="{prefix}_static/players/{file.name}"' in html
        assert "base64" not in html
    # what no page loads any more goes at the next build
    for page in ("book/a.html", "index.html"):
        (book / page).write_text("<html></html>")
    light_pages.lighten(book)
    assert list((book / "_static" / "players").iterdir()) == []
    assert list((book / "_images").iterdir()) == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_figures_look_the_same_and_weigh_less(book, mode):
    pixels = figure(book / "_images" / "a.png", mode)
    before = (book / "_images" / "a.png").stat().st_size
    light_pages.lighten(book)
    html = (book / "book" / "a.html").read_text()
    alt_and_size = (
        '<img alt="A map that rises" src="../_images/a.webp" width="300" height="200" loading="lazy" decoding="async">'
    )
    assert alt_and_size in html
    assert not (book / "_images" / "a.png").exists()
    assert (book / "_images" / "a.webp").stat().st_size < 0.6 * before
    light = np.asarray(Image.open(book / "_images" / "a.webp").convert("RGB"))
    assert np.abs(light.astype(int) - pixels).mean() < 3  # of 255
    # what is light already stays
    light_pages.lighten(book)
    assert (book / "book" / "a.html").read_text() == html


def test_a_figure_with_transparency_keeps_every_pixel(book):
    pixels = np.random.default_rng(0).integers(0, 4, (40, 60, 4), dtype=np.uint8) * 80
    pixels[..., 3] = np.where(pixels[..., 3] > 100, 255, 128)
    Image.fromarray(pixels).save(book / "_images" / "a.png")
    light_pages.lighten(book)
    (file,) = (book / "_images").iterdir()
    np.testing.assert_array_equal(np.asarray(Image.open(file).convert("RGBA")), pixels)


def test_icons_in_use_and_no_others(book):
    from fontTools.ttLib import TTFont

    figure(book / "_images" / "a.png")
    light_pages.lighten(book)
    html = (book / "book" / "a.html").read_text()
    assert "fontawesome" not in html
    assert '<link href="../_static/icons.css" rel="stylesheet" />\n</head>' in html
    assert '<script src="../_static/scripts/other.js"></script>' in html
    assert not (book / "_static" / "vendor" / "fontawesome").exists()
    style = (book / "_static" / "icons.css").read_text()
    assert len(style) < 15_000
    for name, code in (
        ("rocket", "f135"),
        ("github", "f09b"),
        ("xmark", "f00d"),
    ):  # the last from a script of the theme
        assert f'.fa-{name}::before {{ content: "\\{code}"; }}' in style
    assert "xyzzy" not in style
    faces = re.findall(r"unicode-range: ([^;]*); src: url\(data:font/woff;base64,([^)]*)\)", style)
    held = set()
    for announced, data in faces:
        points = set(TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap())
        assert points == {int(point[2:], 16) for point in announced.split(", ")}
        held |= points
    assert {0xF135, 0xF09B, 0xF00D, 0xF05A} <= held  # the last is the icon of a note, which the theme's style names


@pytest.mark.parametrize(
    ("tex", "contains"),
    [
        (r"\tfrac12", "<mfrac>"),
        (r"\sum_{n=0}^{N-1} w[n]", "<mo>&#x02211;</mo>"),
        (r"\underbrace{\log x}_{\text{popularity}}", "<mtext>popularity</mtext>"),
        (r"p(\text{a} \mid b) < 1", "<mo>&#x0003C;</mo>"),
    ],
)
def test_formulas_are_mathml(tex, contains):
    for display in ("inline", "block"):
        html = formulas.mathml(tex, display)
        assert html.startswith("<math")
        assert f'display="{display}"' in html
        assert contains in html


def test_a_formula_that_cannot_be_converted_is_reported():
    shown = []
    formulas.logger.logger.addFilter(lambda record: shown.append(record.getMessage()) or True)
    assert formulas.mathml(r"\nosuchcommand{x} < 1", "inline") == r"<code>\nosuchcommand{x} &lt; 1</code>"
    assert "cannot become MathML" in shown[0]
