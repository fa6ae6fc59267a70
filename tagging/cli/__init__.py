"""The command ``tagging``. Each subcommand is a thin layer over one function of the package. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Sequence

from ..errors import TaggingError
from ..utils.extras import missing_package
from ..version import __version__
from .base import COMMANDS, INTERRUPTED, OK, WRONG
from .plugins import load_plugins
from .terminal import OutputError, Parser, ReaderGone, complain, discard, flush, forgiving, own_stdout

# Each is a module of this folder, which registers the command.
OWN_COMMANDS = (
    "tag",
    "train",
    "evaluate",
    "compare",
    "sweep",
    "finetune",
    "probe",
    "report",
    "bias",
    "export",
    "corpus",
    "prepare",
    "list",
    "info",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows ``tagging``; by default those of this process.

    Returns:
        The exit code: 0 where all went well, 1 where some files failed and the others were processed, 2 for a command that
        cannot be run or whose output cannot be written, 130 for one that was interrupted.
    """
    if arguments is None:
        own_stdout()
    with forgiving():
        try:
            code = _main(arguments)
            flush()
            return code
        except TaggingError as error:
            if isinstance(error, OutputError):
                discard()
            complain(str(error))
            return WRONG
        except ModuleNotFoundError as error:
            if (explained := missing_package(error)) is None:
                raise
            complain(str(explained))
            return WRONG
        except KeyboardInterrupt:
            complain("interrupted")
            return INTERRUPTED
        except ReaderGone:
            discard()
            return OK


def _main(arguments: Sequence[str] | None) -> int:
    try:
        # plugins may register parts and commands, so they are loaded before the parser of the commands is built
        early, remaining = _plugin_parser().parse_known_args(arguments)
        load_commands(next((word for word in remaining if not word.startswith("-")), None))
        load_plugins([os.environ.get("TAGGING_PLUGINS", ""), *early.plugin])
        options = _parser().parse_args(remaining)
    except SystemExit as leaving:  # after --help, --version, or a mistake in the arguments
        return int(leaving.code or OK)
    return options.run(options) or OK


def load_commands(name: str | None = None) -> None:
    """Import the module of a command of this package; of all, where the name is of none of them.

    The modules of the other commands take longer to import than a song to tag.
    """
    for module in [name] if name in OWN_COMMANDS else OWN_COMMANDS:
        importlib.import_module(f".{module}", __name__)


def _plugin_parser() -> argparse.ArgumentParser:
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE[,FILE.py]",
        help="modules or Python files to import first: they register parts, corpora and commands of your own; may be repeated",
    )
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="tagging",
        description="Tag music, train taggers, and measure them.",
        epilog="Exit codes: 0 all went well, 1 some files failed and the others were processed, 2 the command cannot be run or "
        "its output cannot be written, 130 interrupted.",
        parents=[_plugin_parser()],
    )
    parser.add_argument("--version", action="version", version=f"tagging {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, entry in COMMANDS.items():
        subparser = commands.add_parser(name, help=entry.help, description=entry.description or entry.help)
        subparser.set_defaults(run=entry.setup(subparser))
    return parser
