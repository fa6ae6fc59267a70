"""``tagging corpus info | listen``: describe a corpus, write one track as a sound file. Book: ``book/million_clips``."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from ..data.base import Corpus, open_corpus
from ..errors import ConfigError
from .base import Run, command


@command("corpus", help="describe a corpus, listen to it")
def corpus(parser: argparse.ArgumentParser) -> Run:
    """Add the actions of ``tagging corpus`` and their arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    info = actions.add_parser("info", help="version, sizes and tags")
    _add_corpus(info)
    info.set_defaults(action=_info)

    listen = actions.add_parser("listen", help="write one track as a sound file and print its tags")
    _add_corpus(listen)
    listen.add_argument("index", type=int, metavar="INDEX", help="which track")
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
    parser.add_argument("--root", metavar="FOLDER", help="where the sound files of the corpus are")
    parser.add_argument("--labels", metavar="FILE", help="table of their tags: CSV, TSV, Parquet or JSON lines")
    parser.add_argument("--licence", help="for corpora with a choice, such as 'open' for sheet-music (default: all)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="OPTION=VALUE", help="other options of the corpus, such as root=music"
    )


def _corpus_options(options: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """Options for :func:`open_corpus` from the command line; values are TOML, or else text."""
    chosen: dict[str, Any] = {}
    for text in options.set:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--set {text}: write it as OPTION=VALUE")
        try:
            chosen[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            chosen[name] = value
    options.name = options.name or ("folder" if options.root else "sheet-music")
    chosen |= {"licence": options.licence} | corpus_options_of(options) | more
    return {name: value for name, value in chosen.items() if value is not None}


def _info(options: argparse.Namespace) -> None:
    chosen = _corpus_options(options)
    corpus = open_corpus(options.name, **chosen)
    corpora = [corpus]
    if corpus.splits:
        corpora = [open_corpus(options.name, **chosen | {"split": split}) for split in corpus.splits]
    print("\n".join([f"{corpus.name}, version {corpus.version}", *corpus.summary(), "", *tag_table(corpora)]))


def tag_table(corpora: list[Corpus]) -> list[str]:
    """Lines of a table: for each tag its kind, source and exclusive group, and its count in each split.

    Args:
        corpora: the splits of one corpus.
    """
    vocabulary = corpora[0].vocabulary
    counts = [corpus.tag_counts() for corpus in corpora]
    width, sources = (max(map(len, names)) for names in (vocabulary.names, ["source", *(t.source for t in vocabulary)]))
    splits = "".join(f"{corpus.split:>12}" for corpus in corpora)
    lines = [f"{'tag':<{width}}  {'kind':<14} {'source':<{sources}}  {'exclusive group':<16}{splits}"]
    for tag in vocabulary:
        cells = "".join(f"{count.get(tag.name, ''):>12}" for count in counts)
        group = tag.exclusive_group or ""
        lines.append(f"{tag.name:<{width}}  {tag.kind:<14} {tag.source:<{sources}}  {group:<16}{cells}".rstrip())
    return lines


def _listen(options: argparse.Namespace) -> None:
    import soundfile

    corpus = open_corpus(options.name, **_corpus_options(options, split=options.split))
    if not 0 <= options.index < len(corpus):
        raise ConfigError(f"INDEX {options.index}: the {corpus.split} split has tracks 0 to {len(corpus) - 1}")
    path = Path(options.output or f"{corpus.name}-{corpus.split}-{options.index}.wav")
    if path.suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise ConfigError(f"--output {path}: the name must end in .wav, .flac or .ogg")
    track = corpus[options.index]
    try:
        soundfile.write(path, track.read(), corpus.sample_rate)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"--output {path}: cannot be written ({error})") from error
    title = f" {track.title!r}" if hasattr(track, "title") else ""
    print(f"{path}: {track.id}{title}, group {track.group}")
    labels, vocabulary = track.labels, corpus.vocabulary
    names = [vocabulary.names[row] for row in np.flatnonzero(vocabulary.classification & (labels == 1))]
    print(f"  tags: {', '.join(names) or 'none'}")
    for row in np.flatnonzero(vocabulary.regression & ~np.isnan(labels)):
        print(f"  {vocabulary.names[row]}: {labels[row]:.2f}")
