"""Names of runs: what was trained on how much, and every setting that makes it another experiment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from ..utils.text import short_count
from .settings import EDITIONS, Settings, flat

# Settings that have a place of their own in a name.
_NAMED_APART = {
    "edition", "models", "seed", "data.num_clips", "data.corpus_options", "data.train_options", "data.shuffle_labels",
    "data.mask_unannotated",
    "optimization.num_training_segments", "optimization.loss",
}  # fmt: skip
# Extras that are longer than this together become a hash.
_MAX_LENGTH = 120


def run_name(settings: Settings, model: str) -> str:
    """``laptop-spectrogram-10k-s0``: edition, model, training clips, every setting that differs from the edition's, seed."""
    usual, defaults = EDITIONS[settings.edition], flat(EDITIONS[settings.edition])
    options = {**settings.data.corpus_options, **settings.data.train_options}
    extras = _flattened("", options, {})
    for name, value in flat(settings).items():
        table, _, last = name.rpartition(".")
        if name not in _NAMED_APART and table not in ("runtime", "evaluation") and value != defaults[name]:
            extras += [value] if name == "data.corpus" else _flattened(last, value, defaults[name])
    optimization, count = settings.optimization, settings.data.num_clips
    if optimization.num_training_segments != usual.optimization.num_training_segments:
        extras.append(f"seen-{short_count(optimization.num_training_segments)}")
    if optimization.loss != usual.optimization.loss:
        extras.append(optimization.loss)
    if settings.data.shuffle_labels:
        extras.append("shuffled")
    if settings.data.mask_unannotated:
        extras.append("masked")
    if sum(map(len, extras)) > _MAX_LENGTH:
        extras = [hashlib.sha256("-".join(extras).encode()).hexdigest()[:8]]
    parts = [settings.edition, model.replace(":", "+"), "all" if count is None else short_count(count), *extras]
    return "-".join([*parts, f"s{settings.seed}"])


def _flattened(name: str, value: Any, before: Any) -> list[str]:
    """``name-value`` for each changed entry of nested options; a path is shortened to its last part and a hash."""
    if isinstance(value, Mapping):
        before = before if isinstance(before, Mapping) else {}
        changed = [key for key in {**before, **value} if before.get(key) != value.get(key)]
        return [text for key in changed for text in _flattened(key, value.get(key), before.get(key))]
    text = str(value)
    if "/" in text or "\\" in text:
        last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
        text = f"{last}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
    return [re.sub(r"[^\w.+-]+", "_", f"{name}-{text.strip('[]{}() ')}")]
