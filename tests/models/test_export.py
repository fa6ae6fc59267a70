"""Exported and traced graphs take any batch, and any length that the back-end takes, and compute what the tagger computes."""

from __future__ import annotations

import warnings

import pytest
import torch

from tagging import Tagger, build_tagger, list_backends, list_frontends, list_heads
from tagging.tags import Tag, Vocabulary

VOCABULARY = Vocabulary(
    ["slow", Tag("energy", kind="regression"), Tag("major", "classification", "m"), Tag("x", "classification", "m")]
)
PAIRS = [(frontend, backend) for frontend in list_frontends() for backend in list_backends()]


def build(frontend: str, backend: str, **options) -> Tagger:
    seconds = 2.1 if frontend == "spectrogram-vgg" else 0.6
    return build_tagger(frontend, backend, VOCABULARY, seconds, width=0.08, **options).eval()


def sizes(tagger: Tagger, batches: tuple[int, ...] = (1, 2, 5)) -> list[tuple[int, int]]:
    """Batches and lengths to try; blocks of 512 frames would show at the longest."""
    samples = tagger.segment_samples
    lengths = [samples] if tagger.backend.fixed_frames else [samples, samples + 1, 2 * samples + 77, 12 * samples]
    return [(batch, length) for length in lengths for batch in batches]


@torch.inference_mode()
def check(graph, tagger: Tagger, sizes: list[tuple[int, int]]) -> None:
    for size in sizes:
        waveform = 0.1 * torch.randn(size)
        torch.testing.assert_close(graph(waveform), tagger(waveform), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("frontend", "backend"), PAIRS)
def test_a_trace_takes_any_batch_and_length(frontend, backend):
    tagger = build(frontend, backend)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # of checks of the shape, which stay Python's
        warnings.simplefilter("ignore", DeprecationWarning)
        graph = torch.jit.trace(tagger, torch.zeros(2, tagger.segment_samples), check_trace=False)
    check(graph, tagger, sizes(tagger))


def exported(tagger: Tagger, *dynamic: int) -> torch.nn.Module:
    """The module of an exported program; axes that are dynamic may have any size."""
    waveform = torch.zeros(2, tagger.segment_samples)
    shapes = {"waveform": dict.fromkeys(dynamic, torch.export.Dim.DYNAMIC)}
    program = torch.export.export(tagger, (waveform,), dynamic_shapes=shapes, strict=False)
    if 1 not in dynamic:
        return program.module()
    # PyTorch guesses that frames are, or are not, a multiple of a pooling; the graph itself does not depend on it
    return program.module(check_guards=False)


@pytest.mark.parametrize("frontend", list_frontends())
def test_an_exported_tagger_takes_any_batch(frontend):
    tagger = build(frontend, "dense")
    check(exported(tagger, 0), tagger, sizes(tagger))


@pytest.mark.parametrize("head", list_heads())
def test_every_head_is_exported(head):
    tagger = build("waveform-frame-level", "dense", head=head)
    check(exported(tagger, 0), tagger, sizes(tagger))


@pytest.mark.slow
@pytest.mark.parametrize(("frontend", "backend"), PAIRS)
def test_every_pair_is_exported(frontend, backend):
    tagger = build(frontend, backend)
    axes = (0,) if tagger.backend.fixed_frames else (0, 1)
    check(exported(tagger, *axes), tagger, sizes(tagger))


def test_named_dimensions_have_a_range():
    """As PyTorch's documentation writes it, and the ONNX exporter uses it."""
    tagger = build("spectrogram", "dense")
    shapes = {"waveform": {0: torch.export.Dim("batch", min=1, max=64)}}
    program = torch.export.export(tagger, (torch.zeros(2, tagger.segment_samples),), dynamic_shapes=shapes)
    check(program.module(), tagger, sizes(tagger, (1, 3, 64)))
