"""Commands: a function that takes a parser, adds arguments to it, and returns the function that runs the command.

>>> from tagging.cli.base import command
>>> @command("greet", help="say hello")
... def greet(parser):
...     parser.add_argument("name")
...     return lambda options: print(f"hello {options.name}")

The function that runs the command may return an exit code; None is 0. Book: ``book/extend``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

# Exit codes: success; some files failed and the others were processed; the command cannot be run.
OK, SOME_FAILED, WRONG = 0, 1, 2

Run = Callable[[argparse.Namespace], int | None]
Setup = Callable[[argparse.ArgumentParser], Run]


class Command(NamedTuple):
    """A subcommand of ``tagging``.

    Attributes:
        help: one line for ``tagging --help``.
        description: for ``tagging NAME --help``; ``help`` where it is empty.
        setup: adds the arguments, and returns the function that runs the command.
    """

    help: str
    description: str
    setup: Setup


COMMANDS: dict[str, Command] = {}


def command(name: str, *, help: str, description: str = "") -> Callable[[Setup], Setup]:
    """Register a subcommand.

    Args:
        name: follows ``tagging`` on the command line; a name that is taken is replaced.
        help: one line for ``tagging --help``.
        description: for ``tagging NAME --help``; ``help`` where it is empty.

    Book: ``book/extend``.
    """

    def decorate(setup: Setup) -> Setup:
        COMMANDS[name] = Command(help, description, setup)
        return setup

    return decorate


def positive_int(text: str) -> int:
    """Type of an argument: a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, at least 1")
    return int(text)
