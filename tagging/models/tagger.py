"""The tagger: front-end -> back-end -> head, with its tags, and the file that holds it.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import CheckpointError, ConfigError
from ..tags import Vocabulary
from ..utils.legacy import current_config, current_state
from . import heads  # noqa: F401  (it registers the heads)
from .backends import BACKENDS, build_backend
from .base import FRONTENDS, HEADS, TaggerNetwork, recorded
from .frontends import build_frontend
from .frontends.spectrogram import SpectrogramFrontend
from .inference import SongTagger
from .normalization import set_momentum
from .serialization import read_tagger, write_tagger
from .summary import Summary, summarise


@dataclass(frozen=True)
class TaggerConfig:
    """Everything but the weights that rebuilds a tagger; see :func:`tagging.build_tagger` for the meaning of each."""

    frontend: str
    backend: str
    segment_samples: int
    hop_samples: int
    sample_rate: int = 16000
    width: float = 1.0
    head: str = "linear"
    frontend_options: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)
    norm_momentum: float = 0.1

    def __post_init__(self) -> None:
        try:
            json.dumps(asdict(self))
        except TypeError as error:
            raise ConfigError(
                f"an option cannot be written to a file ({error}): give plain numbers, strings, lists, not NumPy's or PyTorch's"
            ) from error
        if self.segment_samples < 1 or self.hop_samples < 1:
            raise ConfigError(
                f"segments of {self.segment_samples} samples every {self.hop_samples}: both must be at least 1"
            )
        if not 0 < self.norm_momentum <= 1:
            raise ConfigError(f"norm_momentum={self.norm_momentum}: it must be in (0, 1], e.g. 0.1")


class Tagger(TaggerNetwork, SongTagger):
    """Waveform -> one logit a tag. Build one with :func:`tagging.build_tagger`, or load one with :func:`tagging.load_tagger`.

    Attributes:
        config: what it was built from.
        vocabulary: the tags, in the order of its outputs.
        card: what a user should know: origin of the weights, split they were trained on, scores, licence.
        frontend, backend, head: the three parts.

    Source: Pons et al. 2018, section 3. Book: ``book/putting_together``.
    """

    def __init__(self, config: TaggerConfig, vocabulary: Vocabulary, card: Mapping[str, Any] | None = None) -> None:
        for kind, options in (("frontend", config.frontend_options), ("backend", config.backend_options)):
            if shared := {"width", "sample_rate"} & options.keys():
                raise ConfigError(f"{kind}_options: {min(shared)} belongs to the whole tagger; set it there")
        frontend = build_frontend(
            config.frontend, width=config.width, sample_rate=config.sample_rate, **config.frontend_options
        )
        num_frames = frontend.num_frames(config.segment_samples)
        if num_frames < 1:
            raise ConfigError(
                f"segments of {config.segment_samples / config.sample_rate:.3f} s are too short for the front-end "
                f"{config.frontend!r}: it needs {frontend.min_samples / config.sample_rate:.3f} s"
            )
        backend = build_backend(
            config.backend, frontend.out_channels, num_frames, width=config.width, **config.backend_options
        )
        super().__init__(
            frontend, backend, HEADS.build(config.head, backend.out_features, vocabulary, **config.head_options)
        )
        set_momentum(self, config.norm_momentum)
        self.config, self.vocabulary, self.card = config, vocabulary, dict(card or {})
        self.sample_rate, self.song_padding = config.sample_rate, frontend.song_padding
        self.segment_samples, self.hop_samples = config.segment_samples, config.hop_samples

    @property
    def thresholds(self) -> dict[str, float]:
        """Tag -> the score from which on it counts as present, fitted on validation songs; empty if the card has none."""
        return {str(tag): float(value) for tag, value in (self.card.get("thresholds") or {}).items()}

    def from_log_mel(self, log_mel: Tensor) -> Tensor:
        """Compute logits from a given log-mel spectrogram, float32 [batch, bands, frames] -> [batch, tags].

        Raises:
            ConfigError: the front-end takes waveforms only, or another number of bands or frames.
        """
        return self.head(self.backend(self._spectrogram_frontend().from_log_mel(log_mel)))

    def features(self, sound: Tensor, *, log_mel: bool = False) -> dict[str, Tensor]:
        """Compute named feature maps of a batch of segments, each segment independently of the others.

        Args:
            sound: float32 [batch, samples], or [batch, bands, frames] with ``log_mel``.
            log_mel: the sound is given as a log-mel spectrogram.

        Returns:
            Name -> tensor, batch first: ``frontend`` [batch, channels, frames], ``penultimate`` [batch, features],
            ``logits`` [batch, tags], and the features that the classes of front-end and back-end list.
        """
        modules = {**self.frontend.feature_modules(), **self.backend.feature_modules()}
        sound = sound.to(self.device)
        with self.evaluating(), recorded(modules) as outputs:
            x = self._spectrogram_frontend().from_log_mel(sound) if log_mel else self.frontend(sound)
            outputs["frontend"] = x
            outputs["penultimate"] = x = self.backend(x)
            outputs["logits"] = self.head(x)
        return outputs

    def _spectrogram_frontend(self) -> SpectrogramFrontend:
        if not isinstance(self.frontend, SpectrogramFrontend):
            raise ConfigError(
                f"the front-end {self.config.frontend!r} takes waveforms, not spectrograms: give it [batch, samples]"
            )
        return self.frontend

    def init_output_bias(self, tag_prior: np.ndarray) -> None:
        """Set the output bias so that an untrained tagger scores each tag near its prior.

        Args:
            tag_prior: float [tags] in [0, 1]: share of training clips with the tag, mean of an attribute; NaN where unknown.
        """
        self.head.init_output_bias(tag_prior)

    def summary(self) -> Summary:
        """Return a table of the layers with parameters, operations and receptive fields; ``print`` it."""
        return summarise(self, self.segment_samples, self.sample_rate)

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> Path:
        """Write weights, config, tags and card to one ``.safetensors`` file, atomically.

        Args:
            path: of the file.
            half: store filters and matrices in half precision. The file is half as large, and scores change by less than
                0.005.

        Raises:
            TaggingError: the file cannot be written, or a weight is too large for half precision.
        """
        description = {"config": asdict(self.config), "tags": self.vocabulary.to_list(), "card": self.card}
        return write_tagger(path, description, self.state_dict(), half)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tagger:
        """Read a file that :meth:`save` wrote; it contains numbers and JSON, and nothing in it is executed.

        Raises:
            CheckpointError: no such file, another kind of file, a damaged one, one of a newer version, or one whose
                front-end, back-end or head is not registered.
        """
        description, weights = read_tagger(path)
        try:
            config = TaggerConfig(**current_config(description["config"]))
            missing = list(_unregistered(config))
            if not missing:
                tagger = cls(config, Vocabulary.from_list(description["tags"]), description["card"])
                tagger.load_state_dict(current_state(weights))
                return tagger.eval()
        # AttributeError: a list where a mapping should be; ValueError: a ConfigError, for example
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path}: its description and its weights do not fit together ({error})") from error
        raise CheckpointError(
            f"{path}: it needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not registered; "
            "import the module that defines it first, or name that module with --plugin"
        )


def _unregistered(config: TaggerConfig) -> Iterator[str]:
    for registry, name in ((FRONTENDS, config.frontend), (BACKENDS, config.backend), (HEADS, config.head)):
        if name not in registry:
            yield f"the {registry.kind} {name!r}"
