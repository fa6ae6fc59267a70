"""``tagging report``: the poster's table from run records. Book: ``book/results``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..book.poster_table import text_table
from ..book.runs import BUNDLED_RUNS, training_records
from ..errors import ConfigError
from ..training.settings import EDITIONS
from .base import Run, command


@command(
    "report",
    help="the poster's table from run records",
    description="The poster's table, beside the published ones.",
)
def report(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging report``."""
    parser.add_argument(
        "folders", nargs="*", metavar="FOLDER", help="of records or runs (default: what the book quotes)"
    )
    parser.add_argument("--edition", choices=sorted(EDITIONS), default="laptop", help="(default: %(default)s)")
    return _report


def _report(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.folders] or [BUNDLED_RUNS]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder of records")
    print(text_table(training_records(folders), options.edition))
    return 0
