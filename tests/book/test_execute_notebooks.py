"""Notebooks are executed once, each in an empty folder, and one that fails does not stop the others."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_notebook

SCRIPT = Path(__file__).parents[2] / "book" / "_tools" / "execute_notebooks.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the scripts of the book are not part of this distribution")
CELLS = {
    "good": "from pathlib import Path\nprint(len(list(Path().iterdir())), 'files here')",
    "bad": "1 / 0",
    "dead": "import os\nos._exit(1)",
    "untidy": "from pathlib import Path\nPath('left.txt').touch()",
}


def write(path, code):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=[new_code_cell(code)], metadata=kernel), path)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("execute_notebooks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_kernels_find_librosa_compiled(script, tmp_path, monkeypatch):
    """Otherwise two kernels that begin together would write numba's cache at the same time."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    script.compile_librosa()
    before = sorted(tmp_path.rglob("*.nb[ci]"))
    features = (
        "import librosa, numpy; sound = numpy.random.rand(22050); librosa.feature.tonnetz(y=sound); "
        "librosa.feature.spectral_contrast(y=sound); librosa.onset.onset_detect(y=sound); librosa.feature.tempo(y=sound); "
        "librosa.feature.inverse.mel_to_stft(librosa.feature.melspectrogram(y=sound)); librosa.griffinlim(numpy.ones((1025, 9)))"
    )
    subprocess.run([sys.executable, "-c", features], check=True)
    assert before and sorted(tmp_path.rglob("*.nb[ci]")) == before


def test_all_notebooks_of_the_book_run_and_the_longest_first(script):
    names = [path.stem for path in script.longest_first()]
    assert sorted(names) == sorted(path.stem for path in SCRIPT.parents[1].glob("*.ipynb"))
    assert tuple(names[: len(script.LONGEST)]) == script.LONGEST


@pytest.fixture
def execute(monkeypatch, tmp_path, script):
    """Run the script in this process: returns the message it ends with."""

    def run(*notebooks):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / "cache"), *map(str, notebooks)])
        try:
            script.main()
        except SystemExit as leaving:
            return str(leaving.code)
        return ""

    return run


def test_good_notebooks_are_kept_and_the_others_named(execute, tmp_path, capsys):
    notebooks = {name: tmp_path / f"{name}.ipynb" for name in CELLS}
    for name, path in notebooks.items():
        write(path, CELLS[name])
    problems = execute(*notebooks.values())
    assert "ZeroDivisionError" in problems
    assert "dead.ipynb\nKernel died" in problems
    assert "left.txt" in problems
    assert "good.ipynb" not in problems
    _, executed = get_cache(tmp_path / "cache").merge_match_into_file(notebooks["good"])
    assert executed.cells[0].outputs[0].text == "0 files here\n"

    write(notebooks["bad"], "print('mended')")
    capsys.readouterr()
    assert execute(notebooks["good"], notebooks["bad"]) == ""
    out = capsys.readouterr().out
    assert "good.ipynb" not in out  # it was executed before
    assert "1/1  bad.ipynb" in out
