"""The four musicnn checkpoints (Pons and Serra 2019), built from this package's parts.

The weights are in the ``musicnn`` 0.1.0 wheel, which pip fetches once; TensorFlow is not needed. Book: ``book/tag_a_song``.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..audio.mel import PRESETS
from ..errors import CheckpointError, DownloadError
from ..models.build import build_tagger
from ..models.tagger import Tagger
from ..utils.files import atomic_write, cache_dir, locked, sha256
from ..utils.legacy import current_state
from .tf_checkpoint import parse_checkpoint
from .tf_names import load_tf_weights

REQUIREMENT = "musicnn==0.1.0"
WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"

# The original makes the spectrogram of a whole song and cuts patches of 187 frames from it. A segment that holds what
# those frames see, 186 hops and one window, gives the same numbers without padding of its own.
MEL = replace(PRESETS["musicnn"], pad="none")
PATCH = 187
SEGMENT_SECONDS = ((PATCH - 1) * MEL.hop + MEL.n_fft) / MEL.sample_rate
HOP_SECONDS = PATCH * MEL.hop / MEL.sample_rate

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
            "units": 200,
            "pool": 1,
            "pad_first": True,
            "single_channel_norm": False,
            "concatenate": True,
            "norm_pooled": True,
        },
    },
    "vgg": {
        "frontend": "spectrogram-vgg",
        "frontend_options": {
            # (bands, frames): the original's first pooling is 4 frames by 1 band in steps of 2 by 2, so every
            # other band is dropped rather than pooled
            "pools": [((1, 4), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4))],
        },
        "backend": "dense",
        "backend_options": {"units": []},
    },
}


def build(architecture: str, tags: list[str]) -> Tagger:
    """An untrained musicnn or vgg, as the checkpoints expect it."""
    options = ARCHITECTURES[architecture]
    frontend_options = {**options["frontend_options"], "mel": asdict(MEL), "input_norm": True}
    return build_tagger(
        **{**options, "frontend_options": frontend_options},
        tags=tags,
        segment_seconds=SEGMENT_SECONDS,
        hop_seconds=HOP_SECONDS,
    )


def fingerprint(tagger: Tagger) -> str:
    """SHA-256 over shapes and numbers of all weights: the same for the same weights, whatever they are called."""
    tensors = [tensor.cpu().numpy() for tensor in tagger.state_dict().values()]
    digests = [hashlib.sha256(f"{array.shape}".encode() + array.tobytes()).digest() for array in tensors]
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def load(name: str, cards: dict[str, dict[str, Any]]) -> Tagger:
    """A pretrained tagger from the cache; at first use the weights of all four are fetched and converted.

    A file in the cache whose weights are not the expected ones is made again, never used. Several processes may
    call this at once: one fetches, the others wait.

    Args:
        name: key of ``cards``.
        cards: what is known of each model, with its tags and the fingerprint of its weights.

    Raises:
        DownloadError: no network and no wheel brought by hand, or a file that is not what was published.
        TaggingError: the cache cannot be written.
    """
    folder = cache_dir("pretrained")
    if (tagger := _cached(folder, cards[name])) is None:
        with locked(folder / WHEEL):
            if (tagger := _cached(folder, cards[name])) is None:
                _convert(_wheel(folder), folder, cards)
                tagger = _cached(folder, cards[name])
    if tagger is None:
        raise CheckpointError(
            f"the weights of {name!r} do not match their fingerprint; please report this with your versions of torch and numpy"
        )
    return tagger


def _path(folder: Path, card: dict[str, Any]) -> Path:
    return folder / f"{card['name']}-{card['cached_as']}.safetensors"


def _about(card: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in card.items() if key not in ("tags", "fingerprint", "cached_as")}


def _cached(folder: Path, card: dict[str, Any]) -> Tagger | None:
    """The tagger, if the cache has exactly its weights. All else is known here, so the file's description is not used."""
    tagger = build(card["architecture"], card["tags"])
    try:
        tagger.load_state_dict(current_state(load_file(_path(folder, card))))
    except (OSError, SafetensorError, RuntimeError):
        return None
    tagger.card = _about(card)
    return tagger.eval() if fingerprint(tagger) == card["fingerprint"] else None


def _convert(wheel: Path, folder: Path, cards: dict[str, dict[str, Any]]) -> None:
    """Write the four taggers. The wheel is read by the names of its members; nothing is extracted or imported."""
    with zipfile.ZipFile(wheel) as archive:
        for card in cards.values():
            prefix = f"musicnn/{card['checkpoint']}/"
            variables = parse_checkpoint(archive.read(f"{prefix}.index"), archive.read(f"{prefix}.data-00000-of-00001"))
            tagger = load_tf_weights(build(card["architecture"], card["tags"]), variables, card["architecture"])
            tagger.card = _about(card)
            tagger.save(_path(folder, card))


def _wheel(folder: Path) -> Path:
    """The published wheel: brought by hand, or fetched with pip, so that the user's own index and proxy settings apply."""
    wheel = folder / WHEEL
    if not wheel.exists():
        print(f"tagging: fetching the musicnn weights with pip (29 MB, once, to {folder})", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--quiet",
                "--dest",
                scratch,
                REQUIREMENT,
            ]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode or not (Path(scratch) / WHEEL).exists():
                raise DownloadError(_how_to_bring(folder, result.stderr))
            with atomic_write(wheel) as part:
                part.write_bytes((Path(scratch) / WHEEL).read_bytes())
    if (found := sha256(wheel)) != WHEEL_SHA256:
        wheel.unlink()
        raise DownloadError(
            f"{WHEEL} is not the file that was published: its SHA-256 is {found}, not {WHEEL_SHA256}. It was removed; "
            "try again, and if it happens again see which package index your pip uses"
        )
    return wheel


def _how_to_bring(folder: Path, complaint: str) -> str:
    last = (complaint.strip().splitlines() or ["pip said nothing"])[-1]
    return (
        f"the musicnn weights could not be fetched with pip ({last}). "
        f"Without network: run `pip download --no-deps {REQUIREMENT}` on a machine that has it, "
        f"copy {WHEEL} to {folder}, and try again"
    )
