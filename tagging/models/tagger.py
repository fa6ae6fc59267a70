"""The tagger: front-end -> back-end -> head, with the tags it knows, in one file that explains itself.

Book: ``book/putting_together``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..audio.files import AudioFile, as_waveform, resample
from ..errors import CheckpointError, ConfigError
from ..tags import TrackTags, Vocabulary
from ..utils.legacy import current_state
from .backends import build_backend
from .base import Taps
from .frontends import build_frontend
from .frontends.spectrogram import SpectrogramFrontend
from .heads import HEADS
from .inference import in_samples, taggram


@dataclass(frozen=True)
class TaggerConfig:
    """Everything but the weights that rebuilds a tagger; see :func:`tagging.build_tagger` for the meaning of each."""

    frontend: str
    backend: str
    segment_samples: int
    hop_samples: int
    sample_rate: int = 16000
    width: float = 1.0
    head: str = "together"
    frontend_options: Mapping[str, Any] = field(default_factory=dict)
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)


class Tagger(nn.Module):
    """Waveform -> one logit a tag. Build one with :func:`tagging.build_tagger`, or load one with :func:`tagging.load_tagger`.

    Attributes:
        config: what it was built from.
        vocabulary: the tags, in the order of its outputs.
        card: what a user should know: where the weights come from, the split they were trained on, scores, licence.
        frontend, backend, head: the three parts.

    Source: Pons et al. 2018, section 3. Book: ``book/putting_together``.
    """

    def __init__(self, config: TaggerConfig, vocabulary: Vocabulary, card: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.config, self.vocabulary, self.card = config, vocabulary, dict(card or {})
        self.fused = False
        try:
            json.dumps(asdict(config))
        except TypeError as error:
            raise ConfigError(
                f"an option cannot be written to a file ({error}): give plain numbers, strings, lists, not NumPy's or PyTorch's"
            ) from error
        if config.segment_samples < 1 or config.hop_samples < 1:
            raise ConfigError(
                f"segments of {config.segment_samples} samples every {config.hop_samples}: both must be at least 1"
            )
        self.frontend = build_frontend(
            config.frontend, width=config.width, sample_rate=config.sample_rate, **config.frontend_options
        )
        frames = self.frontend.frames(config.segment_samples)
        if frames < 1:
            raise ConfigError(
                f"segments of {config.segment_samples / config.sample_rate:.3f} s are too short for the front-end "
                f"{config.frontend!r}: it needs {self.frontend.min_samples / config.sample_rate:.3f} s"
            )
        self.backend = build_backend(
            config.backend, self.frontend.out_channels, frames, width=config.width, **config.backend_options
        )
        self.head = HEADS.build(config.head, self.backend.out_features, vocabulary, **config.head_options)

    # The way of a sound

    def forward(self, waveform: Tensor) -> Tensor:
        """Logits of one segment each.

        Args:
            waveform: float32 [batch, samples] at :attr:`sample_rate`, nominally in [-1, 1]. Variable-length
                back-ends take any number of samples, fixed-length ones only that of the segments they were built for.

        Returns:
            float32 [batch, tags]; their sigmoid is the score of a tag, in [0, 1].

        Raises:
            ConfigError: a shape or length it cannot take.
        """
        x = self.frontend(waveform)  # [batch, channels, frames]
        x = self.backend(x)  # [batch, features]
        return self.head(x)  # [batch, tags]

    def from_log_mel(self, log_mel: Tensor) -> Tensor:
        """Logits from a log-mel spectrogram made elsewhere, float32 [batch, bands, frames] -> [batch, tags].

        Raises:
            ConfigError: the front-end hears waveforms only, or another number of bands or frames is needed.
        """
        return self.head(self.backend(self._spectrogram_frontend().from_log_mel(log_mel)))

    def init_output_bias(self, share: np.ndarray) -> None:
        """Set the output bias so that tag t scores ``share[t]``, float [tags] in [0, 1], before it has learnt anything."""
        self.head.init_output_bias(share)

    def features(self, sound: Tensor, *, log_mel: bool = False) -> Taps:
        """Named feature maps of one batch of segments, each correct for every segment of it.

        Args:
            sound: float32 [batch, samples], or [batch, bands, frames] with ``log_mel``.
            log_mel: the sound is given as a log-mel spectrogram.

        Returns:
            name -> tensor, batch first. Musically motivated front-end: ``timbral``, ``temporal`` [batch, filters,
            frames]; temporal pooling: ``cnn1``, ``cnn2``, ``cnn3`` [batch, filters, frames], ``max_pool``,
            ``mean_pool`` [batch, filters]; vgg: ``pool1`` to ``pool5`` [batch, filters, bands, frames]; all:
            ``frontend`` [batch, channels, frames], ``penultimate`` [batch, features], ``logits`` [batch, tags].
        """
        self._refuse_fused("has no feature maps of its own")
        taps: Taps = {}
        with self.evaluating():
            sound = sound.to(self.device)
            x = self._spectrogram_frontend().from_log_mel(sound, taps) if log_mel else self.frontend(sound, taps)
            taps["frontend"] = x
            taps["penultimate"] = x = self.backend(x, taps)
            taps["logits"] = self.head(x)
        return taps

    def _spectrogram_frontend(self) -> SpectrogramFrontend:
        if not isinstance(self.frontend, SpectrogramFrontend):
            raise ConfigError(
                f"the front-end {self.config.frontend!r} hears waveforms, not spectrograms: give it [batch, samples]"
            )
        return self.frontend

    def _refuse_fused(self, what: str) -> None:
        if self.fused:
            raise ConfigError(f"a fused tagger {what}; use the tagger it was made from")

    def train(self, mode: bool = True) -> Tagger:
        """Training mode on or off.

        Raises:
            ConfigError: this is a fused copy, which cannot be trained.
        """
        if mode:
            self._refuse_fused("cannot be trained")
        return super().train(mode)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients, for the time of a ``with`` block."""
        # module by module: parts that were frozen during training come back frozen
        training = [module for module in self.modules() if module.training]
        try:
            self.eval()
            with torch.inference_mode():
                yield
        finally:
            for module in training:
                module.training = True

    # Songs

    def tag(self, path: str | os.PathLike[str], **options: Any) -> TrackTags:
        """Tag a sound file, read in blocks: a song of any length needs the memory of a few seconds.

        Args:
            path: wav, flac, ogg, opus, mp3 or aiff.
            options: see :meth:`tag_blocks`.

        Raises:
            AudioError: the file is missing, empty, undecodable, without samples, or holds NaN.

        Book: ``book/tag_a_song``.
        """
        with AudioFile(path) as file:
            return self.tag_blocks(file.blocks(self.sample_rate), notes=file.notes, **options)

    def tag_waveform(self, waveform: np.ndarray, sample_rate: int, **options: Any) -> TrackTags:
        """Tag a waveform in memory.

        Args:
            waveform: float in [-1, 1] or signed integers, [samples] or [channels, samples].
            sample_rate: of the waveform, Hz; it is resampled if the tagger was trained at another.
            options: see :meth:`tag_blocks`.

        Raises:
            AudioError: a shape, type or value that is not a sound.
        """
        return self.tag_blocks([resample(as_waveform(waveform), sample_rate, self.sample_rate)], **options)

    def tag_blocks(
        self,
        blocks: Iterable[np.ndarray],
        *,
        hop_seconds: float | None = None,
        batch_size: int | None = None,
        notes: list[str] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> TrackTags:
        """Tag a stream of sound.

        Args:
            blocks: float32 [samples] arrays at :attr:`sample_rate`, in order.
            hop_seconds: from the start of one segment to the next; None is the tagger's own, usually no overlap.
            batch_size: segments scored at once; changes speed, not scores. None is 1 on a CPU and 32 elsewhere.
            notes: remarks on the sound, which may grow while the blocks are read.
            progress: called after each block with the seconds of sound it held.
        """
        rate, device, config = self.sample_rate, self.device, self.config
        hop = config.hop_samples if hop_seconds is None else in_samples("hop_seconds", hop_seconds, rate)

        def watched() -> Iterator[np.ndarray]:
            for block in blocks:
                yield block
                if progress:
                    progress(len(block) / rate)

        def scores(segments: np.ndarray) -> np.ndarray:
            return self(torch.from_numpy(segments).to(device)).float().sigmoid().cpu().numpy()

        with self.evaluating():
            if batch_size is None:
                batch_size = 1 if device.type == "cpu" else 32
            song = taggram(scores, watched(), config.segment_samples, hop, self.frontend.edge, batch_size)
        notes = list(notes or ())
        if song.padded:
            notes.append(
                f"shorter than one segment of {self.segment_seconds:.1f} s: {song.padded / rate:.1f} s of silence were added"
            )
        return TrackTags(
            tags=self.vocabulary.names,
            scores=song.scores.mean(axis=0, dtype=np.float64).astype(np.float32),
            times=(song.starts / rate).astype(np.float32),
            taggram=song.scores,
            segment_seconds=self.segment_seconds,
            padded_seconds=song.padded / rate,
            notes=tuple(notes),
        )

    # What it is

    @property
    def sample_rate(self) -> int:
        """Of the waveforms it hears, Hz."""
        return self.config.sample_rate

    @property
    def segment_seconds(self) -> float:
        """How much sound one segment holds."""
        return self.config.segment_samples / self.config.sample_rate

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def summary(self) -> Any:
        """A table of its layers: see :func:`tagging.models.summary.summarise`."""
        from .summary import summarise

        self._refuse_fused("has other layers than its parts know of")
        return summarise(self)

    def fuse(self) -> Tagger:
        """A faster copy for inference that gives the same scores: see :func:`tagging.models.acceleration.fusion.fuse`."""
        from .acceleration.fusion import fuse

        self._refuse_fused("is fused already")
        return fuse(self)

    # Files

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> Path:
        """Write weights, config, tags and card to one ``.safetensors`` file, whole or not at all.

        Args:
            path: of the file.
            half: keep filters and matrices in half precision. The file is half as large, and scores change by some
                thousandths at most.

        Raises:
            TaggingError: the file cannot be written, this is a fused copy, or a weight is too large for half precision.
        """
        from .serialization import save_tagger

        self._refuse_fused("cannot be saved")
        return save_tagger(self, path, half)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tagger:
        """Read a file that :meth:`save` wrote. Nothing in it is run: it holds numbers and JSON.

        Raises:
            CheckpointError: no such file, not such a file, damaged, or made by a newer version.
        """
        from .serialization import read_tagger

        about, weights = read_tagger(path)
        try:
            tagger = cls(TaggerConfig(**about["config"]), Vocabulary.from_list(about["tags"]), about["card"])
            tagger.load_state_dict(current_state(weights))
        # AttributeError: a list where a mapping should be; ValueError: a ConfigError, for example
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path}: its description and its weights do not fit together ({error})") from error
        return tagger.eval()
