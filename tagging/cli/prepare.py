"""``tagging prepare``: download or build in advance what is needed at first use. Book: ``book/million_clips``."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..errors import ConfigError
from ..utils.text import parse_assignment
from .base import OK, Run, command, whole_number
from .terminal import show

# Options of a download that a dataset is not opened with.
_OF_DOWNLOADS = ("annotations_only", "mirror", "remove_archives")


@command("prepare", help="download or build in advance what is needed at first use")
def prepare(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging prepare``."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a pretrained tagger, 'pretrained' for all of them, or a corpus such as 'sheet-music' or 'folder'",
    )
    parser.add_argument(
        "--root", metavar="FOLDER", help="where a dataset of recordings is downloaded to, or is already"
    )
    parser.add_argument("--labels", metavar="FILE", help="for `folder`: the table of tags")
    parser.add_argument(
        "--store",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="after a download, also write the sound of the recordings, decoded, to a store, from which training reads segments "
        "without decoding; where the owners' files are yours already, as for `folder`, a store is all there is to write. About "
        "115 MB an hour at 16 kHz; the same command resumes, and brings a store up to date (default: in the cache, where "
        "training finds it by itself)",
    )
    parser.add_argument(
        "--sample-rate", type=whole_number(1000, 768000), metavar="HZ", help="of the store (default: 16000)"
    )
    parser.add_argument(
        "--workers", type=whole_number(), metavar="N", help="processes that decode (default: all cores)"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="OPTION=VALUE",
        help="other options of the dataset, such as subset=small",
    )
    return _prepare


def _prepare(options: argparse.Namespace) -> int:
    from ..data import CORPORA
    from ..pretrained import list_pretrained, load_tagger

    given = {name: getattr(options, name) for name in ("root", "labels")}
    chosen = dict(parse_assignment(text) for text in options.set) | {
        name: value for name, value in given.items() if value
    }
    stored = {name: getattr(options, name) for name in ("store", "sample_rate", "workers")}
    stored = {name: value for name, value in stored.items() if value is not None}
    for name in options.names:
        for part in list_pretrained() if name == "pretrained" else [name]:
            start = time.perf_counter()
            if part in CORPORA:
                _prepare_corpus(part, chosen, stored)
            elif chosen or stored:
                raise ConfigError(
                    f"--root and --set are for datasets, and so are options of their stores; {part} is none"
                )
            else:
                load_tagger(part)
            show(f"{part}: ready ({time.perf_counter() - start:.1f} s)")
    return OK


def _prepare_corpus(name: str, chosen: dict[str, Any], stored: dict[str, Any]) -> None:
    """Fetch or build a corpus; write a store of it if that is asked for, or is all there is to do."""
    from ..data import CORPORA, prepare_corpus
    from ..data.recordings import Recordings
    from ..data.store_writer import write_store

    factory = CORPORA.get(name)
    is_recordings = isinstance(factory, type) and issubclass(factory, Recordings)
    if not is_recordings or factory.prepare.__func__ is Recordings.prepare.__func__:  # type: ignore[attr-defined]
        prepare_corpus(name, **chosen, **stored)
        return
    if stored and "store" not in stored:
        raise ConfigError("--sample-rate and --workers are of a store; add --store, or leave them out")
    prepare_corpus(name, **chosen)
    if stored:
        opened = {option: value for option, value in chosen.items() if option not in _OF_DOWNLOADS}
        write_store(name, stored.pop("store"), **stored, **opened)
