"""``tagging write-tags``: tags of a library into the metadata of its files, and back. Book: ``book/tag_library``."""

from __future__ import annotations

import argparse

from ..library.fields import FIELDS
from ..library.metadata import undo_tags, write_tags
from .base import OK, SOME_FAILED, Run, command
from .terminal import OutputError, ReaderGone, complain, discard, show


@command(
    "write-tags",
    help="write tags of a table into the metadata of the files",
    description="Add tags of a table, written by `tagging tag-library`, to a field of the files' metadata. Without --write, "
    "say only what would be changed. The sound and all other metadata stay as they are, and --undo restores the field.",
)
def write_tags_command(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging write-tags``."""
    parser.add_argument("--in", dest="table", required=True, metavar="TABLE", help="of `tagging tag-library`")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument(
        "--tag",
        nargs="+",
        metavar="TAG[=SCORE]",
        help="tags to write, each from this score on; without, from the threshold that the model comes with",
    )
    action.add_argument("--undo", action="store_true", help="restore what was written")
    parser.add_argument("--field", choices=list(FIELDS), default="grouping", help="(default: %(default)s)")
    parser.add_argument(
        "--write", action="store_true", help="change the files; without, only say what would be changed"
    )
    return _write


def _write(options: argparse.Namespace) -> int:
    if options.undo:
        changes = undo_tags(options.table, write=options.write)
    else:
        changes = write_tags(options.table, options.tag, field=options.field, write=options.write)
    changed = failed = 0
    stopped: OutputError | ReaderGone | None = None
    for change in changes:
        if change.error:
            failed += 1
            complain(f"{change.path}: {change.error}")
            continue
        changed += 1
        if stopped is None:
            before, after = (", ".join(values) or "(nothing)" for values in (change.before, change.after))
            try:
                show(f"{change.path}: {before} -> {after}")
            except (OutputError, ReaderGone) as error:
                if not options.write:
                    raise
                stopped = error  # files are not left half done because nobody reads of them
    if isinstance(stopped, OutputError):
        raise stopped
    if stopped is None:
        show(f"{changed:,} files {'changed' if options.write else 'would be changed: --write does it'}")
    else:
        discard()
    if failed:
        complain(f"{failed:,} files cannot be changed")
    return SOME_FAILED if failed else OK
