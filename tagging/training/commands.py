"""``tagging train | evaluate | report``. Book: ``book/recipe``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from ..cache import atomic_write
from ..errors import ConfigError
from ..records import SHIPPED, read_record, training_records, write_record
from ..report import duration, text_table
from ..resampling import Interval
from .settings import EDITIONS, PRECISIONS, Settings, edition, parse_overrides, read_overrides

TREES = "gbt"


def add_training_commands(commands: Any) -> None:
    """Add ``train``, ``evaluate`` and ``report`` to the subparsers of a command line."""
    train = commands.add_parser(
        "train",
        help="train one or more models on one stream of clips",
        description="Train, test and record. A run that was stopped goes on when the same command is given again.",
    )
    train.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="FRONTEND, FRONTEND:BACKEND or FRONTEND:BACKEND:HEAD (see `tagging list`), mel-statistics, or gbt",
    )
    train.add_argument("--edition", choices=sorted(EDITIONS), default="laptop", help="(default: %(default)s)")
    train.add_argument("--clips", type=int, metavar="N", help="training clips (default: the edition's)")
    train.add_argument("--seed", type=int, metavar="N", help="(default: 0)")
    train.add_argument("--precision", choices=PRECISIONS, help="of the arithmetic (default: the edition's)")
    train.add_argument("--settings", metavar="FILE", help="a TOML file of settings that differ from the edition's")
    train.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="further settings, e.g. learning_rate=0.004 mel.hop=256",
    )
    train.add_argument("--output", metavar="FOLDER", help="where the run lives (default: runs/NAME here)")
    train.add_argument("--records", metavar="FOLDER", help="also copy the records there, under their names")
    train.add_argument("--minutes", type=float, metavar="N", help="leave off after so long; the same command goes on")
    train.add_argument("--cpu", action="store_true", help="leave accelerators alone")
    train.add_argument("--quiet", action="store_true", help="no bar")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate",
        help="song-level scores of a trained tagger on a split",
        description="Scores with 95 %% intervals. With another SoundFont in TAGGING_SOUNDFONT the clips sound otherwise.",
    )
    evaluate.add_argument("tagger", metavar="TAGGER", help="a saved tagger, or the folder of a model of a run")
    evaluate.add_argument("--corpus", default="scores", help="(default: %(default)s)")
    evaluate.add_argument("--split", default="test", help="(default: %(default)s)")
    evaluate.add_argument("--clips", type=int, default=2000, metavar="N", help="(default: %(default)s)")
    evaluate.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, e.g. segments_per_clip=1"
    )
    evaluate.add_argument("--output", metavar="FILE", help="write a record (.json) there")
    evaluate.add_argument("--cpu", action="store_true", help="leave accelerators alone")
    evaluate.set_defaults(run=_evaluate)

    report = commands.add_parser(
        "report",
        help="the poster's table from run records",
        description="The poster's table, beside the published ones.",
    )
    report.add_argument(
        "folders", nargs="*", metavar="FOLDER", help="of records or runs (default: what the book quotes)"
    )
    report.add_argument("--edition", choices=sorted(EDITIONS), default="laptop", help="(default: %(default)s)")
    report.set_defaults(run=_report)


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
    from .engine import is_main_process
    from .loop import train
    from .outcome import run_name

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
        from .trees import train_trees

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
        _say(record["name"], record["test"]["means"])
        _say_undefined(record)
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
    from .outcome import run_name

    for model in settings.models:
        path = folder / f"{run_name(settings, model)}.json"
        if not path.exists():
            continue
        there = Settings.from_dict(read_record(path)["settings"])
        if there.changed({"models": settings.models, "workers": settings.workers}) != settings:
            raise ConfigError(f"{path} is of a run with other settings; give --records another folder")


def _evaluate(options: argparse.Namespace) -> int:
    from ..pretrained import load_tagger
    from .engine import is_main_process
    from .outcome import evaluate_tagger

    path = Path(options.tagger)
    tagger = load_tagger(str(path / "tagger.safetensors") if path.is_dir() else options.tagger)
    settings = Settings().changed({"corpus": options.corpus, "test_clips": options.clips})
    settings = parse_overrides(options.set, settings).changed({"segment_seconds": tagger.segment_seconds})
    record = evaluate_tagger(tagger, settings, split=options.split, cpu_only=options.cpu)
    if not is_main_process():
        return 0
    for part, means in record["test"]["parts"].items():
        _say(f"{part} tags", means)
    _say_undefined(record)
    if options.output:
        write_record(Path(options.output), record)
    return 0


def _say(of: str, means: dict[str, Any]) -> None:
    print(f"{of}: " + ", ".join(f"{metric} {Interval.from_dict(mean):.4f}" for metric, mean in means.items()))


def _say_undefined(record: dict[str, Any]) -> None:
    """Which tags are in no mean: a mean over fewer tags should not look like one over all."""
    if names := record["test"]["undefined"]:
        print(
            f"in no mean, since the {record['test']['songs']:,} songs have one class of them only: {', '.join(names)}"
        )


def _report(options: argparse.Namespace) -> int:
    folders = [Path(folder) for folder in options.folders] or [SHIPPED]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder of records")
    print(text_table(training_records(folders), options.edition))
    return 0
