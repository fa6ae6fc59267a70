"""``tagging report``: the poster's table from run records. Book: ``book/results``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..book.poster_table import text_table
from ..book.runs import training_records
from ..errors import ConfigError
from ..training.settings import EDITIONS
from .base import Run, command


@command(
    "report",
    help="print a table of training runs",
    description="Print a table of training runs with 95 % intervals, beside the published results.",
)
def report(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging report``."""
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="runs or records (default: the runs in the book)")
    parser.add_argument(
        "--edition",
        choices=sorted(EDITIONS),
        help="only runs of this edition's table (default: every run; of the runs in the book, laptop)",
    )
    return _report


def _report(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.folders]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder")
    edition = options.edition or (None if folders else "laptop")
    print(text_table(training_records(folders or None), edition))
    return 0
