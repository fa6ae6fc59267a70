"""``tagging bias``: a report of a model's bias from a table of its scores, or from a run. Book: ``book/popular_tags``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import ConfigError, unknown_name
from ..utils.files import atomic_write
from .base import Run, command


@command(
    "bias",
    help="measure which tags a model prefers, and which it gives together against reason",
    description="A page of text and figures about the bias of any model: how far popular tags win, whether scores mean "
    "what they say, whether tags that exclude each other are given together.",
)
def bias(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging bias``."""
    parser.add_argument(
        "scores",
        metavar="SCORES.csv|RUN",
        help="a table with a header of tags, the id of a song in the first column and its scores in [0, 1] after it; or the "
        "folder of a training run, or the name of one whose predictions ship with the package",
    )
    parser.add_argument(
        "--labels", metavar="LABELS.csv", help="annotations of the same songs and tags: 1, 0, or nothing"
    )
    parser.add_argument(
        "--groups", metavar="GROUPS.json", help='tags that exclude each other: {"mode": ["major", "minor"], ...}'
    )
    parser.add_argument(
        "--synonyms",
        metavar="GROUPS.json",
        help='tags that mean the same and should agree: {"voice": ["vocal", "vocals"], ...}',
    )
    parser.add_argument(
        "--top-k", type=int, default=10, metavar="K", help="length of a song's list of tags (default: %(default)s)"
    )
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="that intervals are from (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="for report.txt and the figures (default: bias-report here, RUN/bias for a run)",
    )
    return _bias


def _bias(options: argparse.Namespace) -> int:
    from ..book.runs import list_predictions, load_predictions
    from ..evaluation.bias import bias_report
    from ..evaluation.predictions import read_run
    from ..evaluation.tables import read_groups, read_tables

    source = Path(options.scores)
    shipped = options.scores in list_predictions()
    if source.is_dir() or shipped:
        if options.labels or options.groups:
            raise ConfigError("--labels and --groups go with a table of scores; a run has its own")
        found = load_predictions(options.scores) if shipped else read_run(source)
        output = Path("bias-report") if shipped else source / "bias"
    elif not source.exists() and not source.suffix:
        raise unknown_name("table of scores, folder or run", options.scores, list_predictions())
    else:
        found = read_tables(source, *(Path(path) if path else None for path in (options.labels, options.groups)))
        output = Path("bias-report")
    report = bias_report(
        found.scores,
        found.vocabulary,
        found.labels,
        found.train_positives,
        found.groups,
        top_k=options.top_k,
        resamples=options.resamples,
        synonyms=read_groups(Path(options.synonyms), found.vocabulary.names) if options.synonyms else None,
    )
    print(report.text())
    _write(report, Path(options.output) if options.output else output)
    return 0


def _write(report: Any, folder: Path) -> None:
    import matplotlib.pyplot as plt

    from ..plots.bias import figures
    from ..plots.style import use_style

    use_style()
    lines = [report.text(), "", "Figures", "-------"]
    for name, (figure, description) in figures(report).items():
        with atomic_write(folder / f"{name}.png") as part:
            figure.savefig(part, format="png", metadata={"Description": description})
        plt.close(figure)
        lines.append(f"  {name}.png: {description}")
    with atomic_write(folder / "report.txt") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    count = len(lines) - 4
    print(f"\nwritten: {folder / 'report.txt'} and {count} figure{'s' * (count != 1)}")
