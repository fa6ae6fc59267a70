"""End jobs at random times with KILL, TERM, HUP and INT, and count what they leave behind.

Each job runs once undisturbed. Then it is started in a folder of its own, sent a signal after a random part of that time,
and run again to its end. Counted are:

- unequal: the second run ends with other results than the undisturbed one
- strays: processes of the first run that live 10 s after the signal
- left-overs: files and folders that the undisturbed run does not have, after the second run
- slow: ends by INT or TERM that take more than 5 s; the longest is given

Goal: 0 of each. Linux only. ``fetch`` takes the wheel of musicnn from the user's cache, ``train`` and ``features`` the
corpus sheet-music (``tagging prepare sheet-music``); the user's cache is not written to.

    python benchmarks/attack_kills.py [--kills 3] [--only fetch prepare]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.audio.examples import sound_path
from tagging.book.runs import BUNDLED_RUNS
from tagging.utils.files import cache_dir

CLI = "import sys; from tagging.cli import main; sys.exit(main({arguments!r}))"
# The scores of four collections and one instrument, in place of all: seconds, in place of minutes
SMALL_LIBRARY = """
import functools
from tagging.data.sheet_music import library, note_bank
folders = ("airdsAirs", "corelli", "joplin", "luca")
library.build_library = functools.partial(library.build_library, folders=folders, workers=2)
note_bank.PROGRAMS, note_bank.DRUM_KEYS = (0,), ()
"""
FEATURES = """
from tagging import open_corpus
from tagging.baselines.features import extraction
extraction.BLOCK = 5
extraction.extract(open_corpus("sheet-music", split="test"), range(30), workers=2, progress=False)
"""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@dataclass(frozen=True)
class Job:
    """A program that writes into its folder, and the caches of the user that it may read."""

    code: str
    links: tuple[str, ...] = ()
    # files with times and dates in them, of which only the existence is compared
    volatile: tuple[str, ...] = ()


def jobs() -> dict[str, Job]:
    train = ["train", "mel-statistics", "--clips", "200", "--output", "run", "--records", "records", "--quiet"]
    train += [
        "--set",
        "runtime.num_workers=1",
        "optimization.num_training_segments=2560",
        "evaluation.validation_interval=640",
    ]
    train += ["evaluation.num_validation_clips=100", "evaluation.num_test_clips=100", "evaluation.num_resamples=10"]
    bias = ["bias", str(next(BUNDLED_RUNS.rglob("*.npz"))), "--output", "report", "--resamples", "20"]
    song = str(sound_path("drowsy-maggie"))
    return {
        "prepare": Job(SMALL_LIBRARY + CLI.format(arguments=["prepare", "sheet-music"])),
        "train": Job(
            CLI.format(arguments=train), ("scores",), ("record.json", "settings.json", ".safetensors", "records/")
        ),
        "features": Job(FEATURES, ("scores",)),
        "fetch": Job("from tagging import load_tagger; load_tagger('mtt-vgg'); load_tagger('msd-musicnn')"),
        "tag": Job(CLI.format(arguments=["tag", song, "--taggram", "song.png"]), ("pretrained",), ("song.png",)),
        "bias": Job(CLI.format(arguments=bias), (), (".png",)),
    }


def start(job: Job, folder: Path) -> subprocess.Popen:
    environment = {
        **os.environ,
        "TAGGING_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(cache_dir("pretrained")),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", job.code],
        cwd=folder,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def prepared(job: Job, root: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=root))
    (folder / "cache").mkdir()
    for name in job.links:
        (folder / "cache" / name).symlink_to(cache_dir(name))
    return folder


def contents(job: Job, folder: Path) -> dict[str, str]:
    """Path -> hash of what it says, of all that a job has written."""
    contents_now = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            text = path.relative_to(folder).as_posix()
            is_plain = path.is_file() and not any(part in text for part in job.volatile)
            contents_now[text] = meaning(path) if is_plain else ""
    return contents_now


def meaning(path: Path) -> str:
    if path.suffix != ".npz":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with np.load(path, allow_pickle=False) as stored:  # an archive holds times
        arrays = [stored[name].tobytes() for name in sorted(stored.files)]
    return hashlib.sha256(b"".join(arrays)).hexdigest()


def living(session: int) -> list[int]:
    """The processes of a session."""
    contents_now = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                contents_now.append(int(path.parent.name))
    return contents_now


def attack(name: str, job: Job, kills: int, root: Path) -> None:
    folder = prepared(job, root)
    began = time.monotonic()
    if start(job, folder).wait():
        raise SystemExit(f"{name}: the undisturbed run fails")
    length, expected = time.monotonic() - began, contents(job, folder)
    draw = random.Random(0)
    unequal, strays, left_overs, slow, longest = 0, 0, 0, 0, 0.0
    for number in range(kills * len(SIGNALS)):
        folder = prepared(job, root)
        process = start(job, folder)
        time.sleep(draw.uniform(0.3, 0.95) * length)
        sent = SIGNALS[number % len(SIGNALS)]
        process.send_signal(sent)
        began = time.monotonic()
        while time.monotonic() - began < 10 and (process.poll() is None or living(process.pid)):
            time.sleep(0.05)
        took = time.monotonic() - began
        longest = max(longest, took)
        slow += took > 5
        still = [pid for pid in living(process.pid) if pid != process.pid or sent == signal.SIGKILL]
        if sent == signal.SIGINT:  # it may take its time, but it ends
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(200)
            longest = max(longest, time.monotonic() - began)
        strays += len(still)
        for pid in living(process.pid):
            os.kill(pid, signal.SIGKILL)  # our own: of the session that was started here
        process.wait()
        if start(job, folder).wait():
            print(f"  {name} after {sent.name}: the second run fails")
        contents_now = contents(job, folder)
        unequal += {path: contents_now.get(path) for path in expected} != expected
        more = sorted(set(contents_now) - set(expected))
        left_overs += len(more)
        if more or still:
            print(f"  {name} after {sent.name}: left {more[:4]}, processes {still}")
        shutil.rmtree(folder)
    print(
        f"{name:9} {length:5.1f} s  {kills * len(SIGNALS):3} killed  unequal {unequal}  strays {strays}  "
        f"left-overs {left_overs}  slow {slow} (longest {longest:.1f} s)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=3, help="of each job with each signal (default: 3)")
    parser.add_argument("--only", nargs="+", choices=list(jobs()))
    options = parser.parse_args()
    # what a shell runs in its background, or nohup, ignores these, and so would the jobs
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as root:
        for name, job in jobs().items():
            if not options.only or name in options.only:
                attack(name, job, options.kills, Path(root))


if __name__ == "__main__":
    main()
