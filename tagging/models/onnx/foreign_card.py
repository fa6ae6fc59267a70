"""The card of an ONNX tagger that another program wrote: a JSON file with the fields of Essentia's, and a section of ours.

Book: ``book/serve_it``.
"""

from __future__ import annotations

import json
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from ...audio.mel_spec import PRESETS, MelSpec
from ...errors import CheckpointError, ConfigError, unknown_name
from ..config import MAX_DESCRIPTION, MAX_TAGS, STRICT, SampleRate, parse_json

LOOSE = ConfigDict(strict=True, extra="ignore")
# Essentia's algorithms whose input is the spectrogram of musicnn, by the name that its cards give.
MUSICNN_INPUT = ("TensorflowPredictMusiCNN", "TensorflowPredictEffnetDiscogs")
MAX_AXES = 4


@dataclass(frozen=True, config=LOOSE)
class Port:
    """An input or output of the model.

    Attributes:
        name: in the graph.
        shape: with numbers, and names where any number is possible.
        op: operation that makes it, ``"Sigmoid"`` or ``"Softmax"`` where the outputs are scores.
        output_purpose: ``"predictions"`` or ``"embeddings"``.
    """

    name: str = ""
    shape: Annotated[list[int | str | None], Field(max_length=MAX_AXES)] = field(default_factory=list)
    op: str = ""
    output_purpose: str = ""


@dataclass(frozen=True, config=LOOSE)
class Schema:
    """Inputs and outputs."""

    inputs: Annotated[list[Port], Field(max_length=1)] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)


@dataclass(frozen=True, config=LOOSE)
class Inference:
    """How sound is given to the model."""

    sample_rate: SampleRate
    algorithm: str = ""


@dataclass(frozen=True, config=STRICT)
class CheckedMel(MelSpec):
    """The same with kinds of its values."""


@dataclass(frozen=True, config=STRICT)
class Ours:
    """What the fields of Essentia leave open.

    Attributes:
        mel: name of one of :data:`tagging.audio.mel_spec.PRESETS`, or parameters of a :class:`MelSpec`; None: the model takes
            a waveform, or Essentia's algorithm says which spectrogram.
        symmetric_window: the Hann window ends where it begins, as Essentia's does and others' do not.
        layout: order of the last two axes of a spectrogram that the model takes; needed where both are of one length.
        activation: what makes scores in [0, 1] of the outputs; None: as the card or the graph says.
        hop_seconds: from the start of one segment to the next; None: no overlap.
        thresholds: tag -> score from which on it counts as present.
    """

    mel: str | dict[str, Any] | None = None
    symmetric_window: bool = False
    layout: Literal["bands-first", "frames-first"] | None = None
    activation: Literal["none", "sigmoid", "softmax"] | None = None
    hop_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = field(default_factory=dict)


@dataclass(frozen=True, config=LOOSE)
class ForeignCard:
    """A card, with those of its fields that change what is computed."""

    classes: Annotated[list[str], Field(min_length=1, max_length=MAX_TAGS)]
    inference: Inference
    schema: Schema = field(default_factory=Schema)
    tagging: Ours = field(default_factory=Ours)

    @property
    def symmetric_window(self) -> bool:
        """Whether the window of the spectrogram is symmetric."""
        known = self.tagging.mel is None and self.inference.algorithm in MUSICNN_INPUT
        return known or self.tagging.symmetric_window

    def mel_spec(self) -> MelSpec | None:
        """The spectrogram that the model takes; None for a waveform.

        Raises:
            ConfigError: an unknown preset, parameters that do not fit, or an algorithm whose spectrogram is not known.
        """
        given, rate = self.tagging.mel, self.inference.sample_rate
        if given is None:
            if self.inference.algorithm in MUSICNN_INPUT:
                # Patches are cut from the frames of a song, so none is padded. Compared with Essentia 2.1-beta6 on music,
                # these parameters with a symmetric window differ by 7e-6 in the mean, in a range of 5.6.
                spec = MelSpec(pad_mode="none")
            elif self.inference.algorithm:
                raise ConfigError(
                    f"inference.algorithm={self.inference.algorithm!r}: its input is not known here; give the parameters of "
                    'the spectrogram as "tagging": {"mel": {"n_fft": ..., ...}}, or leave the algorithm out for a waveform'
                )
            else:
                return None
        elif isinstance(given, str):
            if given not in PRESETS:
                raise unknown_name("tagging.mel", given, PRESETS)
            spec = PRESETS[given]
        else:
            spec = parse_json(_MEL, json.dumps({"sample_rate": rate, **given}))
        if spec.sample_rate != rate:
            raise ConfigError(f"the spectrogram is of sound at {spec.sample_rate} Hz, inference.sample_rate is {rate}")
        return spec


_CARD, _MEL = TypeAdapter(ForeignCard), TypeAdapter(CheckedMel)


def read_card(path: Path) -> tuple[ForeignCard, dict[str, Any]]:
    """Read a card: what is computed with, and all other fields, for a reader.

    Raises:
        CheckpointError: the file cannot be read.
        ConfigError: what is wrong with it.
    """
    try:
        if path.stat().st_size > MAX_DESCRIPTION:
            raise CheckpointError(f"larger than {MAX_DESCRIPTION:,} bytes, which no card is")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CheckpointError(f"it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise CheckpointError("no text in UTF-8") from error
    card = parse_json(_CARD, text)
    about = {key: value for key, value in json.loads(text).items() if key not in ("classes", "tagging", "thresholds")}
    return card, {**about, "thresholds": card.tagging.thresholds} if card.tagging.thresholds else about
