"""The published wheel of musicnn: copied by hand, or fetched with pip, so that the user's index and proxy settings apply.

Nothing in it is imported or run. pip is: it is the one of this Python, never a ``pip.py`` in the current folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from ..errors import DownloadError
from ..utils.files import atomic_write, check_writable, sha256
from ..utils.temporary import temporary

REQUIREMENT = "musicnn==0.1.0"
WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"

# pip ends with this process, also when it is killed: its standard input is then closed.
_PIP = """
import os, runpy, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def fetched_wheel(folder: Path) -> Path:
    """The path of the wheel in a folder of the cache, with the published contents; fetched if it is not there.

    Raises:
        DownloadError: it cannot be fetched, or differs from the published one.
        TaggingError: the folder cannot be written to.
    """
    wheel = folder / WHEEL
    if not wheel.exists():
        print(f"tagging: fetching the musicnn weights with pip (29 MB, once, to {folder})", file=sys.stderr)
        _fetch(folder, wheel)
    if not wheel.is_file():
        raise DownloadError(f"{wheel} is not a file: remove it, and try again")
    if (digest := sha256(wheel)) != WHEEL_SHA256:
        wheel.unlink()
        raise DownloadError(
            f"{WHEEL} differs from the published file: its SHA-256 is {digest}, not {WHEEL_SHA256}. It was removed; "
            "try again, and if it happens again check which package index your pip uses"
        )
    return wheel


def _fetch(folder: Path, wheel: Path) -> None:
    check_writable(folder)
    with temporary(folder, is_folder=True) as scratch:
        errors = _run_pip(
            *("download", "--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(scratch), REQUIREMENT)
        )
        if not (scratch / WHEEL).is_file():
            raise DownloadError(_fetch_error(folder, errors))
        with atomic_write(wheel) as part:
            part.write_bytes((scratch / WHEEL).read_bytes())


def _run_pip(*arguments: str) -> str:
    """Run the pip of this Python; returns what it says of errors."""
    # -P: not from the current folder. Nor from one that PYTHONPATH names relative to it: an empty entry, which is often left
    # there by accident, is the current folder. Relative paths in the settings of pip stay what they are.
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(entry).is_absolute()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-P", "-c", _PIP, *arguments]
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="replace",
        ) as pip:
            assert pip.stderr is not None
            return pip.stderr.read()
    except OSError as error:
        return f"{sys.executable} cannot be run: {error.strerror or error}"


def _fetch_error(folder: Path, errors: str) -> str:
    last = (errors.strip().splitlines() or ["no message from pip"])[-1]
    download = f"pip download --no-deps --only-binary=:all: --dest {shlex.quote(str(folder))} {REQUIREMENT}"
    if "No module named" in last and "pip" in last:
        return (
            f"the musicnn weights are fetched with pip, which this environment does not have ({sys.executable}). "
            f"With uv: run `uvx {download}`, and try again. Or put pip into the environment, with `uv pip install pip` or "
            "`python -m ensurepip`"
        )
    return (
        f"the musicnn weights could not be fetched with pip ({last}). "
        f"Without network: run `pip download --no-deps {REQUIREMENT}` on a machine that has it, "
        f"copy {WHEEL} to {folder}, and try again"
    )
