"""``tagging corpus info | listen``: describe a corpus, write one track as a sound file. Book: ``book/million_clips``."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from ..data.base import Corpus, open_corpus, size_in_words
from ..data.recordings import Recordings
from ..data.store import list_shards
from ..errors import ConfigError, CorpusError
from ..utils.files import DamagedError, atomic_write
from ..utils.text import parse_assignment, printable
from .base import OK, Run, command, whole_number
from .paths import check_output_file
from .terminal import show

SOUNDS = (".wav", ".flac", ".ogg")


@command("corpus", help="describe a corpus, listen to it")
def corpus(parser: argparse.ArgumentParser) -> Run:
    """Add the actions of ``tagging corpus`` and their arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    info = actions.add_parser("info", help="version, sizes and tags")
    _add_corpus(info)
    info.set_defaults(action=_info)

    listen = actions.add_parser("listen", help="write one track as a sound file and print its tags")
    _add_corpus(listen)
    listen.add_argument("index", type=whole_number(0), metavar="INDEX", help="which track, from 0")
    listen.add_argument("--split", help="(default: that of the corpus)")
    listen.add_argument("--output", metavar="FILE", help="a .wav, .flac or .ogg file (default: NAME-SPLIT-INDEX.wav)")
    listen.set_defaults(action=_listen)
    return lambda options: options.action(options)


def add_corpus_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--corpus``, ``--root`` and ``--labels`` to a command that works on a corpus.

    Args:
        parser: of the command.
        default: what it works on without them, for its help.
    """
    parser.add_argument("--corpus", metavar="NAME", help=f"a corpus, see `tagging list` (default: {default})")
    _add_files(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", metavar="FOLDER", help="where the sound files of the corpus are")
    parser.add_argument("--labels", metavar="FILE", help="table of their tags: CSV, TSV, Parquet or JSON lines")


def corpus_name(options: argparse.Namespace) -> str | None:
    """The corpus a command line asks for: with --root and without --corpus it is ``folder``; None for the default."""
    return options.corpus or ("folder" if options.root else None)


def corpus_options_of(options: argparse.Namespace) -> dict[str, str]:
    """Options of the corpus on the command line."""
    return {name: value for name in ("root", "labels") if (value := getattr(options, name)) is not None}


def _add_corpus(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", help="a corpus, see `tagging list` (default: sheet-music; with --root: folder)"
    )
    _add_files(parser)
    parser.add_argument("--licence", help="for corpora with a choice, such as 'open' for sheet-music (default: all)")
    add_option_argument(parser)


def add_option_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--set``, for other options of the corpus of a command; see :func:`all_options_of`."""
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="OPTION=VALUE", help="other options of the corpus, such as group=album"
    )


def all_options_of(options: argparse.Namespace) -> dict[str, Any]:
    """Options of the corpus on the command line, of ``--set`` too."""
    return dict(parse_assignment(text) for text in options.set) | corpus_options_of(options)


def _corpus_options(options: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """Options for :func:`open_corpus` from the command line; those that are None are left to the corpus."""
    options.name = options.name or ("folder" if options.root else "sheet-music")
    named = {name: value for name, value in ({"licence": options.licence} | more).items() if value is not None}
    return {name: value for name, value in (all_options_of(options) | named).items() if value is not None}


def _info(options: argparse.Namespace) -> int:
    from ..training.settings import DataSettings

    chosen, damage = _corpus_options(options), ""
    try:
        corpus = open_corpus(options.name, **chosen)
    except DamagedError as error:  # of a store; all else is described without it
        chosen |= {"store": False}
        corpus, damage = open_corpus(options.name, **chosen), str(error)
    corpora = [corpus]
    if corpus.splits:
        # of a dataset that is split in several ways, the one that was asked for
        way = corpus.split.rpartition("/")[0]
        splits = [split for split in corpus.splits if split.rpartition("/")[0] == way]
        corpora = [open_corpus(options.name, **chosen | {"split": split}) for split in splits]
    lines = [f"{corpus.name}, version {corpus.version}", *split_sizes(corpora, corpus.split), *corpus.summary()]
    try:
        corpus.check_readable(DataSettings().max_unreadable)
    except CorpusError as error:
        lines.append(f"a run stops here: {error}")
    show(*lines, *([f"store: damaged, {damage}"] if damage else store_state(corpora)), *shared_groups(corpora), "")
    show(*tag_table(corpora))
    return OK


def split_sizes(corpora: list[Corpus], described: str) -> list[str]:
    """Lines on how many tracks there are in all, and in the splits whose sizes are said nowhere else.

    Args:
        corpora: the splits of one corpus.
        described: the split whose summary is shown, too.
    """
    if len(corpora) < 2:
        return []
    sizes = ", ".join(f"{len(corpus):,} {corpus.split}" for corpus in corpora)
    others = [corpus for corpus in corpora if isinstance(corpus, Recordings) and corpus.split != described]
    return [f"all splits: {sum(map(len, corpora)):,} tracks: {sizes}", *map(size_in_words, others)]


def store_state(corpora: list[Corpus]) -> list[str]:
    """A line on the store of a corpus: none, complete or not, where and how large; none for corpora that are not recordings.

    Args:
        corpora: the splits of one corpus.
    """
    recordings = [corpus for corpus in corpora if isinstance(corpus, Recordings)]
    if not recordings:
        return []
    store = recordings[0].store
    if store is None:
        return ["store: none; `tagging prepare --store`, or --store when training, writes one"]
    paths = {path for corpus in recordings for path in corpus.paths}
    stored = sum(store.shard_of(path) is not None for path in paths)
    size = sum(path.stat().st_size for path in list_shards(store.folder))
    rest = len(paths) - stored
    state = (
        f"incomplete, {rest:,} are new, changed or unreadable: the same command again adds them" if rest else "complete"
    )
    return [
        f"store: {store.folder}: {stored:,} of {len(paths):,} tracks, {store.seconds_stored / 3600:,.1f} h, "
        f"{size / 1e6:,.1f} MB, {store.sample_rate} Hz; {state}"
    ]


def shared_groups(corpora: list[Corpus]) -> list[str]:
    """Lines that say which groups (artists, albums) stand in two splits; none for corpora that are not recordings.

    Args:
        corpora: the splits of one corpus.
    """
    if not all(isinstance(corpus, Recordings) for corpus in corpora) or not getattr(corpora[0], "artists_known", True):
        return []
    groups = {corpus.split: {track.group for track in corpus} for corpus in corpora}
    lines = []
    for one, other in itertools.combinations(groups, 2):
        shared = sorted(groups[one] & groups[other])
        names = f": {', '.join(shared[:3])}{', ...' if len(shared) > 3 else ''}" if shared else ""
        lines.append(f"groups of {other} that are in {one} too: {len(shared)} of {len(groups[other])}{names}")
    return lines


def tag_table(corpora: list[Corpus]) -> list[str]:
    """Lines of a table: for each tag its kind, source and exclusive group, and its count in each split.

    Args:
        corpora: the splits of one corpus.
    """
    vocabulary = corpora[0].vocabulary
    counts = [corpus.tag_counts() for corpus in corpora]
    names, groups = (
        [printable(text or "") for text in texts]
        for texts in (vocabulary.names, [tag.exclusive_group for tag in vocabulary])
    )
    width, sources = (max(map(len, texts)) for texts in (names, ["source", *(tag.source for tag in vocabulary)]))
    column = max(12, *(len(corpus.split) + 2 for corpus in corpora))
    splits = "".join(f"{corpus.split:>{column}}" for corpus in corpora)
    exclusive = f"{'exclusive group':<16}" if any(groups) else ""
    lines = [f"{'tag':<{width}}  {'kind':<14} {'source':<{sources}}  {exclusive}{splits}"]
    for tag, name, group in zip(vocabulary, names, groups, strict=True):
        cells = "".join(f"{count.get(tag.name, ''):>{column}}" for count in counts)
        group = f"{group:<{len(exclusive)}}"
        lines.append(f"{name:<{width}}  {tag.kind:<14} {tag.source:<{sources}}  {group}{cells}".rstrip())
    return lines


def _listen(options: argparse.Namespace) -> int:
    import soundfile

    output = check_output_file("--output", Path(options.output), SOUNDS) if options.output else None
    corpus = open_corpus(options.name, **_corpus_options(options, split=options.split))
    if not 0 <= options.index < len(corpus):
        raise ConfigError(f"INDEX {options.index}: the {corpus.split} split has tracks 0 to {len(corpus) - 1}")
    path = output or Path(f"{corpus.name}-{corpus.split}-{options.index}.wav".replace("/", "-"))
    track = corpus[options.index]
    waveform = track.read()
    try:
        with atomic_write(path) as part:
            soundfile.write(part, waveform, corpus.sample_rate, format=path.suffix[1:].upper())
    except RuntimeError as error:
        raise ConfigError(f"--output {path}: cannot be written ({error})") from error
    title = f" {track.title!r}" if hasattr(track, "title") else ""
    show(f"{path}: {track.id}{title}, group {track.group}")
    labels, vocabulary = track.labels, corpus.vocabulary
    names = [vocabulary.names[row] for row in np.flatnonzero(vocabulary.classification & (labels == 1))]
    show(f"  tags: {', '.join(names) or 'none'}")
    for row in np.flatnonzero(vocabulary.regression & ~np.isnan(labels)):
        show(f"  {vocabulary.names[row]}: {labels[row]:.2f}")
    return OK
