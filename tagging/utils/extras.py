"""Which extra of this distribution brings a package that is not installed."""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter

from ..errors import TaggingError

DISTRIBUTION = "music-tagging-at-scale"
# Modules whose distribution has another name; all others differ by hyphens at most.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "bs4": "beautifulsoup4"}
REQUIREMENT = re.compile(r"""([\w.-]+)[^;]*;.*\bextra\s*==\s*["']([\w-]+)["']""")


class MissingPackageError(TaggingError, ModuleNotFoundError):
    """A package that only some tasks need is not installed. The message names the extra that brings it."""


def extras_of(module: str) -> list[str]:
    """Extras that bring a module, the smallest first; empty where none does."""
    wanted = _normalized(DISTRIBUTIONS.get(module, module))
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []  # run from a folder of sources, without an installation
    matches = [match for requirement in requirements if (match := REQUIREMENT.match(requirement))]
    sizes = Counter(match[2] for match in matches)
    return sorted((match[2] for match in matches if _normalized(match[1]) == wanted), key=lambda extra: sizes[extra])


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """The error to show instead, with the command that installs what is missing; None for a module of no extra."""
    module = (error.name or "").partition(".")[0]
    if not (extras := extras_of(module)):
        return None
    return MissingPackageError(
        f"{module} is not installed; the extra {' or '.join(map(repr, extras[:2]))} brings it: "
        f'pip install "{DISTRIBUTION}[{extras[0]}]", or in a clone: pip install ".[{extras[0]}]"',
        name=error.name,
    )
