"""Taggers that another program wrote as ONNX files, with a card that says what goes in and what comes out.

Book: ``book/serve_it``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ...audio.mel_spec import MelSpec, log_mel_array
from ...errors import CheckpointError, ConfigError, TaggingError
from ...tags import Vocabulary
from ..config import MAX_SEGMENT, check_overlap
from ..inference import in_samples
from .container import DESCRIPTION, check_operations, metadata, producer, read_bytes
from .foreign_card import ForeignCard, Port, read_card
from .onnx_tagger import OnnxTagger, run, session, sigmoid

MAX_BRANCHES = 4  # PyTorch exports a squeeze of an axis of unknown length as an If
MAX_FIXED_BATCH = 4096
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
ACTIVATIONS = {"Sigmoid": "none", "Softmax": "none"}  # operations after which outputs are scores already


class ForeignTagger(OnnxTagger):
    """A tagger in an ONNX file that ``tagging export`` did not write, with its card beside it: ``it.onnx`` and ``it.json``.

    :func:`tagging.load_tagger` makes it. The card has the fields of the cards of Essentia's models: ``classes``,
    ``inference.sample_rate``, and ``schema`` with names and shapes of input and outputs where the file leaves them open. A
    section ``tagging`` says what these leave open: see :class:`~tagging.models.onnx.foreign_card.Ours`. The model takes
    waveforms, [batch, samples], or log-mel spectrograms, [batch, frames, bands] or [batch, bands, frames], with an axis of
    length 1 for the channel or without.

    Example:
        A card of a model that takes 3 s of sound and makes logits::

            {
                "classes": ["rock", "jazz"],
                "inference": {"sample_rate": 16000},
                "schema": {"inputs": [{"name": "audio", "shape": ["batch", 48000]}]},
                "tagging": {"activation": "sigmoid"}
            }
    """

    def __init__(self, model: bytes, card: ForeignCard, about: dict[str, Any], threads: int = 1) -> None:
        self.vocabulary = Vocabulary(card.classes)
        if unknown := sorted(set(card.tagging.thresholds) - set(self.vocabulary.names)):
            raise ConfigError(f"tagging.thresholds of tags that are not in classes: {', '.join(unknown[:5])}")
        self.card, self.sample_rate, self.mel = about, card.inference.sample_rate, card.mel_spec()
        self._symmetric_window = card.symmetric_window
        self._session = session(model, threads)
        self._find_ports(card)
        self._read_shape(card)
        self.hop_samples = (
            self._patch_samples()
            if card.tagging.hop_seconds is None
            else in_samples("tagging.hop_seconds", card.tagging.hop_seconds, self.sample_rate)
        )
        check_overlap(self.segment_samples, self.hop_samples)
        self._activation = card.tagging.activation or self._found_activation(card, model)
        self.scores(np.zeros((1, self.segment_samples), np.float32))  # what does not fit is said now

    def _find_ports(self, card: ForeignCard) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            described = ", ".join(f"{entry.name}: {entry.type}" for entry in inputs)
            raise ConfigError(f"the model takes {described or 'nothing'}; it must take one array of floats")
        self._input, self._type = inputs[0], TYPES[inputs[0].type]
        names = [entry.name for entry in outputs]
        self._outputs: dict[str, str] = {}
        for purpose in ("predictions", "embeddings"):
            ports = [port for port in card.schema.outputs if port.output_purpose == purpose]
            if len(ports) == 1 and ports[0].name in names:
                self._outputs[purpose] = ports[0].name
        if "predictions" not in self._outputs:
            fitting = [entry.name for entry in outputs if list(entry.shape)[1:] == [len(self.vocabulary)]]
            fitting = fitting or names if len(names) == 1 else fitting
            if len(fitting) != 1:
                raise ConfigError(
                    f"which of the outputs {', '.join(names)} has the scores of {len(self.vocabulary)} classes? name it in "
                    'the card: "schema": {"outputs": [{"name": ..., "output_purpose": "predictions"}]}'
                )
            self._outputs["predictions"] = fitting[0]

    def _read_shape(self, card: ForeignCard) -> None:
        """Axes of the input, from the file, and from the card where the file leaves them open."""
        declared = list(self._input.shape)
        given = card.schema.inputs[0].shape if card.schema.inputs else []
        if len(given) == len(declared):
            declared = [size if isinstance(size, int) else other for size, other in zip(declared, given, strict=True)]
        batch, *axes = declared
        self._fixed_batch = batch if isinstance(self._input.shape[0], int) else None
        self._channel = len(axes) > (1 if self.mel is None else 2) and axes[0] == 1
        axes = axes[1:] if self._channel else axes
        if len(axes) != (1 if self.mel is None else 2) or not all(isinstance(size, int) and size > 0 for size in axes):
            kind = "[batch, samples]" if self.mel is None else "[batch, frames, bands] or [batch, bands, frames]"
            raise ConfigError(
                f"the input {self._input.name} has the shape {declared}, where a "
                f"{'waveform' if self.mel is None else 'spectrogram'} {kind} is expected; give its numbers in the card: "
                f'"schema": {{"inputs": [{{"name": "{self._input.name}", "shape": [...]}}]}}; for a model that takes a '
                "spectrogram, give its parameters in tagging.mel"
            )
        if self._fixed_batch is not None and not 1 <= self._fixed_batch <= MAX_FIXED_BATCH:
            raise ConfigError(f"the model takes batches of {self._fixed_batch}")
        self._frames = self._frames_of(axes, self.mel, card.tagging.layout) if self.mel else 0
        self.segment_samples = axes[0] if self.mel is None else self._samples_of(self._frames, self.mel)
        if not 1 <= self.segment_samples <= MAX_SEGMENT:
            raise ConfigError(f"segments of {self.segment_samples:,} samples; at most {MAX_SEGMENT:,} are possible")

    def _frames_of(self, axes: list[int], mel: MelSpec, layout: str | None) -> int:
        if layout is None:
            if axes[0] == axes[1]:
                raise ConfigError(f'bands or frames first? give "tagging": {{"layout": "bands-first"}} for {axes}')
            layout = "bands-first" if axes[0] == mel.n_mels else "frames-first"
        self._bands_first = layout == "bands-first"
        bands, frames = axes if self._bands_first else axes[::-1]
        if bands != mel.n_mels:
            raise ConfigError(f"the input is {axes}, so none of its axes has the {mel.n_mels} bands of the spectrogram")
        return frames

    def _samples_of(self, frames: int, mel: MelSpec) -> int:
        return max(1, (frames - 1) * mel.hop_length + mel.n_fft - 2 * mel.padding)

    def _patch_samples(self) -> int:
        """From segment to segment: of a spectrogram no frame is left out, and none is used twice."""
        return self.segment_samples if self.mel is None else self._frames * self.mel.hop_length

    def _found_activation(self, card: ForeignCard, model: bytes) -> str:
        name = self._outputs["predictions"]
        ports = [port for port in card.schema.outputs if port.name == name or port.output_purpose == "predictions"]
        operation = (ports[0] if ports else Port()).op
        if operation not in ACTIVATIONS:
            operation = producer(model, name)
        if operation not in ACTIVATIONS:
            raise ConfigError(
                f'does the output {name} hold scores in [0, 1]? give "tagging": {{"activation": ...}}: \'none\' if it does, '
                "else 'sigmoid' or 'softmax', which are then applied"
            )
        return ACTIVATIONS[operation]

    @property
    def default_batch_size(self) -> int:
        return self._fixed_batch or 1

    def logits(self, segments: np.ndarray) -> np.ndarray:
        """The same for a model whose scores are made by ``tagging.activation``.

        Raises:
            ConfigError: the model makes scores only.
        """
        if self._activation == "none":
            raise ConfigError("this model makes scores, no logits: use scores()")
        return self._run("predictions", segments, len(self.vocabulary))

    def scores(self, segments: np.ndarray) -> np.ndarray:
        outputs = self._run("predictions", segments, len(self.vocabulary))
        if self._activation == "sigmoid":
            return sigmoid(outputs)
        if self._activation == "softmax":
            powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)
        if ((outputs < -1e-4) | (outputs > 1 + 1e-4)).any():  # not NaN, of which tag() tells
            raise TaggingError(
                "the model makes numbers outside [0, 1], so no scores: give the card "
                '"tagging": {"activation": "sigmoid"} or "softmax"'
            )
        return outputs.clip(0, 1)

    def embeddings(self, segments: np.ndarray) -> np.ndarray:
        if "embeddings" not in self._outputs:
            raise ConfigError(
                "the card names no embeddings of the model; name them: "
                '"schema": {"outputs": [{"name": ..., "output_purpose": "embeddings"}]}'
            )
        return self._run("embeddings", segments)

    def scores_and_embeddings(self, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.scores(segments), self.embeddings(segments)

    def log_mel(self, segments: np.ndarray) -> np.ndarray:
        if self.mel is None:
            raise ConfigError("this model takes waveforms")
        return log_mel_array(segments, self.mel, self._symmetric_window)

    def _run(self, output: str, segments: np.ndarray, columns: int | None = None) -> np.ndarray:
        batch = np.ascontiguousarray(segments, np.float32)
        if batch.ndim != 2 or batch.shape[1] != self.segment_samples:
            raise ConfigError(f"segments of shape {batch.shape}: expected [batch, {self.segment_samples}]")
        name, size = self._outputs[output], self._fixed_batch or len(batch)
        results = []
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            filled = np.pad(part, ((0, size - len(part)), (0, 0)))  # for a model that takes so many and no fewer
            array = run(self._session, name, {self._input.name: self._prepared(filled)}, size, columns)
            results.append(array[: len(part)])
        return np.concatenate(results)

    def _prepared(self, batch: np.ndarray) -> np.ndarray:
        x = batch if self.mel is None else self.log_mel(batch)
        if self.mel is not None and not self._bands_first:
            x = x.transpose(0, 2, 1)
        return np.ascontiguousarray(x[:, None] if self._channel else x, self._type)

    @classmethod
    def from_files(cls, model: bytes, name: str, card: Path, *, threads: int = 1) -> ForeignTagger:
        """From the contents of a file, which messages call ``name``, and its card.

        The model is checked as an exported one is, but may contain branches; there is no digest to show damage.

        Raises:
            CheckpointError: what is wrong with which of the two.
        """
        try:
            checked, about = read_card(card)
        except (ValueError, TypeError, RecursionError, TaggingError) as error:
            raise CheckpointError(f"{card}: not a card of a tagger ({error})") from error
        try:
            check_operations(model, MAX_BRANCHES)
            return cls(model, checked, about, threads)
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, TaggingError) as error:
            raise CheckpointError(f"{name}: it cannot be used with its card {card.name}: {error}") from error


def load_onnx_file(path: str | os.PathLike[str], *, threads: int = 1) -> OnnxTagger:
    """Read an ONNX file: one that ``tagging export`` wrote, or another one with its card, ``it.json``, beside ``it.onnx``.

    Raises:
        CheckpointError: see :meth:`OnnxTagger.load`.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    model, card = read_bytes(path), path.with_suffix(".json")
    if card.is_file() and not _describes_itself(model):
        return ForeignTagger.from_files(model, str(path), card, threads=threads)
    return OnnxTagger.from_bytes(model, str(path), threads=threads)


def _describes_itself(model: bytes) -> bool:
    try:
        return DESCRIPTION in metadata(model)
    except ValueError:  # damage, of which the one who reads it tells
        return False
