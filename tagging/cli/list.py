"""``tagging list``: everything that has a name. Book: ``book/tag_a_song``."""

from __future__ import annotations

import argparse

from .base import OK, Run, command


@command("list", help="pretrained taggers, front-ends, back-ends")
def list_names(parser: argparse.ArgumentParser) -> Run:
    """Add the arguments of ``tagging list``, of which there are none."""
    return _list


def _list(options: argparse.Namespace) -> int:
    from ..models.backends import list_backends
    from ..models.frontends import list_frontends
    from ..pretrained import list_pretrained, pretrained_card

    print("pretrained taggers")
    width = max(map(len, list_pretrained()))
    for name in list_pretrained():
        card = pretrained_card(name)
        print(f"  {name:<{width}} {card['description']} ({card['dataset']}, ROC-AUC {card['scores']['ROC-AUC']:.3f})")
    for title, names in (("front-ends", list_frontends()), ("back-ends", list_backends())):
        print(f"{title}\n  " + "\n  ".join(names))
    return OK
