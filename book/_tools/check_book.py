"""Check a built book for problems that the build itself does not notice.

    python book/_tools/check_book.py _build/html

Exits with 1 and a list if a link or an anchor leads nowhere, a page loads something from another host, an image has no
alternative text or a file name for one, a player has no name, a cell failed, an exercise's solution is wrong, a note to
ourselves was left on a page, a page contains its sounds, or is heavier than 0.7 MB without them.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

# attributes whose address a browser loads with the page: tag -> attributes
LOADING = {
    "audio": ["src"],
    "embed": ["src"],
    "iframe": ["src"],
    "image": ["href", "xlink:href"],
    "img": ["src", "srcset"],
    "input": ["src"],
    "link": ["href"],
    "object": ["data"],
    "script": ["src"],
    "source": ["src", "srcset"],
    "track": ["src"],
    "use": ["href", "xlink:href"],
    "video": ["src", "poster"],
}
# relations of <link> that name another page without loading it
NAMING = {"canonical", "next", "prev", "search", "author", "index", "help", "license", "alternate"}
ELSEWHERE = re.compile(r"^(?:https?:)?//", re.IGNORECASE)
# absolute addresses that stylesheets and scripts load; a script's comments and its licence may name others
STYLE_LOADS = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
SCRIPT_LOADS = re.compile(
    r"""(?:\bimport\s*\(?\s*|\bfrom\s*|\bfetch\(\s*|importScripts\(\s*|\.src\s*=\s*)["'`]((?:https?:)?//[^"'`]+)"""
)
FILE_NAME = re.compile(r"\.(?:png|jpe?g|svg|gif|webp)$", re.IGNORECASE)
# spelled so that this file is not found by a search for its own words
LEFTOVERS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
# what static hosts compress, and the modules that a module loads
TEXT = {".html", ".css", ".js", ".mjs", ".svg", ".json"}
IMPORTED = re.compile(r"""\bfrom\s*["'](\.[^"']+)["']|new URL\(["']([^"']+\.css)["'], import\.meta\.url\)""")
# what colours a word of code: over half of all elements, and nothing that is checked
COLOURED = re.compile(r'<span class="(?!tb")[a-z][a-z0-9]?">([^<]*)</span>')
HEAVIEST = 700  # kB, sounds apart
WRONG_ANSWER = "Not right yet."


class Book:
    """A folder of built pages."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.pages = {
            path: BeautifulSoup(COLOURED.sub(r"\1", path.read_text(encoding="utf-8")), "html.parser")
            for path in sorted(self.root.rglob("*.html"))
            if "_static" not in path.parts
        }
        self.anchors = {path: set(_anchors(page)) for path, page in self.pages.items()}

    def problems(self) -> Iterator[str]:
        """Everything that is wrong, one line each."""
        if not self.pages:
            yield f"{self.root}: no pages; build the book first"
        for path, page in self.pages.items():
            name = path.relative_to(self.root).as_posix()
            for problem in (
                *self._links(path, page),
                *self._weight(path, page),
                *_loads(page),
                *_images(page),
                *_cells(page),
                *_leftovers(page),
            ):
                yield f"{name}: {problem}"
        yield from self._assets()

    def _links(self, path: Path, page: BeautifulSoup) -> Iterator[str]:
        for element in page.find_all(True):
            attributes = {"a": ["href"], "area": ["href"], **LOADING}.get(element.name, [])
            for attribute in attributes:
                for url in _urls(element, attribute):
                    if problem := self._follow(path, url):
                        yield f"<{element.name} {attribute}={url!r}>: {problem}"

    def _follow(self, path: Path, url: str) -> str | None:
        """The problem of an internal link, or None."""
        parts = urlsplit(url)
        if parts.scheme or parts.netloc or url.startswith("//"):
            return None
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if self.root not in target.parents:
            return "leaves the book"
        if not target.exists():
            return "no such file"
        # "#" alone is the top of the page
        if parts.fragment and target in self.anchors and unquote(parts.fragment) not in self.anchors[target]:
            return "no such anchor"
        return None

    def _weight(self, path: Path, page: BeautifulSoup) -> Iterator[str]:
        """Pages that are heavier than they may be; everything that one loads is counted, as a static host sends it."""
        if inside := page.find_all(src=re.compile("^data:(?:audio|video)/")):
            yield f"{len(inside)} sounds are stored in the page: load the extension light_pages"
        files = {path}
        for element in page.find_all(list(LOADING)):
            silent = element.name not in ("audio", "video", "source")
            if silent and not (element.name == "link" and NAMING & set(element.get("rel", []))):
                urls = [url for attribute in LOADING[element.name] for url in _urls(element, attribute)]
                addresses = [urlsplit(url) for url in urls]
                files |= {(path.parent / unquote(a.path)).resolve() for a in addresses if a.path and not a.scheme}
        kilobytes = sum(map(_sent, _with_modules(files))) / 1000
        if kilobytes > HEAVIEST:
            yield f"{kilobytes:.0f} kB without its sounds, where {HEAVIEST} kB is the most"

    def _assets(self) -> Iterator[str]:
        """Stylesheets and scripts of the book that load from another host, apart from vendored libraries."""
        for pattern, rule in (("*.css", STYLE_LOADS), ("*.js", SCRIPT_LOADS)):
            for path in sorted(self.root.rglob(pattern)):
                if "vendor" in path.parts:
                    continue
                for url in rule.findall(path.read_text(encoding="utf-8", errors="replace")):
                    yield f"{path.relative_to(self.root).as_posix()}: loads {url}"


@cache
def _sent(file: Path) -> int:
    """Bytes of a file over the wire."""
    if not file.is_file():
        return 0
    return len(gzip.compress(file.read_bytes())) if file.suffix in TEXT else file.stat().st_size


def _with_modules(files: set[Path]) -> set[Path]:
    """Files, and those that the scripts among them load from the start."""
    loaded, new = set(files), set(files)
    while new:
        texts = {
            file: file.read_text(encoding="utf-8") for file in new if file.suffix in (".js", ".mjs") and file.is_file()
        }
        named = {
            (file.parent / "".join(name)).resolve() for file, text in texts.items() for name in IMPORTED.findall(text)
        }
        new = named - loaded
        loaded |= new
    return loaded


def _anchors(page: BeautifulSoup) -> Iterator[str]:
    for element in page.find_all(True):
        if "id" in element.attrs:
            yield element["id"]
        if element.name == "a" and "name" in element.attrs:
            yield element["name"]


def _urls(element: Tag, attribute: str) -> list[str]:
    value = element.get(attribute)
    if not value:
        return []
    if attribute == "srcset":
        return [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]
    return [value]


def _loads(page: BeautifulSoup) -> Iterator[str]:
    """Resources that a page takes from another host."""
    for element in page.find_all(list(LOADING)):
        if element.name == "link" and NAMING & set(element.get("rel", [])):
            continue
        for attribute in LOADING[element.name]:
            for url in _urls(element, attribute):
                if ELSEWHERE.match(url):
                    yield f"<{element.name} {attribute}> loads {url}"
    for element in page.find_all("style"):
        for url in STYLE_LOADS.findall(element.get_text()):
            yield f"<style> loads {url}"
    for element in page.find_all(style=True):
        for url in STYLE_LOADS.findall(element["style"]):
            yield f"<{element.name} style> loads {url}"
    for element in page.find_all("script", src=False):
        for url in SCRIPT_LOADS.findall(element.get_text()):
            yield f"<script> loads {url}"


def _images(page: BeautifulSoup) -> Iterator[str]:
    """Images and players without a description for readers who cannot see them."""
    for image in page.find_all("img"):
        source = image.get("src", "")[:80]
        alt = image.get("alt")
        if alt is None:
            yield f"image without alt text: {source}"
        elif image.find_parent(class_="cell_output") or image.find_parent("figure"):
            if not alt.strip():
                yield f"figure with empty alt text: {source}"
            elif FILE_NAME.search(alt.strip()) or "/" in alt.split()[0]:
                yield f"figure whose alt text is a file name: {alt}"
            elif len(alt.split()) < 4:
                yield f"figure whose alt text says little: {alt!r}"
    for player in page.find_all(["audio", "video"]):
        if not (player.get("aria-label") or player.get("aria-labelledby")):
            yield "player without a name (aria-label)"
    for canvas in page.find_all("canvas"):
        if not (canvas.get("aria-label") or canvas.get_text(strip=True)):
            yield "canvas without a name or fallback text"


def _cells(page: BeautifulSoup) -> Iterator[str]:
    """Cells that failed or wrote to stderr, outputs that are blank without a kernel, and wrong solutions."""
    for output in page.select(".cell_output"):
        text = output.get_text()
        if output.select(".traceback, .tb") or "Traceback (most recent call last)" in text:
            yield f"a cell failed: {text.strip().splitlines()[-1][:120]}"
        elif output.select(".stderr"):
            yield f"a cell wrote to stderr: {output.select_one('.stderr').get_text().strip()[:120]}"
        if WRONG_ANSWER in text:
            yield "an exercise's solution is wrong, or an example answer was left in"
    if page.find("script", type=re.compile(r"application/vnd\.jupyter\.widget")):
        yield "a widget, which is blank without a kernel: tag the cell remove-output"
    if page.find(string=re.compile(r"Traceback \(most recent call last\)")) and not page.select(".cell_output"):
        yield "a traceback outside a cell"


def _leftovers(page: BeautifulSoup) -> Iterator[str]:
    main = page.find("main") or page
    for text in main.find_all(string=LEFTOVERS):
        yield f"a note to ourselves: {text.strip()[:100]}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.exit("usage: check_book.py FOLDER, for example _build/html")
    book = Book(Path(arguments[0]))
    problems = list(dict.fromkeys(book.problems()))
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(book.pages)} pages checked, {len(problems)} problems")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
