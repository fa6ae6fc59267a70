"""Make a folder that any static host serves from a built book.

    python book/_tools/make_site.py _build/html _build/site

All addresses in it are relative, so it may lie in a subfolder of a host. It needs no headers of its own: the live tagger uses
several workers of one thread each, not shared memory.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# what no page loads: maps for debugging the theme, its translations, and notes of the builder
UNUSED = shutil.ignore_patterns(
    "*.map", "locales", "webpack-macros.html", "sbt-webpack-macros.html", ".buildinfo", ".doctrees"
)


def make_site(book: Path, site: Path) -> int:
    """Copy a built book, and return the size of the site in bytes."""
    if not (book / "index.html").is_file():
        sys.exit(f"{book}: no book; run make book first")
    if site.resolve() == book.resolve() or book.resolve() in site.resolve().parents:
        sys.exit(f"{site} lies inside the book: name another folder")
    if site.exists():
        shutil.rmtree(site)
    shutil.copytree(book, site, ignore=UNUSED)
    (site / ".nojekyll").touch()  # GitHub Pages leaves out folders such as _static without it
    return sum(path.stat().st_size for path in site.rglob("*") if path.is_file())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: make_site.py BOOK SITE, for example _build/html _build/site")
    size = make_site(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{sys.argv[2]}: {size / 1e6:.1f} MB, ready for any static host")
