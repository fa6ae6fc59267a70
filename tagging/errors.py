"""Errors a user can cause. Each message names the file or argument, what was wrong, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TaggingError(Exception):
    """Base class of every error that this package raises on purpose."""


class AudioError(TaggingError):
    """An audio file or waveform that cannot be used."""


class CheckpointError(TaggingError):
    """A weights file that is damaged, incomplete, of another kind, or needs parts that are not registered."""


class ConfigError(TaggingError, ValueError):
    """An invalid argument: an unknown name, a wrong length, an impossible option."""


class CorpusError(TaggingError):
    """A dataset that is missing, incomplete, or different from its index."""


class DownloadError(TaggingError):
    """A download that failed, or a file that differs from the published one."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ConfigError:
    """Return the error for an unknown name, with the nearest known names.

    Args:
        kind: what the name stands for, e.g. ``"front-end"``.
        name: as given by the user.
        known: all valid names.
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return ConfigError(f"unknown {kind} {name!r}: {hint}known: {', '.join(known) or 'none'}")
