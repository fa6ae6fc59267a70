"""Training settings, the reason for each default, and overrides from TOML files and the command line."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from ..errors import ConfigError, unknown_name
from ..utils.legacy import SETTINGS, current_settings
from ..utils.text import parse_assignment

Class = TypeVar("Class", bound=type)
# With upper limits, far above what is of use, so that a slip of the hand is refused rather than waited for.
PositiveInt = Annotated[int, Field(ge=1, le=10**9)]
PositiveFloat = Annotated[float, Field(gt=0, le=100)]
LearningRate = Annotated[float, Field(gt=0, le=1e39)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Options = dict[str, Any]
EditionName = Literal["laptop", "poster"]


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def table(cls: Class) -> Class:
    """A frozen dataclass whose values pydantic checks; what it refuses is a ConfigError that names the setting."""
    checked = pydantic_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))(cls)
    plain_init = checked.__init__

    @functools.wraps(plain_init)
    def init(self: Any, *args: Any, **values: Any) -> None:
        try:
            plain_init(self, *args, **values)
        except ValidationError as error:
            raise _config_error(error) from error

    checked.__init__ = init  # type: ignore[method-assign]
    return checked  # type: ignore[return-value]


@table
class DataSettings:
    """Which clips a run trains on."""

    corpus: str = "sheet-music"
    # For open_corpus: for every split, and for the training split alone.
    corpus_options: Options = Field(default_factory=dict)
    train_options: Options = Field(default_factory=dict)
    # The first so many clips of the training split; None takes all.
    num_clips: PositiveInt | None = 10_000
    # Different segments of each track; None takes other ones in each pass. Few of them suit a frozen body: see finetune.
    segments_per_track: PositiveInt | None = None
    # With a larger share of unreadable files a run would be about another corpus than its record says.
    max_unreadable: Share = 0.05
    # A control: labels are shuffled among the segments of each batch, so that there is nothing to learn.
    shuffle_labels: bool = False
    # A tag counts only where the source of a track annotates it (Corpus.annotated); elsewhere absent means unknown.
    mask_unannotated: bool = False


@table
class AugmentationSettings:
    """What is changed in training segments, each at random. All is off: each can remove what a tag is about."""

    # Louder or softer by up to so many dB. Off: loudness may be what a tag is about.
    gain_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    # White noise, from this signal-to-noise ratio to 20 dB above it. Off: some tags are about noise.
    noise_snr_db: Annotated[float, Field(ge=-60, le=120)] | None = None
    # Up or down by a whole number of semitones up to this. Off: it moves keys and registers, and costs the most time.
    pitch_semitones: Annotated[int, Field(ge=0, le=12)] = 0
    # Faster or slower by a factor of up to 1 + this. Off: it moves tempo and metre.
    tempo_change: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    # SpecAugment, on the waveform, so that every front-end can have it: two stretches of up to so long are silenced ...
    time_mask_seconds: Annotated[float, Field(ge=0, le=60)] = 0.0
    # ... and two bands of up to so many octaves removed. Off: a short segment has little to spare.
    frequency_mask_octaves: Annotated[float, Field(ge=0, le=10)] = 0.0
    # Pairs of segments are added, with labels, by weights from Beta(alpha, alpha). Off: labels do not mix as loudness does.
    mixup_alpha: Annotated[float, Field(ge=0, le=100)] = 0.0


@table
class ModelSettings:
    """What the models of a run have in common."""

    # A quarter of the paper's filters and units, a fifth of its segment: what two CPU cores train in an hour.
    width: PositiveFloat = 0.25
    segment_seconds: Annotated[float, Field(gt=0, le=3600)] = 3.0
    # The paper's 0.5 is for weeks of training; in 400 steps even 0.1 costs the spectrogram 0.02 ROC-AUC.
    dropout: Fraction = 0.0
    # The paper's 0.01 is for tens of thousands of steps: in 400 the sqrt(MSE) is 0.005 worse, ROC-AUC the same.
    norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.05
    # Outputs start at the prevalence of each tag: otherwise the first steps only learn how rare the tags are.
    init_bias_from_prior: bool = True
    # For "finetuned": the trained tagger it starts from, a name or a file, which also gives width and parts.
    pretrained: str | None = None
    # For the parts that take them. The spectrogram has half the paper's frames (512 and 256), which cost half the time.
    frontend_options: Options = Field(default_factory=lambda: {"mel": {"n_fft": 1024, "hop_length": 512}})
    backend_options: Options = Field(default_factory=dict)
    head_options: Options = Field(default_factory=dict)
    # For gbt: what differs from tagging.baselines.TreeSettings; segments = true fits them to segments instead of whole clips.
    tree_options: Options = Field(default_factory=dict)


@table
class OptimizationSettings:
    """How long, in which steps, and towards what the models are trained."""

    # Repetitions count: the same budget for every model and every number of clips.
    num_training_segments: Annotated[int, Field(ge=1, le=10**12)] = 102_400
    # 16 with half the learning rate is no better, and costs the waveform 0.01 ROC-AUC.
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    # Parts a batch is cut into, to fit into memory. Batch normalisation then sees one part at a time.
    gradient_accumulation_steps: PositiveInt = 1
    # From 0.002 to 0.016 the higher the better in 400 steps; 0.016 gains no more than another seed can.
    learning_rate: LearningRate = 8e-3
    # What trains of "finetuned" besides its new head; gradual: the back-end after 1/4 of the run, the front-end after 1/2.
    body: Literal["whole", "gradual", "frozen"] = "whole"
    # Of its front-end and back-end. None is a twentieth of the learning rate, which the head has.
    body_learning_rate: LearningRate | None = None
    # Share of the run in which the learning rate rises from 0; it then falls along a half cosine.
    warmup_ratio: Fraction = 0.1
    # Of AdamW; not compared with others.
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 1e-3
    # Weights of the loss terms: "plain" (the paper's), "balanced", "focal", or a registered one.
    loss: str = "plain"
    # Validations without a better score after which a run stops. None trains to the end.
    early_stopping_patience: PositiveInt | None = None


@table
class EvaluationSettings:
    """How often, and on how many clips, models are validated and tested."""

    # Training segments between two validations; each also writes a checkpoint.
    validation_interval: PositiveInt = 10_240
    # Ten validations on 500 clips cost a quarter of a run's segments; 2,000 test clips leave a mean ROC-AUC within 0.02.
    num_validation_clips: PositiveInt | None = 500
    num_test_clips: PositiveInt | None = 2_000
    # Five of 3 s cover a clip of 15 s.
    segments_per_clip: Annotated[int, Field(ge=1, le=10_000)] = 5
    # Thresholds that a tagger is saved with, from the validation clips: the best F1 of each tag, or as many songs as have it.
    thresholds: Literal["f1", "rate"] = "f1"
    num_resamples: Annotated[int, Field(ge=1, le=100_000)] = 1000


@table
class RuntimeSettings:
    """How a run is computed; results do not depend on it, but for rounding."""

    precision: Literal["no", "bf16"] = "no"
    # Faster layers for training on a CPU, see tagging.models.acceleration: 1.25 to 2 times as fast.
    cpu_acceleration: bool = True
    # By torch.compile, for a GPU: with PyTorch 2.11 on a CPU the spectrogram can write past the ends of its arrays.
    compile: bool = False
    # Processes that render or read segments beside the training.
    num_workers: Annotated[int, Field(ge=0, le=1000)] = 1
    # Steps between two entries of the history; each waits for the device.
    log_interval: PositiveInt = 20


@table
class Settings:
    """Settings of one run, in six tables. The defaults are those of the laptop edition.

    >>> settings = Settings(models=("waveform",)).override({"optimization.learning_rate": 0.004})
    >>> settings.optimization.learning_rate, settings.num_steps
    (0.004, 3200)

    Raises:
        ConfigError: a value outside what is allowed; the message names the setting.

    Book: ``book/recipe``.
    """

    edition: EditionName = "laptop"
    # Each FRONTEND, FRONTEND:BACKEND, FRONTEND:BACKEND:HEAD or a baseline; all train on one stream of segments.
    models: tuple[str, ...] = ("spectrogram",)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: DataSettings = Field(default_factory=DataSettings)
    augmentation: AugmentationSettings = Field(default_factory=AugmentationSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    optimization: OptimizationSettings = Field(default_factory=OptimizationSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    runtime: RuntimeSettings = Field(default_factory=RuntimeSettings)

    def __post_init__(self) -> None:
        if not self.models or len(set(self.models)) < len(self.models):
            raise ConfigError(f"models={list(self.models)}: name at least one, and each once")
        batch_size, parts = self.optimization.batch_size, self.optimization.gradient_accumulation_steps
        if batch_size % parts:
            raise ConfigError(f"batch_size={batch_size} cannot be split into {parts} gradient_accumulation_steps")
        if self.num_steps < 1:
            raise ConfigError(
                f"num_training_segments={self.optimization.num_training_segments} is less than one batch of {batch_size}"
            )

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.optimization.num_training_segments // self.optimization.batch_size

    @property
    def steps_per_validation(self) -> int:
        """Steps between two validations."""
        return max(1, self.evaluation.validation_interval // self.optimization.batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain data for JSON."""
        return json.loads(json.dumps(dataclasses.asdict(self)))  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """The inverse of :meth:`to_dict`; also reads the flat settings of earlier versions.

        Raises:
            ConfigError: an unknown setting, or a value outside what is allowed.
        """
        return _checked(current_settings(values))

    def override(self, values: Mapping[str, Any]) -> Settings:
        """These settings with some replaced.

        Args:
            values: nested, or with dotted names such as ``"optimization.learning_rate"``. Options of parts are added to those
                that are set; another value of one replaces it, and ``{}`` removes all.

        Raises:
            ConfigError: an unknown setting, or a value outside what is allowed.
        """
        merged = self.to_dict()
        for name, value in values.items():
            if value != {} or name not in merged or "." in name:  # a table without entries changes nothing
                _merge(merged, name.split("."), value)
        return _checked(merged)


_ADAPTER = TypeAdapter(Settings)
EDITIONS: dict[EditionName, Settings] = {
    "laptop": Settings(),
    # The paper's models and segments, and each clip of the largest scale once. Batch size, learning rate, dropout and workers
    # are a first guess; benchmarks/gpu.py measures what a GPU makes of batch size, precision and memory layout.
    "poster": Settings(
        edition="poster",
        models=("waveform", "spectrogram"),
        data=DataSettings(num_clips=100_000),
        model=ModelSettings(width=1.0, segment_seconds=15.0, dropout=0.1, frontend_options={}),
        optimization=OptimizationSettings(num_training_segments=1_000_000, batch_size=128, learning_rate=2e-3),
        evaluation=EvaluationSettings(
            validation_interval=50_000, num_validation_clips=1_000, num_test_clips=10_000, segments_per_clip=1
        ),
        runtime=RuntimeSettings(precision="bf16", cpu_acceleration=False, num_workers=14),
    ),
}


def edition(name: EditionName) -> Settings:
    """The settings of an edition, ``"laptop"`` or ``"poster"``.

    Raises:
        ConfigError: no such edition.
    """
    if name not in list(EDITIONS):  # a list, since a file may hold what cannot be a key
        raise unknown_name("edition", name, EDITIONS)
    return EDITIONS[name]


def parse_overrides(assignments: Iterable[str], settings: Settings) -> Settings:
    """Settings overridden by ``name=value`` arguments; values as in TOML, bare words as strings, ``none`` as None.

    Raises:
        ConfigError: an argument without ``=``, an unknown setting, or a value outside what is allowed.
    """
    values = dict(map(parse_assignment, assignments))
    if fixed := values.keys() & {"edition", "models"}:
        raise ConfigError(f"{min(fixed)!r} cannot be set with --set; use --edition, and name models first")
    return settings.override(values)


def flat(settings: Any) -> dict[str, Any]:
    """Every setting by its dotted name; options of parts and of corpora stay mappings."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            values |= {f"{field.name}.{name}": inner for name, inner in flat(value).items()}
        else:
            values[field.name] = value
    return values


def setting_names() -> list[str]:
    """The dotted names of all settings."""
    return list(flat(Settings()))


def _merge(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at a path of nested mappings; a mapping is merged into the one that is there, an empty one replaces it."""
    *parents, last = path
    for name in parents:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{'.'.join(path)}: {name} is a single value, not a table")
        values = inner
    if value and isinstance(value, Mapping) and isinstance(values.get(last), dict):
        for name, inner in value.items():
            _merge(values[last], [name], inner)
    else:
        values[last] = value


def _checked(values: Mapping[str, Any]) -> Settings:
    """Settings from nested plain values with the names of now."""
    try:
        # as JSON, in which a list may be a tuple and a whole number a float, and nothing else is converted
        return _ADAPTER.validate_json(json.dumps(values))
    except ValidationError as error:
        raise _config_error(error) from error
    except TypeError as error:
        raise ConfigError(f"settings: {error}; give plain numbers, strings, lists and tables") from error


def _unknown_setting(name: str) -> ConfigError:
    """The error for a name that no setting has, with those that are near: of all names, or of their last parts."""
    last_parts = {setting.rpartition(".")[2]: setting for setting in setting_names()}
    near = [last_parts[part] for part in difflib.get_close_matches(name.rpartition(".")[2], last_parts, n=3)]
    tables = {setting.partition(".")[0] for setting in setting_names()}
    near += difflib.get_close_matches(name, [*setting_names(), *tables], n=3, cutoff=0.8)
    hint = f"did you mean {' or '.join(dict.fromkeys(map(repr, near or [f'data.corpus_options.{name}'])))}? "
    return ConfigError(f"unknown setting {name!r}: {hint}`tagging list` shows all settings")


def _config_error(error: ValidationError) -> ConfigError:
    """What pydantic found, first things first, as one line for a user."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        if name in SETTINGS and not SETTINGS[name].endswith(f".{name}"):
            return ConfigError(f"unknown setting {name!r}: it is called {SETTINGS[name]} now")
        return _unknown_setting(name)
    if isinstance(cause := first.get("ctx", {}).get("error"), ConfigError):
        return cause
    reason = first["msg"].replace("Input should be", "it should be")
    return ConfigError(f"{name}={first['input']!r}: {reason}")
