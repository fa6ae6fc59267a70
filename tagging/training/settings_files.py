"""Settings in TOML files. Book: ``book/recipe``."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .settings import Settings, edition


def read_settings(path: str | os.PathLike[str], settings: Settings) -> Settings:
    """Settings overridden by a TOML file with ``models``, and the tables ``[data]``, ``[model]``, ``[optimization]``, ...

    A file that names an ``edition`` starts from that edition instead of ``settings``.

    Raises:
        ConfigError: no such file, not TOML, an unknown setting, or a value outside what is allowed.
    """
    values = read_toml(path)
    if "edition" in values:
        settings = edition(values["edition"])
    return settings.override(values)


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tables of a file of settings, as it has them.

    Raises:
        ConfigError: no such file, or not TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not TOML ({error}); write one setting a line, e.g. optimization.learning_rate = 0.004"
        ) from error
