"""``tagging search``: songs of a library that words describe. Book: ``book/tag_library``."""

from __future__ import annotations

import argparse

from ..library.search import search
from .base import Run, command
from .similar import add_table_arguments
from .terminal import show, show_json


@command(
    "search",
    help="songs of a table that words describe",
    description="Songs of a table, written by `tagging tag-library`, that the tags in some words describe. Each song is "
    "ranked by each tag; the match is the product of the shares of songs it is ranked above.",
)
def search_command(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging search``."""
    parser.add_argument("query", metavar="WORDS", help="tags, such as 'slow piano, not vocals'")
    add_table_arguments(parser)
    return _search


def _search(options: argparse.Namespace) -> None:
    for match in search(options.query, options.table, count=options.top):
        if options.json:
            show_json({"path": match.path, "match": match.score, "scores": match.scores})
        else:
            scores = ", ".join(f"{tag} {score:.2f}" for tag, score in match.scores.items())
            show(f"{match.score:6.3f}  {match.path}  ({scores})")
