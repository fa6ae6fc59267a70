"""A small music library made of the example sounds, and what was measured on a large one. Book: ``book/tag_library``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ..audio.examples import list_sounds, sound_path
from ..audio.files import load_audio
from .runs import bundled_record

_RATE = 16000


def make_example_library(folder: Path, count: int = 50, seconds: float = 4.0) -> Path:
    """Write short pieces of the example tunes as mp3, ogg and wav, in a folder for each tune; one is broken, one is there twice.

    Args:
        folder: is made.
        count: of files.
        seconds: length of a piece.
    """
    tunes = {name: load_audio(sound_path(name), _RATE)[0] for name in list_sounds()}
    random = np.random.default_rng(0)
    for number in range(count - 2):
        name = list(tunes)[number % len(tunes)]
        start = random.integers(0, len(tunes[name]) - round(seconds * _RATE))
        piece = random.uniform(0.3, 1) * tunes[name][start : start + round(seconds * _RATE)]
        path = folder / name / f"{number:02d}.{('mp3', 'ogg', 'wav')[number // 3 % 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, piece, _RATE)
    first = folder / list_sounds()[0] / "00.mp3"
    shutil.copy(first, folder / "greensleeves" / "copy of 00.mp3")
    (folder / "broken.mp3").write_bytes(first.read_bytes()[:40])
    return folder


def measured_library() -> dict[str, Any]:
    """What ``benchmarks/library.py`` measured: claim -> value, as a page shows them."""
    record = bundled_record("library")
    whole, killed, songs = record["undisturbed"], record["killed"], record["songs"]
    workers = whole["memory_mib"]["workers"]
    growth = max(worker["late"] / worker["early"] for worker in workers) - 1
    seconds, one, two = songs["seconds_of_a_song"], songs["cpu_seconds_with_1_job"], songs["cpu_seconds_with_2_jobs"]
    return {
        "files, short ones": f"{record['files']:,}",
        "of them broken": f"{record['broken']:,}",
        "listed with a reason": f"{killed['with_error']:,}",
        "kills (SIGKILL)": killed["kills"],
        "table equals that of an undisturbed run": "yes" if killed["table_equals"] else "no",
        "processes left by the kills": killed["processes_left"],
        f"memory of a worker, at most ({record['model']})": f"{max(worker['largest'] for worker in workers)} MiB",
        "change of a worker's memory over the run": f"{growth:+.0%}",
        "memory of the main process, at most": f"{whole['memory_mib']['parent']['largest']} MiB",
        f"songs of {seconds} s an hour and core, {songs['model']}": f"{songs['songs_per_cpu_hour']:,.0f}",
        "speed of a core, against a loop over the same songs": f"{songs['share_of_the_loop']:.0%}",
        "CPU time of a song with 2 jobs, against 1 job": f"{np.median(two) / np.median(one):.0%}",
        f"hours for 20,000 songs of {seconds} s on 8 cores": f"{20_000 / songs['songs_per_cpu_hour'] / 8:.1f}",
        "hours for 20,000 songs of 4 minutes on 8 cores": f"{20_000 * 240 / seconds / songs['songs_per_cpu_hour'] / 8:.1f}",
    }
