"""The command `tagging` itself: its commands, their help, names, plugins, and what it says of an installation."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest
from helpers import python

import tagging
from tagging import cli
from tagging.cli import load_commands
from tagging.cli.base import COMMANDS
from tagging.cli.plugins import PLUGINS, load_plugins
from tagging.training.settings import setting_names

load_commands()  # all of them, which a process that runs one does not need

GREETING = """
import tagging

@tagging.register_command("greet", help="say hello")
def greet(parser):
    parser.add_argument("name")
    return lambda options: print("hello", options.name)
"""


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """Plugins leave commands, modules and a search path behind: none of them outlives its test."""
    commands, modules = dict(COMMANDS), set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    COMMANDS.clear()
    COMMANDS.update(commands)
    PLUGINS.clear()
    for name in set(sys.modules) - modules:
        if name.endswith("_plugin"):
            del sys.modules[name]


def run(*arguments: object) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as leaving:  # argparse's own errors and --help
        return int(leaving.code or 0)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command, capsys):
    assert run(*command.split(), "--help") == 0
    out = capsys.readouterr().out
    assert "usage: tagging" in out
    assert "%%" not in out


def test_version_and_no_command(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"tagging {tagging.__version__}\n"
    assert run() == 2


def test_everything_that_can_be_named_is_listed(capsys):
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ")}
    assert listed == {
        *tagging.list_pretrained(), *tagging.list_frontends(), *tagging.list_backends(), *tagging.list_heads(),
        *tagging.list_corpora(), *tagging.list_baselines(), *tagging.LOSSES.names(),
        *setting_names(),
    }  # fmt: skip
    for registry in (tagging.FRONTENDS, tagging.BACKENDS, tagging.HEADS, tagging.LOSSES, tagging.CORPORA):
        for alias, name in registry.aliases().items():
            assert any(line.startswith(f"  {name} (=") and alias in line for line in lines)


def test_info_says_what_a_report_of_a_problem_needs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TAGGING_CACHE", str(tmp_path))
    (tmp_path / "a").write_bytes(bytes(3_000_000))
    assert run("info") == 0
    out = capsys.readouterr().out
    for fact in (tagging.__version__, importlib.metadata.version("torch"), "threads", f"{tmp_path} (3 MB)"):
        assert fact in out


@pytest.mark.parametrize("way", ["before", "after", "environment"])
def test_a_file_adds_a_command(tmp_path, monkeypatch, capsys, way):
    path = tmp_path / "greeting_plugin.py"
    path.write_text(GREETING)
    option = [] if way == "environment" else ["--plugin", path]
    if way == "environment":
        monkeypatch.setenv("TAGGING_PLUGINS", str(path))
    assert run(*([*option, "greet", "you"] if way == "before" else ["greet", "you", *option])) == 0
    assert capsys.readouterr().out == "hello you\n"
    assert [str(path)] == PLUGINS


def test_plugins_may_be_several_modules_and_files(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / f"{name}_plugin.py").write_text(f"NAME = {name!r}")
    monkeypatch.syspath_prepend(tmp_path)
    modules = load_plugins(["first_plugin, math", str(tmp_path / "second_plugin.py"), ""])
    assert [module.__name__ for module in modules] == ["first_plugin", "math", "second_plugin"]


@pytest.mark.parametrize(
    ("plugin", "facts"),
    [
        ("no_such_module", ["no_such_module"]),
        ("missing.py", ["missing.py"]),
        ("broken_plugin.py", ["ZeroDivisionError", "broken_plugin.py, line 2"]),
        ("json.py", ["json.py", "rename"]),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(tmp_path, capsys, plugin, facts):
    (tmp_path / "broken_plugin.py").write_text("x = 1\n1 / 0\n")
    (tmp_path / "json.py").write_text("")
    assert run("--plugin", tmp_path / plugin if plugin.endswith(".py") else plugin, "list") == 2
    err = capsys.readouterr().err
    assert [fact for fact in facts if fact not in err] == [], err


def test_help_needs_no_extra():
    """As after a plain installation: what extras bring is not there."""
    extras = ["accelerate", "librosa", "sklearn", "scipy", "pandas", "numba", "torchaudio", "music21", "symusic"]
    result = python(f"""
        import sys
        sys.modules.update(dict.fromkeys({extras}))
        from tagging.cli import main
        main(["--help"])
    """)
    assert "usage: tagging" in result.stdout, result.stderr


def test_a_missing_package_of_an_extra_is_named_with_the_extra(monkeypatch, capsys):
    """As after a plain installation, without accelerate."""

    def run_it(options):
        raise ModuleNotFoundError(f"No module named {options.package!r}", name=options.package)

    def needy(parser):
        parser.add_argument("package")
        return run_it

    tagging.register_command("needy", help="needs a package")(needy)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ['accelerate>=1; extra == "train"'])
    assert run("needy", "accelerate") == 2
    assert "music-tagging-at-scale[train]" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):  # a mistake of the program, not of the installation
        run("needy", "something_else")
