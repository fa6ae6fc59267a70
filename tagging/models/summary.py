"""What a tagger is made of: its layers, what they cost and how far they see. Book: ``book/putting_together``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .base import Field

if TYPE_CHECKING:
    from .tagger import Tagger


class Layer(NamedTuple):
    """One row of a summary.

    Attributes:
        name: of the module within the tagger.
        kind: its class.
        shape: of its output for one segment, without the batch axis.
        parameters: trainable numbers.
        macs: multiply-accumulate operations for one segment; Fourier transforms are not counted.
        field_ms: how much sound one frame of its output has heard, in ms; None once time has been pooled away.
        hop_ms: from one frame of its output to the next, in ms; None likewise.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    field_ms: float | None
    hop_ms: float | None


@dataclass(frozen=True)
class Summary:
    """Layers of a tagger in the order of the forward pass, for one segment. ``print`` it for a table.

    Attributes:
        layers: the rows.
        parameters: trainable numbers in all.
        numbers: those and the running means and variances of batch normalisation: what a checkpoint holds.
        macs: multiply-accumulate operations in all.
        frames: frames handed to the back-end.
        frames_per_second: how many a second; the paper's two front-ends differ here (62.5 and 7.3), so comparing
            them also compares two time resolutions.
        segment_seconds: length of the segment.
    """

    layers: tuple[Layer, ...]
    parameters: int
    numbers: int
    macs: int
    frames: int
    frames_per_second: float
    segment_seconds: float

    def __str__(self) -> str:
        rows = [("layer", "kind", "output", "parameters", "MMACs", "sees (ms)", "every (ms)")]
        for layer in self.layers:
            shape = " x ".join(map(str, layer.shape))
            reach = ("", "") if layer.field_ms is None else (f"{layer.field_ms:.1f}", f"{layer.hop_ms:.2f}")
            rows.append((layer.name, layer.kind, shape, f"{layer.parameters:,}", f"{layer.macs / 1e6:,.1f}", *reach))
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
                f"{self.parameters:,} parameters ({self.numbers:,} numbers with running means and variances)",
                f"{self.macs / 1e9:.3f} G multiply-accumulates for a segment of {self.segment_seconds:g} s",
                f"{self.frames} frames for the back-end, {self.frames_per_second:.1f} a second",
            ]
        )


def _rows(part: nn.Module, prefix: str, fields: dict[str, Field]) -> dict[str, Field | None]:
    """Modules worth a row: those whose field is known, and other children that hold weights."""
    modules = dict(part.named_modules())
    known = {name: field for name, field in fields.items() if name in modules}
    rows: dict[str, Field | None] = {f"{prefix}.{name}": field for name, field in known.items()}
    for name, child in part.named_children():
        covered = any(other == name or other.startswith(f"{name}.") for other in known)
        if not covered and any(True for _ in child.parameters()):
            rows[f"{prefix}.{name}"] = None
    return rows


def summarise(tagger: Tagger) -> Summary:
    """Run one silent segment through a tagger and write down what happens.

    Source: Pons et al. 2018, section 3 (the models). Book: ``book/putting_together``.
    """
    front = tagger.frontend.fields()
    last = list(front.values())[-1]
    wanted = {
        **_rows(tagger.frontend, "frontend", front),
        **_rows(tagger.backend, "backend", tagger.backend.fields(last)),
        "head": None,
    }
    shapes: dict[str, tuple[int, ...]] = {}  # filled in the order of the forward pass

    def watch(name: str):
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            first = output[0] if isinstance(output, tuple) else output
            shapes[name] = tuple(first.shape[1:])

        return hook

    hooks = [tagger.get_submodule(name).register_forward_hook(watch(name)) for name in wanted]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # PyTorch's fused attention layers hide their multiplications from the counter; the plain ones do not
        torch.backends.mha.set_fastpath_enabled(False)
        with tagger.evaluating(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            tagger(torch.zeros(1, tagger.config.segment_samples, device=tagger.device))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for hook in hooks:
            hook.remove()
    counts = counter.get_flop_counts()
    root = type(tagger).__name__

    def macs(name: str) -> int:
        return sum(counts.get(name, {}).values()) // 2  # the counter counts a multiplication and an addition as two

    def row(name: str, shape: tuple[int, ...]) -> Layer:
        module, field = tagger.get_submodule(name), wanted[name]
        to_ms = 1000 / tagger.sample_rate
        reach = (None, None) if field is None else (field.samples * to_ms, field.hop * to_ms)
        size = sum(p.numel() for p in module.parameters())
        return Layer(name, type(module).__name__, shape, size, macs(f"{root}.{name}"), *reach)

    numbers = sum(t.numel() for name, t in tagger.state_dict().items() if not name.endswith("num_batches_tracked"))
    return Summary(
        layers=tuple(row(name, shape) for name, shape in shapes.items()),
        parameters=sum(p.numel() for p in tagger.parameters()),
        numbers=numbers,
        macs=macs("Global"),
        frames=tagger.frontend.frames(tagger.config.segment_samples),
        frames_per_second=tagger.sample_rate / last.hop,
        segment_seconds=tagger.segment_seconds,
    )
