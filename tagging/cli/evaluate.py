"""``tagging evaluate``: song-level scores of a trained tagger on a split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .base import OK, Run, command, whole_number
from .corpus import add_corpus_arguments, corpus_name, corpus_options_of
from .evaluate_scores import TABLES, evaluate_scores
from .paths import check_output_file, tagger_path
from .terminal import show

if TYPE_CHECKING:
    from ..training.settings import Settings


@command(
    "evaluate",
    help="song-level scores of a trained tagger on a split, or of a table of scores",
    description="Scores with 95% intervals. For sheet-music, TAGGING_SOUNDFONT names another SoundFont to render with.",
)
def evaluate(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging evaluate``."""
    parser.add_argument(
        "tagger",
        metavar="TAGGER|SCORES.csv",
        help="a pretrained or saved tagger, the folder of a model of a run, or a table of scores of any model (with --labels): a "
        "header of tags, then a row per song with its id and its scores in [0, 1]",
    )
    add_corpus_arguments(parser, "that of the run; sheet-music for other taggers")
    parser.add_argument("--groups", metavar="ARTISTS.csv", help="of a table of scores: songs and their artists")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument(
        "--clips",
        type=whole_number(),
        metavar="N",
        help="(default: as many as the run; all of another split, and for other taggers; 2,000 of sheet-music)",
    )
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, e.g. evaluation.segments_per_clip=1"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write a record (.json) there; for a table of scores the folder of tags.csv and curves.png (default: "
        "evaluation-report)",
    )
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    return _evaluate


def _evaluate(options: argparse.Namespace) -> int:
    from ..pretrained import load_tagger
    from ..training.data import COUNT_SETTINGS
    from ..training.defaults import follow_data
    from ..training.distributed import is_main_process
    from ..training.records import write_record
    from ..training.results import evaluate_tagger
    from ..training.settings import Settings, parse_overrides

    path = Path(options.tagger)
    if path.suffix.lower() in TABLES:
        return evaluate_scores(options)
    if options.groups:
        raise ConfigError("--groups belongs to a table of scores; a corpus has its own groups")
    output = check_output_file("--output", Path(options.output), [".json"]) if options.output else None
    tagger = load_tagger(tagger_path(options.tagger))
    given = {} if (corpus := corpus_name(options)) is None else {"data.corpus": corpus}
    run = _settings_of_run(path)
    settings = (Settings() if run is None or "data.corpus" in given else run).override(given)
    settings = settings.override(
        {f"data.corpus_options.{name}": text for name, text in corpus_options_of(options).items()}
    )
    settings = parse_overrides(options.set, settings)
    chosen = {*given, *(text.partition("=")[0].strip() for text in options.set)}
    if run is not None and "data.corpus" not in given:
        all_clips = options.split not in COUNT_SETTINGS  # a split that the run does not use
    else:
        settings = follow_data(settings, chosen)
        all_clips = settings.data.corpus != Settings().data.corpus
    count = COUNT_SETTINGS.get(options.split, COUNT_SETTINGS["test"])
    if count not in chosen and (options.clips or all_clips):
        settings = settings.override({count: options.clips})
    settings = settings.override({"model.segment_seconds": tagger.segment_seconds})
    record = evaluate_tagger(tagger, settings, split=options.split, cpu_only=options.cpu)
    if not is_main_process():
        return OK
    if output:
        write_record(output, record)
    for part, means in record["test"]["parts"].items():
        print_means(f"{part} tags", means)
    print_undefined(record)
    return OK


def _settings_of_run(model: Path) -> Settings | None:
    """The settings of the run that the folder of a model belongs to; None for other taggers."""
    from ..training.settings import Settings

    path = model.resolve().parent / "settings.json"
    if not model.is_dir() or not path.is_file():
        return None
    try:
        return Settings.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ConfigError(f"{path}: damaged ({error}); name the corpus with --corpus") from error


def print_means(name: str, means: dict[str, Any]) -> None:
    """Print the mean of each metric with its interval."""
    from ..evaluation.bootstrap import Interval

    show(f"{name}: " + ", ".join(f"{metric} {Interval.from_dict(mean):.4f}" for metric, mean in means.items()))


def print_undefined(record: dict[str, Any]) -> None:
    """Print which tags are in no mean: a mean over fewer tags should not look like one over all."""
    if names := record["test"]["undefined"]:
        show(f"left out of the means: tags that all test songs have, or none: {', '.join(names)}")
