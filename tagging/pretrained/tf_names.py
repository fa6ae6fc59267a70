"""Names of the original TensorFlow code's variables in our modules, and the conversion of its weights.

One rule fits every layer: a TensorFlow kernel has its axes in the reverse order of PyTorch's ([time, bands, in, out] against
[out, in, bands, time]), so it is transposed and reshaped; the shapes may differ by axes of size one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CheckpointError, unknown_name

if TYPE_CHECKING:
    from ..models.tagger import Tagger


def _numbered(layer: str, modules: Sequence[str]) -> dict[str, str]:
    """TensorFlow's automatic names, in order of creation: ``conv2d``, ``conv2d_1``, ..."""
    return {layer + (f"_{index}" if index else ""): module for index, module in enumerate(modules)}


def _blocks(prefix: str, count: int) -> list[str]:
    return [f"{prefix}.{index}" for index in range(count)]


def _convs(blocks: list[str]) -> list[str]:
    return [f"{block}.conv" for block in blocks]


def _norms(blocks: list[str]) -> list[str]:
    return [f"{block}.norm" for block in blocks]


def _paper_backend(norms_before: list[str]) -> dict[str, str]:
    return {
        **dict(zip(("1cnnOut", "2cnnOut", "3cnnOut"), _convs(CNNS), strict=True)),
        **_numbered("batch_normalization", _norms([*norms_before, *CNNS, "backend.dense"])),
        **_numbered("dense", ["backend.dense.linear", OUTPUT]),
    }


CNNS = ["backend.cnn1", "backend.cnn2", "backend.cnn3"]
OUTPUT = "head.kinds.classification"
_WAVEFORM = ["frontend.strided", *_blocks("frontend.convs", 6)]
_TIMBRAL, _TEMPORAL = _blocks("frontend.timbral", 6), _blocks("frontend.temporal", 4)
_MUSICNN = [*_blocks("frontend.timbral", 2), *_blocks("frontend.temporal", 3)]
_VGG = _blocks("frontend.blocks", 5)

# name of the layout -> TensorFlow layer -> our module
LAYOUTS: dict[str, dict[str, str]] = {
    # wave_frontend and backend of the paper's models.py
    "paper-waveform": {**_numbered("conv1d", _convs(_WAVEFORM)), **_paper_backend(_WAVEFORM)},
    # spec_frontend and backend of the paper's models.py
    "paper-spectrogram": {
        **_numbered("conv2d", _convs(_TIMBRAL)),
        **_numbered("conv1d", _convs(_TEMPORAL)),
        **_paper_backend([*_TIMBRAL, *_TEMPORAL]),
    },
    "musicnn": {
        **_numbered("conv2d", _convs([*_MUSICNN, *CNNS])),
        **_numbered(
            "batch_normalization",
            ["frontend.input_norm", *_norms([*_MUSICNN, *CNNS]), "backend.norm_pooled", "backend.dense.norm"],
        ),
        **_numbered("dense", ["backend.dense.linear", OUTPUT]),
    },
    "vgg": {
        **dict(zip(("1CNN", "2CNN", "3CNN", "4CNN", "5CNN"), _convs(_VGG), strict=True)),
        **_numbered("batch_normalization", ["frontend.input_norm", *_norms(_VGG)]),
        "dense": OUTPUT,
    },
}

# TensorFlow's name of a variable within its layer -> ours
VARIABLES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def tf_weight_names(layout: str) -> dict[str, str]:
    """Return TensorFlow layer -> our module, e.g. ``"1cnnOut" -> "backend.cnn1.conv"``.

    Args:
        layout: ``"paper-waveform"``, ``"paper-spectrogram"``, ``"musicnn"`` or ``"vgg"``.

    Raises:
        ConfigError: no such layout.

    Book: ``book/putting_together``.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    return dict(LAYOUTS[layout])


def _long_axes(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def load_tf_weights(tagger: Tagger, variables: Mapping[str, np.ndarray], layout: str) -> Tagger:
    """Load the weights of a model trained with the original TensorFlow code, in place.

    Args:
        tagger: of the same architecture, e.g. ``build_tagger("waveform", "temporal-pooling", tags)`` for
            ``"paper-waveform"``.
        variables: TensorFlow's names -> arrays, e.g. from :func:`tagging.pretrained.tf_checkpoint.read_checkpoint`.
        layout: see :func:`tf_weight_names`.

    Returns:
        The same tagger, in evaluation mode.

    Raises:
        CheckpointError: a variable is missing, unknown, or of another shape; the message names it.

    Book: ``book/putting_together``.
    """
    import torch

    state = tagger.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    arrays = converted(variables, layout, shapes)
    tagger.load_state_dict({**state, **{name: torch.from_numpy(array) for name, array in arrays.items()}})
    return tagger.eval()


def converted(
    variables: Mapping[str, np.ndarray], layout: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """TensorFlow's weights under our names and in our shapes, without PyTorch.

    Args:
        variables, layout: see :func:`load_tf_weights`.
        shapes: our name -> shape, of all weights that the model has.

    Raises:
        CheckpointError: see :func:`load_tf_weights`.
    """
    modules = tf_weight_names(layout)
    missing, arrays = set(shapes), {}
    for name, array in variables.items():
        layer, _, variable = name.rpartition("/")
        if layer not in modules or variable not in VARIABLES:
            raise CheckpointError(f"the layout {layout!r} has no variable {name!r}")
        target = f"{modules[layer]}.{VARIABLES[variable]}"
        if target not in missing or _long_axes(shapes[target]) != _long_axes(array.T.shape):
            raise CheckpointError(
                f"the variable {name!r} of shape {array.shape} does not fit {target!r} of this tagger"
            )
        # numpy's .T reverses all axes
        arrays[target] = np.ascontiguousarray(array.T).reshape(shapes[target])
        missing.discard(target)
    if missing:
        raise CheckpointError(f"the checkpoint lacks the variables of {', '.join(sorted(missing)[:5])}")
    return arrays
