"""Errors a user can cause. Each message names the file or argument, what was wrong, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TaggingError(Exception):
    """Base of every error this package raises on purpose: ``except TaggingError`` catches them all."""


class AudioError(TaggingError):
    """An audio file or waveform that cannot be used."""


class CheckpointError(TaggingError):
    """A weights file that is damaged, incomplete, or of another kind than expected."""


class ConfigError(TaggingError, ValueError):
    """An argument outside what is allowed: an unknown name, a wrong length, an impossible option."""


class CorpusError(TaggingError):
    """A data set that is missing, incomplete, or not what its index says."""


class DownloadError(TaggingError):
    """Something that could not be fetched, or came back different from what was published."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not registered, with the nearest known names.

    Args:
        kind: what the name stands for, in the singular, e.g. ``"front-end"``.
        name: what the user gave.
        known: every name that would have been right.
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return ConfigError(f"unknown {kind} {name!r}: {hint}known: {', '.join(known) or 'none'}")
