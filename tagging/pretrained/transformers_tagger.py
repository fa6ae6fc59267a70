"""Audio models of the package ``transformers`` as taggers and embedders: ``hf:`` and a folder, or a name on the hub.

Weights are read from safetensors files only, and no code of a model is run. Book: ``book/baseline``.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..audio.waveform import check_sample_rate
from ..errors import CheckpointError, ConfigError, TaggingError
from ..models.inference import SongTagger
from ..tags import Tag, Vocabulary
from ..utils.extras import MissingPackageError, missing_package
from ..utils.files import sha256
from ..utils.text import some

PREFIX = "hf:"
# Of models that take sound of any length: as long as those with a limit mostly take.
_USUAL_SECONDS = 10.0
# Of a spectrogram whose length is limited in frames, as that of AST.
_FRAME_SECONDS = 0.01
_CLASSIFIER = "ForSequenceClassification", "ForAudioClassification"
# Weights that nothing here uses: files often lack them.
_LAYER = re.compile(r"\blayers?\.\d+\.")
_UNUSED = re.compile(r"(^|\.)(masked_spec_embed|pooler)")


class TransformersTagger(SongTagger):
    """A model of ``transformers`` that tags and embeds songs as all taggers do; :func:`tagging.load_tagger` makes it.

    Songs are cut into segments of the length that the model was made for, and scores averaged. Sample rate and spectrogram are
    those of the feature extractor that was saved with the model. Scores are those that the model's own settings ask for:
    ``multi_label_classification``, or a single label, gives sigmoids, all else a softmax. The embedding of a segment is the mean
    over time of the last hidden state. A model without a classifier embeds only.

    Args:
        model: in evaluation mode.
        extractor: its feature extractor.
        name: as given to :func:`tagging.load_tagger`.

    Attributes:
        model, extractor: of ``transformers``.
        card: what a user should know.

    >>> tagging.load_tagger("hf:MIT/ast-finetuned-audioset-10-10-0.4593").tag("song.mp3").top(5)  # doctest: +SKIP
    """

    def __init__(self, model: Any, extractor: Any, name: str) -> None:
        self.model, self.extractor, self.name = model, extractor, name
        config = model.config
        self.is_classifier = type(model).__name__.endswith(_CLASSIFIER)
        labels = [str(config.id2label[row]) for row in range(config.num_labels)] if self.is_classifier else []
        self._is_multi_label = config.problem_type == "multi_label_classification" or len(labels) == 1
        group = None if self._is_multi_label or not labels else "label"
        if self.is_classifier:
            self.vocabulary = Vocabulary(Tag(label, exclusive_group=group) for label in labels)
        from ..models.config import MAX_SEGMENT  # with pydantic, which takes long to import

        if not hasattr(extractor, "sampling_rate"):
            raise ConfigError("its feature extractor is not for sound; give an audio model")
        self.sample_rate = int(extractor.sampling_rate)
        check_sample_rate(self.sample_rate)
        self.segment_samples = self.hop_samples = round(_segment_seconds(extractor) * self.sample_rate)
        if not 1 <= self.segment_samples <= MAX_SEGMENT:
            raise ConfigError(f"segments of {self.segment_samples:,} samples; from 1 to {MAX_SEGMENT:,} are possible")
        self.card = {"name": name, "description": f"{type(model).__name__} of the package transformers",
                     "licence": "stated by those who published the model"}  # fmt: skip

    @property
    def num_features(self) -> int:
        """Length of an embedding."""
        return self.embeddings(np.zeros((1, self.segment_samples), np.float32)).shape[1]

    def to(self, device: Any) -> TransformersTagger:
        """The tagger with its model on a device."""
        self.model.to(device)
        return self

    def scores(self, segments: np.ndarray) -> np.ndarray:
        if not self.is_classifier:
            raise TaggingError(
                f"{self.name}: a {type(self.model).__name__}, an encoder without tags: use its embeddings, or `tagging probe`"
            )
        logits = self._run(segments).logits.float()
        return (logits.sigmoid() if self._is_multi_label else logits.softmax(-1)).cpu().numpy()

    def embeddings(self, segments: np.ndarray) -> np.ndarray:
        outputs = self._run(segments)
        last = outputs.hidden_states[-1] if self.is_classifier else outputs[0]
        # [batch, time, features], or a map [batch, features, ...] of a convolutional network
        return (last.mean(1) if last.ndim == 3 else last.flatten(2).mean(2)).float().cpu().numpy()

    def _run(self, segments: np.ndarray) -> Any:
        import torch

        inputs = self.extractor(list(segments), sampling_rate=self.sample_rate, return_tensors="pt")
        sound = next(inputs[name] for name in ("input_values", "input_features") if name in inputs)
        with torch.inference_mode():
            return self.model(sound.to(self.model.device), output_hidden_states=self.is_classifier, return_dict=True)


def load_transformers(name: str | os.PathLike[str]) -> Any:
    """Load ``hf:FOLDER`` or ``hf:OWNER/MODEL``, in evaluation mode.

    Raises:
        CheckpointError: no such model, one without safetensors or without a feature extractor for sound, one that needs code of
            its own, or whose weights are not all in its file.
        MissingPackageError: the extra ``transformers`` is not installed.
    """
    name = os.fspath(name)
    source = _source(name)
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise missing_package(error) or MissingPackageError(
            f"{name}: needs the package transformers: pip install transformers", name=error.name
        ) from None
    try:
        options = {"trust_remote_code": False}
        config = transformers.AutoConfig.from_pretrained(source, **options)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(source, **options)
        is_classifier = any(kind.endswith(_CLASSIFIER) for kind in config.architectures or ())
        kind = transformers.AutoModelForAudioClassification if is_classifier else transformers.AutoModel
        with torch.device("cpu"):
            model, report = kind.from_pretrained(source, use_safetensors=True, output_loading_info=True, **options)
        if getattr(config, "is_encoder_decoder", False) and not is_classifier:
            model = model.get_encoder()
        tagger = TransformersTagger(model.float().eval(), extractor, name)
    except Exception as error:  # whatever is wrong in a stranger's files
        raise CheckpointError(
            f"{name}: cannot be loaded as an audio model with safetensors weights and a feature extractor ("
            f"{str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__})"
        ) from error
    if dropped := [key for key in report["unexpected_keys"] if _LAYER.search(key)]:
        raise CheckpointError(
            f"{name}: its settings have fewer layers than its file: {some(dropped)} would be left out"
        )
    if lacking := [key for key in report["missing_keys"] if not _UNUSED.search(key)]:
        raise CheckpointError(f"{name}: its file lacks weights, which would be random: {some(lacking)}")
    return tagger


def _source(name: str) -> str:
    """The folder, or the name on the hub."""
    source = os.path.expanduser(name.removeprefix(PREFIX))  # noqa: PTH111
    if (Path(source).is_absolute() or source.startswith(".")) and not Path(source).is_dir():
        raise CheckpointError(f"{name}: no such folder")
    return source


def transformers_digest(name: str) -> str:
    """SHA-256 over the weights and settings of ``hf:FOLDER`` or ``hf:OWNER/MODEL``, without loading it.

    Raises:
        CheckpointError: no such model.
        MissingPackageError: the extra ``transformers`` is not installed.
    """
    source = _source(name)
    try:
        from transformers.utils import cached_file

        folder = Path(str(cached_file(source, "config.json"))).parent
    except ModuleNotFoundError as error:
        raise missing_package(error) or MissingPackageError(
            f"{name}: needs the package transformers: pip install transformers", name=error.name
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name}: no such model ({str(error).strip().splitlines()[0]})") from error
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))
    return hashlib.sha256(" ".join(f"{path.name} {sha256(path)}" for path in files).encode()).hexdigest()


def _segment_seconds(extractor: Any) -> float:
    """What a feature extractor makes its inputs as long as; ten seconds where it takes any length."""
    if samples := getattr(extractor, "n_samples", None) or getattr(extractor, "nb_max_samples", None):
        return samples / extractor.sampling_rate
    frames = getattr(extractor, "max_length", None)
    return frames * _FRAME_SECONDS if frames and hasattr(extractor, "num_mel_bins") else _USUAL_SECONDS
