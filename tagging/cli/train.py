"""``tagging train``: train, test and record. Book: ``book/recipe``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ..errors import ConfigError
from ..training.records import read_record
from ..training.settings import EDITIONS, PRECISIONS, Settings, edition, parse_overrides, read_overrides
from ..utils.files import atomic_write
from ..utils.text import duration
from .base import Run, command
from .evaluate import say_means, say_undefined

TREES = "gbt"


@command(
    "train",
    help="train one or more models on one stream of clips",
    description="Train, test and record. A run that was stopped goes on when the same command is given again.",
)
def train_models(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging train``."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="FRONTEND, FRONTEND:BACKEND or FRONTEND:BACKEND:HEAD (see `tagging list`), mel-statistics, or gbt",
    )
    parser.add_argument("--edition", choices=sorted(EDITIONS), default="laptop", help="(default: %(default)s)")
    parser.add_argument("--clips", type=int, metavar="N", help="training clips (default: the edition's)")
    parser.add_argument("--seed", type=int, metavar="N", help="(default: 0)")
    parser.add_argument("--precision", choices=PRECISIONS, help="of the arithmetic (default: the edition's)")
    parser.add_argument("--settings", metavar="FILE", help="a TOML file of settings that differ from the edition's")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="further settings, e.g. learning_rate=0.004 mel.hop=256",
    )
    parser.add_argument("--output", metavar="FOLDER", help="where the run lives (default: runs/NAME here)")
    parser.add_argument("--records", metavar="FOLDER", help="also copy the records there, under their names")
    parser.add_argument("--minutes", type=float, metavar="N", help="leave off after so long; the same command goes on")
    parser.add_argument("--cpu", action="store_true", help="leave accelerators alone")
    parser.add_argument("--quiet", action="store_true", help="no bar")
    return _train


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings a command line asks for: edition, then file, then arguments."""
    settings = edition(options.edition).changed({"models": options.models})
    if options.settings:
        settings = read_overrides(options.settings, settings)
    for name in ("clips", "seed", "precision"):
        if (value := getattr(options, name)) is not None:
            settings = settings.changed({name: value})
    return parse_overrides(options.set, settings)


def _train(options: argparse.Namespace) -> int:
    from ..training.distributed import is_main_process
    from ..training.loop import train
    from ..training.results import run_name

    settings = settings_of(options)
    if options.records:
        _refuse_other_records(Path(options.records), settings)
    folder = Path(options.output or Path("runs") / run_name(settings, "+".join(settings.models).replace(":", "+")))
    if TREES in settings.models:
        if len(settings.models) > 1:
            raise ConfigError(f"{TREES} hears no stream of clips: train it by itself")
        if options.minutes is not None:
            raise ConfigError(
                f"--minutes: {TREES} knows no updates to stop after; stop it by hand, it goes on tag by tag"
            )
        from ..training.tree_run import train_trees

        records = [train_trees(settings, folder, progress=not options.quiet)]
    else:
        records = train(
            settings,
            folder,
            cpu_only=options.cpu,
            progress=not options.quiet,
            minutes=options.minutes,
        )
        if not is_main_process():
            return 0  # one of them says and copies what all have found
    for record in records:
        say_means(record["name"], record["test"]["means"])
        say_undefined(record)
        if "share_waiting_for_clips" in record:
            seen, speed = record["clips_seen"], record["clips_per_second"]
            waiting = f"{record['share_waiting_for_clips']:.1%} of the time waiting for them"
            print(f"{seen:,} clips seen in {duration(record['seconds'])}, {speed:.0f} a second, {waiting}")
        if options.records:
            place = folder / record["model"].replace(":", "+") / "record.json"
            target = Path(options.records) / f"{record['name']}.json"
            with atomic_write(target) as part:
                shutil.copyfile(place, part)
    return 0


def _refuse_other_records(folder: Path, settings: Settings) -> None:
    """Names of records hold the scale and the seed, not every setting: what another recipe left is not overwritten.

    Raises:
        ConfigError: there is a record of this name with other settings.
    """
    from ..training.results import run_name

    for model in settings.models:
        path = folder / f"{run_name(settings, model)}.json"
        if not path.exists():
            continue
        there = Settings.from_dict(read_record(path)["settings"])
        if there.changed({"models": settings.models, "workers": settings.workers}) != settings:
            raise ConfigError(f"{path} is of a run with other settings; give --records another folder")
