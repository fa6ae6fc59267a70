"""Sphinx extension of the book: what Jupyter Book's own settings cannot do.

- Pages load nothing from other hosts: Thebe is removed.
- A page that is no longer in the table of contents is removed from the built book.
- Example sounds are put beside the pages as mp3, which every browser plays.
- Notebooks run again when the package or an installed library has changed, and a page whose notebook failed is read again
  at the next build.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[2]
LOG = logging.getLogger(__name__)
EMPTY_HEADING = re.compile(r"<th((?:\s[^>]*)?)>(?:\s|&nbsp;|&#160;|</?p>)*</th>")


def leave_out_thebe(app: Sphinx, _config: object) -> None:
    """Remove sphinx-thebe's hooks, which Jupyter Book always loads.

    They put a script on every page that declares a constant twice (an error in the console) and name a CDN.
    """
    for event in ("builder-inited", "env-before-read-docs", "doctree-resolved", "html-page-context"):
        hooks = app.events.listeners.get(event, [])
        app.events.listeners[event] = [h for h in hooks if not h.handler.__module__.startswith("sphinx_thebe")]
    app.registry.css_files = [entry for entry in app.registry.css_files if entry[0] != "sphinx-thebe.css"]


def follow_the_system(app: Sphinx, _config: object) -> None:
    """Start in the reader's own light or dark mode; without a value the theme logs an error on every page."""
    app.config.html_context.setdefault("default_mode", "auto")


def sweep(app: Sphinx) -> None:
    """Before a full build, remove the pages of earlier builds: a page that left the book must not stay in it."""
    if app.env.all_docs:
        return
    for page in Path(app.outdir).rglob("*.html"):
        page.unlink()


def copy_sounds(app: Sphinx) -> None:
    write_sounds(Path(app.outdir, "_static", "sounds"))


def no_empty_headings(_app: Sphinx, _page: str, _template: str, context: dict, _doctree: object) -> None:
    """The corner of a table is no heading of anything: an empty ``<th>`` is read out as one."""
    if "body" in context:
        context["body"] = EMPTY_HEADING.sub(r"<td\1></td>", context["body"])


def write_sounds(folder: Path) -> None:
    """Write the example sounds as mp3: not every browser in use decodes Ogg Vorbis."""
    import soundfile

    from tagging.audio.examples import list_sounds, sound_path

    folder.mkdir(parents=True, exist_ok=True)
    for name in list_sounds():
        samples, sample_rate = soundfile.read(sound_path(name), dtype="float32")
        soundfile.write(folder / f"{name}.mp3", samples, sample_rate, format="MP3", compression_level=0.5)


def fingerprint() -> str:
    """A hash of what the outputs of notebooks depend on, apart from the notebooks: package, constraints, installed libraries."""
    digest = hashlib.sha256(sys.version.encode())
    files = [path for path in (ROOT / "tagging").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted([*files, ROOT / "constraints.txt"]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    installed = {f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions()}
    digest.update("\n".join(sorted(installed)).encode())
    return digest.hexdigest()


def refresh(cache: Path) -> str:
    """Empty the cache of executed notebooks if the fingerprint has changed, since its keys hold their code alone.

    Returns:
        The fingerprint.
    """
    stamp = cache / "made_from.sha256"
    now = fingerprint()
    if cache.exists() and not (stamp.exists() and stamp.read_text() == now):
        LOG.info("the package or an installed library has changed: every notebook runs again")
        shutil.rmtree(cache)
    cache.mkdir(parents=True, exist_ok=True)
    stamp.write_text(now)
    return now


def forget_stale_outputs(app: Sphinx) -> None:
    """Drop outputs and pages that were made with an earlier state of the package."""
    now = refresh(Path(app.config.nb_execution_cache_path or Path(app.outdir).parent / ".jupyter_cache"))
    app.env.book_is_stale = getattr(app.env, "book_made_from", None) != now
    app.env.book_made_from = now


def read_again(app: Sphinx, env, _added: set, _changed: set, _removed: set) -> list[str]:
    """Pages to read again although their source is the same.

    Without this, a notebook that failed is skipped by the next build, which then reports success.
    """
    notebooks = [name for name in env.found_docs if env.doc2path(name).endswith(".ipynb")]
    if env.book_is_stale:
        return [name for name in [*notebooks, *env.found_docs] if name in env.all_docs]
    metadata = getattr(env, "nb_metadata", {})  # missing before the first notebook has been read
    runs = {name: metadata.get(name, {}).get("exec_data") for name in notebooks}
    return [name for name, run in runs.items() if run and not run["succeeded"]]


def drop_widget_state(app: Sphinx, _doctree) -> None:
    """Drop the stored state of widgets: their cells need a running kernel, and no page shows them."""
    getattr(app.env, "nb_metadata", {}).get(app.env.docname, {}).get("js_files", {}).pop("ipywidgets_state", None)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("config-inited", leave_out_thebe)
    app.connect("config-inited", follow_the_system)
    app.connect("builder-inited", sweep)
    app.connect("builder-inited", copy_sounds)
    app.connect("builder-inited", forget_stale_outputs)
    app.connect("env-get-outdated", read_again)
    app.connect("doctree-read", drop_widget_state)
    app.connect("html-page-context", no_empty_headings)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
