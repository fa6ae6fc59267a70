"""``tagging similar``: songs of a library that sound like another one. Book: ``book/tag_library``."""

from __future__ import annotations

import argparse

from ..library.search import similar
from .base import Run, command, whole_number
from .terminal import show, show_json


@command(
    "similar",
    help="songs of a table that sound like another one",
    description="Songs of a table, written by `tagging tag-library --embeddings`, that sound like another one: the cosine "
    "of the angle between their embeddings.",
)
def similar_command(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging similar``."""
    parser.add_argument("song", metavar="SONG", help="a path of the table, or any sound file")
    parser.add_argument(
        "--model", metavar="NAME", help="whose embeddings, where the table has several (default: the first)"
    )
    add_table_arguments(parser)
    return _similar


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """What both searches are told of the table and of their output."""
    parser.add_argument("--in", dest="table", required=True, metavar="TABLE", help="of `tagging tag-library`")
    parser.add_argument(
        "--top", type=whole_number(), default=10, metavar="N", help="how many songs (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per song and line")


def _similar(options: argparse.Namespace) -> None:
    matches = similar(options.song, options.table, count=options.top, model=options.model)
    for match in matches:
        if options.json:
            show_json({"path": match.path, "cosine": match.score})
        else:
            show(f"{match.score:6.3f}  {match.path}")
