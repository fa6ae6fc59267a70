"""Standard output and error of the command line: the one place that prints.

Each text is one line; what a terminal would obey in it is escaped (:func:`tagging.utils.text.printable`), and characters that
the encoding of the output lacks are shown as escapes. JSON is written in ASCII, so that it is exact and parses everywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NoReturn

from ..errors import TaggingError
from ..utils.text import printable


class OutputError(TaggingError):
    """Standard output that cannot be written to: closed, or on a full disk."""


class ReaderGone(Exception):
    """The reader of standard output has gone, e.g. ``tagging list | head -1``: there is nothing left to do."""


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """What goes wrong with standard output, apart from the errors of all other files."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        raise OutputError(
            f"standard output cannot be written to ({error.strerror or error}); its text is lost: make room, or send it to "
            "another file with > FILE"
        ) from error


class _Output(io.FileIO):
    """The file behind standard output; printing to it raises the errors above."""

    def write(self, data: Any) -> int:
        with _named_errors():
            return super().write(data)


def show(*lines: str) -> None:
    """Print lines on standard output at once; a newline inside one of them is escaped.

    Raises:
        OutputError: standard output is closed or cannot be written to.
        ReaderGone: nobody reads it any more.
    """
    _write("".join(f"{printable(line)}\n" for line in lines))


def show_json(value: Any) -> None:
    """Print a value as one line of JSON, in ASCII: exact, whatever the encoding of the output.

    Raises:
        OutputError, ReaderGone: as :func:`show`.
    """
    _write(json.dumps(value).replace("\x7f", "\\u007f") + "\n")


def complain(text: str) -> None:
    """Print one line on standard error, after the name of the program."""
    if sys.stderr is not None:  # print(file=None) would write to standard output
        with contextlib.suppress(OSError, ValueError):
            print(f"tagging: {printable(text)}", file=sys.stderr, flush=True)


def _write(text: str) -> None:
    output = sys.stdout
    with _named_errors():
        if output is None or output.closed:
            raise OSError(errno.EBADF, "it is closed")
        encoding = getattr(output, "encoding", None) or "utf-8"
        output.write(text.encode(encoding, "backslashreplace").decode(encoding))
        output.flush()


def flush() -> None:
    """Write what is left of standard output, so that nothing can fail when the interpreter ends.

    Raises:
        OutputError, ReaderGone: as :func:`show`.
    """
    if sys.stdout is not None and not sys.stdout.closed:
        with _named_errors():
            sys.stdout.flush()


def discard() -> None:
    """Let later writes to standard output, and the flush at the end of the interpreter, go nowhere instead of failing."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # in a notebook it is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def own_stdout() -> None:
    """Keep standard output of this process for this program alone; call it once, at the start of the program.

    Libraries in C print what they think of a damaged file where they like: libsndfile on standard output, in front of the
    JSON. The file behind it gets another number, which only ``sys.stdout`` knows, and theirs becomes standard error.
    """
    # a closed one would be taken by the next file that is opened, into which others would then print
    while (spare := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(spare)
    if not isinstance(sys.stdout, io.TextIOWrapper) or sys.stdout.fileno() != 1:
        return
    output = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(output, "wb")),
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=sys.stdout.line_buffering,
    )


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """While a command runs: text of others, such as plugins and warnings, is escaped rather than stopping the command."""
    with contextlib.ExitStack() as stack:
        if sys.stderr is None:  # of no use to the progress bars, which would fail
            stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(os.devnull, "w"))))
        if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")
        usual = warnings.formatwarning
        stack.callback(setattr, warnings, "formatwarning", usual)
        warnings.formatwarning = _format_warning
        yield


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """One line; where the code is that warns is of interest for warnings that are not meant for users."""
    location = "" if category is UserWarning else f" ({category.__name__}, {filename}:{lineno})"
    return f"tagging: {printable(f'{message}{location}')}\n"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are escaped: what it could not understand may be the name of a file."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))
