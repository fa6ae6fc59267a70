"""``tagging evaluate``: song-level scores of a trained tagger on a split. Book: ``book/recipe``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..evaluation.bootstrap import Interval
from ..training.records import write_record
from ..training.settings import Settings, parse_overrides
from .base import Run, command


@command(
    "evaluate",
    help="song-level scores of a trained tagger on a split",
    description="Scores with 95 % intervals. With another SoundFont in TAGGING_SOUNDFONT the clips sound otherwise.",
)
def evaluate(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging evaluate``."""
    parser.add_argument("tagger", metavar="TAGGER", help="a saved tagger, or the folder of a model of a run")
    parser.add_argument("--corpus", default="sheet-music", help="(default: %(default)s)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--clips", type=int, default=2000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, e.g. segments_per_clip=1")
    parser.add_argument("--output", metavar="FILE", help="write a record (.json) there")
    parser.add_argument("--cpu", action="store_true", help="leave accelerators alone")
    return _evaluate


def _evaluate(options: argparse.Namespace) -> int:
    from ..pretrained import load_tagger
    from ..training.distributed import is_main_process
    from ..training.results import evaluate_tagger

    path = Path(options.tagger)
    tagger = load_tagger(str(path / "tagger.safetensors") if path.is_dir() else options.tagger)
    settings = Settings().changed({"corpus": options.corpus, "test_clips": options.clips})
    settings = parse_overrides(options.set, settings).changed({"segment_seconds": tagger.segment_seconds})
    record = evaluate_tagger(tagger, settings, split=options.split, cpu_only=options.cpu)
    if not is_main_process():
        return 0
    for part, means in record["test"]["parts"].items():
        say_means(f"{part} tags", means)
    say_undefined(record)
    if options.output:
        write_record(Path(options.output), record)
    return 0


def say_means(of: str, means: dict[str, Any]) -> None:
    """Print the mean of each metric with its interval."""
    print(f"{of}: " + ", ".join(f"{metric} {Interval.from_dict(mean):.4f}" for metric, mean in means.items()))


def say_undefined(record: dict[str, Any]) -> None:
    """Which tags are in no mean: a mean over fewer tags should not look like one over all."""
    if names := record["test"]["undefined"]:
        print(
            f"in no mean, since the {record['test']['num_songs']:,} songs have one class of them only: {', '.join(names)}"
        )
