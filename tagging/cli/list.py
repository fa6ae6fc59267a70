"""``tagging list``: everything that has a name. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import os
import sys

from ..utils.registry import Registry
from .base import OK, Run, command
from .terminal import show


@command(
    "list",
    help="all names: taggers, front-ends, back-ends, heads, losses, corpora, baselines, settings",
    description="All names that commands and functions take, with their aliases, and one line about each.",
)
def list_names(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging list``: it has none."""
    return _list


def _list(options: argparse.Namespace) -> int:
    columns = _columns()
    for title, entries in all_names().items():
        show(title)
        width = max(map(len, entries))
        for name, about in entries.items():
            line = f"  {name:<{width}}  {about}".rstrip()
            show(line if len(line) <= columns else f"{line[: columns - 4]} ...")
    return OK


def _columns() -> int:
    """The width of the terminal; no limit for a file or a pipe."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return sys.maxsize


def all_names() -> dict[str, dict[str, str]]:
    """Section -> name, with its aliases -> one line about it."""
    from ..pretrained import list_pretrained, pretrained_card

    cards = {name: pretrained_card(name) for name in list_pretrained()}
    pretrained = {
        "pretrained taggers": {
            name: f"{card['description']} ({card['dataset']}, ROC-AUC {card['scores']['ROC-AUC']:.3f})"
            for name, card in cards.items()
        }
    }
    if importlib.util.find_spec("torch") is None:  # all that an installation without PyTorch has
        return pretrained
    from ..data.base import CORPORA
    from ..models.backends import BACKENDS
    from ..models.frontends import FRONTENDS
    from ..models.heads import HEADS
    from ..training.baselines import BASELINES, WHOLE_TRACK_BASELINES
    from ..training.losses import LOSSES
    from ..training.settings import Settings, flat

    return {
        **pretrained,
        "front-ends": _entries(FRONTENDS),
        "back-ends": _entries(BACKENDS),
        "heads": _entries(HEADS),
        "losses": _entries(LOSSES),
        "corpora": _entries(CORPORA),
        "baselines": _entries(WHOLE_TRACK_BASELINES) | _entries(BASELINES),
        "settings of --set, with the values of the laptop edition": {
            name: json.dumps(value) for name, value in flat(Settings()).items()
        },
    }


def _entries(registry: Registry) -> dict[str, str]:
    aliases = registry.aliases()
    entries = {}
    for name in sorted(registry.names()):
        others = [alias for alias, target in aliases.items() if target == name]
        label = f"{name} (= {', '.join(others)})" if others else name
        entries[label] = _about(registry.get(name))
    return entries


def _about(part: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(part) or "").partition("\n")[0]
