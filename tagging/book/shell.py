"""Commands on pages: what ``tagging ...`` prints in a terminal. Book: ``book/your_own_folder``."""

from __future__ import annotations

import contextlib
import io
import shlex


def shell(command: str, lines: int | None = None) -> None:
    """Run a ``tagging`` command in this process, and print what it says, without progress bars.

    Args:
        command: such as ``"tagging list"``; a line may end with a backslash.
        lines: print the last so many only; None prints all.

    Raises:
        RuntimeError: another command, or one that fails.

    >>> shell("tagging tag song.mp3 --top 3")  # doctest: +SKIP

    Book: ``book/your_own_folder``.
    """
    from ..cli import main

    program, *arguments = shlex.split(command.replace("\\\n", " "))
    if program != "tagging":
        raise RuntimeError(f"{program}: only commands that begin with `tagging` can be run here")
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured), contextlib.redirect_stderr(captured):
        code = main(arguments)
    # a bar rewrites its line: what is left of it stands after the last return
    text = [line.rpartition("\r")[2].rstrip() for line in captured.getvalue().split("\n")]
    if code:
        raise RuntimeError(f"exit code {code}: " + "\n".join(text[-5:]))
    shown = [line for line in text if line]
    print(*(shown if lines is None else shown[-lines:]), sep="\n")
