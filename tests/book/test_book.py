"""The form of pages: ids, tags, links, the table of contents, and what the API page lists."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tagging.cli import _parser
from tagging.cli.train import settings_of
from tagging.errors import CorpusError

BOOK = Path(__file__).parents[2] / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
if not NOTEBOOKS:
    pytest.skip("the book is not part of this distribution", allow_module_level=True)
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    content = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


@EACH
def test_cell_ids_say_where_they_are(path):
    pattern = rf"{path.stem.replace('_', '-')}-[a-z0-9-]+"
    ids = [cell["id"] for kind in ("code", "markdown") for cell in cells(path, kind)]
    assert [name for name in ids if not re.fullmatch(pattern, name)] == []
    assert max(map(len, ids)) <= 64  # the limit of the format


@EACH
def test_cells_that_only_a_running_notebook_needs_leave_nothing_on_the_page(path):
    first, *others = cells(path, "code")
    assert "remove-cell" in tags(first)  # the installation
    for cell in others:
        if "ipywidgets" in source(cell):
            assert {"remove-output", "remove-cell"} & set(tags(cell)), cell["id"]


@EACH
def test_solutions_are_folded_away_and_checked(path):
    for cell in cells(path, "code"):
        if re.search(r"-solution-\d+$", cell["id"]):
            assert "hide-cell" in tags(cell), cell["id"]
            assert "check(" in source(cell), cell["id"]


@EACH
def test_relative_links_lead_somewhere(path):
    text = "\n".join(source(cell) for cell in cells(path, "markdown"))
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    targets += re.findall(r'(?:src|href)="(\.\./_static/[^"]+)"', text)
    for target in targets:
        # pages are served from a folder of their own, beside _static
        local = target.removeprefix("../") if target.startswith("../_static/") else target
        assert (BOOK / local).exists(), target


def test_every_entry_of_the_contents_is_a_page_and_comes_once():
    toc = yaml.safe_load(BOOK.with_name("_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    chapters += [section for chapter in chapters for section in chapter.get("sections", [])]
    listed = [toc["root"], *(chapter["file"] for chapter in chapters)]
    assert len(set(listed)) == len(listed)
    assert set(listed) == {f"book/{path.stem}" for path in BOOK.iterdir() if path.suffix in (".ipynb", ".md")}


@pytest.mark.parametrize(
    "path", [*NOTEBOOKS, *BOOK.glob("*.md"), BOOK.parent / "README.md"], ids=lambda path: path.stem
)
def test_training_commands_on_a_page_can_be_given(path):
    notebook = path.suffix == ".ipynb"
    text = "\n".join(map(source, cells(path, "markdown"))) if notebook else path.read_text(encoding="utf-8")
    for command in re.findall(r"tagging(?:\.cli)? train ([a-z][^`\n#]*)", text.replace("\\\n", " ")):
        arguments = command.split()
        if "--settings" not in arguments:
            try:
                assert settings_of(_parser().parse_args(["train", *arguments])), command
            except CorpusError:  # recordings that are not here: the names of all settings were checked before
                assert "--root" in arguments, command


@EACH
def test_cells_are_short_and_fit_beside_the_sidebars(path):
    """At most 20 lines of at most 88 characters: a cell shows one idea, and what draws is in the package."""
    shown = [source(cell).split("\n") for cell in cells(path, "code") if "remove-cell" not in tags(cell)]
    assert all(len(lines) <= 20 and max(map(len, lines)) <= 88 for lines in shown)


@EACH
def test_checks_of_exercises_do_not_show_the_answer(path):
    """The answer is computed in `tagging.book.answers`."""
    for cell in cells(path, "code"):
        if "exercise" in cell["id"] and "solution" not in cell["id"]:
            assert "lambda" not in source(cell), cell["id"]
            assert re.search(r"check\(answer, answers\.\w+", source(cell)), cell["id"]


@EACH
def test_every_exercise_has_a_solution(path):
    names = [cell["id"] for cell in cells(path, "code")]
    asked = {match[1] for name in names if (match := re.search(r"exercise-(\d+)(?!.*solution)", name))}
    solved = {match[1] for name in names if (match := re.search(r"solution-(\d+)$", name))}
    assert asked == solved
