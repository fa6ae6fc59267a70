"""The Toeplitz form of the timbral filters: the same outputs, gradients and running statistics as the plain form."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tagging
from tagging.models.acceleration import accelerate_cpu_training
from tagging.models.acceleration.toeplitz import ToeplitzConv2d, toeplitz_conv


@given(
    bands=st.integers(1, 12),
    extra=st.integers(0, 9),
    length=st.integers(1, 5),
    frames=st.integers(1, 7),
    filters=st.integers(1, 4),
)
def test_equals_the_convolution(bands, extra, length, frames, filters):
    torch.manual_seed(bands + 31 * extra + 97 * length)
    conv = torch.nn.Conv2d(1, filters, (bands, length)).double()
    x = torch.randn(2, 1, bands + extra, length + frames - 1, dtype=torch.float64)
    assert torch.allclose(toeplitz_conv(conv, x), conv(x), atol=1e-12)


def test_training_is_the_same():
    torch.manual_seed(0)
    plain = tagging.build_tagger("spectrogram", "temporal-pooling", ["a", "b"], 3.0, width=0.25, dropout=0.0)
    banded = accelerate_cpu_training(copy.deepcopy(plain))
    # in float64, where rounding hides nothing: sums over 59 positions and all frames cancel in the gradient of a bias
    log_mel, labels = 4 * torch.rand(4, 96, 188, dtype=torch.float64), torch.rand(4, 2).round()
    losses = []
    for tagger in (plain, banded):
        loss = tagging.tag_loss(tagger.double().from_log_mel(log_mel), labels, tagger.vocabulary)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    for (name, one), other in zip(plain.frontend.named_parameters(), banded.frontend.parameters(), strict=True):
        assert (one.grad - other.grad).abs().max() <= 1e-5 * one.grad.abs().max().clamp(min=1e-4), name
    for (name, one), other in zip(plain.frontend.named_buffers(), banded.frontend.buffers(), strict=True):
        assert torch.allclose(one, other, rtol=1e-9), name


def test_filters_over_several_bands_are_replaced():
    tagger = accelerate_cpu_training(tagging.build_tagger("spectrogram", "temporal-pooling", ["a"], 3.0, width=0.25))
    assert all(isinstance(block.conv, ToeplitzConv2d) for block in tagger.frontend.timbral)
    assert not any(isinstance(block.conv, ToeplitzConv2d) for block in tagger.frontend.temporal)


@pytest.mark.parametrize("frontend", ["waveform", "spectrogram"])
def test_an_accelerated_tagger_is_saved_as_a_plain_one(frontend, tmp_path):
    """In place: an optimiser made before goes on with the same parameters; nothing of it is in the file or in the scores."""
    tagger = tagging.build_tagger(frontend, "temporal-pooling", ["a"], 1.0, width=0.1)
    parameters, before = list(tagger.parameters()), list(tagger.state_dict())
    assert accelerate_cpu_training(accelerate_cpu_training(tagger)) is tagger
    assert all(one is other for one, other in zip(parameters, tagger.parameters(), strict=True))
    assert list(tagger.state_dict()) == before
    waveform = torch.randn(2, 16_000)
    tagger(waveform).sum().backward()
    assert all(parameter.grad is not None for parameter in parameters)
    again = tagging.load_tagger(tagger.save(tmp_path / "one.safetensors"))
    assert type(again.frontend) is not type(tagger.frontend) or frontend == "spectrogram"
    assert again.config == tagger.config
    with torch.inference_mode():
        assert torch.equal(again(waveform), tagger.eval()(waveform))
        assert (tagging.fuse(tagger)(waveform) - again(waveform)).abs().max() < 1e-4


@pytest.mark.parametrize("frontend", ["waveform", "spectrogram"])
def test_an_accelerated_tagger_compiles_to_one_graph(frontend):
    plain = tagging.build_tagger(frontend, "temporal-pooling", ["a"], 1.0, width=0.1, dropout=0.0)
    tagger = accelerate_cpu_training(copy.deepcopy(plain))
    waveform = 0.1 * torch.randn(4, 16_000)
    logits = torch.compile(tagger, backend="eager", fullgraph=True)(waveform)
    logits.sum().backward()
    assert (logits - plain(waveform)).abs().max() < 1e-3
