"""``tagging probe``: linear models on one vector a song, tested on songs of other artists."""

from __future__ import annotations

import argparse
from pathlib import Path

from .base import OK, Run, command, number, whole_number
from .corpus import add_corpus_arguments, add_option_argument, all_options_of, corpus_name
from .evaluate import print_means, print_undefined
from .paths import check_output_folder
from .terminal import show


@command(
    "probe",
    help="test what a tagger's features know about your tags, by linear models",
    description="One vector a song, from a tagger without its head or from the sound itself, and linear models on it: logistic "
    "regression for tags, ridge regression for attributes; or MLPs. Every song is tested by models of songs of other groups "
    "(artists). Vectors are cached, so that a second probe of the same songs takes seconds.",
)
def probe(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging probe``."""
    parser.add_argument(
        "embedder",
        metavar="EMBEDDER",
        help="a pretrained or saved tagger; hf: and an audio model of transformers; or as baselines: mfcc (means and standard "
        "deviations), features (hand-made)",
    )
    add_corpus_arguments(parser, "sheet-music; with --root: folder")
    splitting = parser.add_mutually_exclusive_group()
    splitting.add_argument(
        "--folds",
        type=whole_number(2, 1000),
        default=5,
        metavar="N",
        help="of the cross-validation (default: %(default)s)",
    )
    splitting.add_argument("--own-splits", action="store_true", help="the splits of the corpus instead of folds")
    parser.add_argument(
        "--head",
        choices=("linear", "mlp"),
        default="linear",
        help="linear models, or MLPs with a hidden layer of 32 units (default: %(default)s)",
    )
    parser.add_argument("--pooling", choices=("mean-max", "mean"), default="mean-max", help="(default: %(default)s)")
    parser.add_argument(
        "--clips", type=whole_number(), metavar="N", help="the first N songs of each split (default: all)"
    )
    parser.add_argument("--seed", type=whole_number(0, 2**32 - 1), default=0, metavar="N", help="(default: 0)")
    parser.add_argument("--max-unreadable", type=number(0, 1), default=0.05, metavar="SHARE", help="(default: 0.05)")
    parser.add_argument("--workers", type=whole_number(), metavar="N", help="processes (default: one for each core)")
    add_option_argument(parser)
    parser.add_argument(
        "--output", metavar="FOLDER", help="write record.json, predictions-test.npz and probe.npz there"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return _probe


def _probe(options: argparse.Namespace) -> int:
    from ..evaluation.bootstrap import Interval
    from ..training.probe import probe

    output = check_output_folder("--output", Path(options.output)) if options.output else None
    record = probe(
        options.embedder,
        corpus_name(options) or "sheet-music",
        output,
        folds=None if options.own_splits else options.folds,
        head=options.head,
        pooling=options.pooling,
        clips=options.clips,
        seed=options.seed,
        max_unreadable=options.max_unreadable,
        workers=options.workers,
        progress=not options.quiet,
        **all_options_of(options),
    )
    test = record["test"]
    show(
        f"{test['num_songs']:,} test songs in {test['num_groups']:,} groups, {record['probe']['num_features']} features"
    )
    print_means(record["name"], test["means"])
    for name, share in record["accuracy"].items():
        show(f"accuracy of {name}: {Interval.from_dict(share):.3f}")
    print_undefined(record)
    if record["failed_tracks"]:
        show(f"left out: {record['failed_tracks']} songs that cannot be read")
    if output:
        show(f"saved: {output / 'probe.npz'}")
    return OK
