"""``--plugin`` and ``TAGGING_PLUGINS``: import code that registers parts, corpora and commands. Book: ``book/extend``."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ..errors import ConfigError

# What was loaded in this process, as it was asked for.
PLUGINS: list[str] = []


def load_plugins(names: Iterable[str]) -> list[ModuleType]:
    """Import plugins in the order given.

    Args:
        names: names of modules or paths of Python files; several in one text are separated by commas.

    Returns:
        The modules.

    Raises:
        ConfigError: a plugin that does not exist, or that fails while it is imported.

    Book: ``book/extend``.
    """
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    modules = [_load_file(Path(name)) if name.endswith(".py") else _load(name, name) for name in wanted]
    PLUGINS.extend(name for name in wanted if name not in PLUGINS)
    return modules


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"plugin {path}: no such file")
    folder = str(path.resolve().parent)
    # last in the search path, so that a file beside the plugin replaces no installed module; processes that are spawned
    # inherit the path and find the plugin there again
    if folder not in sys.path:
        sys.path.append(folder)
    module = _load(path.stem, str(path))
    if module.__file__ is None or not path.samefile(module.__file__):
        raise ConfigError(f"plugin {path}: another module is called {path.stem}, in {module.__file__}; rename the file")
    return module


def _load(module: str, plugin: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ConfigError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
            raise ConfigError(f"plugin {plugin}: no such module; give the path of a .py file, or install it") from error
        package = str(Path(__file__).parents[1])
        frames = traceback.extract_tb(error.__traceback__)
        last = [frame for frame in frames if not frame.filename.startswith(package)][-1]
        raise ConfigError(
            f"plugin {plugin} cannot be imported: {type(error).__name__}: {error} ({last.filename}, line {last.lineno})"
        ) from error
