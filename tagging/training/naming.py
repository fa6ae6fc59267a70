"""Names of runs: what was trained on how much, and every setting that makes it another experiment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ..utils.text import short_count
from .settings import EDITIONS, Settings, setting_names

# Settings that the name of a run does not mention: they are in it already, or change nothing about the experiment.
_UNNAMED = {"edition", "models", "seed", "data.num_clips", "data.corpus_options", "data.train_options"}
_LONGEST_NAME = 120


def run_name(settings: Settings, model: str) -> str:
    """``laptop-spectrogram-10k-s0``: edition, model, training clips, every setting that differs from the edition's, seed."""
    usual, wanted = EDITIONS[settings.edition].to_dict(), settings.to_dict()
    count = settings.data.num_clips
    extras = []
    for name in setting_names():
        table, _, last = name.rpartition(".")
        before, value = (tables[table][last] if table else tables[last] for tables in (usual, wanted))
        if name in _UNNAMED or table in ("runtime", "evaluation") or value == before:
            continue
        match name:
            case "optimization.num_training_segments":
                extras.append(f"seen-{short_count(value)}")
            case "optimization.loss" | "data.corpus":
                extras.append(value)
            case "data.shuffle_labels":
                extras.append("shuffled")
            case _:
                extras += _flattened(last, value, before)
    options = {**settings.data.corpus_options, **settings.data.train_options}
    extras = [*_flattened("", options, {}), *extras]
    if sum(map(len, extras)) > _LONGEST_NAME:
        extras = [hashlib.sha256("-".join(extras).encode()).hexdigest()[:8]]
    parts = [settings.edition, model.replace(":", "+"), "all" if count is None else short_count(count), *extras]
    return "-".join([*parts, f"s{settings.seed}"])


def _flattened(name: str, value: Any, before: Any) -> list[str]:
    """``name-value`` for each changed entry of nested options; a path is shortened to its last part and a hash."""
    if isinstance(value, Mapping):
        before = before if isinstance(before, Mapping) else {}
        pairs = [(key, inner) for key, inner in value.items() if before.get(key) != inner]
        return [text for key, inner in pairs for text in _flattened(key, inner, before.get(key))]
    text = str(value)
    if "/" in text or "\\" in text:
        last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
        text = f"{last}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return [re.sub(r"[^\w.+-]+", "_", f"{name}-{text}")]
