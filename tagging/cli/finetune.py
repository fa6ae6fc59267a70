"""``tagging finetune``: train a trained tagger on, with a new head for the tags of another corpus."""

from __future__ import annotations

import argparse
import json

from .base import Run, command
from .train import add_run_arguments, add_train_arguments, run_training


@command(
    "finetune",
    help="train a trained tagger on, with a new head for your tags",
    description="A trained tagger gets a new head for the tags of the corpus, and is trained on: as `tagging train finetuned "
    "--set model.pretrained=TAGGER`. Sample rate and length of the segments follow the tagger. Further models, such as "
    "spectrogram, are trained on the same segments from scratch, for comparison.",
)
def finetune(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging finetune``."""
    parser.add_argument("tagger", metavar="TAGGER", help="a pretrained tagger, see `tagging list`, or a saved one")
    parser.add_argument("--head", default="linear", help="exclusive for tags that exclude each other (default: linear)")
    parser.add_argument(
        "--body",
        choices=("whole", "gradual", "frozen"),
        help="what is trained besides the new head: all, nothing, or the back-end after a quarter of the run and the front-end "
        "after half of it (default: whole, at a twentieth of the head's learning rate; see optimization.body_learning_rate). A "
        "frozen body computes its features once for each segment, of which it takes eight of each song "
        "(data.segments_per_track)",
    )
    add_train_arguments(parser)
    add_run_arguments(parser)
    return _finetune


def _finetune(options: argparse.Namespace) -> int:
    options.models = ["finetuned" if options.head == "linear" else f"finetuned:{options.head}", *options.models]
    given = [f"model.pretrained={json.dumps(options.tagger)}"]
    given += [f"optimization.body={options.body}"] if options.body else []
    options.set = [*given, *options.set]
    return run_training(options)
