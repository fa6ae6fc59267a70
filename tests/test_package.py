"""The package as a whole: layers of folders, what no file may do, what an import costs, and documentation of public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
import yaml
from helpers import python

import tagging

PACKAGE = Path(tagging.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

# Folders, lowest first: a file imports from its own folder and from those before it.
FOLDERS = [
    "errors", "version", "utils", "tags", "audio", "models", "pretrained", "data", "evaluation", "baselines", "training", "plots",
    "cli", "extend", "book",
]  # fmt: skip


def imports(path: Path) -> set[str]:
    """Modules of this package that a file imports, at the top or inside functions, but not for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_checkers = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    folder = path.parent.relative_to(PACKAGE).parts
    modules = set()
    for node in ast.walk(tree):
        if node in for_checkers:
            continue
        if isinstance(node, ast.Import):
            assert not any(name.name.partition(".")[0] == "tagging" for name in node.names), (
                f"{path}: import relatively"
            )
        if isinstance(node, ast.ImportFrom):
            assert node.module is None or node.module.partition(".")[0] != "tagging", f"{path}: import relatively"
            if node.level:
                base = [*folder[: len(folder) - node.level + 1], *(node.module.split(".") if node.module else [])]
                for name in node.names:
                    # `from .a import b`: b may be a module or a name in a
                    inner = ".".join([*base, name.name])
                    modules.add(inner if inner in MODULES else ".".join(base))
    return modules - {""}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_no_import_runs_up(module):
    folder = module.partition(".")[0]
    for other in imports(MODULES[module]):
        assert FOLDERS.index(other.partition(".")[0]) <= FOLDERS.index(folder), f"{module} imports {other} from above"


def test_there_are_no_circles_inside_folders():
    """A package may import its members to register them; apart from that, no file imports itself through others."""
    graph = {name: {other for other in imports(path) if "." in other} for name, path in MODULES.items()}
    done, path = set(), []

    def visit(name: str) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path, name])}"
        if name not in done:
            path.append(name)
            for other in graph[name]:
                visit(other)
            done.add(path.pop())

    for name, file in MODULES.items():
        if file.name != "__init__.py":
            visit(name)


def test_the_folders_are_those_that_exist():
    assert set(FOLDERS) == {name.partition(".")[0] for name in MODULES} - {"__init__"}


# No file loads a pickle, runs text as code, or decodes sound with a second library

FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {name.name.partition(".")[0] for name in node.names} & FORBIDDEN_MODULES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in FORBIDDEN_MODULES
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            assert name not in ("eval", "exec", "torch.load", "torchaudio.load", "pd.read_pickle", "os.system")
            options = {keyword.arg: keyword.value for keyword in node.keywords}
            if name in ("np.load", "numpy.load"):
                allowed = options.get("allow_pickle")
                assert isinstance(allowed, ast.Constant), "np.load without allow_pickle=False"
                assert allowed.value is False
            if name.startswith("subprocess."):
                assert "shell" not in options


def test_files_hold_one_idea():
    """At most 350 lines; a longer file is split."""
    assert {path.name: count for path in FILES if (count := len(path.read_text().splitlines())) > 350} == {}


# Importing


def test_importing_costs_nothing():
    """No torch, no NumPy: `tagging --help` and a mistyped command answer at once."""
    result = python("""
        import sys
        before = set(sys.modules)
        import tagging
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(new - set(sys.stdlib_module_names)))
        assert "TaggingError" in dir(tagging)
        print(tagging.TaggingError.__module__, "torch" in sys.modules)
    """)
    assert result.stdout.splitlines() == ["['lazy_loader', 'tagging']", "tagging.errors False"], result.stderr


def test_every_public_name_is_there():
    for name in tagging.__all__:
        assert getattr(tagging, name) is not None
    assert set(tagging.__all__) <= set(dir(tagging))
    with pytest.raises(AttributeError, match="load_taggers"):
        _ = tagging.load_taggers
    assert not {"np", "torch", "nn"} & set(tagging.__all__)


BLOCKED = ["av", "soundfile", "librosa", "matplotlib", "sklearn", "music21", "platformdirs", "soxr", "tqdm"]


def test_a_training_step_needs_little(tmp_path):
    """With torch, NumPy and safetensors alone: no decoder, no plots, no directories of the user."""
    result = python(
        f"""
        import sys

        class Without:  # finds all modules but the blocked ones
            def __init__(self, finder):
                self.finder = finder

            def find_spec(self, name, path=None, target=None):
                hidden = name.partition(".")[0] in {BLOCKED!r}
                return None if hidden else self.finder.find_spec(name, path, target)

        sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
        import torch
        import tagging
        from tagging.utils.files import cache_dir

        assert "dense" in tagging.BACKENDS and "waveform" in tagging.FRONTENDS  # though nothing has been built
        vocabulary = tagging.Vocabulary(["a", tagging.Tag("b", kind="regression")])
        for frontend in ("waveform", "spectrogram"):
            tagger = tagging.build_tagger(frontend, "temporal-pooling", vocabulary, 0.5, width=0.1).train()
            loss = tagging.tag_loss(tagger(torch.randn(2, 8000)), torch.tensor([[1.0, 0.2], [0.0, 0.9]]), vocabulary)
            loss.backward()
            with torch.no_grad():  # by hand: importing torch.optim takes as long as importing torch
                for parameter in tagger.parameters():
                    parameter -= 0.1 * parameter.grad
            path = tagger.save(cache_dir("models") / f"{{frontend}}.safetensors")
            again = tagging.load_tagger(path)
            print(again.tag_waveform(torch.randn(16000).numpy(), 16000).scores.shape)
        print(sorted(set({BLOCKED!r}) & set(sys.modules)))
        """,
        TAGGING_CACHE=str(tmp_path),
    )
    assert result.stdout.splitlines() == ["(2,)", "(2,)", "[]"], result.stderr


# Documentation


def public_things() -> dict[str, object]:
    """Public functions and classes: those that each module defines without an underscore."""
    things = {}
    for module in MODULES:
        if module == "__init__" or any(part.startswith("_") for part in module.split(".")):
            continue
        loaded = importlib.import_module(f"tagging.{module}")
        for name, thing in vars(loaded).items():
            defined = getattr(thing, "__module__", "") == loaded.__name__
            if defined and not name.startswith("_") and (inspect.isclass(thing) or inspect.isfunction(thing)):
                things[f"{module}.{name}"] = thing
    return things


PUBLIC = public_things()


def pages_named(text: str) -> list[str]:
    return re.findall(r"book/[a-z0-9_]+", text)


@pytest.mark.parametrize("name", list(PUBLIC))
def test_everything_public_is_documented(name):
    thing = PUBLIC[name]
    # a dataclass without a docstring gets its signature as one
    assert thing.__doc__, f"{name} has no docstring"
    assert not thing.__doc__.startswith(f"{thing.__name__}("), f"{name} has no docstring of its own"
    assert thing.__doc__.strip().splitlines()[0].rstrip().endswith((".", ":", "?")) or "\n" in thing.__doc__, name


@pytest.mark.parametrize("name", [name for name in tagging.__all__ if not name.isupper() and "Error" not in name])
def test_public_names_lead_to_the_book(name):
    """A page is named by the docstring of the name, of its module, or of the folder of that."""
    thing = getattr(tagging, name)
    modules = [importlib.import_module(module) for module in (thing.__module__, thing.__module__.rpartition(".")[0])]
    pages = [page for documented in (thing, *modules) for page in pages_named(documented.__doc__ or "")]
    assert pages, f"{name}: its docstring names no page of the book"


def book_pages() -> set[str]:
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])}


@pytest.mark.skipif(not (ROOT / "_toc.yml").exists(), reason="the book is not part of this distribution")
def test_every_page_that_is_named_exists():
    pages = book_pages()
    for page in pages:
        assert any((ROOT / f"{page}{ending}").exists() for ending in (".ipynb", ".md")), page
    missing = {
        f"{path.relative_to(ROOT)}: {page}"
        for path in FILES
        for page in re.findall(r"``(book/[a-z0-9_]+)``", path.read_text(encoding="utf-8"))
        if not any((ROOT / f"{page}{ending}").exists() for ending in (".ipynb", ".md"))
    }
    assert missing == set()


@pytest.mark.skipif(not (ROOT / "CONTRIBUTING.md").exists(), reason="CONTRIBUTING.md is not part of this distribution")
def test_contributors_read_the_same_order_of_folders():
    listed = re.findall(
        r"^\| `(\w+)(?:/|\.py)` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert listed == FOLDERS
