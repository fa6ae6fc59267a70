"""``tagging corpus build | info | listen``: make a corpus, look at it, hear it. Book: ``book/million_clips``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..data.base import Corpus, list_corpora, open_corpus, prepare_corpus
from ..errors import ConfigError
from .base import Run, command


@command("corpus", help="build a corpus, look at it, hear it")
def corpus(parser: argparse.ArgumentParser) -> Run:
    """Add the actions of ``tagging corpus`` and their arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    build = actions.add_parser("build", help="build what opening the corpus needs; what is there is checked and kept")
    _add_name(build)
    build.set_defaults(action=_build)

    info = actions.add_parser("info", help="its version, sizes and tags")
    _add_name(info)
    _add_licence(info)
    info.set_defaults(action=_info)

    listen = actions.add_parser("listen", help="write one track as a sound file and say what it is")
    _add_name(listen)
    listen.add_argument("index", type=int, metavar="INDEX", help="which track")
    _add_licence(listen)
    listen.add_argument("--split", default="train", help="(default: %(default)s)")
    listen.add_argument(
        "--output", metavar="FILE", help="a .wav, .flac or .ogg file (default: NAME-SPLIT-INDEX.wav here)"
    )
    listen.set_defaults(action=_listen)
    return lambda options: options.action(options)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", default="sheet-music", help="a corpus (default: %(default)s)", choices=list_corpora()
    )


def _add_licence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--licence", help="'open' leaves out what may not be used freely, where the corpus knows (default: all)"
    )


def _open(options: argparse.Namespace, **more: Any) -> Corpus:
    licence = {} if options.licence is None else {"licence": options.licence}
    return open_corpus(options.name, **licence, **more)


def _build(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    prepare_corpus(options.name)
    print(f"{options.name} {open_corpus(options.name).version}: ready ({time.perf_counter() - start:.1f} s)")
    return 0


def _info(options: argparse.Namespace) -> int:
    corpus = _open(options)
    for line in describe(corpus):
        print(line)
    return 0


def describe(corpus: Corpus) -> list[str]:
    """Lines about a corpus: version, sizes, and for each tag its kind, its source and how often it is given."""
    lines = [f"{type(corpus).registered_name}, version {corpus.version}", *corpus.summary(), ""]
    counts = [corpus.tag_counts(split) for split in corpus.splits]
    width = max(len(name) for name in corpus.vocabulary.names)
    heads = "".join(f"{split:>12}" for split in corpus.splits)
    lines.append(f"{'tag':<{width}}  {'kind':<9} {'source':<11} {'group':<14}{heads}")
    for tag in corpus.vocabulary:
        given = "".join(f"{count.get(tag.name, ''):>12}" for count in counts)
        lines.append(
            f"{tag.name:<{width}}  {tag.kind:<9} {tag.source:<11} {tag.exclusive_group or '':<14}{given}".rstrip()
        )
    return lines


def _listen(options: argparse.Namespace) -> int:
    import soundfile

    corpus = _open(options, split=options.split)
    if not 0 <= options.index < len(corpus):
        raise ConfigError(f"INDEX {options.index}: the {options.split} split has tracks 0 to {len(corpus) - 1}")
    path = Path(options.output or f"{options.name}-{options.split}-{options.index}.wav")
    if path.suffix.lower() not in (".wav", ".flac", ".ogg"):
        raise ConfigError(f"--output {path}: the name must end in .wav, .flac or .ogg")
    track = corpus[options.index]
    try:
        soundfile.write(path, track.read(), corpus.sample_rate)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"--output {path}: cannot write it ({error})") from error
    labels, names, classification = track.labels, np.array(corpus.vocabulary.names), corpus.vocabulary.classification
    print(f"{path}: {track!r}, family {track.group}")
    print("  tags: " + ", ".join(names[classification & (labels == 1)]))
    for row in np.flatnonzero(~classification & ~np.isnan(labels)):
        print(f"  {names[row]}: {labels[row]:.2f}")
    return 0
