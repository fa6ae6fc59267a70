"""Decorators that add a part of your own under a name, for Python and for the command line (``tagging --plugin``).

Book: ``book/extend``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .utils.registry import F

if TYPE_CHECKING:
    from .cli.base import Setup


def register_frontend(name: str, *aliases: str) -> Callable[[F], F]:
    """Add a :class:`~tagging.models.base.Frontend`: waveform [batch, samples] -> feature map [batch, channels, frames].

    Args:
        name: what ``build_tagger``, ``build_frontend`` and ``tagging train`` call it. A name that is taken is replaced.
        aliases: further names.

    Book: ``book/extend``.
    """
    from .models.frontends import FRONTENDS

    return FRONTENDS.register(name, *aliases)


def register_backend(name: str, *aliases: str) -> Callable[[F], F]:
    """Add a :class:`~tagging.models.base.Backend`: feature map [batch, channels, frames] -> features [batch, out_features].

    Args:
        name: what ``build_tagger``, ``build_backend`` and ``tagging train`` call it. A name that is taken is replaced.
        aliases: further names.

    Book: ``book/extend``.
    """
    from .models.backends import BACKENDS

    return BACKENDS.register(name, *aliases)


def register_head(name: str, *aliases: str) -> Callable[[F], F]:
    """Add a head: features [batch, features] -> logits [batch, tags].

    Args:
        name: what ``build_tagger`` and ``tagging train`` call it. A name that is taken is replaced.
        aliases: further names.

    Book: ``book/extend``.
    """
    from .models.heads import HEADS

    return HEADS.register(name, *aliases)


def register_corpus(name: str, *aliases: str) -> Callable[[F], F]:
    """Add a :class:`~tagging.data.base.Corpus`: a sequence of tracks with audio and labels.

    Args:
        name: what ``open_corpus`` and ``tagging corpus`` call it. A name that is taken is replaced.
        aliases: further names.

    Book: ``book/extend``.
    """
    from .data.base import CORPORA

    return CORPORA.register(name, *aliases)


def register_loss(name: str, *aliases: str) -> Callable[[F], F]:
    """Add weights for the terms of the cross-entropy: ``f(logits, target, tag_prior) -> weights``, all float [batch, tags].

    ``tag_prior`` is float [tags], the share of training clips with each tag, or None where ``tag_loss`` is not given it.

    Args:
        name: what ``tag_loss`` calls it, and the setting ``optimization.loss``. A name that is taken is replaced.
        aliases: further names.

    Book: ``book/extend``.
    """
    from .training.losses import LOSSES

    return LOSSES.register(name, *aliases)


def register_command(name: str, *, help: str, description: str = "") -> Callable[[Setup], Setup]:
    """Add a subcommand of ``tagging``: a function that adds arguments to a parser and returns what runs them.

    Args:
        name: follows ``tagging`` on the command line. A name that is taken is replaced.
        help: one line for ``tagging --help``.
        description: for ``tagging NAME --help``; ``help`` where it is empty.

    Book: ``book/extend``.
    """
    from .cli.base import command

    return command(name, help=help, description=description)
