"""Measure pages: how much of a page is code, how long its cells and sentences are, and whether a block is cut off.

    python book/_tools/measure_pages.py book/*.ipynb
    python book/_tools/measure_pages.py --html _build/html book/*.ipynb    # with heights, from built pages in Chromium

Cells that the page folds or removes are not counted. Sentences are those of prose, without tables, code and formulas. The
last row is the mean over the pages, or the largest value where a column says "longest".
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path

FOLDED = {"remove-cell", "remove-input", "hide-input", "hide-cell"}
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
# A code line that fits beside both sidebars at 1280 px.
WIDTH = 88
# Heights in pixels of the article, of visible code, and how many blocks are wider than their frame.
HEIGHTS = """() => {
  const article = document.querySelector("article.bd-article");
  const seen = [...article.querySelectorAll("div.cell_input div.highlight")].filter(e => e.offsetParent && !e.closest("details"));
  const cut = [...article.querySelectorAll("pre, table")].filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1);
  return [article.offsetHeight, seen.reduce((sum, e) => sum + e.offsetHeight, 0), cut.length];
}"""


def sentences(markdown: str) -> list[int]:
    """Words in each sentence of prose."""
    text = re.sub(r"```.*?```|<[^>]+>|\$\$.*?\$\$", " ", markdown, flags=re.DOTALL)
    lines = [line for line in text.split("\n") if not re.match(r"\s*(\||#|:::|\{)", line)]
    text = re.sub(r"^\s*(?:[-*]|\d+\.)\s+", "\n\n", "\n".join(lines), flags=re.MULTILINE)
    text = re.sub(r"\{cite:\w\}`[^`]*`|!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\$[^$]+\$|`[^`]+`", "x", text)
    parts = [part for block in re.split(r"\n\s*\n", text) for part in re.split(r"(?<=[.!?])[*_\")]*\s+", block)]
    return [size for part in parts if (size := len(re.findall(r"\w[\w'’.,-]*", part))) > 2]


def measure(path: Path) -> dict[str, float]:
    """The columns of one notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lengths = [
        length for cell in cells if cell["cell_type"] == "markdown" for length in sentences("".join(cell["source"]))
    ]
    shown = [
        "".join(cell["source"]).split("\n")
        for cell in cells
        if cell["cell_type"] == "code" and not FOLDED & set(cell["metadata"].get("tags", []))
    ]
    every = [
        "".join(cell["source"]).split("\n")
        for cell in cells
        if cell["cell_type"] == "code" and "remove-cell" not in cell["metadata"].get("tags", [])
    ]
    return {
        "words": sum(lengths),
        "words a sentence": statistics.mean(lengths) if lengths else 0,
        "sentences over 35 words": sum(length > 35 for length in lengths),
        "median cell": statistics.median([len(cell) for cell in shown] or [0]),
        "longest cell": max([len(cell) for cell in shown] or [0]),
        "longest with folded": max([len(cell) for cell in every] or [0]),
        f"lines over {WIDTH}": sum(len(line) > WIDTH for cell in shown for line in cell),
    }


def heights(paths: list[Path], html: Path) -> dict[str, dict[str, float]]:
    """The columns that need a browser: page -> share of its height that is code, and blocks cut off, at 1280 px."""
    from playwright.sync_api import sync_playwright

    rows: dict[str, dict[str, float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for path in paths:
            built = html / "book" / f"{path.stem}.html"
            if built.exists():
                page.goto(built.resolve().as_uri())
                page.wait_for_timeout(500)
                article, code, cut = page.evaluate(HEIGHTS)
                rows[path.stem] = {"code, % of height": 100 * code / article, "blocks cut off": cut}
        browser.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path, help="notebooks")
    parser.add_argument("--html", type=Path, help="folder of the built book")
    options = parser.parse_args()
    rows = {path.stem: measure(path) for path in options.pages if path.suffix == ".ipynb"}
    for name, columns in (heights(options.pages, options.html) if options.html else {}).items():
        rows[name] |= columns
    columns = list(max(rows.values(), key=len))
    for name in columns:
        values = [row[name] for row in rows.values() if name in row]
        rows.setdefault("all", {})[name] = max(values) if "longest" in name else statistics.mean(values)
    width = max(map(len, rows))
    print(f"{'page':{width}}  " + "  ".join(columns))
    for page, row in rows.items():
        cells = (f"{row[name]:{len(name)}.1f}" if name in row else " " * len(name) for name in columns)
        print(f"{page:{width}}  " + "  ".join(cells))


if __name__ == "__main__":
    main()
