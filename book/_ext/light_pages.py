"""Sphinx extension: built pages made light, once all of them are written.

- Sounds that a page contains as base64 become files beside it, which load when they are played. A notebook keeps them inside,
  so that it also plays in Colab and in Jupyter.
- Figures become WebP with 256 colours, of about a third of the size, and load when they come near the screen.
- The theme's icon fonts and script (1.9 MB) become one stylesheet with the few icons in use.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

SOUND = re.compile(
    r'preload="metadata"(?P<between>[^>]*?)src="data:audio/(?P<kind>mpeg|wav|ogg|flac);base64,(?P<data>[^"]+)"'
)
LOADED = re.compile(r'(?:_static/players|_images)/([^"/]+)"')
FIGURE = re.compile(r'<img(?P<before>[^>]*?)src="(?P<path>(?:\.\./)*_images/)(?P<name>[^"/]+)\.png"(?P<after>[^>]*)>')
ICON_FILES = re.compile(r"\s*<(?:link|script)[^>]*vendor/fontawesome/[^>]*>(?:</script>)?")
ICON_NAME = re.compile(r"\bfa-([a-z][a-z-]*)")
# rules of the theme's list of icons: .fa-a:before,.fa-b:before{content:"\f000"}
ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}')
FAMILY = "Book icons"
ICON_RULES = f"""
:root {{ --fa-font-solid: normal 400 1em/1 "{FAMILY}"; --fa-font-brands: normal 400 1em/1 "{FAMILY}"; }}
.fa, .fas, .fa-solid, .fab, .fa-brands {{
  display: inline-block; font: normal 400 1em/1 "{FAMILY}"; text-rendering: auto; -webkit-font-smoothing: antialiased;
}}
"""


def sounds_to_files(html: str, static: Path, to_root: str) -> str:
    """A page whose players load files in ``_static/players``, when they are played."""

    def store(match: re.Match[str]) -> str:
        content = base64.b64decode(match["data"])
        kind = {"mpeg": "mp3"}.get(match["kind"], match["kind"])
        name = f"{hashlib.sha256(content).hexdigest()[:20]}.{kind}"
        (static / "players").mkdir(exist_ok=True)
        (static / "players" / name).write_bytes(content)
        return f'preload="none"{match["between"]}src="{to_root}_static/players/{name}"'

    return SOUND.sub(store, html)


def light_figures(html: str, figures: Mapping[str, tuple[str, tuple[int, int]]]) -> str:
    """A page whose figures are WebP, have their size, so that nothing moves when they come, and load when they are near.

    Args:
        html: the page.
        figures: name without suffix -> file and size.
    """

    def lighten(match: re.Match[str]) -> str:
        name, size = figures[match["name"]]
        attributes = "".join(
            f' {key}="{value}"'
            for key, value in {"width": size[0], "height": size[1], "loading": "lazy", "decoding": "async"}.items()
            if f"{key}=" not in match["before"] + match["after"]
        )
        end = match["after"].rstrip(" /")
        return f'<img{match["before"]}src="{match["path"]}{name}"{end}{attributes}>'

    return FIGURE.sub(lighten, html)


def _as_webp(path: Path) -> tuple[str, tuple[int, int]]:
    """Name and size of a figure as WebP, or of the figure itself where that is smaller."""
    target = path.with_suffix(".webp")
    if path.exists():
        image = Image.open(path).convert("RGBA")
        buffer = io.BytesIO()
        if image.getextrema()[3][0] == 255:  # opaque: 256 colours are off by less than 1/255 on average
            image = image.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE).convert("RGB")
        image.save(buffer, "WEBP", lossless=True)
        if len(buffer.getvalue()) >= path.stat().st_size:
            return path.name, image.size
        target.write_bytes(buffer.getvalue())
    return target.name, Image.open(target).size


def icon_style(vendored: Path, names: Iterable[str], extra: str) -> str:
    """A stylesheet with the icons of the theme that are in use, and nothing else.

    Args:
        vendored: the theme's folder of Font Awesome.
        names: of icons, without ``fa-``.
        extra: a stylesheet that names code points.
    """
    known = {
        name: int(code, 16)
        for selectors, code in ICON_RULE.findall((vendored / "css" / "all.min.css").read_text(encoding="utf-8"))
        for name in ICON_NAME.findall(selectors)
    }
    used = {name: known[name] for name in sorted(set(names)) if name in known}
    points = {*used.values(), *map(ord, re.findall("[\ue000-\uf8ff]", extra))}
    points |= {int(code, 16) for code in re.findall(r"\\(f[0-9a-f]{3})\b", extra)}
    faces = [_font_face(vendored / "webfonts" / f"{font}.ttf", points) for font in ("fa-solid-900", "fa-brands-400")]
    icons = [f'.fa-{name}::before {{ content: "\\{point:x}"; }}' for name, point in used.items()]
    about = "/* Icons: Font Awesome Free, SIL OFL 1.1, https://fontawesome.com/license/free */"
    return "\n".join([about, *faces, ICON_RULES, *icons, ""])


def _font_face(font: Path, points: set[int]) -> str:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options(flavor="woff", desubroutinize=True, layout_features=[], hinting=False, notdef_outline=True)
    with TTFont(font) as opened:
        held = points & set(opened.getBestCmap())
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=held)
        subsetter.subset(opened)
        opened.flavor = "woff"
        buffer = io.BytesIO()
        opened.save(buffer)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    held_range = ", ".join(f"U+{point:X}" for point in sorted(held))
    source = f"url(data:font/woff;base64,{data}) format('woff')"
    return f'@font-face {{ font-family: "{FAMILY}"; font-display: block; unicode-range: {held_range}; src: {source}; }}'


def light_icons(pages: dict[Path, str], root: Path) -> dict[Path, str]:
    """Pages with one small stylesheet in the place of the theme's icon fonts and scripts, which are removed."""
    vendor = root / "_static" / "vendor" / "fontawesome"
    if not (versions := sorted(vendor.glob("*/webfonts"))):
        return pages
    scripts = (path.read_text(encoding="utf-8") for path in (root / "_static" / "scripts").glob("*.js"))
    names = {name for text in (*pages.values(), *scripts) for name in ICON_NAME.findall(text)}
    theme = "".join(path.read_text(encoding="utf-8") for path in (root / "_static" / "styles").glob("*.css"))
    style = icon_style(versions[0].parent, names, theme)
    (root / "_static" / "icons.css").write_text(style, encoding="utf-8")
    shutil.rmtree(vendor)

    def replaced(path: Path, html: str) -> str:
        if not ICON_FILES.search(html):
            return html
        link = f'\n  <link href="{to_root(path, root)}_static/icons.css" rel="stylesheet" />\n</head>'
        return ICON_FILES.sub("", html).replace("</head>", link, 1)

    return {path: replaced(path, html) for path, html in pages.items()}


def to_root(path: Path, root: Path) -> str:
    return "../" * (len(path.relative_to(root).parts) - 1)


def lighten(root: Path) -> None:
    """Make all pages of a built book light; what is light already stays as it is."""
    before = {path: path.read_text(encoding="utf-8") for path in root.rglob("*.html") if "_static" not in path.parts}
    pages = light_icons(before, root)
    names = sorted({match["name"] for html in pages.values() for match in FIGURE.finditer(html)})
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow computes without the interpreter's lock
        files = pool.map(_as_webp, [root / "_images" / f"{name}.png" for name in names])
        figures = dict(zip(names, files, strict=True))
    for path, html in pages.items():
        html = sounds_to_files(html, root / "_static", to_root(path, root))
        html = light_figures(html, figures)
        if html != before[path]:
            path.write_text(html, encoding="utf-8")
        pages[path] = html
    for path in (root / "_images").glob("*.webp"):
        path.with_suffix(".png").unlink(missing_ok=True)
    loaded = {name for html in pages.values() for name in LOADED.findall(html)}
    for path in [*(root / "_images").glob("*.webp"), *(root / "_static" / "players").glob("*")]:
        if path.name not in loaded:
            path.unlink()


def after_build(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        lighten(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, object]:
    # before the book's own checks of what was built
    app.connect("build-finished", after_build, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
