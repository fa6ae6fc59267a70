"""``tagging evaluate scores.csv --labels labels.csv``: scores from anywhere, with a table of tags and figures."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..utils.files import atomic_write
from ..utils.text import some
from .terminal import show

TABLES = (".csv", ".tsv", ".tab", ".txt")


def evaluate_scores(options: argparse.Namespace) -> int:
    """Print means and a table of tags; write the table and the ROC and precision-recall curves into a folder."""
    import matplotlib.pyplot as plt

    from ..evaluation.evaluate import evaluate
    from ..evaluation.tables import read_tables
    from ..plots.ranking import curves
    from ..plots.style import use_style

    if options.labels is None:
        raise ConfigError("a table of scores needs --labels LABELS.csv: the labels of the same songs and tags")
    folder = Path(options.output or "evaluation-report")
    predictions = read_tables(Path(options.tagger), Path(options.labels))
    assert predictions.labels is not None
    vocabulary = predictions.vocabulary
    groups = None if options.groups is None else read_artists(Path(options.groups), Path(options.tagger))
    evaluation = evaluate(predictions.labels, predictions.scores, vocabulary, groups=groups)
    table = evaluation.table()
    show(f"{evaluation.num_songs:,} songs in {evaluation.num_groups:,} groups, {len(vocabulary)} tags")
    show(", ".join(f"{metric} {mean:.4f}" for metric, mean in evaluation.means.items()))
    show(*table.drop(columns="kind").to_string(float_format=lambda value: f"{value:.3f}").splitlines())
    if evaluation.undefined:
        show(f"in no mean, since all songs or none have them: {', '.join(evaluation.undefined)}")
    with atomic_write(folder / "tags.csv") as part:
        table.to_csv(part)
    use_style()
    figure = curves(predictions.labels, predictions.scores, vocabulary.names)
    try:
        with atomic_write(folder / "curves.png") as part:
            figure.savefig(part, format="png")
    finally:
        plt.close(figure)
    show(f"written: {folder / 'tags.csv'} and {folder / 'curves.png'}")
    return 0


def read_artists(path: Path, scores: Path) -> np.ndarray:
    """The groups of songs from a table with their ids and artists, in the order of a table of scores.

    Args:
        path: a table with a column of songs and a column ``artist``, ``album``, ``group``, or alike, else the second.
        scores: the table of scores.

    Returns:
        str [songs]; songs without an artist stand for themselves.

    Raises:
        ConfigError: a song that is missing, or in two groups.
    """
    from ..data.annotations import GROUP_COLUMNS, ID_COLUMNS
    from ..data.tables import read_table

    table, wanted = read_table(path), read_table(scores)
    songs = [str(value).strip() for value in wanted.values(wanted.find(None, ID_COLUMNS) or wanted.columns[0])]
    ids = table.find(None, ID_COLUMNS) or table.columns[0]
    column = table.find(None, GROUP_COLUMNS) or next((name for name in table.columns if name != ids), None)
    if column is None:
        raise ConfigError(f"{path}: one column; expected songs and their artists, e.g. song,artist")
    groups: dict[str, str] = {}
    for song, group in zip(table.values(ids), table.values(column), strict=True):
        name, group = str(song).strip(), str(group).strip() or f"song {song}"
        if groups.setdefault(name, group) != group:
            raise ConfigError(f"{path}: song {name!r} is in two groups, {groups[name]!r} and {group!r}; give each one")
    if missing := [song for song in songs if song not in groups]:
        raise ConfigError(f"{path}: {len(missing)} songs of {scores} have no row: {some(missing)}")
    return np.array([groups[song] for song in songs])
