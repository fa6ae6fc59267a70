"""The poster edition on a machine with a GPU: waveform and spectrogram at 100k, 500k and 1M clips, in several sessions.

On a machine with the `sheet-music` corpus prepared, put together what has to travel, for the other machine's Python:

    python benchmarks/poster_edition.py --pack carry --python 3.12

Then, on a machine with torch, torchaudio, numpy, safetensors and accelerate, without network, again and again until it says
that all is done:

    python benchmarks/poster_edition.py --carry carry --minutes 8 --output runs/poster

Each session resumes where the last one stopped and prints the table so far. Both models of a scale learn from one stream of
clips, made on all cores. `--toy` makes every run tiny, to try the whole way on a laptop.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The middle of the curve last: its ends say most if time runs out.
SCALES = (100_000, 1_000_000, 500_000)
# What rendering needs beside what is there; numba makes it three times as fast.
NEEDED = (
    "tinysoundfont", "numba", "llvmlite", "filelock", "tqdm", "lazy_loader", "pydantic", "pydantic_core", "annotated_types",
    "typing_inspection", "typing_extensions",
)  # fmt: skip
TOY = {
    "model": {"width": 0.1, "segment_seconds": 1.0},
    "optimization": {"num_training_segments": 256, "batch_size": 16},
    "evaluation": {"validation_interval": 128, "num_validation_clips": 10, "num_test_clips": 20, "num_resamples": 20},
    "runtime": {"precision": "no", "num_workers": 1, "log_interval": 4},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", metavar="FOLDER", help="put into FOLDER what has to travel, and do nothing else")
    parser.add_argument(
        "--python", default="{}.{}".format(*sys.version_info), help="of that machine (default: %(default)s)"
    )
    parser.add_argument(
        "--libraries", nargs="+", choices=NEEDED, default=NEEDED, metavar="NAME",
        help="to pack, of those it may lack (default: all of %(default)s; without numba and llvmlite a sixth as much travels)",
    )  # fmt: skip
    parser.add_argument("--carry", metavar="FOLDER", help="use what --pack put there")
    parser.add_argument("--minutes", type=float, default=8.0, help="of training in this session (default: %(default)s)")
    parser.add_argument("--output", default="runs/poster", help="where the runs live (default: %(default)s)")
    parser.add_argument(
        "--records", metavar="FOLDER", help="copy records, predictions and weights there, without subfolders"
    )
    parser.add_argument("--clips", type=int, nargs="+", default=SCALES, help="scales (default: %(default)s)")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="settings that differ, e.g. optimization.batch_size=256",
    )
    parser.add_argument("--toy", action="store_true", help="tiny runs of everything, on the CPU")
    options = parser.parse_args()
    start = time.monotonic()
    if options.pack:
        pack(Path(options.pack), options.python, options.libraries)
        return
    if options.carry:
        unpack(Path(options.carry))
    sys.path.insert(0, str(ROOT))  # the package need not be installed

    from tagging.training import edition, train
    from tagging.training.records import read_training_records
    from tagging.training.results_table import text_table
    from tagging.training.settings import parse_overrides

    output = Path(options.output)
    settings = edition("poster").override({"runtime.num_workers": max(1, (os.cpu_count() or 2) - 2)})
    settings = parse_overrides(options.set, settings.override(TOY if options.toy else {}))
    complete = True
    for clips in options.clips:
        left = options.minutes - (time.monotonic() - start) / 60
        records = []
        # the first run that is not complete gets on by a few updates, however short the session
        if left > 0 or complete:
            run = settings.override({"data.num_clips": 64 * clips // SCALES[0] if options.toy else clips})
            records = train(run, output / str(clips), cpu_only=options.toy, minutes=max(left, 0.0))
        complete = complete and bool(records)
        if options.records:  # whatever happens to the next one
            bring_back(output / str(clips), Path(options.records))
    if finished := read_training_records([output]):
        print(text_table(finished, "poster"))
    print("all is done" if complete else "not done yet: give the same command again", flush=True)


def pack(folder: Path, python: str, libraries: Sequence[str]) -> None:
    """The note cache, the rank tables, the SoundFont, and the libraries that machine lacks, as small as they get."""
    import tagging
    from tagging.data.sheet_music.library import library_path
    from tagging.data.sheet_music.synthesizer import soundfont_path
    from tagging.utils.files import cache_dir
    from tagging.utils.provenance import commit

    tagging.open_corpus("sheet-music", build=True).rank_table(edition_seconds())
    (folder / "scores").mkdir(parents=True, exist_ok=True)
    for path in [library_path(), *cache_dir("scores").glob("ranks-*.npy")]:
        shutil.copy(path, folder / "scores" / path.name)
    shutil.copy(soundfont_path(), folder / "soundfont.sf2")
    # a copy of the code without its history does not know it
    (folder / "commit").write_text(commit(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as site:
        install = [
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--python-version",
            python,
            "--target",
            site,
        ]
        subprocess.run([sys.executable, "-m", "pip", *install, *libraries], check=True)
        # a third smaller than the wheels, whose compression is from 1993
        with tarfile.open(folder / "site.tar.xz", "w:xz") as archive:
            archive.add(site, arcname="site")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.0f} MB, for Python {python}")


def edition_seconds() -> float:
    from tagging.training import edition

    return edition("poster").model.segment_seconds


def unpack(folder: Path) -> None:
    """Make the carried libraries importable where they are missing, and point the package to what was carried."""
    if missing():
        if not (folder / "site").exists():
            with tarfile.open(folder / "site.tar.xz") as archive:
                archive.extractall(folder, filter="data")
        # last: what the machine has itself comes first
        sys.path.append(str((folder / "site").resolve()))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), sys.path[-1]]))
    if missing():
        raise SystemExit(
            f"{', '.join(missing())}: cannot be imported here, nor from {folder}; pack them, too, see --libraries"
        )
    os.environ.setdefault("TAGGING_CACHE", str(folder.resolve()))
    os.environ.setdefault("TAGGING_SOUNDFONT", str((folder / "soundfont.sf2").resolve()))
    os.environ.setdefault("TAGGING_COMMIT", (folder / "commit").read_text(encoding="utf-8"))


def missing() -> list[str]:
    """The libraries that cannot be imported, because they are missing or do not fit the others."""

    def importable(name: str) -> bool:
        try:
            importlib.import_module(name)
        except ImportError:
            return False
        return True

    return [name for name in NEEDED if not importable(name)]


def bring_back(run_folder: Path, folder: Path) -> None:
    """Records, predictions and weights of one scale, if it is complete, as the package ships them; in half precision."""
    from tagging.book.runs import ship_predictions
    from tagging.models.tagger import Tagger
    from tagging.training.records import read_record
    from tagging.utils.text import short_count

    for path in run_folder.glob("*/record.json"):
        run, record = path.parent, read_record(path)
        ship_predictions(run, record["name"], folder)
        name = f"{record['edition']}-{run.name}-{short_count(record['num_clips'])}"
        Tagger.load(run / "tagger.safetensors").save(folder / f"{name}.safetensors", half=True)
        shutil.copy(path, folder / f"{record['name']}.json")  # last: where there is a record, all is there


if __name__ == "__main__":
    main()
