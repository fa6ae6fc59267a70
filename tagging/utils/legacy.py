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
# Saved taggers
MEL_FIELDS = {
    "hop": "hop_length", "bands": "n_mels", "low": "f_min", "high": "f_max", "scale": "mel_scale", "pad": "pad_mode",
    "half": "round_to_float16",
}  # fmt: skip
MEL_NORMS = {True: "slaney", False: None}
CPU_OPTIONS = ("toeplitz", "onednn")  # of front-ends; they changed the speed of training only
FRONTEND_OPTIONS = {
    "waveform-frame-level": {"length": "kernel_size", "hop": "hop_length"},
    "waveform-frame-level-many-shapes": {"lengths": "kernel_sizes", "hop": "hop_length"},
}
BACKEND_OPTIONS = {
    "attention": {"units": "embed_dim", "heads": "num_heads", "layers": "num_layers"},
    "dense": {"units": "dense_units"},
    "recurrent": {"units": "hidden_size", "layers": "num_layers"},
    "temporal-pooling": {
        "units": "dense_units", "kernel": "kernel_size", "pool": "pool_size", "one_channel_norm": "single_channel_norm",
    },
}  # fmt: skip
HEADS = {"together": "linear"}
OLD_NORM_MOMENTUM = 0.01
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


def current_mel(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`~tagging.audio.mel.MelSpec` as they are named now."""
    fields = renamed(fields, MEL_FIELDS)
    if isinstance(fields.get("norm"), bool):
        fields["norm"] = MEL_NORMS[fields["norm"]]
    return fields


def current_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a saved tagger with its options as they are named now."""
    config = {"norm_momentum": OLD_NORM_MOMENTUM, **config}
    frontend = renamed(config.get("frontend_options", {}), FRONTEND_OPTIONS.get(config.get("frontend", ""), {}))
    if isinstance(frontend.get("mel"), Mapping):
        frontend["mel"] = current_mel(frontend["mel"])
    config["frontend_options"] = {name: value for name, value in frontend.items() if name not in CPU_OPTIONS}
    config["backend_options"] = renamed(
        config.get("backend_options", {}), BACKEND_OPTIONS.get(config.get("backend", ""), {})
    )
    if "head" in config:
        config["head"] = HEADS.get(config["head"], config["head"])
    return config


def current_state(weights: Mapping[str, V]) -> dict[str, V]:
    """The weights of a tagger under the names of their modules now."""
    return {_replaced(name): tensor for name, tensor in weights.items()}


def _replaced(name: str) -> str:
    for old, new in STATE_KEYS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
