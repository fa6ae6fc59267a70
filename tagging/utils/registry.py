"""Names for interchangeable parts: front-ends, back-ends, heads, losses, corpora."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfigError, TaggingError, unknown_name

F = TypeVar("F", bound=Callable[..., Any])


class Registry:
    """Maps names and aliases to the classes or functions that build the parts.

    Args:
        kind: what a name stands for, in the singular, for error messages.

    >>> BACKENDS = Registry("back-end")
    >>> @BACKENDS.register("dense")
    ... class Dense: ...
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., Any]] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[F], F]:
        """Decorator that registers a class or function and sets its attribute ``registered_name``.

        Args:
            name: the registered name; a name that is registered already is replaced.
            aliases: other names for it.
        """

        def decorate(factory: F) -> F:
            setattr(factory, "registered_name", name)  # noqa: B010 - a type checker knows no such attribute
            self._factories[name] = factory
            self._aliases.update(dict.fromkeys(aliases, name))
            return factory

        return decorate

    def __contains__(self, name: object) -> bool:
        return name in self._factories or name in self._aliases

    def names(self) -> list[str]:
        """Registered names in the order of registration, without aliases."""
        return list(self._factories)

    def aliases(self) -> dict[str, str]:
        """Alias -> registered name."""
        return dict(self._aliases)

    def resolve(self, name: str) -> str:
        """The registered name behind a name or alias.

        Raises:
            ConfigError: the name is unknown; the message suggests the nearest.
        """
        resolved = self._aliases.get(name, name) if isinstance(name, str) else None
        if resolved is None or resolved not in self._factories:
            raise unknown_name(self.kind, name, [*self._factories, *self._aliases])
        return resolved

    def get(self, name: str) -> Any:
        """The class or function behind a name or alias.

        Raises:
            ConfigError: the name is unknown; the message suggests the nearest.
        """
        return self._factories[self.resolve(name)]

    def options(self, name: str, num_positional: int = 0) -> list[str]:
        """Names of the arguments that the part behind a name or alias takes by name.

        Args:
            name: or alias.
            num_positional: how many of its first arguments are given by position.

        Raises:
            ConfigError: the name is unknown; the message suggests the nearest.
        """
        parameters = list(inspect.signature(self.get(name)).parameters.values())[num_positional:]
        return [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]

    def build(self, name: str, *args: Any, **options: Any) -> Any:
        """Build a part by name.

        Raises:
            ConfigError: unknown name, an option the part does not take, or a value it cannot be built with.
        """
        factory, allowed = self.get(name), self.options(name, len(args))
        for option in options:
            if option not in allowed:
                raise ConfigError(f"{self.kind} {name!r}: {unknown_name('option', option, allowed)}")
        try:
            return factory(*args, **options)
        except TaggingError:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
            given = ", ".join(f"{option}={value!r}" for option, value in options.items())
            raise ConfigError(
                f"{self.kind} {name!r} cannot be built with {given or 'these inputs'}: {error}"
            ) from error
