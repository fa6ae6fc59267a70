"""Commands: a function that takes a parser, adds arguments to it, and returns the function that runs the command.

>>> from tagging.cli.base import command
>>> @command("greet", help="say hello")
... def greet(parser):
...     parser.add_argument("name")
...     return lambda options: print(f"hello {options.name}")

The function that runs the command may return an exit code; None is 0. What a command of this package prints goes through
:mod:`tagging.cli.terminal`. Book: ``book/extend``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import NamedTuple

# Exit codes: success; some files failed and the others were processed; the command cannot be run, or its output cannot be
# written; interrupted, as shells count it.
OK, SOME_FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130

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


def whole_number(low: int = 1, high: int = 10**9) -> Callable[[str], int]:
    """Type of an argument: a whole number between two limits, which are allowed themselves."""

    def convert(text: str) -> int:
        try:
            value = (
                int(text) if len(text) < 30 else high + 1
            )  # int() refuses thousands of digits with an error of its own
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text}: give a whole number from {low} to {high:,}") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: give a whole number from {low} to {high:,}")
        return value

    return convert


def number(low: float, high: float) -> Callable[[str], float]:
    """Type of an argument: a number between two limits, which are allowed themselves."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        # written so that NaN is refused too; what is not 0 but nearly is a slip
        if not low <= value <= high or 0 < abs(value) < 1e-12:
            raise argparse.ArgumentTypeError(f"{text}: give a number from {low:g} to {high:,.0f}")
        return value

    return convert
