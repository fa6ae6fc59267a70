"""pyproject.toml, constraints.txt, environment.yml and the other set-up files agree with each other."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import tagging
from tagging.utils.extras import DISTRIBUTIONS

ROOT = Path(__file__).parents[1]
if not (ROOT / "constraints.txt").exists():
    pytest.skip("the set-up files are not part of this distribution", allow_module_level=True)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip() and line[0] != "#"]
PINS = [Requirement(line) for line in LINES]


def requirements() -> dict[str, list[Requirement]]:
    """Extra, or '' for what is always installed -> requirements, without the project's own extras."""
    groups = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    parsed = {extra: [Requirement(text) for text in texts] for extra, texts in groups.items()}
    return {extra: [r for r in group if r.name != PROJECT["name"]] for extra, group in parsed.items()}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_pins_are_pins():
    for line, pin in zip(LINES, PINS, strict=True):
        assert "://" not in line, line
        assert not pin.url
        assert [part.operator for part in pin.specifier] == ["=="], line


@pytest.mark.parametrize(
    ("extra", "requirement"),
    [(extra, requirement) for extra, group in requirements().items() for requirement in group],
    ids=str,
)
def test_every_dependency_is_pinned_inside_its_range(extra, requirement):
    pins = [pin for pin in PINS if canonical(pin.name) == canonical(requirement.name)]
    assert pins, f"{requirement.name} ({extra or 'always'}) is not in constraints.txt: run make lock"
    for pin in pins:
        (version,) = pin.specifier
        assert requirement.specifier.contains(version.version, prereleases=True), f"{pin} is outside {requirement}"


def test_ranges_have_a_lower_bound():
    """A version that is too old fails in strange ways; upper ends are left out, so that Colab keeps what it has."""
    for requirement in requirements()[""]:
        assert [part.operator for part in requirement.specifier] == [">="], requirement


def test_torch_and_torchaudio_go_together():
    versions = {pin.name: next(iter(pin.specifier)).version for pin in PINS if pin.name in ("torch", "torchaudio")}
    assert Version(versions["torch"]).release[:2] == Version(versions["torchaudio"]).release[:2]


def test_conda_environment_is_in_step():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]
    python = next(
        Requirement(text.replace("=", "==", 1)) for text in environment["dependencies"] if "python" in str(text)
    )
    (pinned,) = python.specifier
    assert PROJECT["requires-python"] == f">={pinned.version}"
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert "-c constraints.txt" in pip
    (editable,) = [line for line in pip if line.startswith("-e ")]
    extras = set(re.fullmatch(r"-e \.\[(.*)\]", editable)[1].split(","))
    assert extras <= set(PROJECT["optional-dependencies"])
    # make setup installs the same
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.search(r'--editable "\.\[(.*?)\]"', makefile)[1].split(",")) == extras


def test_own_extras_exist():
    texts = [text for group in PROJECT["optional-dependencies"].values() for text in group]
    for requirement in map(Requirement, texts):
        if requirement.name == PROJECT["name"]:
            assert requirement.extras <= set(PROJECT["optional-dependencies"])


# There wherever a notebook runs; installed by hand (README); and what matplotlib and scikit-learn bring.
NOT_DECLARED = {"IPython", "ipywidgets", "tinysoundfont", "cycler", "threadpoolctl"}


def test_every_library_that_is_imported_is_a_dependency():
    """Of the package or of an extra."""
    imported = set()
    for path in (ROOT / "tagging").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    known = {canonical(requirement.name) for group in requirements().values() for requirement in group}
    foreign = imported - sys.stdlib_module_names - NOT_DECLARED
    assert {name for name in foreign if canonical(DISTRIBUTIONS.get(name, name)) not in known} == set()


def test_authors_are_the_same_everywhere():
    """pyproject.toml is the source."""
    (author,) = [entry["name"] for entry in PROJECT["authors"]]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["authors"] == [{"name": author}]
    assert citation["version"] == PROJECT["version"] == tagging.__version__
    assert yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["author"] == author
    assert f"Copyright (c) 2026 {author}" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_readme_explains_every_extra():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for extra in set(PROJECT["optional-dependencies"]) - {"scores"}:  # the former name of sheet-music
        assert f"`[{extra}]`" in readme
    commands = [line.strip() for line in readme.splitlines() if line.strip().startswith("pip install")]
    assert (
        commands[0].split("#")[0].strip() == "pip install ."
    )  # constraints would replace the PyTorch that is installed


def test_workflow_runs_what_a_contributor_runs():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert f">={job['strategy']['matrix']['python'][0]}" == PROJECT["requires-python"]
    targets = re.search(r"for step in (.*?);", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))[1].split()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"setup", "lint", "test", "book"} <= set(targets) <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("form", ["bug", "page"])
def test_issue_forms_ask_for_what_is_needed(form):
    content = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml").read_text(encoding="utf-8"))
    required = {entry["id"] for entry in content["body"] if entry["validations"]["required"]}
    assert {"what", "info"} | ({"page", "cell"} if form == "page" else set()) <= required
    (info,) = [entry for entry in content["body"] if entry["id"] == "info"]
    assert "`tagging info`" in info["attributes"]["label"]


def test_hooks_are_the_checks_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert programs | {"mypy", "python"} == set(re.findall(r"\$\(BIN\)/(\w+)", lint))
