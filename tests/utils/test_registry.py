"""Parts by name: aliases, options, and what a typing error is told."""

from __future__ import annotations

import pytest

from tagging.errors import ConfigError, TaggingError, unknown_name
from tagging.utils.registry import Registry


@pytest.fixture
def shapes() -> Registry:
    registry = Registry("shape")

    @registry.register("square", "box")
    class Square:
        def __init__(self, name: str, *, side: float = 1.0, colour: str = "red") -> None:
            self.name, self.side, self.colour = name, side, colour

    @registry.register("circle")
    class Circle:
        def __init__(self, name: str, *, radius: float = 1.0) -> None:
            self.name, self.radius = name, radius

    return registry


def test_names_and_aliases(shapes):
    assert shapes.names() == ["square", "circle"]
    assert shapes.aliases() == {"box": "square"}
    assert shapes.resolve("square") == shapes.resolve("box") == "square"
    built = shapes.build("box", "mine", side=3.0)
    assert (built.name, built.side, built.colour) == ("mine", 3.0, "red")
    assert built.registered_name == "square"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("squar", "unknown shape 'squar': did you mean 'square'[?] known: box, circle, square"),
        ("triangle", "unknown shape 'triangle': .*known: box, circle, square"),
        ("", "unknown shape '': known: box, circle, square"),
        (None, "unknown shape None: "),
        (3, "unknown shape 3: "),
    ],
)
def test_unknown_names(shapes, name, message):
    with pytest.raises(ConfigError, match=message):
        shapes.resolve(name)
    with pytest.raises(ConfigError, match=message):
        shapes.build(name, "x")


def test_unknown_options(shapes):
    with pytest.raises(
        ConfigError, match="shape 'square': unknown option 'sides': did you mean 'side'[?] known: colour, side"
    ):
        shapes.build("square", "x", sides=3)
    with pytest.raises(ConfigError, match="shape 'circle': unknown option 'side': .*known: radius"):
        shapes.build("circle", "x", side=3)


def test_errors_are_what_they_are_caught_as():
    error = unknown_name("thing", "a", [])
    assert "known: none" in str(error)
    assert isinstance(error, TaggingError)
    assert isinstance(error, ValueError)  # what a reader of other libraries expects of a wrong argument
