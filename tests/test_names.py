"""Names and words are the field's: those that only this project used stay out of code, prose, docstrings and messages.

`make lint` runs this file too.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# what a name was -> what it is now, or what to say instead
PYDANTIC = (
    *("tagging/training/settings.py", "tagging/models/config.py"),
    *("tagging/models/onnx/checks.py", "tagging/models/onnx/foreign_card.py"),
)
OLD = {
    **dict.fromkeys(("said", "told"), "predictions, scores, message"),
    **dict.fromkeys(("heard", "found", "kept"), "readable, results, a noun for what it holds"),
    **dict.fromkeys(("truth",), "labels"),
    **dict.fromkeys(("there", "own", "looking", "checking"), "existing, a noun for what it holds"),
    "place": "index, position, row, column",
    "taps": "features", "Taps": "features", "look": "forward_features", "listening": "inference", "edge": "song_padding",
    "Field": "ReceptiveField", "start_at": "init_output_bias", "start_at_share": "init_bias_from_prior",
    "Together": "LinearHead", "PerTag": "PerTagHead", "PerGroup": "PerGroupHead", "Exclusive": "SoftmaxGroupHead",
    "Apart": "GroupedMLPHead", "OneChannelNorm": "SingleChannelBatchNorm", "NORM": "BATCH_NORM",
    "one_channel_norm": "single_channel_norm", "engine": "accelerator", "build_engine": "build_accelerator",
    "cost": "estimate_duration", "claim": "create_run_dir", "refuse_another_run": "check_same_run",
    "refuse_folders_apart": "check_same_checkpoint", "circumstances": "environment_info", "BEFORE": "LEGACY_DEFAULTS",
    "SHIPPED": "BUNDLED_RUNS", "sittings": "resumes", "minus": "paired_difference", "headlines": "summary_metrics",
    "draws": "augmentation_params", "finish": "augment", "spread": "parallel_map, std", "Tick": "ProgressCallback",
    "words": "tags, synonyms, arguments", "anew": "again", "deck": "sampling", "sitting": "run",
    "clips_seen": "num_training_segments", "warm_up": "warmup_ratio", "accumulate": "gradient_accumulation_steps",
    "bimodal": "classification", "BIMODAL": "CLASSIFICATION", "UNIFORM": "REGRESSION",
}  # fmt: skip
LEGACY = ROOT / "tagging" / "utils" / "legacy.py"


def sources() -> dict[str, str]:
    """Python files, and the code of notebooks."""
    texts = {}
    for folder in ("tagging", "tests", "benchmarks", "book"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path not in (LEGACY, Path(__file__)):
                texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
            texts[str(path.relative_to(ROOT))] = "\n".join(code)
    return texts


SOURCES = sources()


@pytest.mark.parametrize("path", list(SOURCES))
def test_no_old_name_is_left(path):
    tokens = tokenize.generate_tokens(io.StringIO(SOURCES[path]).readline)
    allowed = {"Field"} if path in PYDANTIC else set()  # pydantic's
    old = {
        f"{token.string} (line {token.start[0]})"
        for token in tokens
        if token.type == tokenize.NAME and token.string in OLD.keys() - allowed
    }
    assert old == set(), f"say instead: {', '.join(sorted({OLD[name.split()[0]] for name in old}))}"


# a pattern that prose must not have -> what to say instead
FRACTION = r"(?:half |good |one |two |three |four |five |six |seven |a )+"
WORDS = {
    r"\banother start\b|\b(?:two|three) starts\b": "another seed, two seeds, three seeds",
    r"\banew\b": "again; shuffled",
    r"\bwhoever\b": "if you ...; those who ...",
    r"\bbi-?modal\b": "classification",
    rf"\b{FRACTION}(?:hundredths?|thousandths?)\b|\bhalf (?:a )?tenths?\b": "a number, with its unit: 0.013 ROC-AUC",
    r"songs' chance": "sampling error",
    r"\bconfirmed\b|\bturned round\b": "larger in 3 of 3 seeds, by 0.01 to 0.02",
    r"\bnobody can\b": "what can be done, and how",
    r"\bof the plan\b|\ball are there\b": "nothing: no notes to ourselves on a page",
    r"\b(?:pass(?:es|ed)?) by\b|\bclips seen\b|\bpatience\b": "training segments; repetitions; training time",
    r"\bare no numbers\b": "NaN or infinite values in ...",
}
# Where a term of the poster is explained, and where names in old files are read.
EXPLAINED = {"what_is_tagging": r"bi-modal", "glossary": r"bi-modal tag", "legacy": r".*"}


def strings(code: str) -> Iterator[str]:
    """Docstrings, messages and other text of Python code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def prose() -> dict[str, str]:
    """Path -> what a reader of a page, or a user of the package, is told in words."""
    texts = {}
    for path in [*sorted((ROOT / "book").glob("*.md")), *sorted(ROOT.glob("[RC]*.md"))]:
        if path.name != "CHANGELOG.md":
            texts[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        parts = [
            *("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"),
            *(text for cell in cells if cell["cell_type"] == "code" for text in strings("".join(cell["source"]))),
        ]
        texts[str(path.relative_to(ROOT))] = "\n".join(parts)
    for path in sorted((ROOT / "tagging").rglob("*.py")):
        texts[str(path.relative_to(ROOT))] = "\n".join(strings(path.read_text(encoding="utf-8")))
    return texts


PROSE = prose()


def words_of(path: str) -> list[str]:
    """Words on a page, or in a file, that the list replaces."""
    allowed = EXPLAINED.get(Path(path).stem, r"(?!)")
    return [
        f"{match[0]!r}: say {instead}"
        for pattern, instead in WORDS.items()
        for match in re.finditer(pattern, PROSE[path], re.IGNORECASE)
        if not re.fullmatch(allowed, match[0]) and not allowed.startswith(match[0].lower())
    ]


@pytest.mark.parametrize("path", list(PROSE))
def test_prose_uses_the_words_of_the_field(path):
    assert words_of(path) == []
