"""``tagging prepare``: download or build in advance what is needed at first use. Book: ``book/million_clips``."""

from __future__ import annotations

import argparse
import time

from ..errors import ConfigError
from ..utils.text import parse_assignment
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
    parser.add_argument("--root", metavar="FOLDER", help="where a dataset of recordings is downloaded to")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="OPTION=VALUE",
        help="other options of the dataset, such as subset=small",
    )
    return _prepare


def _prepare(options: argparse.Namespace) -> int:
    from ..data import CORPORA, prepare_corpus
    from ..pretrained import list_pretrained, load_tagger

    chosen = dict(parse_assignment(text) for text in options.set) | ({"root": options.root} if options.root else {})
    for name in options.names:
        for part in list_pretrained() if name == "pretrained" else [name]:
            start = time.perf_counter()
            if part in CORPORA:
                prepare_corpus(part, **chosen)
            elif chosen:
                raise ConfigError(f"--root and --set are for datasets; {part} is none")
            else:
                load_tagger(part)
            show(f"{part}: ready ({time.perf_counter() - start:.1f} s)")
    return OK
