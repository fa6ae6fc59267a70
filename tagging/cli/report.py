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
    description="Print tables of training runs: within the sources of songs, with 95 % intervals over songs and seeds, and "
    "over all songs, with paired differences.",
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
    from ..training import endpoint_table
    from ..training.records import read_training_records
    from ..training.results_table import text_table

    folders = [Path(folder) for folder in options.folders]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"{folder}: {'a file; give the folder of runs or records' if folder.exists() else 'no such folder'}"
                "; `tagging train` makes runs in the folder runs"
            )
    records = read_training_records(folders)
    tables = [endpoint_table.text(records, options.edition), text_table(records, options.edition)]
    show(*"\n\n\n".join(filter(None, tables)).split("\n"))
    return OK
