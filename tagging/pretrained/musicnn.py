"""The four musicnn checkpoints (Pons and Serra 2019), built from this package's parts.

The weights are in the ``musicnn`` 0.1.0 wheel, which pip fetches once; TensorFlow is not needed. Book: ``book/tag_a_song``.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio.mel_spec import PRESETS
from ..errors import CheckpointError
from ..models.onnx.onnx_tagger import OnnxTagger
from ..tags import Vocabulary
from ..utils.files import cache_dir, clear_remains, locked
from ..utils.legacy import current_state
from .graphs import Graph
from .tf_checkpoint import parse_checkpoint
from .tf_names import converted
from .wheel import WHEEL, fetched_wheel

if TYPE_CHECKING:
    from ..models.tagger import Tagger

# The original cuts patches of 187 frames from the spectrogram of a whole song. A segment of 186 hops and one window contains
# exactly the samples of those frames, so it gives the same numbers without padding.
MEL = replace(PRESETS["musicnn"], pad_mode="none")
PATCH_FRAMES = 187
SEGMENT_SECONDS = ((PATCH_FRAMES - 1) * MEL.hop_length + MEL.n_fft) / MEL.sample_rate
HOP_SECONDS = PATCH_FRAMES * MEL.hop_length / MEL.sample_rate

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "musicnn": {
        "frontend": "spectrogram-musically-motivated",
        "frontend_options": {
            "timbral": [(0.4, 7, 204), (0.7, 7, 204)],
            "temporal": [(128, 51), (64, 51), (32, 51)],
            "temporal_input": "bands",
        },
        "backend": "temporal-pooling",
        "backend_options": {
            "filters": 64,
            "dense_units": 200,
            "pool_size": 1,
            "pad_first": True,
            "single_channel_norm": False,
            "concatenate": True,
            "norm_pooled": True,
        },
    },
    "vgg": {
        "frontend": "spectrogram-vgg",
        "frontend_options": {
            # (bands, frames): the original's first pooling is 4 frames by 1 band with a stride of 2 by 2, so every
            # other band is dropped, not pooled
            "pools": [((1, 4), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4))],
        },
        "backend": "dense",
        "backend_options": {"dense_units": []},
    },
}


def build(architecture: str, tags: list[str]) -> Tagger:
    """Build an untrained musicnn or vgg with the layers of the checkpoints.

    Batch normalisation has the original's momentum of 0.01.

    Args:
        architecture: ``"musicnn"`` or ``"vgg"``.
        tags: names, in the order of the outputs.
    """
    from ..models.build import build_tagger

    options = ARCHITECTURES[architecture]
    frontend_options = {**options["frontend_options"], "mel": asdict(MEL), "input_norm": True}
    return build_tagger(
        **{**options, "frontend_options": frontend_options},
        tags=tags,
        segment_seconds=SEGMENT_SECONDS,
        hop_seconds=HOP_SECONDS,
        norm_momentum=0.01,
    )


def fingerprint(weights: Tagger | Mapping[str, np.ndarray]) -> str:
    """SHA-256 over shapes and values of all weights of a tagger, or of arrays, independent of their names."""
    if not isinstance(weights, Mapping):
        weights = {name: tensor.cpu().numpy() for name, tensor in weights.state_dict().items()}
    digests = [hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).digest() for array in weights.values()]
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def load(name: str, cards: dict[str, dict[str, Any]]) -> Tagger:
    """Load a pretrained tagger from the cache; see :func:`pretrained_weights`."""
    import torch

    card = cards[name]
    tagger = build(card["architecture"], card["tags"])
    tagger.load_state_dict({key: torch.from_numpy(array) for key, array in pretrained_weights(name, cards).items()})
    tagger.card = _public_card(card)
    return tagger.eval()


def load_onnx(name: str, cards: dict[str, dict[str, Any]], threads: int = 1) -> OnnxTagger:
    """The same, run by onnxruntime."""
    card = cards[name]
    tags = Vocabulary(card["tags"]).to_list()
    return Graph(card["architecture"]).tagger(pretrained_weights(name, cards), tags, _public_card(card), threads)


def pretrained_weights(name: str, cards: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    """Weights of a pretrained tagger from the cache; at first use those of all four are fetched and converted.

    A file in the cache with unexpected weights is never used but written again. Where the cache has the tagger, nothing is
    written. When several processes call this at once, one fetches and the others wait. PyTorch is not needed.

    Args:
        name: key of ``cards``.
        cards: name -> card of each model, with its tags and the fingerprint of its weights.

    Raises:
        DownloadError: no network and no wheel copied by hand, or a file that differs from the published one.
        TaggingError: the cache cannot be written.
    """
    folder = cache_dir("pretrained")
    clear_remains(folder / WHEEL)
    if (weights := _cached(folder, cards[name])) is None:
        with locked(folder / WHEEL):
            if (weights := _cached(folder, cards[name])) is None:
                _convert(fetched_wheel(folder), folder, cards)
                weights = _cached(folder, cards[name])
    if weights is None:
        raise CheckpointError(
            f"the weights of {name!r} do not match their fingerprint; please report this with your version of numpy"
        )
    return weights


def _path(folder: Path, card: dict[str, Any]) -> Path:
    return folder / f"{card['name']}-{card['cached_as']}.safetensors"


def _public_card(card: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in card.items() if key not in ("tags", "fingerprint", "cached_as")}


def _cached(folder: Path, card: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """The weights, if the cache has exactly these; the description in the file is not used."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = _path(folder, card)
    if not path.is_file():  # missing, or a pipe, whose reading would not end
        return None
    try:
        weights = current_state(load_file(path))
    except (OSError, SafetensorError, KeyError):  # KeyError: a type that NumPy does not have
        return None
    named = {name for name in weights if not name.endswith("num_batches_tracked")}
    fits = named == set(Graph(card["architecture"]).shapes())
    return weights if fits and fingerprint(weights) == card["fingerprint"] else None


def _convert(wheel: Path, folder: Path, cards: dict[str, dict[str, Any]]) -> None:
    """Write the four taggers. Members of the wheel are read by name; nothing is extracted or imported."""
    from ..models.serialization import write_tagger

    with zipfile.ZipFile(wheel) as archive:
        for card in cards.values():
            prefix = f"musicnn/{card['checkpoint']}/"
            variables = parse_checkpoint(archive.read(f"{prefix}.index"), archive.read(f"{prefix}.data-00000-of-00001"))
            graph = Graph(card["architecture"])
            arrays = converted(variables, card["architecture"], graph.shapes())
            counters = [
                name.replace("running_mean", "num_batches_tracked") for name in arrays if "running_mean" in name
            ]
            arrays |= {name: np.zeros((), np.int64) for name in counters}
            tags = Vocabulary(card["tags"]).to_list()
            description = {"config": graph.description.config, "tags": tags, "card": _public_card(card)}
            write_tagger(_path(folder, card), description, arrays)
