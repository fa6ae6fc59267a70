"""``tagging bias``: a report of a model's tag bias, from a table of scores or from a run. Book: ``book/popular_tags``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..utils.files import atomic_write
from .base import OK, Run, command, whole_number
from .paths import check_output_folder
from .terminal import show

if TYPE_CHECKING:
    from ..evaluation.bias import BiasReport


@command(
    "bias",
    help="measure a model's tag bias: popular tags, calibration, contradictions",
    description="Measure the tag bias of any model: whether popular tags win, whether scores are probabilities, whether "
    "mutually exclusive tags are assigned together. Writes a text report and figures.",
)
def bias(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging bias``."""
    parser.add_argument(
        "scores",
        metavar="SCORES.csv|RUN|PREDICTIONS.npz",
        help="a table in CSV (separated by commas, semicolons or tabs): a header of tags, then a row per song with its id and "
        "its scores in [0, 1]; or the folder of a model of a training run; or a file of predictions",
    )
    parser.add_argument(
        "--labels", metavar="LABELS.csv", help="labels of the same songs and tags: 1, 0, or an empty cell where unknown"
    )
    parser.add_argument(
        "--exclusive", metavar="GROUPS.json", help='mutually exclusive tags: {"mode": ["major", "minor"], ...}'
    )
    parser.add_argument(
        "--synonyms", metavar="GROUPS.json", help='tags with the same meaning: {"voice": ["vocal", "vocals"], ...}'
    )
    parser.add_argument(
        "--top-k",
        type=whole_number(),
        metavar="K",
        help="length of a song's list of tags (default: 10, at most half of the tags)",
    )
    parser.add_argument(
        "--resamples",
        type=whole_number(high=100_000),
        default=1000,
        metavar="N",
        help="bootstrap resamples (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        help="for report.txt and the figures (default: ./bias-report; for the folder of a run, RUN/bias)",
    )
    return _bias


def _bias(options: argparse.Namespace) -> int:
    from ..evaluation.bias import bias_report, text
    from ..evaluation.predictions import read_predictions, read_run
    from ..evaluation.tables import read_groups, read_tables
    from ..library.table import library_scores

    source = Path(options.scores)
    usual = source / "bias" if source.is_dir() else Path("bias-report")
    output = check_output_folder("--output", Path(options.output) if options.output else usual)
    if source.is_dir() or source.suffix == ".npz":
        if options.labels or options.exclusive:
            raise ConfigError("--labels and --exclusive belong to a table of scores; a run has its own")
        predictions = read_run(source) if source.is_dir() else read_predictions(source)
    else:
        labels, exclusive = (Path(path) if path else None for path in (options.labels, options.exclusive))
        predictions = read_tables(library_scores(source) or source, labels, exclusive)
    synonyms = read_groups(Path(options.synonyms), predictions.vocabulary.names) if options.synonyms else None
    report = bias_report(
        predictions.scores,
        predictions.vocabulary,
        predictions.labels,
        predictions.train_positives,
        predictions.groups,
        top_k=options.top_k,
        resamples=options.resamples,
        synonyms=synonyms,
    )
    page = text(report)
    num_figures = _write(report, page, output)
    show(*page.split("\n"))
    show("", f"written: {output / 'report.txt'} and {num_figures} figure{'s' * (num_figures != 1)}")
    return OK


def _write(report: BiasReport, page: str, folder: Path) -> int:
    """Write page and figures, and return the number of figures."""
    import matplotlib.pyplot as plt

    from ..plots.bias import figures
    from ..plots.style import use_style

    use_style()
    drawn = figures(report)
    for name, (figure, description) in drawn.items():
        with atomic_write(folder / f"{name}.png") as part:
            figure.savefig(part, format="png", metadata={"Description": description})
        plt.close(figure)
    lines = [f"  {name}.png: {description}" for name, (_, description) in drawn.items()]
    with atomic_write(folder / "report.txt") as part:
        part.write_text("\n".join([page, "", "Figures", "-------", *lines]) + "\n", encoding="utf-8")
    return len(drawn)
