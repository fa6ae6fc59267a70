"""What a command is: a function that is given a parser, adds its arguments, and returns what runs them.

>>> from tagging.cli.base import command
>>> @command("greet", help="say hello")
... def greet(parser):
...     parser.add_argument("name")
...     return lambda options: print(f"hello {options.name}")

A function may return an exit code; None is 0. Book: ``book/extend``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

# Exit codes: all went well; some file failed and the others were done; the command itself was wrong.
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
        name: what follows ``tagging`` on the command line; a name that is there already is replaced.
        help: one line for ``tagging --help``.
        description: for ``tagging NAME --help``.

    Book: ``book/extend``.
    """

    def decorate(setup: Setup) -> Setup:
        COMMANDS[name] = Command(help, description, setup)
        return setup

    return decorate


def positive_int(text: str) -> int:
    """An argument that must be a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number, at least 1")
    return int(text)
