"""Standard output of the program: escaped, in any encoding, its own; an error and an exit code where it cannot be written."""

from __future__ import annotations

import ast
import contextlib
import ctypes
import io
import json
import os
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

from tagging import cli
from tagging.cli.base import COMMANDS, command
from tagging.cli.terminal import complain, show, show_json

FILES = Path(cli.__file__).parent
STRANGE = "é\x1b[2J\n🎵\x9b\x7f\u202e\udcff"


class Result(NamedTuple):
    code: int
    out: bytes
    err: str


@pytest.fixture(autouse=True)
def commands():
    before = dict(COMMANDS)
    yield
    COMMANDS.clear()
    COMMANDS.update(before)


def speaks(function):
    """Register ``tagging speak``, which does what the function does."""
    command("speak", help="say something")(lambda parser: lambda options: function())


def program(tmp_path, *arguments: str, stdout: int | str = "pipe", encoding: str = "utf-8") -> Result:
    """Run ``tagging ARGUMENTS`` as a program, in a forked process whose standard output is as asked for."""
    out, err = tmp_path / "out", tmp_path / "err"
    target = {"closed": None, "pipe": os.open(out, os.O_RDWR | os.O_CREAT | os.O_TRUNC)}.get(stdout, stdout)
    errors = os.open(err, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    child = os.fork()
    if not child:
        code = 99
        try:
            os.dup2(errors, 2)
            error_file = io.FileIO(2, "wb", closefd=False)
            sys.stderr = io.TextIOWrapper(error_file, "utf-8", "backslashreplace", write_through=True)
            if target is None:
                os.close(1)
                sys.stdout = None
            else:
                os.dup2(target, 1)
                sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "wb", closefd=False)), encoding)
            sys.argv = ["tagging", *arguments]
            code = cli.main()
            if sys.stdout is not None:
                sys.stdout.flush()  # as the interpreter does at its end
            ctypes.CDLL(None).fflush(None)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return Result(os.waitstatus_to_exitcode(status), out.read_bytes(), err.read_text(errors="replace"))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8", "utf-16", "cp932"])
def test_json_is_exact_in_every_encoding(tmp_path, encoding):
    speaks(lambda: show_json({"file": STRANGE, "scores": {STRANGE: 0.5}}))
    code, out, err = program(tmp_path, "speak", encoding=encoding)
    assert (code, err) == (0, "")
    (line,) = out.decode(encoding).splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"file": STRANGE, "scores": {STRANGE: 0.5}}


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "é\\x1b[2J\\n🎵\\x9b\\x7f\\u202e\\xff"),
        ("cp1252", "é\\x1b[2J\\n\\U0001f3b5\\x9b\\x7f\\u202e\\xff"),
        ("ascii", "\\xe9\\x1b[2J\\n\\U0001f3b5\\x9b\\x7f\\u202e\\xff"),
    ],
)
def test_text_is_escaped_where_it_has_to_be(tmp_path, encoding, shown):
    speaks(lambda: show(STRANGE, "next"))
    code, out, err = program(tmp_path, "speak", encoding=encoding)
    assert (code, err) == (0, "")
    assert out.decode(encoding) == f"{shown}\nnext\n"


def test_errors_and_warnings_are_one_line(tmp_path):
    def speak():
        # as warnings.warn() does where pytest does not collect them
        sys.stderr.write(warnings.formatwarning(UserWarning(STRANGE), UserWarning, "file.py", 1))
        complain(STRANGE)

    speaks(speak)
    code, out, err = program(tmp_path, "speak")
    assert (code, out) == (0, b"")
    assert err == "tagging: é\\x1b[2J\\n🎵\\x9b\\x7f\\u202e\\xff\n" * 2
    assert program(tmp_path, "speak", f"--{STRANGE}").err.endswith("--é\\x1b[2J\\n🎵\\x9b\\x7f\\u202e\\xff\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [("speak",), ("--version",), ("--help",), ("list",)])
def test_a_full_standard_output_is_an_error(tmp_path, arguments):
    speaks(lambda: show("something"))
    code, _, err = program(tmp_path, *arguments, stdout=os.open("/dev/full", os.O_WRONLY))
    assert code == 2
    assert err.startswith("tagging: standard output cannot be written to (No space left on device)")
    assert len(err.splitlines()) == 1


def test_a_full_disk_is_an_error_of_plain_print_too(tmp_path):
    """As in a library, or a plugin."""
    speaks(lambda: print("x" * 100_000))
    if Path("/dev/full").exists():
        assert program(tmp_path, "speak", stdout=os.open("/dev/full", os.O_WRONLY)).code == 2


def test_a_closed_standard_output_is_an_error_where_something_is_printed(tmp_path):
    target = tmp_path / "file"

    def speak():
        with open(target, "w") as file:  # takes the lowest free number, which must not be that of standard output
            os.write(1, b"a library")
            file.write("contents")
        show("something")

    speaks(speak)
    code, _, err = program(tmp_path, "speak", stdout="closed")
    assert code == 2
    assert err.splitlines()[-1].startswith("tagging: standard output cannot be written to (it is closed)")
    assert target.read_text() == "contents"
    speaks(lambda: None)
    assert program(tmp_path, "speak", stdout="closed") == Result(0, b"", "")


def test_a_reader_that_has_gone_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    speaks(lambda: show("something"))
    assert program(tmp_path, "speak", stdout=writer) == Result(0, b"", "")
    speaks(lambda: print("x" * 100_000))
    assert program(tmp_path, "speak", stdout=writer) == Result(0, b"", "")


def test_another_broken_pipe_is_not_taken_for_that_of_the_output(tmp_path):
    def speak():
        raise BrokenPipeError("of a worker")

    speaks(speak)
    code, _, err = program(tmp_path, "speak")
    assert code == 99
    assert "of a worker" in err


def test_what_libraries_in_c_print_does_not_reach_the_output(tmp_path):
    """libsndfile prints what it thinks of a damaged file on standard output, at once or when the process ends."""

    def speak():
        ctypes.CDLL(None).printf(b"Bad chunk\n")
        os.write(1, b"Worse chunk\n")
        subprocess.run([sys.executable, "-S", "-c", "print('a process')"], check=True)
        show_json([1])

    speaks(speak)
    code, out, err = program(tmp_path, "speak")
    assert (code, out) == (0, b"[1]\n")
    assert sorted(err.splitlines()) == ["Bad chunk", "Worse chunk", "a process"]


def test_it_runs_where_standard_output_is_no_file():
    """As in a notebook; what the process has there is left alone."""
    for stream in (io.StringIO(), type("Plain", (io.TextIOBase,), {"write": io.StringIO().write})()):
        with contextlib.redirect_stdout(stream):
            assert cli.main(["list"]) == 0
            assert cli.main(["lost"]) == 2
            assert cli.main(["--version"]) == 0


def test_nothing_but_the_terminal_prints():
    for path in FILES.glob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        printing = [call.lineno for call in calls if getattr(call.func, "id", "") == "print"]
        assert path.name == "terminal.py" or not printing, f"{path}: use show() or complain(), in lines {printing}"
