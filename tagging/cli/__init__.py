"""The command ``tagging``. Each subcommand is a thin layer over one function of the package. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from ..errors import TaggingError
from ..utils.extras import missing_package
from ..version import __version__
from . import bias, compare, corpus, evaluate, info, list, prepare, report, sweep, tag, train  # noqa: F401  (they register themselves)
from .base import COMMANDS, OK, WRONG
from .plugins import load_plugins


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows ``tagging``; by default those of this process.

    Returns:
        The exit code: 0 where all went well, 1 where some files failed, 2 for a command that cannot be run.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a file name may hold bytes that the terminal's encoding lacks: it is shown escaped rather than stopping the batch
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # plugins may register parts and commands, so they are loaded before the parser of the commands is built
        early, remaining = _plugin_parser().parse_known_args(arguments)
        load_plugins([os.environ.get("TAGGING_PLUGINS", ""), *early.plugin])
        options = _parser().parse_args(remaining)
        return options.run(options) or OK
    except TaggingError as error:
        return _report(error)
    except ModuleNotFoundError as error:
        if (explained := missing_package(error)) is None:
            raise
        return _report(explained)
    except KeyboardInterrupt:
        print("tagging: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of a pipe has gone, e.g. `tagging tag ... | head`: later writes and the flush at exit must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _report(error: TaggingError) -> int:
    print(f"tagging: {error}", file=sys.stderr)
    return WRONG


def _plugin_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE[,FILE.py]",
        help="modules or Python files to import first: they register parts, corpora and commands of your own; may be repeated",
    )
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tagging",
        description="Tag music, train taggers, and measure them.",
        parents=[_plugin_parser()],
    )
    parser.add_argument("--version", action="version", version=f"tagging {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, entry in COMMANDS.items():
        subparser = commands.add_parser(name, help=entry.help, description=entry.description or entry.help)
        subparser.set_defaults(run=entry.setup(subparser))
    return parser
