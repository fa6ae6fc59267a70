"""``tagging prepare``: download or build in advance what is needed at first use. Book: ``book/million_clips``."""

from __future__ import annotations

import argparse
import time

from .base import OK, Run, command
from .terminal import show


@command("prepare", help="download or build in advance what is needed at first use")
def prepare(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging prepare``."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a pretrained tagger, 'pretrained' for all of them, or a corpus such as 'sheet-music'",
    )
    return _prepare


def _prepare(options: argparse.Namespace) -> int:
    from ..data import CORPORA, prepare_corpus
    from ..pretrained import list_pretrained, load_tagger

    for name in options.names:
        for part in list_pretrained() if name == "pretrained" else [name]:
            start = time.perf_counter()
            prepare_corpus(part) if part in CORPORA else load_tagger(part)
            show(f"{part}: ready ({time.perf_counter() - start:.1f} s)")
    return OK
