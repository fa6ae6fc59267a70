"""What the file of an exported tagger says beside its graph. Book: ``book/putting_together``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FORMAT = "tagging-onnx/1"


@dataclass(frozen=True)
class OnnxDescription:
    """What a runtime must know of a model.

    Attributes:
        format: of the file.
        sample_rate: Hz.
        segment_samples, hop_samples: see :class:`~tagging.models.config.TaggerConfig`.
        tags: of the vocabulary; see :meth:`tagging.tags.Vocabulary.to_list`.
        card: what a user should know.
        song_padding: zeros at each end of a song, samples.
        config: what the tagger was built from.
    """

    format: str
    sample_rate: int
    segment_samples: int
    hop_samples: int
    tags: list[dict[str, Any]]
    card: dict[str, Any]
    song_padding: int = 0
    config: dict[str, Any] = field(default_factory=dict)
