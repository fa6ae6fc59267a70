"""What a training run is told, with the reason for each default, and how files and the command line change it."""

from __future__ import annotations

import json
import os
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, unknown_name
from ..utils.legacy import LEGACY_DEFAULTS

PRECISIONS = ("no", "bf16")
EDITION_NAMES = ("laptop", "poster")
# The keys of tagging.training.losses.LOSSES, which would bring torch along
WEIGHINGS = ("plain", "balanced", "focal")


@dataclass(frozen=True)
class Settings:
    """Settings of one run. The defaults are the laptop edition. Book: ``book/recipe``.

    Raises:
        ConfigError: a value outside what is allowed; the message names the setting.
    """

    edition: str = "laptop"
    # Each FRONTEND, FRONTEND:BACKEND, FRONTEND:BACKEND:HEAD or "mel-statistics"; all train on one stream of clips.
    models: tuple[str, ...] = ("spectrogram",)
    corpus: str = "scores"
    # For open_corpus: of every split, and of the training split alone.
    corpus_options: Mapping[str, Any] = field(default_factory=dict)
    train_options: Mapping[str, Any] = field(default_factory=dict)
    # How many training clips there are: the first so many. None is all of the corpus.
    clips: int | None = 10_000

    # A quarter of the paper's filters and units, a fifth of its segment: what two CPU cores train in an hour.
    width: float = 0.25
    segment_seconds: float = 3.0
    # The paper's 0.5 is for weeks of training; in 400 updates even 0.1 costs the spectrogram two hundredths of ROC-AUC.
    dropout: float = 0.0
    # Of spectrogram front-ends, instead of the paper's 512 and 256: half the frames cost half the time.
    mel: Mapping[str, Any] = field(default_factory=lambda: {"n_fft": 1024, "hop": 512})

    # How many clips pass by, repeated or not: the same budget for every model and every number of clips.
    clips_seen: int = 102_400
    # Half of it with half the rate does no better, and the waveform a hundredth of ROC-AUC worse.
    batch: int = 32
    # Parts a batch is cut into, to fit into memory. Batch normalisation then sees a part at a time.
    accumulate: int = 1
    # From 0.002 to 0.016 the higher the better in 400 updates; 0.016 gains as little more as another start can.
    learning_rate: float = 8e-3
    # Of gbt, what differs from tagging.baselines.TreeSettings: none of the settings around this one are for trees.
    trees: Mapping[str, Any] = field(default_factory=dict)
    # Share of the run in which the rate rises from 0; after it, it falls along a half cosine.
    warm_up: float = 0.1
    # Of AdamW; not compared with others.
    weight_decay: float = 1e-3
    # The paper's 0.01 is for runs of 10,000s of updates: in 400 the sqrt(MSE) is half a hundredth worse, ROC-AUC the same.
    norm_momentum: float = 0.05
    # Outputs start at each tag's share: else the first updates only learn how rare the tags are.
    init_bias_from_prior: bool = True
    # How its terms weigh: the paper's plain, balanced, or focal. The other two are remedies for bias, and have their price.
    loss: str = "plain"
    # A control: labels are dealt anew among the segments of each batch, so that there is nothing to learn.
    shuffled_labels: bool = False
    seed: int = 0

    # Clips seen between two validations; each also writes a checkpoint.
    validate_every: int = 10_240
    # Ten looks at 500 clips cost a quarter of a run's segments, and 2,000 test clips leave a mean ROC-AUC within 0.02.
    validation_clips: int = 500
    test_clips: int = 2_000
    # Five of 3 s hear all of a clip of 15 s.
    segments_per_clip: int = 5
    # Validations without a better ROC-AUC after which a run ends. None runs to the budget.
    patience: int | None = None
    resamples: int = 1000

    precision: str = "no"
    # Frequency-wide filters as banded matrices: 1.25 to 1.5 times as fast on a CPU.
    toeplitz: bool = True
    # The sample-level front-end in the layout that a CPU's convolutions like best: twice as fast.
    onednn: bool = True
    # By torch.compile, for a GPU: with PyTorch 2.11 on a CPU the spectrogram can write past the ends of its arrays.
    compile: bool = False
    # Processes that make segments beside the training.
    workers: int = 1
    # Updates between two looks at the loss; each look waits for the device.
    log_every: int = 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        if self.edition not in EDITION_NAMES:
            raise unknown_name("edition", self.edition, EDITION_NAMES)
        if not self.models:
            raise ConfigError("models: name at least one, for example spectrogram")
        if len(set(self.models)) < len(self.models):
            raise ConfigError(f"models={list(self.models)}: one is named twice")
        if self.trees and "gbt" not in self.models:
            raise ConfigError(f"trees={dict(self.trees)}: only gbt grows trees, not {', '.join(self.models)}")
        at_least_one = (
            "clips", "clips_seen", "batch", "accumulate", "validate_every", "validation_clips", "test_clips",
            "segments_per_clip", "patience", "resamples", "log_every",
        )  # fmt: skip
        for name in at_least_one:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}={value}: at least 1 is needed")
        for name in ("width", "segment_seconds", "learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}={getattr(self, name)}: a positive number is needed")
        for name in ("dropout", "warm_up"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)}: a number from 0 up to, not including, 1 is needed")
        if not 0 < self.norm_momentum <= 1:
            raise ConfigError(f"norm_momentum={self.norm_momentum}: a number above 0 and up to 1 is needed")
        for name in ("weight_decay", "workers", "seed"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}={getattr(self, name)}: 0 or a positive number is needed")
        if self.batch % self.accumulate:
            raise ConfigError(f"batch={self.batch} cannot be cut into accumulate={self.accumulate} equal parts")
        if self.clips_seen < self.batch:
            raise ConfigError(f"clips_seen={self.clips_seen}: not enough for one batch of {self.batch}")
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)
        if self.loss not in WEIGHINGS:
            raise unknown_name("loss", self.loss, WEIGHINGS)

    @property
    def updates(self) -> int:
        """Steps of the optimizer in the whole run."""
        return self.clips_seen // self.batch

    @property
    def validate_updates(self) -> int:
        """Steps between two validations."""
        return max(1, self.validate_every // self.batch)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return json.loads(json.dumps(asdict(self)))

    def command(self) -> str:
        """The shortest ``tagging train`` that asks for these settings, as a shell reads it."""
        words = ["tagging", "train", *self.models]
        if self.edition != Settings().edition:
            words += ["--edition", self.edition]
        own = ("clips", "seed", "precision")
        usual = edition(self.edition)
        for name in own:
            if (value := getattr(self, name)) != getattr(usual, name) and value is not None:
                words += [f"--{name}", str(value)]
        there = {name: getattr(self, name) for name in ("models", *own) if getattr(self, name) is not None}
        extras = self.assignments(usual.changed(there))
        return shlex.join([*words, *(["--set", *extras] if extras else [])])

    def assignments(self, usual: Settings) -> list[str]:
        """What ``parse_overrides`` reads to make these settings of others; how the clips are made does not count."""
        found, there = [], usual.to_dict()
        for name, value in self.to_dict().items():
            if name in ("edition", "workers") or value == there[name]:
                continue
            if isinstance(value, dict) and there[name].keys() <= value.keys():
                changed = {inner: entry for inner, entry in value.items() if there[name].get(inner) != entry}
                found += [f"{name}.{inner}={_toml(entry)}" for inner, entry in changed.items()]
            else:
                found.append(f"{name}={_toml(value)}")
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """The inverse of :meth:`to_dict`, also of what it gave before some settings were there.

        Raises:
            ConfigError: an unknown setting, or a value of the wrong kind.
        """
        return cls().changed({**LEGACY_DEFAULTS, **values})

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """These settings with some replaced.

        Raises:
            ConfigError: an unknown setting, or a value of the wrong kind.
        """
        known = {entry.name: entry.type for entry in fields(self)}
        for name in values:
            if name not in known:
                raise unknown_name("setting", name, known)
        return replace(self, **{name: _checked(name, known[name], value) for name, value in values.items()})


EDITIONS: dict[str, Settings] = {
    "laptop": Settings(),
    # The paper's models and segments, and each clip of the largest scale once. Batch, rate, dropout and workers are a first
    # guess; what a GPU makes of batch, precision and layout is for benchmarks/gpu.py to measure.
    "poster": Settings(
        edition="poster",
        models=("waveform", "spectrogram"),
        clips=100_000,
        width=1.0,
        segment_seconds=15.0,
        dropout=0.1,
        mel={},
        clips_seen=1_000_000,
        batch=128,
        learning_rate=2e-3,
        validate_every=50_000,
        validation_clips=1_000,
        test_clips=10_000,
        segments_per_clip=1,
        precision="bf16",
        toeplitz=False,
        onednn=False,
        workers=14,
    ),
}


def edition(name: str) -> Settings:
    """The settings of an edition, ``"laptop"`` or ``"poster"``.

    Raises:
        ConfigError: no such edition.
    """
    if name not in EDITIONS:
        raise unknown_name("edition", name, EDITIONS)
    return EDITIONS[name]


def read_overrides(path: str | os.PathLike[str], settings: Settings) -> Settings:
    """Settings changed by a TOML file: one ``name = value`` a line; a table changes the entries it names.

    Raises:
        ConfigError: no such file, not TOML, an unknown setting, or a value of the wrong kind.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not TOML ({error}); write one setting a line, e.g. learning_rate = 0.004"
        ) from error
    for name, value in values.items():
        if isinstance(value, dict):
            values[name] = {**_entries(settings, name), **value}
    return _overridden(settings, values)


def parse_overrides(assignments: Iterable[str], settings: Settings) -> Settings:
    """Settings changed by ``name=value`` arguments; values as in TOML, and bare words as strings.

    ``mel.hop=256`` changes one entry, ``mel={hop=256}`` all of them.

    Raises:
        ConfigError: an argument without ``=``, an unknown setting, or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"{assignment!r}: write it as name=value, e.g. learning_rate=0.004")
        value = _parsed(text)
        name, dot, inner = name.strip().partition(".")
        if dot:
            if not isinstance(values.setdefault(name, _entries(settings, name)), dict):
                raise ConfigError(f"{assignment!r}: {name} was given a value as a whole before; give one or the other")
            values[name][inner] = value
        else:
            values[name] = value
    return _overridden(settings, values)


def _overridden(settings: Settings, values: dict[str, Any]) -> Settings:
    for name in ("edition", "models"):
        if name in values:
            raise ConfigError(
                f"{name}: is no override; a command names it itself, `tagging train MODEL --edition NAME`"
            )
    return settings.changed(values)


def _entries(settings: Settings, name: str) -> dict[str, Any]:
    """What a setting that holds further ones holds; nothing of any other."""
    there = getattr(settings, name, None)
    return dict(there) if isinstance(there, Mapping) else {}


def _parsed(text: str) -> Any:
    """The value that an argument stands for."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None if text == "none" else text


def _toml(value: Any) -> str:
    """A value as :func:`parse_overrides` reads it."""
    if value is None:
        return "none"
    if isinstance(value, str) and _parsed(value) == value:
        return value  # needs no quotes
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {json.dumps(entry)}" for name, entry in value.items()) + "}"
    return json.dumps(value)  # which writes strings, numbers, truth and lists as TOML does


_KINDS = {"int": int, "float": (int, float), "bool": bool, "str": str}


def _checked(name: str, kind: str, value: Any) -> Any:
    """A value of the kind its setting takes."""
    if kind.endswith(" | None"):
        if value is None:
            return None
        kind = kind.removesuffix(" | None")
    if kind.startswith("tuple"):
        if not isinstance(value, str | list | tuple):
            raise ConfigError(f"{name}={value!r}: give names, with commas between them")
        names = tuple(value.split(",")) if isinstance(value, str) else tuple(value)
        if not all(isinstance(entry, str) for entry in names):
            raise ConfigError(f"{name}={value!r}: give names, with commas between them")
        return names
    if kind.startswith("Mapping"):
        right = isinstance(value, Mapping)
    else:
        right = isinstance(value, _KINDS[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not right:
        raise ConfigError(f"{name}={value!r}: a value of the kind {kind} is needed")
    return value
