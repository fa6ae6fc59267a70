"""Names in files that earlier versions wrote, and what they are called now. Old names are read, never written.

Weights, records, predictions and caches keep the names of their time; each reader passes what it has read through one of these
tables. Tests read every such file that ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

V = TypeVar("V")

# Settings that came later than the first records, as these, which do not name them, were made.
LEGACY_DEFAULTS: dict[str, Any] = {"loss": "plain", "onednn": False, "trees": {}}

TAG_FIELDS = {"group": "exclusive_group"}
TAG_KINDS = {"bi-modal": "classification", "uniform": "regression"}
EVALUATION_FIELDS = {"songs": "num_songs", "groups": "num_groups"}
EVALUATION_PARTS = {"score": "composition"}
HISTORY_FIELDS = {"update": "step", "rate": "learning_rate"}
STATE_KEYS = {"head.kinds.bi-modal.": "head.kinds.classification.", "head.kinds.uniform.": "head.kinds.regression."}


def renamed(values: Mapping[str, V], names: Mapping[str, str]) -> dict[str, V]:
    """A mapping with its old keys replaced."""
    return {names.get(key, key): value for key, value in values.items()}


def current_tag(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`~tagging.tags.Tag` as they are named now."""
    fields = renamed(fields, TAG_FIELDS)
    if "kind" in fields:
        fields["kind"] = TAG_KINDS.get(fields["kind"], fields["kind"])
    return fields


def legacy_kind(kind: str) -> str:
    """The first name of a kind of tag, which fingerprints of evaluations are made of."""
    return next((old for old, new in TAG_KINDS.items() if new == kind), kind)


def current_evaluation(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an :class:`~tagging.evaluation.evaluate.Evaluation` as they are named now; data of today stays as it is."""
    data = renamed(data, EVALUATION_FIELDS)
    return data | {
        "parts": renamed(data["parts"], EVALUATION_PARTS),
        "tags": [tag | {"kind": TAG_KINDS.get(tag["kind"], tag["kind"])} for tag in data["tags"]],
    }


def current_parts(value: Any) -> Any:
    """A measurement's nested data with the parts of the tags as they are named now."""
    if isinstance(value, list):
        return [current_parts(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    names = EVALUATION_PARTS if "instrument" in value else {}
    return {name: current_parts(inner) for name, inner in renamed(value, names).items()}


def current_state(weights: Mapping[str, V]) -> dict[str, V]:
    """The weights of a tagger under the names of their modules now."""
    return {_replaced(name): tensor for name, tensor in weights.items()}


def _replaced(name: str) -> str:
    for old, new in STATE_KEYS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
