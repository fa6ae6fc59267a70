"""Names are the field's: words that only this project used stay out of the code."""

from __future__ import annotations

import io
import json
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# what a name was -> what it is now, or what to say instead
PYDANTIC = ("tagging/training/settings.py", "tagging/models/config.py", "tagging/models/onnx/checks.py")
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
