"""The command ``tagging``. Each subcommand is a thin layer over one function of the package. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import TaggingError
from . import bias, corpus, evaluate, list, prepare, report, tag, train  # noqa: F401  (they register themselves)
from .base import COMMANDS, OK, WRONG


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # a file name may hold bytes that the terminal's encoding lacks: it is shown escaped rather than stopping the batch
    sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or OK
    except TaggingError as error:
        print(f"tagging: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("tagging: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe went away, e.g. `tagging tag ... | head`; nothing is left to say to it
        sys.stderr.close()
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tagging", description="Music tags from sound, and the experiments of the book."
    )
    parser.add_argument("--version", action="version", version=f"tagging {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, found in COMMANDS.items():
        subparser = commands.add_parser(name, help=found.help, description=found.description or found.help)
        subparser.set_defaults(run=found.setup(subparser))
    return parser
