"""``tagging evaluate``: song-level scores of a trained tagger on a split."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .base import OK, Run, command, whole_number
from .paths import check_output_file, tagger_path
from .terminal import show


@command(
    "evaluate",
    help="song-level scores of a trained tagger on a split",
    description="Scores with 95% intervals. For sheet-music, TAGGING_SOUNDFONT names another SoundFont to render with.",
)
def evaluate(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging evaluate``."""
    parser.add_argument(
        "tagger", metavar="TAGGER", help="a pretrained or saved tagger, or the folder of a model of a run"
    )
    parser.add_argument("--corpus", default="sheet-music", help="(default: %(default)s)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--clips", type=whole_number(), default=2000, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings, e.g. evaluation.segments_per_clip=1"
    )
    parser.add_argument("--output", metavar="FILE", help="write a record (.json) there")
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    return _evaluate


def _evaluate(options: argparse.Namespace) -> int:
    from ..pretrained import load_tagger
    from ..training.distributed import is_main_process
    from ..training.records import write_record
    from ..training.results import evaluate_tagger
    from ..training.settings import Settings, parse_overrides

    output = check_output_file("--output", Path(options.output), [".json"]) if options.output else None
    tagger = load_tagger(tagger_path(options.tagger))
    settings = Settings().override({"data.corpus": options.corpus, "evaluation.num_test_clips": options.clips})
    settings = parse_overrides(options.set, settings).override({"model.segment_seconds": tagger.segment_seconds})
    record = evaluate_tagger(tagger, settings, split=options.split, cpu_only=options.cpu)
    if not is_main_process():
        return OK
    if output:
        write_record(output, record)
    for part, means in record["test"]["parts"].items():
        print_means(f"{part} tags", means)
    print_undefined(record)
    return OK


def print_means(name: str, means: dict[str, Any]) -> None:
    """Print the mean of each metric with its interval."""
    from ..evaluation.bootstrap import Interval

    show(f"{name}: " + ", ".join(f"{metric} {Interval.from_dict(mean):.4f}" for metric, mean in means.items()))


def print_undefined(record: dict[str, Any]) -> None:
    """Print which tags are in no mean: a mean over fewer tags should not look like one over all."""
    if names := record["test"]["undefined"]:
        show(f"left out of the means: tags that all test songs have, or none: {', '.join(names)}")
