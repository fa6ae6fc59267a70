"""Numbers that are none, negative, infinite or huge are refused before anything is done, in every option and every setting."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from tagging.cli import COMMANDS, _parser, load_commands, main
from tagging.errors import ConfigError
from tagging.training.settings import Settings, flat, parse_overrides

load_commands()  # all of them, which a process that runs one does not need

NO_NUMBERS = ["nan", "inf", "-inf", "-1", "1e999", "9" * 5000, "", "many", "0x10", "1e-300", "[" * 100]


def options_of(parser: argparse.ArgumentParser, name: str = "tagging") -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, inner in action.choices.items():
                yield from options_of(inner, f"{name} {command}")
        else:
            yield name, action


OPTIONS = list(options_of(_parser()))
NUMERIC = [(name, action) for name, action in OPTIONS if action.type is not None]


def test_every_option_that_takes_a_number_has_a_type():
    unchecked = [
        f"{name} {action.dest}"
        for name, action in OPTIONS
        if action.type is None and (action.metavar in ("N", "K", "SECONDS", "INDEX") or isinstance(action.default, int | float))
        and action.nargs != 0
    ]  # fmt: skip
    assert unchecked == []
    assert {name.split()[1] for name, _ in NUMERIC} >= {"tag", "bias", "train", "evaluate", "corpus"}


@pytest.mark.parametrize(
    ("name", "action"), NUMERIC, ids=[f"{name.split()[-1]}-{action.dest}" for name, action in NUMERIC]
)
def test_a_number_that_is_none_is_refused(name, action):
    for text in NO_NUMBERS:
        with pytest.raises(argparse.ArgumentTypeError, match="give a"):
            action.type(text)


def test_the_error_names_the_option(capsys):
    assert main(["bias", "scores.csv", "--top-k", "nan"]) == 2
    assert "argument --top-k: nan: give a whole number from 1" in capsys.readouterr().err


SETTINGS = flat(Settings())
NUMBERS = [name for name, value in SETTINGS.items() if type(value) in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_setting_that_is_no_number_is_refused(name):
    huge = "1e40" if name == "optimization.learning_rate" else "1e30"  # others of its tests need a loss that explodes
    for text in ("nan", "inf", "-inf", "-1", huge, "1" + "0" * 40, "9" * 5000, "many", "[1]", "true"):
        with pytest.raises(ConfigError, match=name.rpartition(".")[2]):
            parse_overrides([f"{name}={text}"], Settings())


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("learning_rate", "optimization.learning_rate"),
        ("optimization.learning_rat", "optimization.learning_rate"),
        ("optimisation.learning_rate", "optimization"),
        ("num_clip", "data.num_clips"),
        ("runtime.workers", "runtime.num_workers"),
    ],
)
def test_an_unknown_setting_is_answered_with_near_ones(name, near):
    with pytest.raises(ConfigError) as refused:
        parse_overrides([f"{name}=1"], Settings())
    message = str(refused.value)
    assert "unknown setting" in message
    assert "did you mean" in message
    assert repr(near) in message
    assert "`tagging list`" in message
    assert len(message) < 200


def test_all_settings_are_listed(capsys):
    assert main(["list"]) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [name for name in SETTINGS if name not in {line[0] for line in listed}] == []
    assert ["optimization.learning_rate", "0.008"] in listed


def test_every_command_has_a_parser():
    assert {name.split()[1] for name, _ in OPTIONS if " " in name} == set(COMMANDS)
