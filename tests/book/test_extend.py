"""The page *Extend it*: its files are short, and run as the page shows them."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import tones

import tagging
from tagging import cli
from tagging.cli.base import COMMANDS
from tagging.cli.plugins import PLUGINS, load_plugins

PAGE = Path(__file__).parents[2] / "book" / "extend.md"
if not PAGE.exists():
    pytest.skip("the book is not part of this distribution", allow_module_level=True)
TEXT = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\{code-block\} \w+\n:caption: (\S+)\n(.*?)```", TEXT, re.DOTALL))
PLUGIN_FILES = [name for name in FILES if name.endswith(".py")]
USES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMAND_LINES = re.findall(r"^\$ (tagging .*)\n((?:(?!```|\$).*\n)*)", TEXT.replace("\\\n", ""), re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a reader: the files of the page, a song, and a collection; what plugins register is removed afterwards."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy(tagging.sound_path("greensleeves"), tmp_path / "song.ogg")
    for split in ("train", "validation", "test"):
        for row, tag in enumerate(("high", "low")):
            (tmp_path / "music" / split / tag).mkdir(parents=True)
            for song in range(4):
                sound = tones(1.5, 16000 if row else 8000, level=0.3 + song / 10)
                soundfile.write(tmp_path / "music" / split / tag / f"{song}-{tag}-{split}.wav", sound, 16000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    registries = [tagging.FRONTENDS, tagging.BACKENDS, tagging.CORPORA, tagging.LOSSES]
    before = [dict(registry._factories) for registry in registries]
    cli.load_commands()  # else a command is registered when it is first given
    commands = dict(COMMANDS)
    yield tmp_path
    for registry, factories in zip(registries, before, strict=True):
        registry._factories = factories
    COMMANDS.clear()
    COMMANDS.update(commands)
    PLUGINS.clear()
    for name in PLUGIN_FILES:
        sys.modules.pop(Path(name).stem, None)


def test_the_page_has_one_file_for_each_kind_of_part():
    registered = re.findall(r"@tagging\.register_(\w+)", "".join(FILES.values()))
    assert registered == ["frontend", "backend", "loss", "corpus", "command"]
    assert {f"tagging.register_{kind}" for kind in [*registered, "head"]} == set(
        re.findall(r"^\|.*`(tagging\.register_\w+)` \|$", TEXT, re.MULTILINE)
    )


@pytest.mark.parametrize("name", PLUGIN_FILES)
def test_files_are_short(name):
    code = [
        line for line in FILES[name].splitlines() if line.strip() and not re.match(r"import|from| +(\"\"\"|#)", line)
    ]
    assert len(code) <= 20


def test_the_python_of_the_page_runs(folder, capsys):
    load_plugins(PLUGIN_FILES)
    namespace = {"tagging": tagging}
    for code in USES:
        exec(code, namespace)
    assert "8 ('high', 'low') (8000,)" in capsys.readouterr().out
    scores = namespace["tagger"].tag("song.ogg").scores
    assert scores.shape == (2,)
    saved = namespace["tagger"].save(folder / "mine.safetensors")
    np.testing.assert_array_equal(tagging.load_tagger(saved).tag("song.ogg").scores, scores)


@pytest.mark.parametrize("line", range(len(COMMAND_LINES)))
def test_the_commands_of_the_page_run(folder, line, capsys):
    command, output = COMMAND_LINES[line]
    assert cli.main(shlex.split(command)[1:]) == 0
    printed = capsys.readouterr().out
    assert output in printed
    if " list" in command:
        for name in ("short-filters", "mean-and-std", "rare-first", "song-folders"):
            assert f"  {name} " in printed
