"""What a table is of, and the names and kinds of its columns. Book: ``book/tag_library``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any

from ..errors import ConfigError
from .songs import ModelFacts

# column -> kind; the others are scores, truths (a score reaches its threshold) and vectors
FIXED = {
    "path": "text",
    "duplicate_of": "text",
    "error": "text",
    "notes": "text",
    "seconds": "number",
    "bytes": "number",
    "sha256": "text",
}
FORMAT = "tagging-table/1"


@dataclass(frozen=True)
class Description:
    """What a table is of: in the metadata of a Parquet file, in ``<name>.csv.json`` beside a CSV file.

    Attributes:
        root: folder of the music.
        models: in the order of their columns.
        hop_seconds: from the start of one segment to the next; None is the models' own.
    """

    root: str
    models: tuple[ModelFacts, ...]
    hop_seconds: float | None = None

    @cached_property
    def columns(self) -> dict[str, tuple[ModelFacts, str]]:
        """Column -> model and tag: the tag's name; ``MODEL/TAG`` for several models, or where the table has that name."""
        named = [
            (prefix, model, tag, tag if len(self.models) == 1 else f"{prefix}/{tag}")
            for prefix, model in zip(self._prefixes, self.models, strict=True)
            for tag in model.tags
        ]
        # SQL does not tell Path from path
        taken = {name.lower() for name in (*FIXED, "embedding", *self.embedding_columns)}
        taken |= {f"{name}_present".lower() for _, model, tag, name in named if tag in model.thresholds}
        columns: dict[str, tuple[ModelFacts, str]] = {}
        for prefix, model, tag, name in named:
            while name.lower() in taken or name in columns:
                name = f"{prefix}/{name}"
            columns[name] = model, tag
        return columns

    @cached_property
    def embedding_columns(self) -> dict[str, ModelFacts]:
        """Column -> model: ``embedding``, or ``MODEL/embedding`` for several models."""
        named = zip(self._prefixes, self.models, strict=True)
        is_one = len(self.models) == 1
        return {"embedding" if is_one else f"{prefix}/embedding": model for prefix, model in named if model.features}

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Column -> ``text``, ``number``, ``score``, ``truth`` or ``vector``, of all columns in order."""
        return dict(self._all_columns())

    def check_columns(self) -> None:
        """Raise a :class:`ConfigError` if two columns have one name."""
        counts = Counter(name for name, _ in self._all_columns())
        if twice := next((name for name, count in counts.items() if count > 1), None):
            raise ConfigError(f"{twice}: two columns would have this name; give the models in several commands")

    def _all_columns(self) -> list[tuple[str, str]]:
        columns = list(FIXED.items())
        for name, (model, tag) in self.columns.items():
            columns.append((name, "score"))
            if tag in model.thresholds:
                columns.append((f"{name}_present", "truth"))
        return [*columns, *((name, "vector") for name in self.embedding_columns)]

    @cached_property
    def _prefixes(self) -> list[str]:
        """A name for each model, all different: the file's, with as many of the folders above it as are needed."""
        ends = [_ends(model.name) for model in self.models]
        prefixes = []
        for number, names in enumerate(ends):
            others = {end.lower() for other, more in enumerate(ends) if other != number for end in more}
            prefixes.append(next((end for end in names if end.lower() not in others), self.models[number].name))
        return prefixes

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; :meth:`parse` reads it."""
        models = [model.to_dict() for model in self.models]
        return {"format": FORMAT, "root": self.root, "models": models, "hop_seconds": self.hop_seconds}

    @classmethod
    def parse(cls, facts: Any) -> Description:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: something else.
        """
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise ValueError("no description of a table")
        root, hop = facts.get("root"), facts.get("hop_seconds")
        if not isinstance(root, str) or not root:
            raise ValueError(f"root {root!r} in its description is no folder")
        if hop is not None and not (_is_number(hop) and hop > 0):
            raise ValueError(f"hop_seconds {hop!r} in its description is no duration")
        models = parse_models(facts.get("models"))
        return cls(root, tuple(models), None if hop is None else float(hop))


def parse_models(models: Any) -> list[ModelFacts]:
    """Read what :meth:`ModelFacts.to_dict` gave for each of several models.

    Raises:
        ValueError: something else.
    """
    if not isinstance(models, list) or not models:
        raise ValueError("no models in its description")
    parsed = [_model(facts) for facts in models]
    if len({model.name for model in parsed}) < len(parsed):
        raise ValueError("a model twice in its description")
    return parsed


def newer_format(facts: Any) -> str:
    """The format of a description that another version of this package wrote; empty for one of this version, and for no such."""
    form = facts.get("format") if isinstance(facts, dict) else None
    is_other = isinstance(form, str) and form.startswith(FORMAT.partition("/")[0] + "/") and form != FORMAT
    return str(form) if is_other else ""


def find_name(text: str, names: Sequence[str]) -> str | None:
    """The name that a user means: the exact one, or the only one that differs in case; None if there is none.

    Raises:
        ConfigError: several differ in case.
    """
    if text in names:
        return text
    alike = [name for name in names if name.casefold() == text.casefold()]
    if len(alike) > 1:
        raise ConfigError(f"{text}: it could be {' or '.join(alike)}; write it as one of them")
    return alike[0] if alike else None


def _ends(name: str) -> list[str]:
    """``a``, ``run/a``, ... for a file ``run/a.onnx``; any other name as it is."""
    if not name.endswith((".onnx", ".safetensors")):
        return [name]
    parts = PurePath(name).with_suffix("").parts
    return ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]


def _model(facts: Any) -> ModelFacts:
    names = {"name", "digest", "tags", "thresholds", "features"}
    if not isinstance(facts, dict) or not set(facts) <= names or not names - {"features"} <= set(facts):
        raise ValueError("a model in its description has other facts than were written")
    model = ModelFacts(**facts)
    is_text = isinstance(model.name, str) and model.name and isinstance(model.digest, str)
    has_tags = isinstance(model.tags, list) and all(isinstance(tag, str) and tag for tag in model.tags)
    if not is_text or not has_tags or len(set(model.tags)) < len(model.tags):
        raise ValueError("the name, the digest or the tags of a model in its description are damaged")
    thresholds = model.thresholds
    if not isinstance(thresholds, dict) or not all(map(_is_number, thresholds.values())):
        raise ValueError(f"the thresholds of {model.name} in its description must be numbers")
    if not isinstance(model.features, int) or isinstance(model.features, bool) or model.features < 0:
        raise ValueError(f"the features of {model.name} in its description must be a number")
    return model


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf
