"""Pretrained taggers by name. Book: ``book/tag_a_song``."""

from __future__ import annotations

import importlib.util
import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import CheckpointError, ConfigError, unknown_name
from ..models.onnx.onnx_tagger import OnnxTagger
from ..utils.extras import missing_package
from . import musicnn
from .bundled import bundled_card, bundled_path, list_bundled, load_bundled_onnx

if TYPE_CHECKING:
    import torch

    from ..models.tagger import Tagger


@cache
def _musicnn_cards() -> dict[str, dict[str, Any]]:
    catalogue = json.loads(Path(__file__).with_name("cards.json").read_text(encoding="utf-8"))
    return {
        name: {"name": name, **card, "tags": catalogue["tags"][card["tags"]]}
        for name, card in catalogue["models"].items()
    }


def list_pretrained() -> list[str]:
    """Names that :func:`load_tagger` takes: musicnn's taggers, then those trained with this package.

    >>> list_pretrained()[:4]
    ['mtt-musicnn', 'mtt-vgg', 'msd-musicnn', 'msd-vgg']
    """
    return [*list_musicnn(), *list_bundled()]


def list_musicnn() -> list[str]:
    """Names of the taggers of musicnn (Pons and Serra 2019), trained on recordings. Book: ``book/tag_a_song``."""
    return list(_musicnn_cards())


def pretrained_card(name: str) -> dict[str, Any]:
    """Return the card of a pretrained tagger: description, dataset, split, scores, licence, tags.

    Those of musicnn also have a citation and a source.

    Raises:
        ConfigError: no such name; the message suggests the nearest.
    """
    if name in list_bundled():
        return bundled_card(name)
    if name not in _musicnn_cards():
        raise unknown_name("pretrained tagger", name, list_pretrained())
    return dict(_musicnn_cards()[name])


@overload
def load_tagger(
    name: str | os.PathLike[str], *, device: str | torch.device | None = None, runtime: Literal["torch"] | None = None
) -> Tagger: ...


@overload
def load_tagger(
    name: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    runtime: Literal["onnx"],
    threads: int = 1,
) -> OnnxTagger: ...


def load_tagger(
    name: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    runtime: Literal["torch", "onnx"] | None = None,
    threads: int = 1,
) -> Tagger | OnnxTagger:
    """Load a trained tagger, in evaluation mode.

    >>> result = load_tagger("msd-musicnn").tag("song.mp3")  # doctest: +SKIP
    >>> result.top(5)                                        # doctest: +SKIP

    Args:
        name: one of :func:`list_pretrained`, or the path of a file written by
            :meth:`~tagging.models.tagger.Tagger.save` or :meth:`~tagging.models.tagger.Tagger.export`. musicnn's weights are
            fetched at first use and kept in the cache.
        device: ``"cpu"``, ``"cuda"``, ...; None is the CPU.
        runtime: ``"torch"``, or ``"onnx"`` for onnxruntime, which is on the CPU and starts sooner, in less memory, with the same
            scores within 1e-5. None is PyTorch for a name, where that is installed. An exported file always needs
            onnxruntime, a saved one PyTorch.
        threads: of onnxruntime; those of PyTorch are ``torch.set_num_threads``.

    Raises:
        ConfigError: neither a known name nor a file (the message suggests the nearest name), or an unusable device or runtime.
        CheckpointError: a damaged file, one that is not a tagger, or one of unregistered parts.
        DownloadError: weights could not be fetched; the message says how to copy them by hand.
        MissingPackageError: PyTorch is needed and not installed.

    Book: ``book/tag_a_song``.
    """
    if runtime not in ("torch", "onnx", None):
        raise unknown_name("runtime", runtime, ("torch", "onnx"))
    if runtime == "onnx" or Path(name).suffix == ".onnx" or (runtime is None and name in _names() and not _has_torch()):
        if runtime == "torch":
            raise ConfigError(f"{name}: PyTorch does not run ONNX files; leave runtime='torch' out")
        if str(device or "cpu") != "cpu":
            raise ConfigError(f"device {str(device)!r}: onnxruntime runs on the CPU here; use 'cpu', or None")
        return _load_onnx(name, threads)
    tagger = _load(name)
    try:
        return tagger if device is None else tagger.to(device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a PyTorch without CUDA
        raise ConfigError(
            f"device {str(device)!r} cannot be used ({str(error).splitlines()[0]}); use 'cpu', or None"
        ) from error


def _names() -> set[object]:
    return set(list_pretrained())


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _load_onnx(name: str | os.PathLike[str], threads: int) -> OnnxTagger:
    if name in _musicnn_cards():
        return musicnn.load_onnx(str(name), _musicnn_cards(), threads)
    if name in list_bundled():
        return load_bundled_onnx(str(name), threads)
    if Path(name).suffix != ".onnx":
        raise ConfigError(
            f"{name}: onnxruntime runs exported taggers; write one with `tagging export {name} model.onnx`"
        )
    return OnnxTagger.load(name, threads=threads)


def _load(name: str | os.PathLike[str]) -> Tagger:
    if name in _musicnn_cards():
        return musicnn.load(str(name), _musicnn_cards())
    # os.path, unlike pathlib, accepts what cannot be a path at all, such as a name of 300 characters
    path = bundled_path(str(name)) if name in list_bundled() else Path(os.path.expanduser(name))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        raise CheckpointError(f"{name}: a directory; give the path of a .safetensors file")
    if not os.path.exists(path) and path.suffix != ".safetensors":  # noqa: PTH110
        raise unknown_name("pretrained tagger", str(name), list_pretrained())
    try:
        from ..models.tagger import Tagger
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from None
    return Tagger.load(path)
