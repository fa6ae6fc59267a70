"""Write a tagger as an ONNX file, which other engines and languages run. Book: ``book/putting_together``."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...errors import ConfigError, TaggingError
from ...utils.extras import missing_package
from ...utils.files import atomic_write
from .checks import parse_onnx_description
from .container import check_model, with_metadata
from .description import FORMAT
from .graph import ExportNetwork
from .onnx_tagger import EMBEDDING, INPUT, LOG_MEL, LOGITS

if TYPE_CHECKING:
    from ..tagger import Tagger

OPSET = 18  # of 2022: engines of the last years read it


def export_onnx(tagger: Tagger, path: str | os.PathLike[str], *, half: bool = False, log_mel: bool = False) -> Path:
    """Write an ONNX file; see :meth:`tagging.Tagger.export`."""
    path = Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib raises for a user it does not know)
    if path.suffix != ".onnx":
        raise ConfigError(f"{path}: the name must end in .onnx")
    model = onnx_bytes(tagger, half=half, log_mel=log_mel)
    with atomic_write(path) as part:
        part.write_bytes(model)
    return path


def onnx_bytes(tagger: Tagger, *, half: bool = False, log_mel: bool = False) -> bytes:
    """The contents of the file that :func:`export_onnx` writes."""
    description = {
        "format": FORMAT,
        "sample_rate": tagger.sample_rate,
        "segment_samples": tagger.segment_samples,
        "hop_samples": tagger.hop_samples,
        "song_padding": tagger.song_padding,
        "tags": tagger.vocabulary.to_list(),
        "card": tagger.card,
        "config": asdict(tagger.config),
    }
    try:
        text = json.dumps(description)
        parse_onnx_description(text)  # what is written can be read
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"the tagger's card cannot be exported ({error}); give plain numbers, strings, lists and mappings"
        ) from error
    program = _exported(ExportNetwork(tagger, log_mel), tagger.segment_samples)
    if half:
        _halve(program)
    program.doc_string = ""
    model = with_metadata(program.SerializeToString(deterministic=True), text)
    try:
        check_model(model)
    except ValueError as error:
        raise TaggingError(f"this tagger cannot be exported: {error}") from error
    return model


def _exported(network: ExportNetwork, samples: int) -> Any:
    """An ``onnx.ModelProto`` that takes any number of segments."""
    outputs = [LOGITS, EMBEDDING, LOG_MEL][: 3 if network.log_mel else 2]
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (torch.zeros(2, samples),),
                dynamo=True,
                opset_version=OPSET,
                optimize=False,  # weights keep their names: a graph without them takes those of any tagger of its kind
                input_names=[INPUT],
                output_names=outputs,
                dynamic_shapes={"waveform": {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from None
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        cause = error.__cause__ or error
        raise TaggingError(f"PyTorch cannot export this tagger to ONNX: {cause}") from error
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # names of functions and lines of this program, of no use elsewhere
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    _name_types(model)
    return model


def _name_types(model: Any) -> None:
    """Make each CastLike a Cast: onnxruntime computes one of constants when it loads the file, the other in each call."""
    from onnx import helper, shape_inference

    values = shape_inference.infer_shapes(model).graph.value_info
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "CastLike":
            node.attribute.append(helper.make_attribute("to", types[node.input.pop()]))
            node.op_type = "Cast"


def _halve(model: Any) -> None:
    """Store filters and matrices in half precision; the runtime converts them when it loads the file."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        # sums over a spectrum are of many magnitudes
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or ".log_mel." in tensor.name:
            continue
        array = numpy_helper.to_array(tensor)
        if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
            raise TaggingError(
                f"{tensor.name} has weights above 65504, the maximum of half precision: export without half"
            )
        name, stored = tensor.name, f"{tensor.name}.float16"
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], name=f"to_float32.{name}", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of packages that are not installed and of its own code."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
