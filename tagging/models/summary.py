"""A table of a tagger's layers: parameters, operations, receptive fields. Book: ``book/putting_together``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .base import ReceptiveField, TaggerNetwork


class Layer(NamedTuple):
    """One row of a summary.

    Attributes:
        name: of the module within the tagger.
        kind: its class.
        shape: of its output for one segment, without the batch axis.
        parameters: number of trainable parameters.
        macs: multiply-accumulate operations for one segment; Fourier transforms are not counted.
        receptive_field_ms: sound that one frame of its output depends on, in ms; None after pooling over all time.
        stride_ms: from one frame of its output to the next, in ms; None likewise.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field_ms: float | None
    stride_ms: float | None


@dataclass(frozen=True)
class Summary:
    """Layers of a tagger in the order of the forward pass, for one segment. ``print`` it for a table.

    Attributes:
        layers: the rows.
        parameters: number of trainable parameters.
        stored_values: parameters and running statistics: the numbers in a checkpoint.
        macs: multiply-accumulate operations for one segment.
        num_frames: frames of the feature map that the back-end gets.
        frames_per_second: of that feature map; the paper's two front-ends differ here (62.5 and 7.3), so comparing them
            also compares two time resolutions.
        segment_seconds: length of the segment.
    """

    layers: tuple[Layer, ...]
    parameters: int
    stored_values: int
    macs: int
    num_frames: int
    frames_per_second: float
    segment_seconds: float

    def __str__(self) -> str:
        rows = [("layer", "kind", "output", "parameters", "MMACs", "field (ms)", "stride (ms)")]
        for layer in self.layers:
            shape = " x ".join(map(str, layer.shape))
            times = ("", "")
            if layer.receptive_field_ms is not None:
                times = (f"{layer.receptive_field_ms:.1f}", f"{layer.stride_ms:.2f}")
            rows.append((layer.name, layer.kind, shape, f"{layer.parameters:,}", f"{layer.macs / 1e6:,.1f}", *times))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines.insert(1, "-" * len(lines[0]))
        return "\n".join(
            [
                *(line.rstrip() for line in lines),
                "",
                f"{self.parameters:,} parameters ({self.stored_values:,} values with running means and variances)",
                f"{self.macs / 1e9:.3f} G multiply-accumulates for a segment of {self.segment_seconds:g} s",
                f"{self.num_frames} frames for the back-end, {self.frames_per_second:.1f} a second",
            ]
        )


def _rows(part: nn.Module, prefix: str, fields: dict[str, ReceptiveField]) -> dict[str, ReceptiveField | None]:
    """Modules with a row: those of known receptive field, and other children that have parameters."""
    modules = dict(part.named_modules())
    known = {name: field for name, field in fields.items() if name in modules}
    rows: dict[str, ReceptiveField | None] = {f"{prefix}.{name}": field for name, field in known.items()}
    for name, child in part.named_children():
        covered = any(other == name or other.startswith(f"{name}.") for other in known)
        if not covered and any(True for _ in child.parameters()):
            rows[f"{prefix}.{name}"] = None
    return rows


def summarise(network: TaggerNetwork, segment_samples: int, sample_rate: int) -> Summary:
    """Run one silent segment through a tagger and describe its layers.

    Args:
        network: the tagger.
        segment_samples: length of the segment.
        sample_rate: Hz.
    """
    frontend_fields = network.frontend.receptive_fields()
    frames_field = list(frontend_fields.values())[-1]
    fields = {
        **_rows(network.frontend, "frontend", frontend_fields),
        **_rows(network.backend, "backend", network.backend.receptive_fields(frames_field)),
        "head": None,
    }
    shapes: dict[str, tuple[int, ...]] = {}  # filled in the order of the forward pass

    def record_shape(name: str):
        def hook(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            first = output[0] if isinstance(output, tuple) else output
            shapes[name] = tuple(first.shape[1:])

        return hook

    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # PyTorch's fused attention layers hide their multiplications from the counter; the plain ones do not
        torch.backends.mha.set_fastpath_enabled(False)
        with network.inference() as view, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            for name in fields:
                view.get_submodule(name).register_forward_hook(record_shape(name))
            view(torch.zeros(1, segment_samples, device=network.device))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    counts = counter.get_flop_counts()
    root = type(network).__name__

    def macs(name: str) -> int:
        return sum(counts.get(name, {}).values()) // 2  # the counter counts a multiplication and an addition as two

    def row(name: str, shape: tuple[int, ...]) -> Layer:
        module, field = network.get_submodule(name), fields[name]
        ms = 1000 / sample_rate
        times = (None, None) if field is None else (field.size * ms, field.stride * ms)
        parameters = sum(p.numel() for p in module.parameters())
        return Layer(name, type(module).__name__, shape, parameters, macs(f"{root}.{name}"), *times)

    state = network.state_dict()
    return Summary(
        layers=tuple(row(name, shape) for name, shape in shapes.items()),
        parameters=sum(p.numel() for p in network.parameters()),
        stored_values=sum(t.numel() for name, t in state.items() if not name.endswith("num_batches_tracked")),
        macs=macs("Global"),
        num_frames=network.frontend.num_frames(segment_samples),
        frames_per_second=sample_rate / frames_field.stride,
        segment_seconds=segment_samples / sample_rate,
    )
