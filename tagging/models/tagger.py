"""The tagger: front-end -> back-end -> head, with its tags, and the file that holds it.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, ConfigError, TaggingError
from ..tags import Vocabulary
from ..utils.legacy import current_config, current_state
from ..utils.registry import Registry
from . import heads  # noqa: F401  (it registers the heads)
from .backends import BACKENDS, build_backend
from .base import FRONTENDS, HEADS, TaggerNetwork, check_waveform, in_type_of_weights, recorded
from .config import TaggerConfig
from .frontends import build_frontend
from .frontends.spectrogram import SpectrogramFrontend
from .inference import SongTagger
from .limits import AllocationLimit, check_maps, check_numbers, check_weights
from .normalization import set_momentum
from .serialization import read_tagger, write_tagger
from .summary import Summary, summarise


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
        if torch.get_default_dtype() != torch.float32:
            self.float()  # a tagger and its file are the same whatever a program has made its default
        set_momentum(self, config.norm_momentum)
        self.config, self.vocabulary, self.card = config, vocabulary, dict(card or {})
        self.sample_rate, self.song_padding = config.sample_rate, frontend.song_padding
        self.segment_samples, self.hop_samples = config.segment_samples, config.hop_samples

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
        with self.inference() as network:
            modules = {**network.frontend.feature_modules(), **network.backend.feature_modules()}
            with recorded(modules) as outputs:
                outputs["frontend"] = x = network._feature_map(sound, log_mel)
                outputs["penultimate"] = x = network.backend(x)
                outputs["logits"] = network.head(x)
        return outputs

    def _feature_map(self, sound: Tensor, log_mel: bool) -> Tensor:
        """The front-end's output for waveforms or log-mel spectrograms, wherever and of whatever type the weights are."""
        if log_mel:
            return self._spectrogram_frontend().from_log_mel(sound.to(self.device))
        check_waveform(sound)
        sound = sound.to(self.device)
        return self.frontend(sound if self.frontend.takes_float32 else in_type_of_weights(sound, self))

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
            ConfigError: the card cannot be written as JSON, or read again.
            TaggingError: the file cannot be written, or a weight is too large for half precision.
        """
        description = {"config": asdict(self.config), "tags": self.vocabulary.to_list(), "card": self.card}
        return write_tagger(path, description, self.state_dict(), half)

    def export(self, path: str | os.PathLike[str], *, half: bool = False, log_mel: bool = False) -> Path:
        """Write an ONNX file, which onnxruntime and others run without PyTorch; :func:`tagging.load_tagger` reads it.

        It takes ``waveform``, float32 [batch, samples], any number of segments of the tagger's length, and makes ``logits``
        [batch, tags], ``embedding`` [batch, features] and, where asked, ``log_mel`` [batch, bands, frames]. Tags and card are in
        its metadata, as JSON. Needs the extra ``export``.

        Args:
            path: of the file; it ends in ``.onnx``.
            half: store filters and matrices in half precision. The file is half as large, and scores change by less than
                0.005.
            log_mel: make the log-mel spectrogram too.

        Raises:
            ConfigError: another ending, a front-end without a spectrogram, or a card that cannot be written as JSON.
            MissingPackageError: the packages of the extra ``export`` are not installed.
            TaggingError: the file cannot be written, or a part of one's own cannot be exported.
        """
        from .onnx.export import export_onnx

        if log_mel:
            self._spectrogram_frontend()
        return export_onnx(self, path, half=half, log_mel=log_mel)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tagger:
        """Read a file that :meth:`save` wrote; it contains numbers and JSON, and nothing in it is executed.

        The file may come from a stranger: kinds and ranges are checked, no more memory is taken than the weights in the file
        call for, and weights must be finite numbers of the right shapes. A digest shows damage anywhere in the file.

        Raises:
            CheckpointError: no such file, another kind of file, a damaged one, one of a newer version, or one whose
                front-end, back-end or head is not registered.
        """
        description, weights = read_tagger(path)
        try:
            config = TaggerConfig.checked(**current_config(description.config))
            if not (missing := list(_unregistered(config))):
                vocabulary = Vocabulary.from_list(description.tags)
                weights = current_state(weights)
                with AllocationLimit(weights):
                    tagger = cls(config, vocabulary, description.card)
                check_weights(tagger, weights)
                if _has_shipped_parts(config):  # those of others may need more than the meta device can do
                    check_maps(tagger)
                tagger.load_state_dict(weights)
                check_numbers(tagger)
                return tagger.eval()
        # AttributeError, LookupError, TypeError, ...: what values of a wrong kind make of a part's constructor
        except (
            TaggingError,
            ValueError,
            TypeError,
            AttributeError,
            LookupError,
            ArithmeticError,
            RuntimeError,
        ) as error:
            raise CheckpointError(f"{path}: damaged or not what it describes ({error})") from error
        raise CheckpointError(
            f"{path}: it needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not registered; "
            "import the module that defines it first, or name that module with --plugin"
        )


def _parts(config: TaggerConfig) -> tuple[tuple[Registry, str], ...]:
    return (FRONTENDS, config.frontend), (BACKENDS, config.backend), (HEADS, config.head)


def _unregistered(config: TaggerConfig) -> Iterator[str]:
    for registry, name in _parts(config):
        if name not in registry:
            yield f"the {registry.kind} {name!r}"


def _has_shipped_parts(config: TaggerConfig) -> bool:
    package = __name__.partition(".")[0]
    return all(registry.get(name).__module__.partition(".")[0] == package for registry, name in _parts(config))
