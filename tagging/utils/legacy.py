"""Names in files that earlier versions wrote, and what they are called now. Old names are read, never written.

Weights, records, predictions and caches keep the names of their time; each reader passes what it has read through one of these
tables. Tests read every such file that ships.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

V = TypeVar("V")

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
EVALUATION_FIELDS = {"songs": "num_songs", "groups": "num_groups"}
EVALUATION_PARTS = {"score": "composition"}
STATE_KEYS = {"head.kinds.bi-modal.": "head.kinds.classification.", "head.kinds.uniform.": "head.kinds.regression."}

# Settings were one flat table. What they were called -> where they are now.
SETTINGS = {
    "corpus": "data.corpus", "corpus_options": "data.corpus_options", "train_options": "data.train_options",
    "clips": "data.num_clips", "shuffled_labels": "data.shuffle_labels",
    "width": "model.width", "segment_seconds": "model.segment_seconds", "dropout": "model.dropout",
    "norm_momentum": "model.norm_momentum", "start_at_share": "model.init_bias_from_prior", "trees": "model.tree_options",
    "clips_seen": "optimization.num_training_segments", "batch": "optimization.batch_size",
    "accumulate": "optimization.gradient_accumulation_steps", "learning_rate": "optimization.learning_rate",
    "warm_up": "optimization.warmup_ratio", "weight_decay": "optimization.weight_decay", "loss": "optimization.loss",
    "patience": "optimization.early_stopping_patience",
    "validate_every": "evaluation.validation_interval", "validation_clips": "evaluation.num_validation_clips",
    "test_clips": "evaluation.num_test_clips", "segments_per_clip": "evaluation.segments_per_clip",
    "resamples": "evaluation.num_resamples",
    "precision": "runtime.precision", "compile": "runtime.compile", "workers": "runtime.num_workers",
    "log_every": "runtime.log_interval",
}  # fmt: skip
CORPORA = {"scores": "sheet-music"}
# Settings that came later, with what earlier runs did.
LEGACY_DEFAULTS: dict[str, dict[str, Any]] = {
    "data": {"max_unreadable": 0.05},
    "evaluation": {"thresholds": "f1"},
    "augmentation": {
        "gain_db": 0.0, "noise_snr_db": None, "pitch_semitones": 0, "tempo_change": 0.0, "time_mask_seconds": 0.0,
        "frequency_mask_octaves": 0.0, "mixup_alpha": 0.0,
    },
}  # fmt: skip
RECORD_FIELDS = {
    "clips": "num_clips", "clips_seen": "num_training_segments", "updates": "num_steps", "processes": "num_processes",
    "clips_per_second": "segments_per_second", "share_waiting_for_clips": "data_wait_ratio", "sittings": "resumes",
    "train_share": "tag_prior", "features": "num_features",
}  # fmt: skip
STEP_FIELDS = {"update": "step", "rate": "learning_rate", "after_update": "after_step", "best_update": "best_step"}
# Names of runs whose settings differ in what names did not mention.
RUN_NAMES = {"laptop-gbt-100k-leaves-31-iterations-300-s0": "laptop-gbt-100k-s0"}
CHECKPOINT_FIELDS = {**STEP_FIELDS, "waited": "seconds_waited", "sittings": "resumes", "failed": "failed_tracks"}


_ASSIGNMENT = re.compile(r"(?<= )(\w+)((?:\.\w+)*=)")


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
    """The fields of a :class:`~tagging.audio.mel_spec.MelSpec` as they are named now."""
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
    return {_current_state_key(name): tensor for name, tensor in weights.items()}


def _current_state_key(name: str) -> str:
    for old, new in STATE_KEYS.items():
        name = name.replace(old, new)
    return name


def current_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in their tables, of what :class:`~tagging.training.settings.Settings` wrote, now or as a flat table."""
    if not any(name in values for name in ("clips_seen", "batch", "corpus")):
        return dict(values)
    tables: dict[str, Any] = {}
    for name, value in values.items():
        table, _, last = SETTINGS.get(name, name).rpartition(".")
        if name not in ("mel", "toeplitz", "onednn"):
            (tables.setdefault(table, {}) if table else tables)[last] = value
    tables["data"]["corpus"] = CORPORA.get(values["corpus"], values["corpus"])
    tables["model"]["frontend_options"] = {"mel": current_mel(values["mel"])} if values.get("mel") else {}
    tables.setdefault("runtime", {})["cpu_acceleration"] = bool(values.get("toeplitz") or values.get("onednn"))
    return tables


def current_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A run record with the names of now."""
    if "command" in record:
        record = {**record, "command": _current_command(record["command"])}
    if "speeds" in record:
        speeds = record["speeds"].items()
        return {
            **record,
            "speeds": {key: {name: renamed(row, RECORD_FIELDS) for name, row in rows.items()} for key, rows in speeds},
        }
    if "trials" in record:
        return {**record, "trials": [_current_trial(trial) for trial in record["trials"]]}
    if record.get("kind") not in ("training", "evaluation"):
        return dict(record)
    record = renamed(record, RECORD_FIELDS)
    settings = current_settings(record["settings"])
    record["settings"] = settings | {
        table: {**defaults, **settings.get(table, {})} for table, defaults in LEGACY_DEFAULTS.items()
    }
    if record["corpus"]["name"] in CORPORA:
        record["corpus"] = record["corpus"] | {"name": CORPORA[record["corpus"]["name"]]}
    if "test" in record:
        record["test"] = current_evaluation(record["test"])
    if "history" in record:
        record["history"] = [renamed(entry, STEP_FIELDS) for entry in record["history"]]
    if "resumes" in record:
        record["resumes"] = [renamed(entry, STEP_FIELDS) for entry in record["resumes"]]
    if "best" in record:
        record["best"] = renamed(record["best"], STEP_FIELDS)
    return record


def _current_command(command: str) -> str:
    """A record's command as it can be given now."""
    if not command.startswith("tagging "):
        return command.replace("benchmarks/scores_", "benchmarks/sheet_music_")
    return _ASSIGNMENT.sub(lambda match: SETTINGS.get(match[1], match[1]) + match[2], command)


def _current_trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    changes = renamed(trial["changes"], SETTINGS) if "model" in trial else trial["changes"]  # the others are of trees
    return renamed(trial, RECORD_FIELDS) | {"changes": changes}


def current_checkpoint(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of a run's progress, with the names of now."""
    about = renamed(about, CHECKPOINT_FIELDS)
    about["history"] = [renamed(entry, STEP_FIELDS) for entry in about["history"]]
    about["resumes"] = [renamed(entry, STEP_FIELDS) for entry in about.get("resumes", [])]
    about["learners"] = {name: renamed(progress, STEP_FIELDS) for name, progress in about["learners"].items()}
    return about
