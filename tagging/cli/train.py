"""``tagging train``: train, test and record."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..training.settings import EDITIONS
from ..utils.files import atomic_write
from ..utils.text import duration
from .base import OK, Run, command, number, whole_number
from .corpus import add_corpus_arguments, corpus_name, corpus_options_of
from .evaluate import print_means, print_undefined
from .paths import check_output_folder
from .terminal import show

if TYPE_CHECKING:
    from ..training.settings import Settings


@command(
    "train",
    help="train one or more models on one stream of clips",
    description="Train, test and record. A run that was stopped resumes when the same command is given again.",
)
def train(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging train``."""
    add_train_arguments(parser)
    add_run_arguments(parser)
    return run_training


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a single run can leave behind."""
    parser.add_argument("--records", metavar="FOLDER", help="also copy the records there, under their names")
    parser.add_argument(
        "--curves",
        nargs="+",
        default=[],
        choices=("csv", "tensorboard"),
        help="write learning curves into the folder of the run: curves.csv, files for TensorBoard",
    )


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what all commands that train take: models, corpus, settings, where and how long."""
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="FRONTEND, FRONTEND:BACKEND, FRONTEND:BACKEND:HEAD or a baseline, see `tagging list` (default: those of --settings)",
    )
    add_corpus_arguments(parser, "sheet-music, or what the settings say; with --root: folder")
    parser.add_argument(
        "--store",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="before the training, decode all recordings once into a store (about 115 MB an hour at 16 kHz), or bring the one "
        "that is there up to date, and read segments from it without decoding; as `tagging prepare --store` (default: use the "
        "store in the cache if there is one, write none; --store without FOLDER: that one)",
    )
    parser.add_argument("--edition", choices=sorted(EDITIONS), default="laptop", help="(default: %(default)s)")
    parser.add_argument("--clips", type=whole_number(), metavar="N", help="training clips (default: the edition's)")
    parser.add_argument("--seed", type=whole_number(0, 2**63 - 1), metavar="N", help="(default: 0)")
    parser.add_argument("--precision", choices=("no", "bf16"), help="of the arithmetic (default: the edition's)")
    parser.add_argument("--settings", metavar="FILE", help="a TOML file of settings that differ from the edition's")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="further settings, see `tagging list`; a run of a minute, to try things out: --clips 200 --set "
        "optimization.num_training_segments=320 evaluation.num_validation_clips=100 evaluation.num_test_clips=100",
    )
    parser.add_argument("--output", metavar="FOLDER", help="where the run lives (default: runs/NAME)")
    parser.add_argument(
        "--minutes",
        type=number(0.01, 1e6),
        metavar="N",
        help="stop after so long; the same command resumes. The time is checked every runtime.log_interval steps, so a run "
        "takes the time of so many steps, and of building its models, at least",
    )
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings a command line asks for: edition, then what follows the data, then file, then arguments."""
    from ..training.defaults import follow_data, names_in
    from ..training.settings import edition, parse_overrides
    from ..training.settings_files import read_settings, read_toml

    settings = edition(options.edition)
    chosen = {text.partition("=")[0].strip() for text in options.set}
    if options.settings:
        settings = read_settings(options.settings, settings)
        chosen |= names_in(read_toml(options.settings))
    elif not options.models:
        raise ConfigError("name at least one model, e.g. `tagging train spectrogram`, or a file with --settings")
    arguments = {
        "models": options.models or None,
        "data.num_clips": options.clips,
        "seed": options.seed,
        "runtime.precision": options.precision,
        "data.corpus": corpus_name(options),
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    corpus_options = {f"data.corpus_options.{name}": value for name, value in corpus_options_of(options).items()}
    settings = parse_overrides(options.set, settings.override(given | corpus_options))
    if options.store is None:
        return follow_data(settings, chosen | set(given))
    return _with_store(settings, chosen | set(given), options)


def _with_store(settings: Settings, chosen: set[str], options: argparse.Namespace) -> Settings:
    """Settings whose corpus is read from a store, which is written or brought up to date here, when all else is checked."""
    from ..data import CORPORA
    from ..data.store_writer import write_store
    from ..training.defaults import follow_data
    from ..training.loop import check_settings

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "--store: several processes train here; write the store before, with `tagging prepare --store`"
        )
    opened = {name: value for name, value in settings.data.corpus_options.items() if name not in ("store", "split")}
    if hasattr(CORPORA.get(settings.data.corpus), "use_store"):
        # a store that is there may be damaged, which is mended below
        settings = follow_data(settings.override({"data.corpus_options.store": False}), chosen)
        check_settings(settings, cpu_only=options.cpu, minutes=options.minutes)
        opened = {name: value for name, value in settings.data.corpus_options.items() if name not in ("store", "split")}
    store = write_store(settings.data.corpus, options.store or None, progress=not options.quiet, **opened)
    stored = {"store": str(store.folder)} if options.store else {}
    return settings.override({"data.corpus_options": {}}).override({"data.corpus_options": opened | stored})


def run_training(options: argparse.Namespace) -> int:
    """Train what a command line asks for, and print scores."""
    from ..training.curves import loggers
    from ..training.distributed import is_main_process
    from ..training.loop import train
    from ..training.records import model_folder
    from ..training.run_names import run_name

    settings = settings_of(options)
    folder = Path(options.output or Path("runs") / run_name(settings, "+".join(settings.models)))
    check_output_folder("--output", folder)
    if options.records:
        _check_same_records(check_output_folder("--records", Path(options.records)), settings)
    on_event = loggers(options.curves, folder) if options.curves else None
    records = train(
        settings, folder, cpu_only=options.cpu, progress=not options.quiet, on_event=on_event, minutes=options.minutes
    )
    if not is_main_process():
        return OK  # the main process copies and prints what all of them computed
    for record in records if options.records else []:
        target = Path(options.records) / f"{record['name']}.json"
        with atomic_write(target) as part:
            shutil.copyfile(model_folder(folder, record["model"]) / "record.json", part)
    for record in records:
        print_means(record["name"], record["test"]["means"])
        print_undefined(record)
        if "data_wait_ratio" in record:
            speed, waiting = record["segments_per_second"], record["data_wait_ratio"]
            show(
                f"{record['num_training_segments']:,} training segments in {duration(record['seconds'])}, {speed:.0f} per second,"
                f" {waiting:.1%} of the time waiting for data"
            )
        if (saved := model_folder(folder, record["model"]) / "tagger.safetensors").exists():
            show(f"saved: {saved}")
    return OK


def _check_same_records(folder: Path, settings: Settings) -> None:
    """Raise ConfigError where the folder has a record of this name that was made with other settings."""
    from ..training.records import read_record
    from ..training.run_names import run_name
    from ..training.settings import Settings

    for model in settings.models:
        path = folder / f"{run_name(settings, model)}.json"
        if not path.exists():
            continue
        existing = Settings.from_dict(read_record(path)["settings"])
        same = {"models": settings.models, "runtime.num_workers": settings.runtime.num_workers}
        if existing.override(same) != settings:
            raise ConfigError(f"{path} is of a run with other settings; give --records another folder")
