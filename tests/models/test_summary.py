"""The table of layers: parameters, operations and fields of view against numbers worked out by other means."""

from __future__ import annotations

import pytest
import torch

import tagging

TAGS = [f"tag {index}" for index in range(50)]


@pytest.fixture(scope="module")
def papers():
    return {
        name: tagging.build_tagger(name, "temporal-pooling", TAGS).summary() for name in ("waveform", "spectrogram")
    }


def test_paper_models(papers):
    """Counts of the original TensorFlow code, and operations counted by hand from its shapes."""
    waveform, spectrogram = papers["waveform"], papers["spectrogram"]
    assert (waveform.stored_values, waveform.parameters) == (5_380_774, 5_377_082)
    assert (spectrogram.stored_values, spectrogram.parameters) == (5_927_110, 5_924_154)
    assert (waveform.num_frames, spectrogram.num_frames) == (108, 938)
    assert waveform.frames_per_second == pytest.approx(16000 / 3**7)
    assert spectrogram.frames_per_second == 62.5
    layers = {layer.name: layer for layer in waveform.layers}
    assert layers["frontend.convs.0"].macs == 64 * 64 * 3 * 79998
    assert layers["backend.cnn1"].macs == 256 * 512 * 7 * 102
    assert waveform.macs == sum(layer.macs for layer in waveform.layers)
    timbral = next(layer for layer in spectrogram.layers if layer.name == "frontend.timbral.3")
    assert timbral.macs == 38 * 7 * 16 * 59 * 938


def test_reach_in_milliseconds(papers):
    layers = {layer.name: layer for layer in papers["spectrogram"].layers}
    assert layers["frontend.log_mel"].receptive_field_ms == 32.0
    assert layers["frontend.log_mel"].stride_ms == 16.0
    assert layers["frontend.temporal.0"].receptive_field_ms == 32 + 164 * 16
    assert layers["backend.dense"].receptive_field_ms is None


@pytest.mark.parametrize("frontend", tagging.list_frontends())
@pytest.mark.parametrize("backend", tagging.list_backends())
def test_every_parameter_and_operation_has_a_row(frontend, backend):
    tagger = tagging.build_tagger(frontend, backend, ["a", "b"], 3.0, width=0.25).train()
    summary = tagger.summary()
    assert tagger.training
    normalised = sum(p.numel() for p in getattr(tagger.frontend, "input_norm", torch.nn.Identity()).parameters())
    listed = sum(layer.parameters for layer in summary.layers)
    assert listed + normalised * ("frontend.input_norm" not in str(summary)) == summary.parameters
    assert sum(layer.macs for layer in summary.layers) == summary.macs > 0
    text = str(summary)
    assert all(layer.name in text for layer in summary.layers)
    assert f"{summary.parameters:,}" in text
    assert f"{summary.num_frames} frames" in text


def test_attention_is_counted():
    """PyTorch's fused attention layer would hide its multiplications."""
    summary = tagging.build_tagger("spectrogram", "attention", ["a"], 3.0).summary()
    encoder = next(layer for layer in summary.layers if layer.name == "backend.encoder")
    frames, units = 188, 512
    projections, expansion, products = 4 * units * units, 2 * units * 2 * units, 2 * frames * units
    assert encoder.macs == 2 * frames * (projections + expansion + products)
