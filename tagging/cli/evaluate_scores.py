"""``tagging evaluate scores.csv --labels labels.csv``: scores from anywhere, with a table of tags and figures."""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, unknown_name
from ..utils.files import atomic_write
from ..utils.text import parse_assignment, some
from .terminal import show

TABLES = (".csv", ".tsv", ".tab", ".txt")
# what a table's columns are may be told
COLUMN_OPTIONS = ("ids", "tags", "separator", "group", "ignore")


def evaluate_scores(options: argparse.Namespace) -> int:
    """Print means and a table of tags; write the table and the ROC and precision-recall curves into a folder."""
    import matplotlib.pyplot as plt

    from ..evaluation.evaluate import evaluate
    from ..evaluation.tables import read_tables
    from ..plots.ranking import curves
    from ..plots.style import use_style
    from ..utils.tables import read_table

    if options.labels is None:
        raise ConfigError("a table of scores needs --labels LABELS.csv: the labels of the same songs and tags")
    given = {"corpus": None, "root": None, "clips": None, "split": "test", "cpu": False}
    for name, default in given.items():
        if getattr(options, name) != default:
            raise ConfigError(f"--{name} belongs to a tagger; a table of scores is evaluated with --labels alone")
    if (options.output or "").endswith(".json"):
        raise ConfigError("--output, for a table of scores, names a folder: tags.csv and curves.png are written there")
    columns = _columns(options.set)
    folder = Path(options.output or "evaluation-report")
    scores, songs = read_tables(Path(options.tagger)), read_table(Path(options.tagger)).ids
    labels, groups, remarks = read_labels(Path(options.labels), songs, scores.vocabulary.names, columns)
    groups = groups if options.groups is None else read_artists(Path(options.groups), songs)
    vocabulary = scores.vocabulary
    evaluation = evaluate(labels, scores.scores, vocabulary, groups=groups)
    show(*remarks)
    table = evaluation.table()
    show(f"{evaluation.num_songs:,} songs in {evaluation.num_groups:,} groups, {len(vocabulary)} tags")
    show(", ".join(f"{metric} {mean:.4f}" for metric, mean in evaluation.means.items()))
    show(*table.drop(columns="kind").to_string(float_format=lambda value: f"{value:.3f}").splitlines())
    if evaluation.undefined:
        show(f"in no mean, since all songs or none have them: {', '.join(evaluation.undefined)}")
    with atomic_write(folder / "tags.csv") as part:
        table.to_csv(part)
    use_style()
    figure = curves(labels, scores.scores, vocabulary.names)
    try:
        with atomic_write(folder / "curves.png") as part:
            figure.savefig(part, format="png")
    finally:
        plt.close(figure)
    show(f"written: {folder / 'tags.csv'} and {folder / 'curves.png'}")
    return 0


def _columns(assignments: Sequence[str]) -> dict[str, Any]:
    """Which column of the labels is what, from ``--set data.corpus_options.tags=genre``, named as for a run."""
    from ..data import CORPORA
    from ..data.options import check_options

    prefix = "data.corpus_options."
    given = dict(parse_assignment(text) for text in assignments)
    for name in given:
        if name.removeprefix(prefix) not in COLUMN_OPTIONS or not name.startswith(prefix):
            raise unknown_name("setting of a table of scores", name, [prefix + option for option in COLUMN_OPTIONS])
    columns = {name.removeprefix(prefix): value for name, value in given.items()}
    check_options("folder", CORPORA.get("folder"), columns)  # which takes the same
    return columns


def composed(values: Iterable[object]) -> list[str]:
    """Names of songs, artists or tags in Unicode's composed form, as a table of scores has them; empty where unknown."""
    known = ("" if value is None or value != value else str(value) for value in values)
    return [unicodedata.normalize("NFC", value.strip()) for value in known]


def read_labels(
    path: Path, songs: Sequence[str], names: Sequence[str], columns: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Labels from a table as training takes them, in the order of a table of scores.

    Args:
        path: one column a tag, or one column of tags; artists in a column of their own are the groups.
        songs: of the scores.
        names: of the tags that have scores.
        columns: which column is what, as :func:`tagging.data.annotations.annotate` takes it.

    Returns:
        float [songs, tags], nan where unknown; str [songs], or None without artists; what was left out, one line each.

    Raises:
        ConfigError: a song or a tag without labels, a label that is not 0, 1 or empty.
    """
    from ..data.annotations import annotate
    from ..data.tables import read_table
    from ..utils.tables import check_unique

    table = annotate(read_table(path), split="none", **columns)  # all songs that have scores are evaluated
    tags, ids = composed(table.vocabulary.names), composed(table.ids)
    check_unique(path, "songs", ids)
    check_unique(path, "tags", tags)
    rows = {song: row for row, song in enumerate(ids)}
    for kind, wanted, given in (("tags", names, tags), ("songs", songs, rows)):
        if missing := [name for name in wanted if name not in given]:
            raise ConfigError(
                f"{path}: {kind} differ: no labels of {len(missing)} {kind} that have scores: {some(missing)}; the table has "
                f"{some(sorted(given))} ({'; '.join(table.remarks)})"
            )
    labels = table.labels[np.ix_([rows[song] for song in songs], [tags.index(name) for name in names])]
    if (between := (labels > 0) & (labels < 1)).any():
        song, tag = np.argwhere(between)[0]
        raise ConfigError(
            f"{path}: song {songs[song]!r}, tag {names[tag]!r}: {labels[song, tag]:g} is not a label; give 1, 0, or an empty "
            "cell where unknown"
        )
    remarks = [
        f"without scores, so left out: {len(extra):,} {kind} of {path.name}: {some(extra)}"
        for kind, extra in (
            ("songs", sorted(set(ids) - set(songs))),
            ("tags", [tag for tag in tags if tag not in names]),
        )
        if extra
    ]
    artists = None if table.groups is None else [table.groups[rows[song]] or f"song {song}" for song in songs]
    return labels, None if artists is None else np.array(artists), remarks


def read_artists(path: Path, songs: Sequence[str]) -> np.ndarray:
    """The groups of songs from a table with their ids and artists, in the order of a table of scores.

    Args:
        path: a table with a column of songs and a column ``artist``, ``album``, ``group``, or alike, else the second.
        songs: of the scores.

    Returns:
        str [songs]; songs without an artist stand for themselves.

    Raises:
        ConfigError: a song that is missing, or in two groups.
    """
    from ..data.annotations import GROUP_COLUMNS, ID_COLUMNS
    from ..data.tables import read_table

    table = read_table(path)
    ids = table.find(None, ID_COLUMNS) or table.columns[0]
    column = table.find(None, GROUP_COLUMNS) or next((name for name in table.columns if name != ids), None)
    if column is None:
        raise ConfigError(f"{path}: one column; expected songs and their artists, e.g. song,artist")
    groups: dict[str, str] = {}
    for name, group in zip(composed(table.values(ids)), composed(table.values(column)), strict=True):
        group = group or f"song {name}"
        if groups.setdefault(name, group) != group:
            raise ConfigError(f"{path}: song {name!r} is in two groups, {groups[name]!r} and {group!r}; give each one")
    if missing := [song for song in songs if song not in groups]:
        raise ConfigError(f"{path}: {len(missing)} songs of the scores have no row: {some(missing)}")
    return np.array([groups[song] for song in songs])
