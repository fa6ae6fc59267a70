"""``tagging report``: a table of training runs from their records. Book: ``book/results``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigError
from ..training.settings import EDITIONS
from .base import OK, Run, command
from .terminal import show


@command(
    "report",
    help="print a table of training runs",
    description="Print a table of training runs with 95 % intervals and paired differences.",
)
def report(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging report``."""
    parser.add_argument(
        "folders", nargs="*", metavar="FOLDER", default=["runs"], help="runs or records (default: runs)"
    )
    parser.add_argument(
        "--edition", choices=sorted(EDITIONS), help="only runs of this edition's table (default: every run)"
    )
    return _report


def _report(options: argparse.Namespace) -> int:
    from ..training.records import read_training_records
    from ..training.results_table import text_table

    folders = [Path(folder) for folder in options.folders]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder}: {'a file; give the folder of runs or records' if folder.exists() else 'no such folder'}"
                "; `tagging train` makes runs in the folder runs"
            )
    show(*text_table(read_training_records(folders), options.edition).split("\n"))
    return OK
